-- Notes that partitions, or "alerts", are without people forgotten, where nobody who didn't know them wrote since that was begun.
-- ARGV: prefix, what was noted at the beginning, what is to be noted, partitions.
local key = ARGV[1] .. "forgotten"
for i = 4, #ARGV do
  if redis.call("HGET", key, ARGV[i]) == ARGV[2] then
    redis.call("HSET", key, ARGV[i], ARGV[3])
  end
end
