-- Tell that a user is gone from a channel, if that is so still: ARGV = prefix, place, user, message. Who has come back
-- meanwhile was told of by the join.
local _, place, user, message = unpack(ARGV)
if redis.call("HEXISTS", P .. "users:" .. place, user) == 0 then
    tell(place, message)
end
return 0
