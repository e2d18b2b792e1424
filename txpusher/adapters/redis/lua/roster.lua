-- What all scripts about the roster share. ARGV[1] is the prefix of all keys, with its colon.
--
-- A place is "<bytes of the app id>:<app id>:<channel>", which no other app and channel have.
--   sockets:<place>   hash: socket id -> "<node>" or "<node> <user id>"
--   users:<place>     hash: user id -> "<socket id> <user_info>" of the oldest of the user's sockets
--   tabs:<user>       sorted set: the further sockets of a user on a place, in the order they came
--   infos:<user>      hash: socket id -> user_info of each of those
--   channels:<app>    hash: channel -> "<sockets>:<users>"; hidden:<app> for channels that begin with "#"
--   node:<node>       set: "<socket id> <place>" of what the node has; "quota <app>" for its connections
--   nodes             sorted set: node -> end of its lease, in milliseconds of Redis' own clock; 0 while it is reaped
--   strays            the same of nodes that have entries and no lease, as they were reaped while they stood still: who
--                     does not come back by then is reaped again
--   reaped:<node>     hash: survivor -> what it took away of this dead node and has not told yet (MessagePack)
--   came:<place>      when somebody last came to a user's channel on which nobody was, in milliseconds; it is there until
--                     any watcher is told that the user is offline
--   counted:<place>   whether the number of a large channel is as it was told, "same" or "changed"; it is there for the
--                     time in which nobody is told twice, and a minute more
--   heard             when any node gave its last sign of life, in the same milliseconds

local P = ARGV[1]

local STRAY = 60000

local function now()
    local time = redis.call("TIME")
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Note that a node has something that ends with it.
local function own(node, entry)
    redis.call("SADD", P .. "node:" .. node, entry)
    if not redis.call("ZSCORE", P .. "nodes", node) then
        redis.call("ZADD", P .. "strays", "NX", now() + STRAY, node)
    end
end

local function app_and_channel(place)
    local size, rest = string.match(place, "^(%d+):(.*)$")
    return string.sub(rest, 1, size), string.sub(rest, size + 2)
end

-- Count the channel anew, and give how many sockets and users it has.
local function count(place)
    local sockets = redis.call("HLEN", P .. "sockets:" .. place)
    local users = redis.call("HLEN", P .. "users:" .. place)
    local app, channel = app_and_channel(place)
    local index = P .. (string.sub(channel, 1, 1) == "#" and "hidden:" or "channels:") .. app
    if sockets == 0 then
        redis.call("HDEL", index, channel)
    else
        redis.call("HSET", index, channel, sockets .. ":" .. users)
    end
    return sockets, users
end

-- Where the further sockets of a user are. Somebody may have a thousand: none of them must cost more than the first.
local function further(place, user)
    local name = #place .. ":" .. place .. ":" .. user
    return P .. "tabs:" .. name, P .. "infos:" .. name
end

local function socket_and_info(oldest)
    local space = string.find(oldest, " ", 1, true)
    return string.sub(oldest, 1, space - 1), string.sub(oldest, space + 1)
end

-- Add a socket, unless it is there; one that another node is said to have is this node's from now on.
-- Gives whether it is new, and whether it is the first of its user. A user of false is none.
local function add(place, node, socket, user, info)
    local key = P .. "sockets:" .. place
    local entry = socket .. " " .. place
    local there = redis.call("HGET", key, socket)
    if there then
        local owner, rest = string.match(there, "^([^ ]+)(.*)$")
        if owner ~= node then
            redis.call("HSET", key, socket, node .. rest)
            redis.call("SREM", P .. "node:" .. owner, entry)
            own(node, entry)
        end
        return false, false
    end
    redis.call("HSET", key, socket, user and (node .. " " .. user) or node)
    own(node, entry)
    if not user then
        return true, false
    end
    if redis.call("HSETNX", P .. "users:" .. place, user, socket .. " " .. info) == 1 then
        return true, true
    end
    local tabs, infos = further(place, user)
    local newest = redis.call("ZRANGE", tabs, -1, -1, "WITHSCORES")[2] or 0
    redis.call("ZADD", tabs, newest + 1, socket)
    redis.call("HSET", infos, socket, info)
    return true, false
end

-- Take a socket away. Gives whether it was there, and the user whose last one it was, with the user_info.
local function remove(place, socket)
    local key = P .. "sockets:" .. place
    local there = redis.call("HGET", key, socket)
    if not there then
        return false
    end
    redis.call("HDEL", key, socket)
    local owner, user = string.match(there, "^([^ ]+) (.*)$")
    redis.call("SREM", P .. "node:" .. (owner or there), socket .. " " .. place)
    if not owner then
        return true
    end
    local users = P .. "users:" .. place
    local tabs, infos = further(place, user)
    local oldest, info = socket_and_info(redis.call("HGET", users, user))
    local next = socket
    if oldest == socket then
        next = redis.call("ZRANGE", tabs, 0, 0)[1]
        if not next then
            redis.call("HDEL", users, user)
            return true, user, info
        end
        redis.call("HSET", users, user, next .. " " .. redis.call("HGET", infos, next))
    end
    redis.call("ZREM", tabs, next)
    redis.call("HDEL", infos, next)
    return true
end

-- Tell the subscribers of a channel, on all nodes.
local function tell(place, message)
    redis.call("PUBLISH", P .. "bus:" .. place, message)
end

-- Note that the number of a channel is another one than was told (see due_number.lua).
local function note_change(place)
    redis.call("SET", P .. "counted:" .. place, "changed", "XX", "KEEPTTL")
end

-- Tell them how many sockets there are, if there are any and no more than some; the message ends with the number. More
-- are told later; when that some is 0, nobody is ever told.
local function tell_number(place, sockets, most, message)
    most = tonumber(most)
    if sockets > 0 and sockets <= most then
        tell(place, message .. sockets)
    elseif sockets > 0 and most > 0 then
        note_change(place)
    end
end

-- Everybody on a presence channel: user id and user_info of the oldest socket, in turns.
local function members(place)
    local all = redis.call("HGETALL", P .. "users:" .. place)
    for i = 2, #all, 2 do
        local _, info = socket_and_info(all[i])
        all[i] = info
    end
    return all
end
