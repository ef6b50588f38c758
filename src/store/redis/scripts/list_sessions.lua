#!lua flags=allow-oom
-- list_sessions: the subject's live sessions, one slice at a time.
--
-- A long list is read by several calls, so that none of them keeps other calls waiting. Writes nothing; see
-- get_session.lua for its flags.
--
-- KEYS[1]  the subject's sessions                 tg:{alice}:sessions
-- ARGV[1]  most records of a call without ids     26
-- ARGV[2]  from here on: ids of sessions to read  4830719265501837429
--
-- Returns {word, time, ...}, time being this server's in microseconds:
--   sessions  for each live one of the ids, or of the set where no ids are given: sid, gen, created_at, rotated_at,
--             expires at (milliseconds), absolute_expires_at, the last known client, client_id
--   ids       the ids in the set: no ids were given, and its records are more than ARGV[1]
local time = redis.call('TIME')
local now = string.format('%s%06d', time[1], time[2])

local ids = {}
for i = 2, #ARGV do
  ids[#ids + 1] = ARGV[i]
end
if #ids == 0 then
  ids = redis.call('SMEMBERS', KEYS[1])
  if #ids > tonumber(ARGV[1]) then
    local reply = {'ids', now}
    for i, sid in ipairs(ids) do
      reply[i + 2] = sid
    end
    return reply
  end
end

local reply = {'sessions', now}
local prefix = string.sub(KEYS[1], 1, -2) .. ':'
for _, sid in ipairs(ids) do
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
