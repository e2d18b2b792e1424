-- What all scripts about the roster share. ARGV[1] is the prefix of all keys, with its colon.
--
-- A place is "<bytes of the app id>:<app id>:<channel>", which no other app and channel have.
--   sockets:<place>   hash: socket id -> "<node>" or "<node> <user id>"
--   users:<place>     hash: user id -> the user's sockets, oldest first, each with its user_info (MessagePack)
--   channels:<app>    hash: channel -> "<sockets>:<users>"; hidden:<app> for channels that begin with "#"
--   node:<node>       set: "<socket id> <place>" of what the node has; "quota <app>" for its connections
--   nodes             sorted set: node -> end of its lease, in milliseconds of Redis' own clock; 0 while it is reaped
--   strays            the same of nodes that have entries and no lease, as they were reaped while they stood still: who
--                     does not come back by then is reaped again
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
    local users = P .. "users:" .. place
    local packed = redis.call("HGET", users, user)
    local tabs = packed and cmsgpack.unpack(packed) or {}
    tabs[#tabs + 1] = socket
    tabs[#tabs + 1] = info
    redis.call("HSET", users, user, cmsgpack.pack(tabs))
    return true, not packed
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
    local tabs = cmsgpack.unpack(redis.call("HGET", users, user))
    local rest, info = {}, nil
    for i = 1, #tabs, 2 do
        if tabs[i] == socket then
            info = tabs[i + 1]
        else
            rest[#rest + 1] = tabs[i]
            rest[#rest + 1] = tabs[i + 1]
        end
    end
    if #rest > 0 then
        redis.call("HSET", users, user, cmsgpack.pack(rest))
        return true
    end
    redis.call("HDEL", users, user)
    return true, user, info
end

-- Tell the subscribers of a channel, on all nodes.
local function tell(place, message)
    redis.call("PUBLISH", P .. "bus:" .. place, message)
end

-- Everybody on a presence channel: user id and user_info of the oldest socket, in turns.
local function members(place)
    local all = redis.call("HGETALL", P .. "users:" .. place)
    for i = 2, #all, 2 do
        all[i] = cmsgpack.unpack(all[i])[2]
    end
    return all
end
