-- Tell the subscribers of a large channel their number, once for all nodes: ARGV = prefix, place, the number above which
-- it is large, milliseconds in which nobody is told twice, the message that the number is the end of.
-- When it has not changed since it was told, it is not told. When it was told in that time, it is told after that time.
-- Gives the number that was told or 0, and the milliseconds after which to look again or 0.
local _, place, above, every, message = unpack(ARGV)
local LATER = 60000  -- the note is there for so much longer: a node may look late
local note = P .. "counted:" .. place
local sockets = redis.call("HLEN", P .. "sockets:" .. place)
local was = redis.call("GET", note)
if sockets <= tonumber(above) or was == "same" then
    return {0, 0}  -- up to that, every change is told at once
end
local left = redis.call("PTTL", note) - LATER
if was and left > 0 and left <= tonumber(every) then  -- it is more only where the clock of Redis was set back
    return {0, left + 1}
end
redis.call("SET", note, "same", "PX", every + LATER)
tell(place, message .. sockets)
return {sockets, 0}
