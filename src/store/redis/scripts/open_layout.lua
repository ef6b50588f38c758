#!lua flags=allow-oom
-- open_layout: reads the version of the key layout, and writes it where there is none.
--
-- Part of the handshake of a link. A replica and a deposed primary refuse this script, because it may write. An
-- answer therefore proves the server a primary.
--
-- KEYS[1]  the layout version                tg:schema
-- ARGV[1]  the version this node writes      1
--
-- Returns {word, time, ...}, time being this server's in microseconds:
--   layout   the version found, or written
local time = redis.call('TIME')
local now = string.format('%s%06d', time[1], time[2])
local found = redis.call('GET', KEYS[1])
if not found then
  redis.call('SET', KEYS[1], ARGV[1])
  found = ARGV[1]
end
return {'layout', now, found}
