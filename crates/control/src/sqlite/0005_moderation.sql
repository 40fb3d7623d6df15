-- What moderators have to read, words of channels, and from where somebody spoke.

CREATE TABLE held (
    id            TEXT PRIMARY KEY,
    channel       TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    author        TEXT NOT NULL,
    author_name   TEXT NOT NULL,
    text          TEXT NOT NULL,
    -- JSON: the message that it answers.
    reply_to      TEXT,
    at_ms         INTEGER NOT NULL,
    -- From when on it may be decided about: later than now while somebody does.
    free_at_ms    INTEGER NOT NULL
) STRICT;
CREATE INDEX held_in ON held (channel, id);
CREATE INDEX held_by_age ON held (at_ms);

CREATE TABLE reported (
    channel       TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    message       TEXT NOT NULL,
    author        TEXT NOT NULL,
    author_name   TEXT NOT NULL,
    text          TEXT NOT NULL,
    said_at_ms    INTEGER NOT NULL,
    at_ms         INTEGER NOT NULL,
    settled       INTEGER NOT NULL,
    PRIMARY KEY (channel, message)
) STRICT;
CREATE INDEX reported_by_age ON reported (at_ms);

CREATE TABLE reports (
    channel       TEXT NOT NULL,
    message       TEXT NOT NULL,
    by_account    TEXT NOT NULL,
    reason        TEXT NOT NULL,
    at_ms         INTEGER NOT NULL,
    PRIMARY KEY (channel, message, by_account),
    FOREIGN KEY (channel, message) REFERENCES reported (channel, message) ON DELETE CASCADE
) STRICT;

CREATE TABLE words (
    channel       TEXT PRIMARY KEY REFERENCES channels (id) ON DELETE CASCADE,
    version       INTEGER NOT NULL,
    -- JSON
    list          TEXT NOT NULL
) STRICT;

-- The HMAC of an address, never the address.
CREATE TABLE spoke_from (
    channel       TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    account       TEXT NOT NULL,
    address       BLOB NOT NULL,
    at_ms         INTEGER NOT NULL,
    PRIMARY KEY (channel, account)
) STRICT;
CREATE INDEX spoke_from_by_age ON spoke_from (at_ms);
