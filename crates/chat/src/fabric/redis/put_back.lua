-- Appends what a node took by itself, each that was not said under its id already. Returns 1; 0 when somebody else put
-- something back since the node has read the room: it reads again, and finds what that was.
-- KEYS: the room, its log, then for each entry what was said under its id.
-- ARGV: epoch, how often something was put back, channel, entries kept, ms a room is kept, ms an id is known, then for each
--       entry: event, its message id, what the client called it ('': nothing), what is pinned then ('': as it was)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local epoch, ran, puts, head = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'run', 'puts', 'head'))
if epoch ~= ARGV[1] or ran ~= run or (puts or '0') ~= ARGV[2] then return 0 end
local offset = tonumber(head or '0')
for at = 7, #ARGV, 4 do
    local once, called = KEYS[2 + (at - 3) / 4], ARGV[at + 2]
    if called == '' or not redis.call('GET', once) then
        offset = offset + 1
        redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], offset .. '-0', 'e', ARGV[at], 'o', called)
        if called ~= '' then redis.call('SET', once, offset .. ' ' .. ARGV[at + 1], 'PX', ARGV[6]) end
        if ARGV[at + 3] ~= '' then redis.call('HSET', KEYS[1], 'pinned', ARGV[at + 3]) end
        redis.call('SPUBLISH', ARGV[3], table.concat({'e', epoch, offset, #called, called .. ARGV[at]}, ' '))
    end
end
redis.call('HSET', KEYS[1], 'head', offset, 'puts', ARGV[2] + 1)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return 1
