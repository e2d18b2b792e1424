-- A node gives claims up: ARGV = prefix, node, milliseconds of a claim, queues.
for i = 4, #ARGV do
    if redis.call("HGET", OWNERS, ARGV[i]) == node then
        redis.call("HDEL", OWNERS, ARGV[i])
        redis.call("ZADD", QUEUES, "XX", 0, ARGV[i])
    end
end
return 1
