-- Takes tokens from one bucket: KEYS = bucket, ARGV = capacity, seconds in which it fills, cost.
-- Gives whether they were taken, and the tokens that are left. A bucket that would be full again is forgotten.
local capacity, seconds, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call("TIME")
local now = time[1] + time[2] / 1000000
local kept = redis.call("HMGET", KEYS[1], "tokens", "at")
local tokens, at = tonumber(kept[1] or capacity), tonumber(kept[2] or now)
tokens = math.min(capacity, tokens + math.max(0, now - at) * capacity / seconds)
local passed = tokens + 0.000001 >= math.min(cost, capacity)
if passed then
    tokens = tokens - cost
end
redis.call("HSET", KEYS[1], "tokens", string.format("%.6f", tokens), "at", string.format("%.6f", now))
redis.call("EXPIRE", KEYS[1], math.ceil((capacity - tokens) * seconds / capacity) + 1)
return { passed and 1 or 0, string.format("%.6f", tokens) }
