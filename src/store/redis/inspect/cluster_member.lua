#!lua flags=no-writes,allow-cross-slot-keys
-- cluster_member: how many keys lie on other servers of the Cluster, or on none.
--
-- ARGV     the keys
--
-- Returns their number. A key of the wrong type is here.
local away = 0
for _, key in ipairs(ARGV) do
  local answer = redis.pcall('GET', key)
  if type(answer) == 'table' and answer.err and not string.find(answer.err, 'WRONGTYPE', 1, true) then
    away = away + 1
  end
end
return tostring(away)
