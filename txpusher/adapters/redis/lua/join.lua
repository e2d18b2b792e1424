-- A socket joins a channel: ARGV = prefix, place, node, socket, users at most or "", then user id and user_info, if any.
-- Gives accepted, first in channel, first of its user, sockets, users, members.
local _, place, node, socket, limit, user, info = unpack(ARGV)
local users = P .. "users:" .. place

if user and limit ~= "" and redis.call("HLEN", users) >= tonumber(limit)
    and redis.call("HEXISTS", users, user) == 0
    and redis.call("HEXISTS", P .. "sockets:" .. place, socket) == 0 then
    return {0, 0, 0, redis.call("HLEN", P .. "sockets:" .. place), redis.call("HLEN", users), {}}
end
local new, first = add(place, node, socket, user, info)
local sockets, people = count(place)
return {1, (new and sockets == 1) and 1 or 0, first and 1 or 0, sockets, people, members(place)}
