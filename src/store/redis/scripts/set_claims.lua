#!lua
-- set_claims: from the next refresh on, replaces the claims of one session or of all a subject's live ones.
--
-- Atomic because a session ending at the same time must not come back as a record with claims.
-- Redis refuses it when out of memory: the new claims may be longer.
--
-- KEYS[1]  the subject's sessions            tg:{alice}:sessions
-- ARGV[1]  claims, a JSON object             {"role":"admin"}
-- ARGV[2]  sid, or empty for all             4830719265501837429
-- ARGV[3]  absolute lifetime, milliseconds   7776000000, or 0 for none
--
-- Returns {word, time, ...}, time being this server's in microseconds:
--   updated  sid of each session changed
local time = redis.call('TIME')
local now = string.format('%s%06d', time[1], time[2])

local prefix = string.sub(KEYS[1], 1, -2) .. ':'
local chosen = ARGV[2] == '' and redis.call('SMEMBERS', KEYS[1]) or {ARGV[2]}
local max_age, reply = tonumber(ARGV[3]), {'updated', now}

-- Over by the stored end, or by the creation and the absolute lifetime.
local function is_over(created_at, stored_end)
  local by_setting = max_age > 0 and created_at and created_at + max_age * 1000
  return (stored_end and tonumber(now) >= stored_end) or (by_setting and tonumber(now) >= by_setting)
end

for _, sid in ipairs(chosen) do
  local record = redis.call('HMGET', prefix .. sid, 'state', 'created_at', 'absolute_expires_at')
  if record[1] == 'live' and not is_over(tonumber(record[2]), tonumber(record[3])) then
    reply[#reply + 1] = sid
  end
end
for i = 3, #reply do
  redis.call('HSET', prefix .. reply[i], 'claims', ARGV[1])
end
return reply
