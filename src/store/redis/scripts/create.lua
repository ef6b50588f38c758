#!lua
-- create: stores a new session, unless there ever was one under its id.
--
-- Atomic because a doubled or late create must not revive a session ended in between. The cap on a subject's
-- sessions must hold under parallel logins, too.
-- Reads 64 members of the set, so that a login costs the same however many sessions there are. Above 64 they are drawn
-- at random. Then the session to end is the least recently refreshed of those drawn. Two things make it read on:
-- at most 64 members are left without the dead ones drawn, or the cap may be reached and none of those drawn lives.
-- Dead ones read leave the set, so reading on is paid for once. It stops at 1,024 others.
--
-- A member that does not live any more counts as live while it is not read, so the count is never too low. Where such
-- members turn up, it is known to be too high, so one session ends at most.
--
-- Redis refuses it when out of memory: each login needs more.
--
-- KEYS[1]  the session's record              tg:{alice}:session:4830719265501837429
-- KEYS[2]  the subject's sessions            tg:{alice}:sessions
-- ARGV[1]  jti of the first refresh token    4830719265501837429.0hVbT8yqk1rJ2mWcPA5QzX
-- ARGV[2]  deadline, microseconds            1790000000500000
-- ARGV[3]  refresh lifetime, milliseconds    604800000
-- ARGV[4]  absolute lifetime, milliseconds   7776000000, or 0 for none
-- ARGV[5]  most sessions of one subject      100
-- ARGV[6]  tombstone lifetime, milliseconds  86400000
-- ARGV[7]  claims, a JSON object             {"role":"admin"}
-- ARGV[8]  client, a JSON object or empty    {"ip":"192.0.2.1"}
-- ARGV[9]  client_id                         web
-- ARGV[10] scope, or empty                   read write
-- ARGV[11] aud, or empty                     billing
--
-- Returns {word, time, ...}, time being this server's in microseconds:
--   created  created_at, absolute_expires_at or empty, the number of evicted sessions, sid and reason of
--            each, then sid and reason of earlier ends not yet published, as far as they were read
--   exists   the id has a record or a tombstone already
--   late     the deadline has passed; nothing was written
local time = redis.call('TIME')
local now = string.format('%s%06d', time[1], time[2])
local now_us = tonumber(now)

local held = redis.call('HMGET', KEYS[1], 'state', 'jti', 'gen', 'created_at', 'absolute_expires_at')
local again = held[1] == 'live' and held[2] == ARGV[1] and held[3] == '0'
if held[1] and not again then
  return {'exists', now}
end
if not held[1] and now_us > tonumber(ARGV[2]) then
  return {'late', now}
end

local prefix = string.sub(KEYS[2], 1, -2) .. ':'
local live, dead, before, passed, count = {}, {}, {}, {}, redis.call('SCARD', KEYS[2])
local reads = 0
-- By the stored end, or by the creation and the absolute lifetime.
local function is_over(created_at, stored_end)
  local by_setting = ARGV[4] ~= '0' and created_at and created_at + tonumber(ARGV[4]) * 1000
  return (stored_end and now_us >= stored_end) or (by_setting and now_us >= by_setting) or false
end
local function read(sid)
  passed[sid], reads = true, reads + 1
  local other = redis.call('HMGET', prefix .. sid, 'state', 'rotated_at', 'reason', 'announced',
    'created_at', 'absolute_expires_at')
  if other[1] == 'live' then
    live[#live + 1] = {sid, tonumber(other[2]), is_over(tonumber(other[5]), tonumber(other[6]))}
  elseif other[1] == 'ended' and other[4] == '0' then
    before[#before + 1] = sid
    before[#before + 1] = other[3]
  else
    dead[#dead + 1] = sid
  end
end
local function surplus()
  return count - (reads - #live) + 1 - tonumber(ARGV[5])
end
local function reads_on()
  return count - #dead <= 64 or (#live == 0 and surplus() > 0 and reads - #dead < 1024)
end
if count > 64 then
  for _, sid in ipairs(redis.call('SRANDMEMBER', KEYS[2], '64')) do
    read(sid)
  end
end
for _, sid in ipairs(reads_on() and redis.call('SMEMBERS', KEYS[2]) or {}) do
  if not passed[sid] and reads_on() then
    read(sid)
  end
end
if again then
  local reply = {'created', now, held[4], held[5] or '', '0'}
  for _, item in ipairs(before) do
    reply[#reply + 1] = item
  end
  return reply
end
table.sort(live, function(a, b)
  if a[3] ~= b[3] then return a[3] end
  if a[2] ~= b[2] then return a[2] < b[2] end
  return a[1] < b[1]
end)

for _, sid in ipairs(dead) do
  redis.call('SREM', KEYS[2], sid)
end
-- The record becomes the tombstone and is never gone in between: while its slot moves to another server, a
-- missing key could not be written here.
local function leave_tombstone(key)
  redis.call('HSET', key, 'state', 'ended', 'reason', 'evicted', 'ended_at', now, 'announced', '0')
  redis.call('HDEL', key, 'jti', 'gen', 'prev', 'rotated_at', 'issued_at', 'created_at',
    'absolute_expires_at', 'claims', 'client', 'last_client', 'client_id', 'scope', 'aud')
  redis.call('PEXPIRE', key, ARGV[6])
end

local most = #live
if count > reads and #live < reads then
  most = math.min(1, #live)
end
local evicted = math.min(most, math.max(0, surplus()))
local ttl, absolute = tonumber(ARGV[3]), ''
if ARGV[4] ~= '0' then
  ttl = math.min(ttl, tonumber(ARGV[4]))
  absolute = string.format('%.0f', now_us + tonumber(ARGV[4]) * 1000)
end
local reply = {'created', now, now, absolute, tostring(evicted)}
for i = 1, evicted do
  local key = prefix .. live[i][1]
  leave_tombstone(key)
  reply[#reply + 1] = live[i][1]
  reply[#reply + 1] = 'evicted'
end
for _, item in ipairs(before) do
  reply[#reply + 1] = item
end

local record = {'state', 'live', 'jti', ARGV[1], 'gen', '0', 'rotated_at', now, 'issued_at', now,
  'created_at', now}
local function field(name, value)
  if value ~= '' then
    record[#record + 1] = name
    record[#record + 1] = value
  end
end
field('absolute_expires_at', absolute)
field('claims', ARGV[7])
field('client', ARGV[8])
field('client_id', ARGV[9])
field('scope', ARGV[10])
field('aud', ARGV[11])
ttl = string.format('%.0f', ttl)
redis.call('HSET', KEYS[1], unpack(record))
redis.call('PEXPIRE', KEYS[1], ttl)
redis.call('SADD', KEYS[2], string.sub(KEYS[1], #prefix + 1))
redis.call('PEXPIRE', KEYS[2], ttl, 'NX')
redis.call('PEXPIRE', KEYS[2], ttl, 'GT')
if evicted > 0 then
  redis.call('PEXPIRE', KEYS[2], ARGV[6], 'GT')
end
return reply
