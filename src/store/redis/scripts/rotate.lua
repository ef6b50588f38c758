#!lua flags=allow-oom
-- rotate: exchanges a refresh token for its successor, or says why not.
--
-- Atomic because two parallel refreshes must never get two successors, and because reuse must end every session
-- before anything else can happen. One Redis round trip. The lines below are tried in this order. Each is there
-- because leaving it out produced a counterexample (ARCHITECTURE.md, "Transitions").
--
-- Works when Redis is out of memory: a refresh replaces values and adds none. Exceptions, each once per session: `prev`
-- at the first rotation, the end of a lowered absolute lifetime, and the first last client, which only a service sends.
-- `rolled_back` may add the same fields to a record that a failover threw back, and `reused` a member to the set that
-- has lost it.
--
-- KEYS[1]  the session's record              tg:{alice}:session:4830719265501837429
-- KEYS[2]  the subject's sessions            tg:{alice}:sessions
-- ARGV[1]  jti presented                     4830719265501837429.0hVbT8yqk1rJ2mWcPA5QzX
-- ARGV[2]  gen presented                     3
-- ARGV[3]  jti of the successor              4830719265501837429.T8yqk1rJ2mWcPA5QzX0hVb
-- ARGV[4]  sent_at, microseconds             1790000000000000
-- ARGV[5]  refresh lifetime, milliseconds    604800000
-- ARGV[6]  grace window, microseconds        0
-- ARGV[7]  reuse scope                       subject, session, or none to ask without accusing
-- ARGV[8]  tombstone lifetime, milliseconds  86400000
-- ARGV[9]  a call older than this was held up on its way, microseconds  5000
-- ARGV[10] absolute lifetime, milliseconds  7776000000, or 0 for none
-- ARGV[11] client, a JSON object or empty    {"ip":"192.0.2.7"}; kept as the last one. Empty keeps the one before
--
-- Returns {word, time, ...}, time being this server's in microseconds:
--   unknown                  no record, or its absolute lifetime is over: at the earlier of the stored end, and of its
--                            creation and the absolute lifetime. This end is absolute_expires_at in the other answers.
--                            A record that is over is deleted
--   ended                    reason, `announced` (0 or 1)
--   rotated, rolled_back     absolute_expires_at, claims; then scope and aud, where the session has either. The
--                            rest is this call's: jti is the successor, gen one more than presented, issued_at now
--   replayed                 jti, gen, issued_at, then the same
--   late                     sent before the latest rotation: proves nothing, nothing written
--   suspect                  it would be reuse, and the scope is none: nothing written
--   reused                   the number of sessions ended now, sid and reason of each, then sid and
--                            reason of earlier ends not yet published
local time = redis.call('TIME')
local now = string.format('%s%06d', time[1], time[2])
local now_us = tonumber(now)

local record = redis.call('HMGET', KEYS[1], 'state', 'jti', 'gen', 'prev', 'rotated_at', 'issued_at',
  'absolute_expires_at', 'claims', 'scope', 'aud', 'created_at')
local state, jti, gen, prev = record[1], record[2], tonumber(record[3]), record[4]
local rotated_at, issued_at, created_at = tonumber(record[5]), record[6], tonumber(record[11])
local stored_end, max_age = record[7] or '', tonumber(ARGV[10])
local presented, presented_gen, successor = ARGV[1], tonumber(ARGV[2]), ARGV[3]

if state == 'ended' then
  local ended = redis.call('HMGET', KEYS[1], 'reason', 'announced')
  return {'ended', now, ended[1] or '', ended[2] or '0'}
end
-- A lower setting holds for older sessions, too. A higher one extends none.
local absolute = stored_end
if max_age > 0 and created_at then
  local by_setting = created_at + max_age * 1000
  if absolute == '' or by_setting < tonumber(absolute) then
    absolute = string.format('%.0f', by_setting)
  end
end
if not state then
  return {'unknown', now}
end
if absolute ~= '' and now_us >= tonumber(absolute) then
  redis.call('PEXPIRE', KEYS[1], '0') -- a node with a higher setting would go on with it
  return {'unknown', now}
end
if state ~= 'live' or not (jti and gen and rotated_at and issued_at and (created_at or max_age == 0)) then
  return redis.error_reply('CORRUPT session record: state, jti, gen, rotated_at, issued_at or created_at')
end

