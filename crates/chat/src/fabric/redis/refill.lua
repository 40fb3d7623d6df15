-- Gives a room that Redis has nothing of all that one node has of it. Returns 1; 0 when it has something.
-- KEYS: the room, its log, then for each entry what was said under its id.
-- ARGV: epoch, what was before it, the offset before the first, settings, what is pinned, channel, ms a room is kept,
--       ms an id is known, then for each entry: event, its message id, what the client called it ('': nothing)
if tonumber(redis.call('HGET', KEYS[1], 'head') or '0') > 0 then return 0 end
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
redis.call('DEL', KEYS[2])
local head = tonumber(ARGV[3])
for at = 9, #ARGV, 3 do
    head = head + 1
    local once = KEYS[2 + (at - 6) / 3]
    redis.call('XADD', KEYS[2], head .. '-0', 'e', ARGV[at], 'o', ARGV[at + 2])
    if ARGV[at + 2] ~= '' then redis.call('SET', once, head .. ' ' .. ARGV[at + 1], 'PX', ARGV[8]) end
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'run', run, 'before', ARGV[2], 'head', head, 'puts', 0, 'settings', ARGV[4],
    'pinned', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('PEXPIRE', KEYS[2], ARGV[7])
redis.call('SPUBLISH', ARGV[6], 'h ' .. ARGV[1] .. ' ' .. head)
return 1
