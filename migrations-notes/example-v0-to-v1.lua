#!lua flags=allow-oom
-- example-v0-to-v1: takes one record from a layout that never was to layout v1. A pattern for real migrations.
--
-- In v0 a record was tg:{sub}:family:<sid>, with token_id for jti, count for gen, and times in whole seconds.
-- Atomic because a record must never be half of each. Renamed, not copied: so it keeps its TTL and every field
-- that does not change, and what was interrupted can be run again. Works when Redis is out of memory.
--
-- Where digits must be invented, a rotation is dated late: a call that comes within that second is told to repeat,
-- where an early date would accuse an honest client. All other times are dated early.
--
-- KEYS[1]  the record in v0                  tg:{alice}:family:4830719265501837429
--
-- Returns a word:
--   moved
--   gone     it expired, or was moved before
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 'gone'
end
local target = string.gsub(KEYS[1], '}:family:', '}:session:')
local record = redis.call('HMGET', KEYS[1], 'state', 'token_id', 'count', 'rotated_at')
if redis.call('EXISTS', target) == 1 then
  return redis.error_reply('CORRUPT ' .. KEYS[1] .. ': there is a ' .. target)
end
if record[1] ~= 'ended' and not (record[1] == 'live' and record[2] and record[3] and record[4]) then
  return redis.error_reply('CORRUPT ' .. KEYS[1] .. ': state, token_id, count or rotated_at')
end

local fields = {'state', record[1]}
if record[1] == 'live' then
  fields = {'state', 'live', 'jti', record[2], 'gen', record[3], 'rotated_at', record[4] .. '999999'}
end
for _, name in ipairs({'issued_at', 'created_at', 'absolute_expires_at', 'ended_at'}) do
  local seconds = redis.call('HGET', KEYS[1], name)
  if seconds then
    fields[#fields + 1] = name
    fields[#fields + 1] = seconds .. '000000'
  end
end
redis.call('RENAME', KEYS[1], target)
redis.call('HSET', target, unpack(fields))
redis.call('HDEL', target, 'token_id', 'count')
return 'moved'
