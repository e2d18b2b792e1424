-- Everybody on a presence channel: ARGV = prefix, place.
return members(ARGV[2])
