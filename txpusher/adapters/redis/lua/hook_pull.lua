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
local stream = P .. "hook:queue:" .. queue
if redis.call("XLEN", stream) == 0 then
    clear(queue)
    return {0, 1, {}}
end
if most == 0 then
    return {1, 0, {}}
end
local first = "-"
if after ~= "" then
    -- Redis 6.0 has no ranges without their begin.
    local ms, number = string.match(after, "^(%d+)-(%d+)$")
    first = ms .. "-" .. string.format("%.0f", number + 1)
end
local events = {}
for i, entry in ipairs(redis.call("XRANGE", stream, first, "+", "COUNT", most)) do
    local fields = entry[2]
    events[i] = {entry[1], fields[2], fields[4], fields[6], now - fields[6]}
end
return {1, 0, events}
