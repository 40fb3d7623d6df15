-- Tells every node what takes no offset. KEYS: the room. ARGV: channel, signal, settings to be kept ('': none).
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'settings', ARGV[3]) end
redis.call('SPUBLISH', ARGV[1], 's ' .. ARGV[2])
return 1
