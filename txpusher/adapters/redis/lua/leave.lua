-- A socket leaves a channel: ARGV = prefix, place, socket, the greatest number that the subscribers are told and the
-- message that tells it, then, where that is known, its user and the message that tells the subscribers that the user is
-- gone; they are published as those of a join.
-- Gives last in channel, sockets, users, whether the message was published, whether the socket was there, then the user
-- whose last socket it was, with user_info, if so.
local _, place, socket, most, number, known, message = unpack(ARGV)
local was, user, info = remove(place, socket)
local told = user and user == known
if told then
    tell(place, message)
end
local sockets, users = count(place)
if was then
    tell_number(place, sockets, most, number)
end
return {(was and sockets == 0) and 1 or 0, sockets, users, told and 1 or 0, was and 1 or 0, user, info}
