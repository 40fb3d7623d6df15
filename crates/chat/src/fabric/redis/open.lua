-- How a room is now. KEYS: the room, its log. ARGV: epoch if there is none, entries wanted, ms a room is kept.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
    epoch = ARGV[1]
    redis.call('HSET', KEYS[1], 'epoch', epoch)
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local head = redis.call('HGET', KEYS[1], 'head') or '0'
local settings = redis.call('HGET', KEYS[1], 'settings') or ''
local pinned = redis.call('HGET', KEYS[1], 'pinned') or ''
local entries = {}
for _, entry in ipairs(redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', ARGV[2])) do
    table.insert(entries, entry[1])
    table.insert(entries, entry[2][2])
end
return {epoch, head, settings, pinned, entries}
