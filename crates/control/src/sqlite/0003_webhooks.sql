-- Hooks, and what is still to be delivered to them.

CREATE TABLE hooks (
    id            TEXT PRIMARY KEY,
    -- `installation`, or the channel's id.
    whose         TEXT NOT NULL,
    channel       TEXT REFERENCES channels (id) ON DELETE CASCADE,
    url           TEXT NOT NULL,
    events        TEXT NOT NULL,
    secret        BLOB NOT NULL,
    by_account    TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    last_at_ms    INTEGER,
    last_ok       INTEGER,
    last_note     TEXT
) STRICT;
CREATE INDEX hooks_of ON hooks (whose);

CREATE TABLE deliveries (
    id            TEXT PRIMARY KEY,
    hook          TEXT NOT NULL,
    whose         TEXT NOT NULL,
    body          TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    tries         INTEGER NOT NULL,
    due_at_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX deliveries_by_due ON deliveries (due_at_ms);
CREATE INDEX deliveries_of_hook ON deliveries (hook, id);
