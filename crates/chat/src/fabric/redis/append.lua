-- Appends an event, once and on its terms, and tells every node. One step for all of them.
-- KEYS: the room, its log, and of the speaker: what was said under this id, the pace; the text.
-- ARGV: event, its message id, epoch if there is none, channel, entries kept, ms a room is kept,
--       ms an id is known (0: no id), messages in a time (0: any), that time in ms, ms of slow mode (0: none),
--       ms a text is known (0: may be repeated), what is pinned now ('': as it was),
--       the epoch that whoever asks knows ('': any), what the client called it ('': nothing)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local epoch, ran = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'run'))
-- Another Redis than the one that the epoch is of may lack its last entries: offsets would be given twice.
if (epoch and ran ~= run) or (ARGV[13] ~= '' and epoch ~= ARGV[13]) then return {'moved', ''} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local once, count, within = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local slow, unique = tonumber(ARGV[10]), tonumber(ARGV[11])
if once > 0 then
    local said = redis.call('GET', KEYS[3])
    if said then return {'again', said} end
end
if count > 0 then
    local oldest = redis.call('LINDEX', KEYS[4], count - 1)
    if oldest and now - oldest < within then return {'much', tostring(oldest + within - now)} end
end
if slow > 0 then
    local last = redis.call('LINDEX', KEYS[4], 0)
    if last and now - last < slow then return {'soon', tostring(last + slow - now)} end
end
if unique > 0 and not redis.call('SET', KEYS[5], '1', 'PX', unique, 'NX') then return {'same', ''} end
if not epoch then
    epoch = ARGV[3]
    redis.call('DEL', KEYS[2])
    redis.call('HSET', KEYS[1], 'epoch', epoch, 'run', run)
end
local offset = redis.call('HINCRBY', KEYS[1], 'head', 1)
if once > 0 then redis.call('SET', KEYS[3], offset .. ' ' .. ARGV[2], 'PX', once) end
if count > 0 or slow > 0 then
    redis.call('LPUSH', KEYS[4], string.format('%.0f', now))
    redis.call('LTRIM', KEYS[4], 0, math.max(count, 1) - 1)
    redis.call('PEXPIRE', KEYS[4], math.max(within, slow))
end
if ARGV[12] ~= '' then redis.call('HSET', KEYS[1], 'pinned', ARGV[12]) end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], offset .. '-0', 'e', ARGV[1], 'o', ARGV[14])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('PEXPIRE', KEYS[2], ARGV[6])
redis.call('SPUBLISH', ARGV[4], table.concat({'e', epoch, offset, #ARGV[14], ARGV[14] .. ARGV[1]}, ' '))
return {'new', epoch .. ' ' .. offset}
