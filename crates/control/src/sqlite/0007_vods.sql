-- Recordings.

ALTER TABLE channels ADD COLUMN record INTEGER NOT NULL DEFAULT 0;

CREATE TABLE vods (
    id            TEXT PRIMARY KEY,
    channel       TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    title         TEXT NOT NULL,
    state         TEXT NOT NULL,
    note          TEXT NOT NULL,
    visibility    TEXT NOT NULL,
    -- What stands in the addresses of its media.
    watch         TEXT NOT NULL,
    -- On whose disk it is.
    node          TEXT NOT NULL,
    started_at_ms INTEGER NOT NULL,
    duration_ms   INTEGER NOT NULL,
    bytes         INTEGER NOT NULL,
    version       INTEGER NOT NULL
) STRICT;
CREATE INDEX vods_of_channel ON vods (channel, id);
CREATE INDEX vods_recording ON vods (node) WHERE state = 'recording';
