#!lua flags=allow-oom
-- list_sessions: the subject's live sessions.
--
-- One script, so the list is of one moment. Writes nothing; see get_session.lua for its flags.
--
-- KEYS[1]  the subject's sessions            tg:{alice}:sessions
--
-- Returns {word, time, ...}, time being this server's in microseconds:
--   sessions  for each: sid, gen, created_at, rotated_at, expires at (milliseconds), absolute_expires_at,
--             the last known client, client_id
local time = redis.call('TIME')
local now = string.format('%s%06d', time[1], time[2])

local reply = {'sessions', now}
local prefix = string.sub(KEYS[1], 1, -2) .. ':'
for _, sid in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local key = prefix .. sid
  local record = redis.call('HMGET', key, 'state', 'gen', 'created_at', 'rotated_at',
    'absolute_expires_at', 'client', 'client_id', 'last_client')
  if record[1] == 'live' and not (record[5] and tonumber(now) >= tonumber(record[5])) then
    for _, item in ipairs({sid, record[2], record[3], record[4],
      string.format('%.0f', redis.call('PEXPIRETIME', key)), record[5] or '',
      record[8] or record[6] or '', record[7] or ''}) do
      reply[#reply + 1] = item
    end
  end
end
return reply
