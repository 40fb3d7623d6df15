-- What was said in rooms, for good, and how rooms are.

-- Rooms as small numbers. One whose channel is gone is emptied little by little.
CREATE TABLE rooms (
    number   INTEGER PRIMARY KEY,
    channel  TEXT UNIQUE REFERENCES channels (id) ON DELETE SET NULL,
    -- JSON, of chat.
    settings TEXT,
    pinned   BLOB
) STRICT;

-- Accounts as small numbers. What one said that is gone is not shown any more, and removed little by little.
CREATE TABLE speakers (
    number  INTEGER PRIMARY KEY,
    account TEXT UNIQUE REFERENCES accounts (id) ON DELETE SET NULL
) STRICT;

CREATE TABLE messages (
    -- The milliseconds of its id times 2^20, and the number of it among those of one millisecond.
    place        INTEGER PRIMARY KEY,
    id           BLOB NOT NULL,
    room         INTEGER NOT NULL,
    -- Without it, only that it was taken back is known.
    speaker      INTEGER,
    display_name TEXT NOT NULL DEFAULT '',
    role         TEXT NOT NULL DEFAULT '',
    said         TEXT NOT NULL DEFAULT '',
    at_ms        INTEGER NOT NULL DEFAULT 0,
    reply_to     BLOB,
    reply_name   TEXT,
    -- By the client that sent it.
    called       TEXT,
    deleted      INTEGER NOT NULL DEFAULT 0,
    -- Of a comment that only flew over the picture.
    way          TEXT,
    color        TEXT
) STRICT;
-- Each ends with the place, as every index does.
CREATE INDEX messages_of_room ON messages (room);
CREATE INDEX messages_of_speaker ON messages (speaker, room);

-- Everything that stands before `until` was taken back: of a speaker, or of everybody (0).
CREATE TABLE message_clears (
    room    INTEGER NOT NULL,
    speaker INTEGER NOT NULL,
    until   INTEGER NOT NULL,
    PRIMARY KEY (room, speaker)
) STRICT;

-- Words of what stands, as messages/words.rs cuts them; the row's number is the message's place.
CREATE VIRTUAL TABLE message_words USING fts5 (
    words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);
