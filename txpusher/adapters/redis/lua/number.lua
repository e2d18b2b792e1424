-- Tell the subscribers of a channel their number, as it is now: ARGV = prefix, place, the message that it is the end of.
-- Gives the number.
local _, place, message = unpack(ARGV)
local sockets = redis.call("HLEN", P .. "sockets:" .. place)
tell_number(place, sockets, sockets, message)
return sockets
