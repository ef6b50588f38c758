#!lua flags=allow-oom
-- get_session: one session, live or ended.
--
-- Writes nothing, but does not say so in its flags. A deposed primary and a replica refuse a script with the
-- right to write, and only the primary's word counts here.
--
-- KEYS[1]  the session's record              tg:{alice}:session:4830719265501837429
--
-- Returns {word, time, ...}, time being this server's in microseconds:
--   live     gen, created_at, rotated_at, expires at (milliseconds), absolute_expires_at, the last known
--            client, client_id, claims, jti, the client of the login
--   ended    reason, ended_at, `announced` (0 or 1)
--   unknown  there is no record, or its absolute lifetime is over
local time = redis.call('TIME')
local now = string.format('%s%06d', time[1], time[2])

local record = redis.call('HMGET', KEYS[1], 'state', 'gen', 'created_at', 'rotated_at',
  'absolute_expires_at', 'client', 'client_id', 'claims', 'reason', 'ended_at', 'announced', 'jti',
  'last_client')
if record[1] == 'ended' then
  return {'ended', now, record[9] or '', record[10] or '', record[11] or '0'}
end
if record[1] ~= 'live' or (record[5] and tonumber(now) >= tonumber(record[5])) then
  return {'unknown', now}
end
return {'live', now, record[2], record[3], record[4],
  string.format('%.0f', redis.call('PEXPIRETIME', KEYS[1])), record[5] or '',
  record[13] or record[6] or '', record[7] or '', record[8] or '{}', record[12] or '', record[6] or ''}
