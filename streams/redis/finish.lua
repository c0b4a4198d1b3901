-- Ends a rebuild when every partition has written all it holds: the new boards take the place of the old in one step.
-- ARGV: prefix, token, number of partitions, epoch. Returns 1 when the keyspace is complete.
local prefix = ARGV[1]
if redis.call("EXISTS", prefix .. "epoch") == 1 then
  redis.call("DEL", prefix .. "rebuild:token") -- of who came too late: the next rebuild must not take it for its own
  return 1
end
if redis.call("GET", prefix .. "rebuild:token") ~= ARGV[2] then
  return 0
end
if redis.call("SCARD", prefix .. "rebuild:done:" .. ARGV[2]) < tonumber(ARGV[3]) then
  return 0
end
for _, board in ipairs(redis.call("SMEMBERS", prefix .. "boards")) do
  redis.call("DEL", prefix .. "board:" .. board)
end
redis.call("DEL", prefix .. "boards")
for _, board in ipairs(redis.call("SMEMBERS", prefix .. "build:boards")) do
  if redis.call("EXISTS", prefix .. "build:board:" .. board) == 1 then
    redis.call("RENAME", prefix .. "build:board:" .. board, prefix .. "board:" .. board)
    redis.call("SADD", prefix .. "boards", board)
  end
end
redis.call("DEL", prefix .. "build:boards", prefix .. "rebuild:token", prefix .. "rebuild:done:" .. ARGV[2])
redis.call("SET", prefix .. "epoch", ARGV[4])
return 1
