#!lua flags=no-writes
-- rights: whether the server lets the present user run commands. Runs none of them.
--
-- ARGV     each command: the number of its words, then the words
--
-- Returns a character for each command:
--   +  granted
--   -  refused
--   ?  the server does not know the command
local answer, at = {}, 1
while at <= #ARGV do
  local count = tonumber(ARGV[at])
  local is_known, is_granted = pcall(redis.acl_check_cmd, unpack(ARGV, at + 1, at + count))
  answer[#answer + 1] = not is_known and '?' or is_granted and '+' or '-'
  at = at + count + 1
end
return table.concat(answer)
