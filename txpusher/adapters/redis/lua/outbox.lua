-- What all scripts about webhooks share. ARGV = prefix, node, milliseconds of a claim.
--
-- A subject is a place (see roster.lua), for a user followed by a space and the user id. A queue is a place, too, with
-- the target instead of the channel.
--   hook:told:<app>     hash: the subject without its app -> "" while receivers take it for there, or since when it is gone
--   hook:look           sorted set: subject -> when it is to be looked at
--   hook:queue:<queue>  stream: kind, text, when it was created
--   hook:count:<queue>  hash: kind -> events in the stream
--   hook:queues         sorted set: queue that is not empty -> end of its claim; 0 when nobody has it
--   hook:owners         hash: queue -> the node that has, or had, the claim
-- All times are milliseconds of Redis' own clock.

local P, node, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local LOOK, QUEUES, OWNERS = P .. "hook:look", P .. "hook:queues", P .. "hook:owners"

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

-- Take an event off a queue; gives its kind, or nothing when it was not there.
local function take(queue, id)
    local stream = P .. "hook:queue:" .. queue
    local there = redis.call("XRANGE", stream, id, "+", "COUNT", 1)[1]
    if not there or (id ~= "-" and there[1] ~= id) then
        return nil
    end
    local kind = there[2][2]
    redis.call("XDEL", stream, there[1])
    redis.call("HINCRBY", P .. "hook:count:" .. queue, kind, -1)
    return kind
end

local function clear(queue)
    redis.call("DEL", P .. "hook:queue:" .. queue, P .. "hook:count:" .. queue)
    redis.call("ZREM", QUEUES, queue)
    redis.call("HDEL", OWNERS, queue)
end
