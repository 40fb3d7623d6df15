-- Begins a room that nothing was ever said in, as it was once, and tells every node. Returns 1; 0 when it has begun.
-- KEYS: the room, its log, then for each entry what was said under its id.
-- ARGV: epoch, settings ('': none), what is pinned, channel, ms a room is kept, ms an id is known,
--       then for each entry: event, its message id, what the client called it ('': nothing)
local epoch, head, settings = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'head', 'settings'))
if epoch ~= ARGV[1] or tonumber(head or '0') > 0 then return 0 end
if ARGV[2] ~= '' and not settings then redis.call('HSET', KEYS[1], 'settings', ARGV[2]) end
redis.call('HSET', KEYS[1], 'pinned', ARGV[3])
head = 0
for at = 7, #ARGV, 3 do
    head = head + 1
    local event, called = ARGV[at], ARGV[at + 2]
    redis.call('XADD', KEYS[2], head .. '-0', 'e', event, 'o', called)
    if called ~= '' then redis.call('SET', KEYS[2 + head], head .. ' ' .. ARGV[at + 1], 'PX', ARGV[6]) end
    redis.call('SPUBLISH', ARGV[4], table.concat({'e', epoch, head, #called, called .. event}, ' '))
end
if head > 0 then redis.call('HSET', KEYS[1], 'head', head) end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return 1
