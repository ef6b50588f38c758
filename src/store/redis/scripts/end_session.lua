#!lua flags=allow-oom
-- end_session: ends one session, leaving a tombstone. Ending an ended one changes nothing.
--
-- Atomic because a simultaneous refresh must come wholly before or wholly after. Works when Redis is out of
-- memory: a tombstone is smaller than the record it replaces.
-- The id stays in the subject's set until its end is published, so nobody forgets to.
--
-- KEYS[1]  the session's record              tg:{alice}:session:4830719265501837429
-- KEYS[2]  the subject's sessions            tg:{alice}:sessions
-- ARGV[1]  reason                            logout
-- ARGV[2]  tombstone lifetime, milliseconds  86400000
--
-- Returns {word, time, ...}, time being this server's in microseconds:
--   ended    it was live
--   already  reason, `announced` (0 or 1)
--   unknown  there is no record
local time = redis.call('TIME')
local now = string.format('%s%06d', time[1], time[2])

local record = redis.call('HMGET', KEYS[1], 'state', 'reason', 'announced', 'absolute_expires_at')
if record[1] == 'ended' then
  return {'already', now, record[2] or '', record[3] or '0'}
end
if not record[1] or (record[4] and tonumber(now) >= tonumber(record[4])) then
  return {'unknown', now}
end

-- The record becomes the tombstone and is never gone in between: while its slot moves to another server, a
-- missing key could not be written here.
local function leave_tombstone(key)
  redis.call('HSET', key, 'state', 'ended', 'reason', ARGV[1], 'ended_at', now, 'announced', '0')
  redis.call('HDEL', key, 'jti', 'gen', 'prev', 'rotated_at', 'issued_at', 'created_at',
    'absolute_expires_at', 'claims', 'client', 'last_client', 'client_id', 'scope', 'aud')
  redis.call('PEXPIRE', key, ARGV[2])
end

leave_tombstone(KEYS[1])
redis.call('SADD', KEYS[2], string.sub(KEYS[1], #KEYS[2] + 1))
redis.call('PEXPIRE', KEYS[2], ARGV[2], 'NX')
redis.call('PEXPIRE', KEYS[2], ARGV[2], 'GT')
return {'ended', now}
