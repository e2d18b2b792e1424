-- A node stops: ARGV = prefix, node. What it has not taken away itself is reaped by the others, or by the next one.
local _, node = unpack(ARGV)
if redis.call("EXISTS", P .. "node:" .. node) == 1 then
    redis.call("ZADD", P .. "nodes", 0, node)
else
    redis.call("ZREM", P .. "nodes", node)
end
return 1
