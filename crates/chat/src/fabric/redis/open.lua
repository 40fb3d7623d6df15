-- How a room is now. KEYS: the room, its log. ARGV: an epoch, entries wanted, ms a room is kept, 1 when a room that is not
-- there begins with that epoch.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local epoch, ran, head, before = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'run', 'head', 'before'))
head = head or '0'
before = before or ''
if not epoch then
    if ARGV[4] ~= '1' then return {'', 0, '', 0, '', '', {}} end
    epoch = ARGV[1]
    redis.call('DEL', KEYS[2])
    redis.call('HSET', KEYS[1], 'epoch', epoch, 'run', run)
elseif ran ~= run then
    -- Another Redis has taken over, or this one began again with what it had kept: it may lack the last entries.
    before = epoch .. ':' .. head .. ' ' .. before
    epoch = ARGV[1]
    redis.call('HSET', KEYS[1], 'epoch', epoch, 'run', run, 'before', before)
    redis.call('SPUBLISH', KEYS[1], 'h ' .. epoch .. ' ' .. head)
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local puts, settings, pinned = unpack(redis.call('HMGET', KEYS[1], 'puts', 'settings', 'pinned'))
local entries = {}
if tonumber(ARGV[2]) > 0 then
    for _, entry in ipairs(redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', ARGV[2])) do
        table.insert(entries, {entry[1], entry[2][2], entry[2][4] or ''})
    end
end
return {epoch, head, before, puts or '0', settings or '', pinned or '', entries}
