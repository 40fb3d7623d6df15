-- Times are milliseconds since the Unix epoch, UTC. Ids are UUIDs as text, so that a shell shows what a log shows.

CREATE TABLE installation (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE accounts (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    role          TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE channels (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    owner         TEXT REFERENCES accounts (id),
    title         TEXT NOT NULL,
    conflict      TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE keys (
    id              TEXT PRIMARY KEY,
    channel         TEXT NOT NULL REFERENCES channels (id),
    name            TEXT NOT NULL,
    hash            BLOB NOT NULL UNIQUE,
    created_at_ms   INTEGER NOT NULL,
    expires_at_ms   INTEGER,
    last_used_at_ms INTEGER,
    revoked_at_ms   INTEGER
) STRICT;
CREATE INDEX keys_of_channel ON keys (channel);

CREATE TABLE sessions (
    id            TEXT PRIMARY KEY,
    channel       TEXT NOT NULL,
    key           TEXT NOT NULL,
    protocol      TEXT NOT NULL,
    started_at_ms INTEGER NOT NULL,
    ended_at_ms   INTEGER,
    end_reason    TEXT,
    bytes         INTEGER
) STRICT;
CREATE INDEX sessions_of_channel ON sessions (channel, started_at_ms);
