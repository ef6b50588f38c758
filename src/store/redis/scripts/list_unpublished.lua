#!lua flags=allow-oom
-- list_unpublished: the subject's ended sessions that are not marked as published.
--
-- Writes nothing; see get_session.lua for its flags.
--
-- KEYS[1]  the subject's sessions            tg:{alice}:sessions
--
-- Returns {word, time, ...}, time being this server's in microseconds:
--   unpublished  sid and reason of each
local time = redis.call('TIME')
local now = string.format('%s%06d', time[1], time[2])

local reply = {'unpublished', now}
local prefix = string.sub(KEYS[1], 1, -2) .. ':'
for _, sid in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local record = redis.call('HMGET', prefix .. sid, 'state', 'reason', 'announced')
  if record[1] == 'ended' and record[3] == '0' then
    reply[#reply + 1] = sid
    reply[#reply + 1] = record[2]
  end
end
return reply
