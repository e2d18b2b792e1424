-- Tell the subscribers of one place what follows from another one being occupied or vacant, if that is so still: ARGV =
-- prefix, the other place, "1" or "0", the place to tell, message. Whoever has changed it meanwhile tells that.
local _, place, occupied, watchers, message = unpack(ARGV)
if redis.call("EXISTS", P .. "sockets:" .. place) == tonumber(occupied) then
    tell(watchers, message)
end
return 0
