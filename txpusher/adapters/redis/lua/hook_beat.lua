-- What there is to do: ARGV = prefix, node, milliseconds of a claim, how much at most, the app to look through or "" for
-- any, the cursor of that, the queues of this node.
-- Gives the queues that are lost; those that nobody had; subjects to look at; per queue of this node its kinds and numbers,
-- flat; milliseconds until the next look or -1; the app and the cursor.
local most, swept, cursor = tonumber(ARGV[4]), ARGV[5], ARGV[6]
local lost, taken, lengths = {}, {}, {}

local function kept(queue)
    lengths[#lengths + 1] = {queue, redis.call("HGETALL", P .. "hook:count:" .. queue)}
end

for i = 7, #ARGV do
    if claim(ARGV[i]) then
        kept(ARGV[i])
    else
        lost[#lost + 1] = ARGV[i]
    end
end
for i, queue in ipairs(redis.call("ZRANGEBYSCORE", QUEUES, "-inf", now, "LIMIT", 0, most)) do
    claim(queue)
    kept(queue)
    taken[i] = queue
end

-- Somebody whose end nobody has told of: its node died in between. Whoever is about to, has a second for it.
if swept == "" then
    swept, cursor = redis.call("SRANDMEMBER", P .. "hook:apps") or "", "0"
end
if swept ~= "" then
    local found = redis.call("HSCAN", P .. "hook:told:" .. swept, cursor, "COUNT", most)
    cursor = found[1]
    for i = 1, #found[2], 2 do
        local subject = #swept .. ":" .. swept .. ":" .. found[2][i]
        if not is_there(subject) then
            redis.call("ZADD", LOOK, "NX", now + 1000, subject)
        end
    end
    if redis.call("EXISTS", P .. "hook:told:" .. swept) == 0 then
        redis.call("SREM", P .. "hook:apps", swept)
    end
end

-- Should this node die now, another one looks at them after a while.
local due = redis.call("ZRANGEBYSCORE", LOOK, "-inf", now, "LIMIT", 0, most)
for _, subject in ipairs(due) do
    redis.call("ZADD", LOOK, now + lease, subject)
end
local first = redis.call("ZRANGE", LOOK, 0, 0, "WITHSCORES")
return {lost, taken, due, lengths, first[2] and math.max(0, first[2] - now) or -1, swept, cursor}
