-- Take away some of what a dead node has: ARGV = prefix, node, how much at most, the survivor that asks, a name for what
-- it is given, the name of what it was given before and has told, or "".
-- Whatever is taken away is given to one survivor only, who tells it to everybody. It is noted under reaped:<node> until
-- that one says that it is told: an answer that is lost is given again, and that of a survivor that has died itself is
-- given to another. Gives 0 when there is more, 1 when this was the last of it, 2 when there is nothing to do; the name
-- of what is given; then per entry the place, last in channel, sockets, users, and whether a user is gone with it, the
-- user id and user_info.
local _, node, limit, survivor, name, told = unpack(ARGV)
local journal = P .. "reaped:" .. node
local time = now()

local function lease_over(id, leases)
    local score = redis.call("ZSCORE", P .. leases, id)
    return score and tonumber(score) <= time
end

local function give(gone)
    redis.call("HSET", journal, survivor, cmsgpack.pack({name, gone}))
    return {0, name, gone}
end

local given = redis.call("HGET", journal, survivor)
if given then
    local before, gone = unpack(cmsgpack.unpack(given))
    if before ~= told then
        return {0, before, gone}
    end
    redis.call("HDEL", journal, survivor)
end
if not lease_over(node, "nodes") and not lease_over(node, "strays") then
    return {2, "", {}}  -- somebody else finished it, or it lives after all
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
            note_change(place)
            gone[#gone + 1] = {
                place, sockets == 0 and 1 or 0, sockets, users, user and 1 or 0, user or "", info or "",
            }
        end
    end
end
if #gone > 0 then
    return give(gone)
elseif redis.call("EXISTS", P .. "node:" .. node) == 1 then
    return {0, "", gone}
end
for _, other in ipairs(redis.call("HKEYS", journal)) do
    local score = redis.call("ZSCORE", P .. "nodes", other)
    if not score or tonumber(score) <= time then
        local _, untold = unpack(cmsgpack.unpack(redis.call("HGET", journal, other)))
        redis.call("HDEL", journal, other)
        return give(untold)
    end
end
if redis.call("EXISTS", journal) == 1 then
    return {2, "", gone}  -- somebody else tells the last of it
end
redis.call("ZREM", P .. "nodes", node)
redis.call("ZREM", P .. "strays", node)
return {1, "", gone}
