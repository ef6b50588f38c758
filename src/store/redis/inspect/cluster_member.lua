#!lua flags=no-writes,allow-cross-slot-keys
-- cluster_member: whether a key of any slot lies on another server of the Cluster, or on none.
--
-- ARGV[1]  the beginning of a key, up to its hash tag
-- ARGV[2]  hash tags of four characters each
--
-- Returns:
--   0  every key is here, whatever its type
--   1  one is elsewhere
--   ?  the user may not read the keys
for tag in string.gmatch(ARGV[2], '....') do
  local answer = redis.pcall('GET', ARGV[1] .. tag .. '}:sessions')
  local refusal = type(answer) == 'table' and answer.err or ''
  if string.find(refusal, 'WRONGTYPE', 1, true) == nil and refusal ~= '' then
    return string.find(refusal, 'ttempted to access', 1, true) and '1' or '?'
  end
end
return '0'
