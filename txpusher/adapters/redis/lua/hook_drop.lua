-- Empty a queue: ARGV = prefix, node, milliseconds of a claim, queue. Gives kinds and numbers of what was in it, flat.
local counts = redis.call("HGETALL", P .. "hook:count:" .. ARGV[4])
clear(ARGV[4])
return counts
