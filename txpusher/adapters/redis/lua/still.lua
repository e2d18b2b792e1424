-- Tell the subscribers of one place what follows from another one being occupied or vacant, if that is so still: ARGV =
-- prefix, the other place, "1" or "0", the place to tell, message, milliseconds, "1" or "0" for quiet. Whoever has changed
-- it meanwhile tells that.
-- It is noted when it was occupied, until it is told to be vacant. Quiet, nobody is told while the note is there: they
-- have heard of nothing else since. That it has been vacant for so many milliseconds is not told if it was occupied since:
-- whoever was the last to leave it tells that, later.
local _, place, occupied, watchers, message, within, quiet = unpack(ARGV)
local note = P .. "came:" .. place
local came = redis.call("GET", note)
if redis.call("EXISTS", P .. "sockets:" .. place) ~= tonumber(occupied) then
    return 0
end
if occupied == "1" then
    redis.call("SET", note, now())
    if came and quiet == "1" then
        return 0
    end
elseif came and tonumber(came) > now() - tonumber(within) then
    return 0
else
    redis.call("DEL", note)
end
tell(watchers, message)
return 0
