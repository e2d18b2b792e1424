-- A value and the milliseconds it will still be kept: KEYS[1].
return {redis.call("GET", KEYS[1]), redis.call("PTTL", KEYS[1])}
