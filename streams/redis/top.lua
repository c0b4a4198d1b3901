-- Takes what a board looks like now for a rule on its first places, and writes what is to be said of it, in one step.
-- ARGV: prefix, rule, what it was taken for before (JSON, "" at first), what it is taken for now, longest feed, events (msgpack).
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
return 1
