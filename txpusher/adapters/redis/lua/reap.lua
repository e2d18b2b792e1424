-- Take away some of what a dead node has: ARGV = prefix, node, how much at most.
-- Whatever is taken away is given to one caller only, who tells it to everybody. Gives 0 when there is more, 1 when
-- this was the last of it, 2 when there is nothing to do; then per entry the place, last in channel, sockets, users,
-- and whether a user is gone with it, the user id and user_info.
local _, node, limit = unpack(ARGV)
local score = redis.call("ZSCORE", P .. "nodes", node) or redis.call("ZSCORE", P .. "strays", node)
if not score or tonumber(score) > now() then
    return {2, {}}  -- somebody else finished it, or it lives after all
end
redis.call("ZADD", P .. "nodes", 0, node)
local gone = {}
for _, entry in ipairs(redis.call("SPOP", P .. "node:" .. node, limit)) do
    local socket, place = string.match(entry, "^([^ ]+) (.*)$")
    if socket == "quota" then
        redis.call("HDEL", P .. "quota:" .. place, node)
    else
        local was, user, info = remove(place, socket)
        if was then
            local sockets, users = count(place)
            gone[#gone + 1] = {
                place, sockets == 0 and 1 or 0, sockets, users, user and 1 or 0, user or "", info or "",
            }
        end
    end
end
if redis.call("EXISTS", P .. "node:" .. node) == 0 then
    redis.call("ZREM", P .. "nodes", node)
    redis.call("ZREM", P .. "strays", node)
    return {1, gone}
end
return {0, gone}
