-- What all scripts about webhooks share. ARGV = prefix, node, milliseconds of a claim.
--
-- A subject is a place (see roster.lua), for a user followed by a space and the user id. A queue is a place, too, with
-- the target instead of the channel.
--   hook:told:<app>     hash: the subject without its app -> "" while receivers take it for there, or since when it is gone
--   hook:apps           set: apps that have such a hash, and perhaps some that had one
--   hook:look           sorted set: subject -> when it is to be looked at
--   hook:queue:<queue>  stream: kind, text, when it was created
--   hook:count:<queue>  hash: kind -> events in the stream
--   hook:queues         sorted set: queue that is not empty -> end of its claim; 0 when nobody has it
--   hook:owners         hash: queue -> the node that has, or had, the claim
--   hook:bytes          hash: queue -> bytes of the texts in the stream
--   hook:hands          hash: queue -> the id of the last event that the node has in hand
--   hook:settling       there while nodes write anew what Redis has forgotten
-- All times are milliseconds of Redis' own clock.

local P, node, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local LOOK, QUEUES = P .. "hook:look", P .. "hook:queues"
local OWNERS, HANDS, BYTES = P .. "hook:owners", P .. "hook:hands", P .. "hook:bytes"

-- Nothing is sent that is older than five minutes.
local KEPT = 600

local function app_and_rest(place)
    local size, rest = string.match(place, "^(%d+):(.*)$")
    return string.sub(rest, 1, size), string.sub(rest, size + 2)
end

-- Ask the roster. Channels have no spaces in their names.
local function is_there(subject)
    local app, rest = app_and_rest(subject)
    local channel, user = string.match(rest, "^([^ ]*) (.*)$")
    if user then
        return redis.call("HEXISTS", P .. "users:" .. #app .. ":" .. app .. ":" .. channel, user) == 1
    end
    return redis.call("HEXISTS", P .. "channels:" .. app, rest) == 1
end

-- Keep the claim of a queue, or take it if nobody has it. Gives whether this node has it.
local function claim(queue)
    local until_ = tonumber(redis.call("ZSCORE", QUEUES, queue) or 0)
    if until_ > now and redis.call("HGET", OWNERS, queue) ~= node then
        return false
    end
    redis.call("ZADD", QUEUES, now + lease, queue)
    redis.call("HSET", OWNERS, queue, node)
    return true
end

-- Some of a queue's events, from the first one after an id on, or from the oldest one on. (Redis 6.0 has no ranges
-- without their begin.)
local function events_after(queue, id, most)
    local ms, number = string.match(id or "", "^(%d+)-(%d+)$")
    local first = ms and ms .. "-" .. string.format("%.0f", number + 1) or "-"
    return redis.call("XRANGE", P .. "hook:queue:" .. queue, first, "+", "COUNT", most)
end

-- Take an event off a queue, if it is there.
local function take(queue, id)
    local stream = P .. "hook:queue:" .. queue
    local there = redis.call("XRANGE", stream, id, id)[1]
    if there then
        redis.call("XDEL", stream, id)
        redis.call("HINCRBY", P .. "hook:count:" .. queue, there[2][2], -1)
        redis.call("HINCRBY", BYTES, queue, -#there[2][4])
    end
end

-- Take the oldest event off a queue that nobody has in hand; gives its kind.
local function take_oldest(queue)
    local oldest = events_after(queue, redis.call("HGET", HANDS, queue), 1)[1] or events_after(queue, nil, 1)[1]
    take(queue, oldest[1])
    return oldest[2][2]
end

local function clear(queue)
    redis.call("DEL", P .. "hook:queue:" .. queue, P .. "hook:count:" .. queue)
    redis.call("ZREM", QUEUES, queue)
    for _, part in ipairs({OWNERS, HANDS, BYTES}) do
        redis.call("HDEL", part, queue)
    end
end
