-- A node gives a sign of life: ARGV = prefix, node, milliseconds of its lease, milliseconds in which some node is heard
-- while Redis can be reached, a name for what is in Redis.
-- Gives whether the node was known, the name that what is in Redis has got, and the nodes whose lease is over.
local _, node, lease, silence, generation = unpack(ARGV)
local time = now()
local score = redis.call("ZSCORE", P .. "nodes", node)
local heard = tonumber(redis.call("GET", P .. "heard") or time)
redis.call("ZADD", P .. "nodes", time + lease, node)
redis.call("ZREM", P .. "strays", node)
redis.call("SET", P .. "heard", time)
redis.call("SET", P .. "generation", generation, "NX")
if time - heard > tonumber(silence) then
    -- Nobody was heard, so nobody could be: Redis was away, stood still or was full. All get the time to come back.
    for _, leases in ipairs({"nodes", "strays"}) do
        for _, other in ipairs(redis.call("ZRANGEBYSCORE", P .. leases, "(0", time + lease)) do
            redis.call("ZADD", P .. leases, time + lease, other)
        end
    end
end
local known = score and tonumber(score) > 0
local dead = redis.call("ZRANGEBYSCORE", P .. "nodes", "-inf", time)
for _, stray in ipairs(redis.call("ZRANGEBYSCORE", P .. "strays", "-inf", time)) do
    dead[#dead + 1] = stray
end
return {known and 1 or 0, redis.call("GET", P .. "generation"), dead}
