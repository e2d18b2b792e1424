-- A node gives a sign of life: ARGV = prefix, node, milliseconds of its lease, a name for what is in Redis.
-- Gives whether the node was known, the name that what is in Redis has got, and the nodes whose lease is over.
local _, node, lease, generation = unpack(ARGV)
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local until_ = redis.call("ZSCORE", P .. "nodes", node)
redis.call("ZADD", P .. "nodes", now + lease, node)
redis.call("SET", P .. "generation", generation, "NX")
local known = until_ and tonumber(until_) > 0
return {
    known and 1 or 0,
    redis.call("GET", P .. "generation"),
    redis.call("ZRANGEBYSCORE", P .. "nodes", "-inf", now),
}
