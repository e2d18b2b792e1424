-- Give back a key that was taken by claim.lua, if it is still as it was then: KEYS[1], ARGV = value.
if redis.call("GET", KEYS[1]) == ARGV[1] then
    redis.call("DEL", KEYS[1])
end
