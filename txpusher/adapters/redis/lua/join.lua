-- A socket joins a channel: ARGV = prefix, place, node, socket, users at most or "", the greatest number of sockets that
-- the subscribers are told or 0, the message that tells it, then, if it has a user, the user id, user_info and the
-- message that tells the subscribers of the user. They are published here, as one with the change: so the order of the
-- messages is that of the changes, and whoever reads a list knows what came before it.
-- Gives accepted, first in channel, first of its user, sockets, users, members.
local _, place, node, socket, limit, most, number, user, info, message = unpack(ARGV)
local users = P .. "users:" .. place

if user and limit ~= "" and redis.call("HLEN", users) >= tonumber(limit)
    and redis.call("HEXISTS", users, user) == 0
    and redis.call("HEXISTS", P .. "sockets:" .. place, socket) == 0 then
    return {0, 0, 0, redis.call("HLEN", P .. "sockets:" .. place), redis.call("HLEN", users), {}}
end
local new, first = add(place, node, socket, user, info)
if first then
    tell(place, message)
end
local sockets, people = count(place)
if new then
    tell_number(place, sockets, most, number)
end
return {1, (new and sockets == 1) and 1 or 0, first and 1 or 0, sockets, people, members(place)}
