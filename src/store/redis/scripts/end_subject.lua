#!lua flags=allow-oom
-- end_subject: ends the sessions of a subject, all or all but one.
--
-- Atomic because a simultaneous refresh or login must come wholly before or wholly after. Spares sessions created
-- after sent_at: a late call must not end a new login. Works when Redis is out of memory.
--
-- KEYS[1]  the subject's sessions            tg:{alice}:sessions
-- ARGV[1]  sent_at, microseconds             1790000000000000
-- ARGV[2]  sid to spare, or empty            4830719265501837429
-- ARGV[3]  reason                            logout
-- ARGV[4]  tombstone lifetime, milliseconds  86400000
--
-- Returns {word, time, ...}, time being this server's in microseconds:
--   ended    the number of sessions ended now, sid and reason of each, then sid and reason of earlier ends
--            not yet published
local time = redis.call('TIME')
local now = string.format('%s%06d', time[1], time[2])
local now_us, sent_at = tonumber(now), tonumber(ARGV[1])

-- A session from the future was created by a former primary whose clock was ahead, not after this call.
local function is_older(created_at)
  return created_at <= sent_at or created_at > now_us
end

local prefix = string.sub(KEYS[1], 1, -2) .. ':'
local ending, dead, before = {}, {}, {}
for _, sid in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local record = redis.call('HMGET', prefix .. sid, 'state', 'created_at', 'reason', 'announced',
    'absolute_expires_at')
  if record[1] == 'ended' then
    if record[4] == '0' then
      before[#before + 1] = sid
      before[#before + 1] = record[3]
    end
  elseif not record[1] or (record[5] and tonumber(now) >= tonumber(record[5])) then
    dead[#dead + 1] = sid
  elseif sid ~= ARGV[2] and is_older(tonumber(record[2]) or 0) then
    ending[#ending + 1] = sid
  end
end

-- The record becomes the tombstone and is never gone in between: while its slot moves to another server, a
-- missing key could not be written here.
local function leave_tombstone(key)
  redis.call('HSET', key, 'state', 'ended', 'reason', ARGV[3], 'ended_at', now, 'announced', '0')
  redis.call('HDEL', key, 'jti', 'gen', 'prev', 'rotated_at', 'issued_at', 'created_at',
    'absolute_expires_at', 'claims', 'client', 'last_client', 'client_id', 'scope', 'aud')
  redis.call('PEXPIRE', key, ARGV[4])
end

local reply = {'ended', now, tostring(#ending)}
for _, sid in ipairs(ending) do
  local key = prefix .. sid
  leave_tombstone(key)
  reply[#reply + 1] = sid
  reply[#reply + 1] = ARGV[3]
end
if #ending > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[4], 'GT')
end
for _, sid in ipairs(dead) do
  redis.call('SREM', KEYS[1], sid)
end
for _, item in ipairs(before) do
  reply[#reply + 1] = item
end
return reply
