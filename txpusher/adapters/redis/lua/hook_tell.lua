-- Decide who has to be told what, and put it into the queues: ARGV = prefix, node, milliseconds of a claim, JSON.
-- Gives the queues with new events that are this node's, and queue and kind of each event for which there was no room.
local asked = cjson.decode(ARGV[4])
local claimed, overflowed = {}, {}

local function is_full(stream, bytes)
    local events = redis.call("XLEN", stream)
    return events > asked.room or (bytes > asked.bytes and events > 1)
end

local function put(notice)
    for _, queue in ipairs(notice.queues) do
        local stream, count = P .. "hook:queue:" .. queue, P .. "hook:count:" .. queue
        redis.call("XADD", stream, "*", "kind", notice.kind, "text", notice.text, "at", now - notice.age)
        redis.call("HINCRBY", count, notice.kind, 1)
        redis.call("HINCRBY", BYTES, queue, #notice.text)
        while is_full(stream, tonumber(redis.call("HGET", BYTES, queue))) do
            overflowed[#overflowed + 1] = {queue, take_oldest(queue)}
        end
        redis.call("EXPIRE", stream, KEPT)
        redis.call("EXPIRE", count, KEPT)
        if claim(queue) then
            claimed[queue] = true
        end
    end
end

local function decide(subject, come, gone, known)
    local app, field = app_and_rest(subject)
    local key = P .. "hook:told:" .. app
    local told = redis.call("HGET", key, field) or (known and "")
    if is_there(subject) then
        local settling = not told and redis.call("PTTL", P .. "hook:settling") or 0
        if settling > 0 then
            -- Perhaps somebody else knows that receivers were told, and has yet to say so.
            redis.call("ZADD", LOOK, now + settling, subject)
            return
        end
        if told ~= "" or known then
            redis.call("HSET", key, field, "")
            redis.call("SADD", P .. "hook:apps", app)
        end
        if not told then
            put(come)
        end
        redis.call("ZREM", LOOK, subject)
        return
    end
    local since = told == "" and now or tonumber(told or now)
    if told and now - since < asked.delay then
        redis.call("HSET", key, field, since)
        -- Members are told gone before their channel is told vacant, as on one node.
        local is_channel = string.find(field, " ", 1, true) == nil
        redis.call("ZADD", LOOK, since + asked.delay + (is_channel and 1 or 0), subject)
        return
    end
    redis.call("ZREM", LOOK, subject)
    if told then
        redis.call("HDEL", key, field)
        put(gone)
    end
end

for _, news in ipairs(asked.news) do
    if news.subject then
        decide(news.subject, news.come, news.gone, news.known)
    else
        put(news)
    end
end
local names = {}
for queue in pairs(claimed) do
    names[#names + 1] = queue
end
return {names, overflowed}
