-- A node gives a sign of life: ARGV = prefix, node, milliseconds of its lease, a name for what is in Redis.
-- Gives whether the node was known, the name that what is in Redis has got, and the nodes whose lease is over.
local _, node, lease, generation = unpack(ARGV)
local time = now()
local score = redis.call("ZSCORE", P .. "nodes", node)
redis.call("ZADD", P .. "nodes", time + lease, node)
redis.call("ZREM", P .. "strays", node)
redis.call("SET", P .. "generation", generation, "NX")
local known = score and tonumber(score) > 0
local dead = redis.call("ZRANGEBYSCORE", P .. "nodes", "-inf", time)
for _, stray in ipairs(redis.call("ZRANGEBYSCORE", P .. "strays", "-inf", time)) do
    dead[#dead + 1] = stray
end
return {known and 1 or 0, redis.call("GET", P .. "generation"), dead}
