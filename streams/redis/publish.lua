-- Writes the current state of some entities: hash, both boards, and where it changed the feed and the chart.
-- ARGV: prefix, mode ("live" or the token of a rebuild), partition, longest change stream, longest history, entities (msgpack),
-- the reach that brings an account onto a topic's board, the reach below which it leaves, statements kept of why a score moved,
-- a fingerprint of all whom the writer knows to be forgotten (empty for nobody).
-- An entity is {name, version, scope, member, standing or "", trending or "", {values of the hash}, change id, change, point,
-- statement, version of the change}, of which the last five may be missing: the change may be older than the version;
-- {name, -1, scope, member} is an entity that expired.
-- Returns "live" when boards were written in place, "build" when beside them, "rebuild" when nothing was written because
-- the keyspace is incomplete and no rebuild with that token is under way.
local prefix, mode, partition = ARGV[1], ARGV[2], ARGV[3]
local live = redis.call("EXISTS", prefix .. "epoch") == 1
if not live and redis.call("GET", prefix .. "rebuild:token") ~= mode then
  return "rebuild"
end
-- A partition counts as without people forgotten only while whoever writes of it knows them: a worker that has lost it may not. What
-- the one who knew most of them knew stays noted. A fingerprint begins with how many it is of; nobody is ever known again.
local function people(fingerprint)
  return tonumber(string.match(fingerprint, "^(%d+)-")) or 0
end
local known = string.match(redis.call("HGET", prefix .. "forgotten", partition) or "", "^%S*")
local knows_all = people(ARGV[10]) >= people(known)
if known ~= ARGV[10] then
  redis.call("HSET", prefix .. "forgotten", partition, (knows_all and ARGV[10] or known) .. " -")
end
local boards, names = prefix .. "board:", prefix .. "boards"
if not live then
  boards, names = prefix .. "build:board:", prefix .. "build:boards"
end

-- How a campaign's counts stood at the end of each minute in which it had events, newest first; the last day of them.
local function note_minute(key, v)
  local minute = string.format("%d", math.floor(tonumber(v[14]) / 60))
  local point = "[" .. table.concat({minute, v[10], v[11], v[12], v[13]}, ",") .. "]"
  local newest = redis.call("LINDEX", key, 0)
  if newest and string.match(newest, "^%[(%d+),") == minute then
    redis.call("LSET", key, 0, point)
  else
    redis.call("LPUSH", key, point)
    redis.call("LTRIM", key, 0, 1439)
  end
end

-- Puts an item before the others of a list that keeps so many.
local history, statements = tonumber(ARGV[5]), tonumber(ARGV[9])
local function keep(key, item, most)
  if most > 0 and redis.call("LPUSH", key, item) > most then
    redis.call("LTRIM", key, 0, most - 1)
  end
end

local function place(board, key, member)
  if key == "" then
    redis.call("ZREM", boards .. board, member)
  elseif redis.call("ZADD", boards .. board, key, member) == 1 then
    redis.call("SADD", names, board)
  end
end

-- An account stands on a topic's board from one reach on until it is below another, so that none comes and goes with each
-- engagement. Boards laid out anew don't know who had come: there nobody goes because of that.
local enter, leave = tonumber(ARGV[7]), tonumber(ARGV[8])
local function has_evidence(scope, member, reach)
  if string.sub(scope, 1, 6) ~= "topic:" or reach >= enter then
    return true
  end
  return reach >= leave and (not live or redis.call("ZSCORE", boards .. scope .. ":standing", member) ~= false)
end

-- Adds a change to the feed and calls it out. Its id is its offset; where somebody who lost the partition has told of what is behind
-- it, the next one after that. But where the entity has no score here, it may have been taken out together with its changes, by
-- one who knows more people to be forgotten: what it knew before the feed did is told by the partition's owner, or by nobody.
local function tell(change, id, is_new)
  local feed = prefix .. "changes:" .. partition
  if type(redis.pcall("XADD", feed, "MAXLEN", "~", ARGV[4], id, "json", change)) ~= "string" then
    if is_new and not knows_all then
      return
    end
    local about = redis.call("XINFO", "STREAM", feed)
    for i = 1, #about, 2 do
      if about[i] == "last-generated-id" then
        local offset, n = string.match(about[i + 1], "^(%d+)-(%d+)$")
        redis.call("XADD", feed, "MAXLEN", "~", ARGV[4], string.format("%s-%d", offset, tonumber(n) + 1), "json", change)
      end
    end
  end
  redis.call("PUBLISH", prefix .. "changes", change)
end

-- Writes the values of a hash, and more fields of it.
local function write(hash, v, ...)
  redis.call("HSET", hash, "score", v[1], "reach", v[2], "network", v[3], "amplification", v[4], "reach_pts", v[5],
    "network_pts", v[6], "amplification_pts", v[7], "momentum", v[8], "plus_minus", v[9], "posts", v[10], "likes", v[11],
    "shares", v[12], "replies", v[13], "at", v[14], "ver", v[15], ...)
end

for _, e in ipairs(cmsgpack.unpack(ARGV[6])) do
  local hash, version = prefix .. "score:" .. e[1], e[2]
  if version < 0 then
    redis.call("DEL", hash, prefix .. "history:" .. e[1], prefix .. "minutes:" .. e[1], prefix .. "why:" .. e[1])
    redis.call("ZREM", boards .. e[3] .. ":standing", e[4])
    redis.call("ZREM", boards .. e[3] .. ":trending", e[4])
  else
    -- Up to which version changes were told. A fill tells none, and may write a row whose change is yet to be decided, or waits: so
    -- that isn't the version held. Only where it is behind is it noted, beside the version that it is behind: where another one
    -- is held, a release that notes nothing wrote since, and told up to that.
    local found = redis.call("HMGET", hash, "ver", "t")
    local ver, noted = found[1] or "-1", found[2] or ""
    local told, beside = string.match(noted, "^(%S+) (%S+)$")
    if beside ~= ver then
      told = ver
    end
    -- An equal version is written, too: the boards may lack it. A rebuild lays them out anew, and whoever does it may be behind the
    -- hash, as the owner of a partition is behind one that lost it and went on.
    local v, held, is_news = e[7], tonumber(ver), e[9] and tonumber(e[12]) > tonumber(told)
    local is_written = version >= held
    ver, told = is_written and v[15] or ver, is_news and e[12] or told
    local note = told ~= ver and told .. " " .. ver or ""
    if is_written then
      if note == "" then
        write(hash, v)
      else
        write(hash, v, "t", note)
      end
      local is_listed = has_evidence(e[3], e[4], tonumber(v[2]))
      place(e[3] .. ":standing", is_listed and e[5] or "", e[4])
      place(e[3] .. ":trending", is_listed and e[6] or "", e[4])
      if e[3] == "campaigns" and version > held then
        note_minute(prefix .. "minutes:" .. e[1], v)
      end
    elseif note ~= noted and note ~= "" then
      redis.call("HSET", hash, "t", note)
    end
    if note == "" and noted ~= "" then
      redis.call("HDEL", hash, "t")
    end
    if is_news then
      tell(e[9], e[8], not found[1])
      keep(prefix .. "history:" .. e[1], e[10], history)
      keep(prefix .. "why:" .. e[1], e[11], statements)
    end
  end
end
return live and "live" or "build"
