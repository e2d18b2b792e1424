-- Tell somebody which places are occupied: ARGV = prefix, places. Gives 1 or 0 for each.
-- That the others are vacant is told by it, so the note goes that says otherwise (see still.lua).
local found = {}
for i = 2, #ARGV do
    found[i - 1] = redis.call("EXISTS", P .. "sockets:" .. ARGV[i])
    if found[i - 1] == 0 then
        redis.call("DEL", P .. "came:" .. ARGV[i])
    end
end
return found
