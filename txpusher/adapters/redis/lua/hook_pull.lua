-- Take events off a queue and give the next ones: ARGV = prefix, node, milliseconds of a claim, queue, the id to begin
-- after or "", how many at most, ids that are done with.
-- Gives whether the queue is this node's, whether it is empty, and per event its id, kind, text, when it was created, and
-- its age.
local queue, after, most = ARGV[4], ARGV[5], tonumber(ARGV[6])
for i = 7, #ARGV do
    take(queue, ARGV[i])
end
if not claim(queue) then
    return {0, 0, {}}
end
if redis.call("XLEN", P .. "hook:queue:" .. queue) == 0 then
    clear(queue)
    return {0, 1, {}}
end
if most == 0 then
    return {1, 0, {}}
end
local events = {}
for i, entry in ipairs(events_after(queue, after, most)) do
    local fields = entry[2]
    events[i] = {entry[1], fields[2], fields[4], fields[6], now - fields[6]}
end
if #events > 0 then
    redis.call("HSET", HANDS, queue, events[#events][1])
end
return {1, 0, events}
