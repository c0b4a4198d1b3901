-- Reads a page of a board without the hidden accounts, with what is shown of each place.
-- ARGV: prefix, scope, board, first visible place (from 0), most places, a member or "". With a member the page is the
-- one around it: as many places above it and below it, and none when it isn't on the board or hidden.
-- Returns msgpack: {clock's mode, clock's now, members visible, first place, of those above the first place's key, of those
-- below the last place's, {{member, key, plus_minus, reach, network, amplification, at, posts, likes, shares, replies}...}}
local prefix, scope, board = ARGV[1], ARGV[2], ARGV[1] .. "board:" .. ARGV[2] .. ":" .. ARGV[3]
local offset, n, member = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local clock = redis.call("HMGET", prefix .. "clock", "mode", "now")

-- Hidden members of this board and their keys, lowest first. Tags and campaigns can't be hidden.
local hidden = {}
if scope ~= "topics" and scope ~= "campaigns" and redis.call("EXISTS", prefix .. "hidden") == 1 then
  hidden = redis.call("ZINTER", 2, board, prefix .. "hidden", "WEIGHTS", 1, 0, "WITHSCORES")
end
local visible = redis.call("ZCARD", board) - #hidden / 2

local encoded = { ["%"] = "%25", ["@"] = "%40", ["{"] = "%7B", ["}"] = "%7D" }
local function entity(name)
  name = string.gsub(name, "[%%@{}]", encoded)
  if scope == "all" then
    return "account:" .. name
  elseif scope == "topics" then
    return "topic:" .. name
  elseif scope == "campaigns" then
    return "campaign:" .. name
  end
  return "account:" .. name .. "@" .. scope
end

local function answer(first, above, below, places)
  return cmsgpack.pack({ clock[1], clock[2], visible, first, above, below, places })
end

if member ~= "" then
  local place = redis.call("ZREVRANK", board, member)
  if not place or (#hidden > 0 and redis.call("SISMEMBER", prefix .. "hidden", member) == 1) then
    return answer(0, 0, 0, {})
  end
  for i = #hidden - 1, 1, -2 do
    if redis.call("ZREVRANK", board, hidden[i]) > place then
      break
    end
    offset = offset + 1
  end
  place = place - offset
  offset = math.max(0, place - n)
  n = place - offset + 1 + n
end

-- From visible places to places on the board: each hidden member further up moves both ends down.
local first, last, skipped = offset, nil, {}
for i = #hidden - 1, 1, -2 do
  local place = redis.call("ZREVRANK", board, hidden[i])
  if not last and place > first then
    last = first + n - 1
  end
  if not last then
    first = first + 1
  elseif place <= last then
    last = last + 1
    skipped[hidden[i]] = true
  else
    break
  end
end
last = last or first + n - 1
if n < 1 or offset >= visible then
  return answer(offset, 0, 0, {})
end

local page, places = redis.call("ZREVRANGE", board, first, last, "WITHSCORES"), {}
for i = 1, #page, 2 do
  if not skipped[page[i]] then
    local shown = redis.call("HMGET", prefix .. "score:" .. entity(page[i]), "plus_minus", "reach", "network", "amplification",
      "at", "posts", "likes", "shares", "replies")
    table.insert(shown, 1, page[i + 1])
    table.insert(shown, 1, page[i])
    places[#places + 1] = shown
  end
end

-- For equal influence to share a rank: who is truly above the first place, and truly below the last.
local above = redis.call("ZCOUNT", board, "(" .. places[1][2], "+inf")
local below = redis.call("ZCOUNT", board, "-inf", "(" .. places[#places][2])
local highest, lowest = tonumber(places[1][2]), tonumber(places[#places][2])
for i = #hidden, 1, -2 do
  if tonumber(hidden[i]) <= highest then
    break
  end
  above = above - 1
end
for i = 2, #hidden, 2 do
  if tonumber(hidden[i]) >= lowest then
    break
  end
  below = below - 1
end
return answer(offset, above, below, places)