local function grant(reply)
  reply[#reply + 1] = absolute
  reply[#reply + 1] = record[8] or '{}'
  if record[9] or record[10] then
    reply[#reply + 1] = record[9] or ''
    reply[#reply + 1] = record[10] or ''
  end
  return reply
end

local function replayed()
  return grant({'replayed', now, jti, string.format('%d', gen), issued_at})
end

-- The last client is stored only where it differs from the first, that of the login.
local function keep_last_client()
  if ARGV[11] == '' then
    return
  end
  if ARGV[11] == redis.call('HGET', KEYS[1], 'client') then
    redis.call('HDEL', KEYS[1], 'last_client')
  else
    redis.call('HSET', KEYS[1], 'last_client', ARGV[11])
  end
end

local function move_on(word)
  keep_last_client()
  redis.call('HSET', KEYS[1], 'jti', successor, 'gen', string.format('%d', presented_gen + 1),
    'prev', presented, 'rotated_at', now, 'issued_at', now)
  if absolute ~= stored_end then
    redis.call('HSET', KEYS[1], 'absolute_expires_at', absolute)
  end
  local ttl = ARGV[5]
  if absolute ~= '' then
    local left = math.ceil((tonumber(absolute) - now_us) / 1000)
    if left < tonumber(ttl) then
      ttl = string.format('%d', left)
    end
  end
  redis.call('PEXPIRE', KEYS[1], ttl)
  redis.call('PEXPIRE', KEYS[2], ttl, 'GT')
  return grant({word, now})
end

if presented == prev and jti == successor then
  return replayed()
end
if presented == jti and presented_gen == gen then
  return move_on('rotated')
end
if presented == prev and now_us - rotated_at < tonumber(ARGV[6]) then
  return replayed()
end
if presented_gen > gen then
  return move_on('rolled_back')
end
local sent_at = tonumber(ARGV[4])
local was_held_up = now_us - sent_at > tonumber(ARGV[9])
if sent_at <= rotated_at and (was_held_up or presented_gen >= gen - 4) then
  return {'late', now}
end
if ARGV[7] == 'none' then
  return {'suspect', now}
end

-- A session from the future was created by a former primary whose clock was ahead, not after this call.
local function is_older(created_at)
  return created_at <= sent_at or created_at > now_us
end

-- Reuse. Everything is read before the first write.
local prefix = string.sub(KEYS[2], 1, -2) .. ':'
local own = string.sub(KEYS[1], #prefix + 1)
local ending, dead, before = {own}, {}, {}
if ARGV[7] == 'subject' then
  for _, sid in ipairs(redis.call('SMEMBERS', KEYS[2])) do
    local other = redis.call('HMGET', prefix .. sid, 'state', 'created_at', 'reason', 'announced')
    if sid == own then
      -- ends in any case
    elseif not other[1] then
      dead[#dead + 1] = sid
    elseif other[1] == 'ended' then
      if other[4] == '0' then
        before[#before + 1] = sid
        before[#before + 1] = other[3]
      end
    elseif is_older(tonumber(other[2]) or 0) then
      ending[#ending + 1] = sid
    end
  end
end

-- The record becomes the tombstone and is never gone in between: while its slot moves to another server, a
-- missing key could not be written here.
local function leave_tombstone(key)
  redis.call('HSET', key, 'state', 'ended', 'reason', 'reuse', 'ended_at', now, 'announced', '0')
  redis.call('HDEL', key, 'jti', 'gen', 'prev', 'rotated_at', 'issued_at', 'created_at',
    'absolute_expires_at', 'claims', 'client', 'last_client', 'client_id', 'scope', 'aud')
  redis.call('PEXPIRE', key, ARGV[8])
end

local reply = {'reused', now, tostring(#ending)}
for _, sid in ipairs(ending) do
  local key = prefix .. sid
  leave_tombstone(key)
  reply[#reply + 1] = sid
  reply[#reply + 1] = 'reuse'
end
redis.call('SADD', KEYS[2], own)
redis.call('PEXPIRE', KEYS[2], ARGV[8], 'NX')
redis.call('PEXPIRE', KEYS[2], ARGV[8], 'GT')
for _, sid in ipairs(dead) do
  redis.call('SREM', KEYS[2], sid)
end
for _, item in ipairs(before) do
  reply[#reply + 1] = item
end
return reply
