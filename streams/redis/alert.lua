-- Writes alerts that were not written before. Each is skipped where its rule and entity have one of a later version than what it
-- tells of can have begun after, of the same episode, or one less than its cool-down ago (event time); so who reads the scores
-- again, or makes them anew after a crash, alerts nobody twice.
-- ARGV: prefix, longest feed, alerts (msgpack), a fingerprint of all whom the writer knows to be forgotten (empty for nobody).
-- An alert is {rule:entity, version, version since which, episode, at, cool-down s, how long to remember it s or 0, event}.
-- Returns how many were written.
local prefix, written = ARGV[1], 0
for _, a in ipairs(cmsgpack.unpack(ARGV[3])) do
  local key = prefix .. "alerts:held:" .. a[1]
  local version = tonumber(redis.call("HGET", key, "ver") or -1)
  local at = tonumber(redis.call("HGET", key, "at") or 0)
  if a[3] >= version and a[4] ~= redis.call("HGET", key, "episode") and a[5] - at >= a[6] then
    redis.call("HSET", key, "ver", a[2], "episode", a[4], "at", string.format("%.4f", a[5]))
    if a[7] > 0 then
      redis.call("EXPIRE", key, math.ceil(a[7]))
    else
      redis.call("PERSIST", key) -- of another rule that had the same id
    end
    redis.call("XADD", prefix .. "alerts", "MAXLEN", "~", ARGV[2], "*", "json", a[8])
    redis.call("PUBLISH", prefix .. "alerts", a[8])
    written = written + 1
  end
end
-- As in publish.lua: alerts count as without people forgotten only while whoever writes them knows them.
local without = redis.call("HGET", prefix .. "forgotten", "alerts")
if written > 0 and without and string.match(without, "^%S+") ~= ARGV[4] then
  redis.call("HDEL", prefix .. "forgotten", "alerts")
end
return written
