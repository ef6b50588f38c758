#!lua flags=allow-oom
-- mark_published: marks tombstones as published, and drops them from the subject's set.
--
-- Atomic because the set must keep every unpublished tombstone. Runs after publish.lua, never before: a node
-- lost in between leaves work to repeat, not work forgotten.
--
-- KEYS[1]  the subject's sessions            tg:{alice}:sessions
-- ARGV[1]  sid of each session, from here on
--
-- Returns {word, time}, time being this server's in microseconds:
--   marked   sid of each live session: a failover since its end has brought it back
local time = redis.call('TIME')
local now = string.format('%s%06d', time[1], time[2])
local prefix = string.sub(KEYS[1], 1, -2) .. ':'
local ended, reply = {}, {'marked', now}
for _, sid in ipairs(ARGV) do
  local state = redis.call('HGET', prefix .. sid, 'state')
  if state == 'ended' then
    ended[#ended + 1] = sid
  elseif state == 'live' then
    reply[#reply + 1] = sid
  end
end
for _, sid in ipairs(ended) do
  redis.call('HSET', prefix .. sid, 'announced', '1')
  redis.call('SREM', KEYS[1], sid)
end
return reply
