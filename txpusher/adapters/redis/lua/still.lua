-- Tell the subscribers of one place what follows from another one being occupied or vacant, if that is so still: ARGV =
-- prefix, the other place, "1" or "0", the place to tell, message or "", milliseconds. Whoever has changed it meanwhile
-- tells that. With milliseconds it is noted for so long when it was occupied; and that it has been vacant for so long is
-- not told if it was occupied since: whoever was the last to leave it tells that, later.
local _, place, occupied, watchers, message, within = unpack(ARGV)
local note, within = P .. "came:" .. place, tonumber(within)
if within > 0 and occupied == "1" then
    redis.call("SET", note, now(), "PX", within)
elseif within > 0 and tonumber(redis.call("GET", note) or 0) > now() - within then
    return 0
end
if message ~= "" and redis.call("EXISTS", P .. "sockets:" .. place) == tonumber(occupied) then
    tell(watchers, message)
end
return 0
