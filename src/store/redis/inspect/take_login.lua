#!lua
-- take_login: whether a server takes logins now.
--
-- Writes nothing, but does not say so in its flags: a server refuses it exactly where it refuses create.lua. The reasons
-- are a lack of memory, of a disk or of replicas, and that the server is no primary.
--
-- Returns {word, time}, time being this server's in microseconds:
--   taken
local time = redis.call('TIME')
return {'taken', string.format('%s%06d', time[1], time[2])}
