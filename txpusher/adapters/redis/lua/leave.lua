-- A socket leaves a channel: ARGV = prefix, place, socket.
-- Gives last in channel, sockets, users, then the user whose last socket it was, with user_info, if so.
local _, place, socket = unpack(ARGV)
local was, user, info = remove(place, socket)
local sockets, users = count(place)
return {(was and sockets == 0) and 1 or 0, sockets, users, user, info}
