-- Takes what a board looks like now for a rule on its first places, and writes what is to be said of it, in one step.
-- ARGV: prefix, rule, what it was taken for before (JSON, "" at first), what it is taken for now, longest feed, events (msgpack),
-- a fingerprint of all whom the writer knows to be forgotten (empty for nobody).
-- Returns 1, or 0 when somebody else was quicker.
local key = ARGV[1] .. "alerts:top:" .. ARGV[2]
if (redis.call("GET", key) or "") ~= ARGV[3] then
  return 0
end
redis.call("SET", key, ARGV[4])
for _, event in ipairs(cmsgpack.unpack(ARGV[6])) do
  redis.call("XADD", ARGV[1] .. "alerts", "MAXLEN", "~", ARGV[5], "*", "json", event)
  redis.call("PUBLISH", ARGV[1] .. "alerts", event)
end
-- As in publish.lua: alerts count as without people forgotten only while whoever writes them knows them.
local without = redis.call("HGET", ARGV[1] .. "forgotten", "alerts")
if without and string.match(without, "^%S+") ~= ARGV[7] then
  redis.call("HDEL", ARGV[1] .. "forgotten", "alerts")
end
return 1
