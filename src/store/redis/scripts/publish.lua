#!lua flags=allow-oom
-- publish: appends ended sessions of one subject to the revocation feed, and trims the feed by age.
--
-- Publishing twice is harmless; not publishing is not. Works when Redis is out of memory.
--
-- KEYS[1]  the feed                          tg:revocations
-- ARGV[1]  retention, milliseconds           1800000
-- ARGV[2]  subject, percent-encoded          alice
-- ARGV[3]  sid and reason of each session, alternating from here on
--
-- Returns {word, time}, time being this server's in microseconds:
--   appended
local time = redis.call('TIME')
local now = string.format('%s%06d', time[1], time[2])
local oldest = string.format('%.0f', math.max(0, math.floor(tonumber(now) / 1000) - tonumber(ARGV[1])))
for i = 3, #ARGV, 2 do
  redis.call('XADD', KEYS[1], 'MINID', '~', oldest, '*', 'sub', ARGV[2], 'sid', ARGV[i], 'reason', ARGV[i + 1])
end
return {'appended', now}
