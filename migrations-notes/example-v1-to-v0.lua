#!lua flags=allow-oom
-- example-v1-to-v0: the way back of example-v0-to-v1.lua, which says why it is as it is.
--
-- KEYS[1]  the record in v1                  tg:{alice}:session:4830719265501837429
--
-- Returns a word:
--   moved
--   gone     it expired, or was moved before
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 'gone'
end
local target = string.gsub(KEYS[1], '}:session:', '}:family:')
local record = redis.call('HMGET', KEYS[1], 'state', 'jti', 'gen')
if redis.call('EXISTS', target) == 1 then
  return redis.error_reply('CORRUPT ' .. KEYS[1] .. ': there is a ' .. target)
end
if record[1] ~= 'ended' and not (record[1] == 'live' and record[2] and record[3]) then
  return redis.error_reply('CORRUPT ' .. KEYS[1] .. ': state, jti or gen')
end

local fields = {'state', record[1]}
if record[1] == 'live' then
  fields = {'state', 'live', 'token_id', record[2], 'count', record[3]}
end
for _, name in ipairs({'rotated_at', 'issued_at', 'created_at', 'absolute_expires_at', 'ended_at'}) do
  local micros = redis.call('HGET', KEYS[1], name)
  if micros then
    fields[#fields + 1] = name
    fields[#fields + 1] = string.sub(micros, 1, -7)
  end
end
redis.call('RENAME', KEYS[1], target)
redis.call('HSET', target, unpack(fields))
redis.call('HDEL', target, 'jti', 'gen')
return 'moved'
