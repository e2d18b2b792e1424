-- A node says how many connections of an app it has: ARGV = prefix, node, app, connections, all nodes' limit or "".
-- Gives 0, and changes nothing, when all nodes together would have more.
local _, node, app, connections, limit = unpack(ARGV)
local key = P .. "quota:" .. app
if limit ~= "" then
    local total = tonumber(connections) - tonumber(redis.call("HGET", key, node) or 0)
    for _, number in ipairs(redis.call("HVALS", key)) do
        total = total + number
    end
    if total > tonumber(limit) then
        return 0
    end
end
if tonumber(connections) > 0 then
    redis.call("HSET", key, node, connections)
    own(node, "quota " .. app)
else
    redis.call("HDEL", key, node)
    redis.call("SREM", P .. "node:" .. node, "quota " .. app)
end
return 1
