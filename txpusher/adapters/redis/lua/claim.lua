-- Take a key that nobody has: KEYS[1], ARGV = value, seconds. Gives the value of whoever has it. (SET can do both at
-- once only since Redis 7.)
local there = redis.call("GET", KEYS[1])
if not there then
    redis.call("SET", KEYS[1], ARGV[1], "EX", ARGV[2])
end
return there
