-- A node writes its sockets on a channel anew: ARGV = prefix, place, node, then per socket its id, whether it has a
-- user ("1" or "0"), the user id and user_info. Gives first in channel, sockets, users, users that are new.
local place, node = ARGV[2], ARGV[3]
local before = redis.call("HLEN", P .. "sockets:" .. place)
local arrived = {}
for i = 4, #ARGV, 4 do
    local user = ARGV[i + 1] == "1" and ARGV[i + 2]
    local _, first = add(place, node, ARGV[i], user, ARGV[i + 3])
    if first then
        arrived[#arrived + 1] = user
    end
end
local sockets, users = count(place)
if sockets ~= before then
    note_change(place)
end
return {(before == 0 and sockets > 0) and 1 or 0, sockets, users, arrived}
