-- Accounts that anyone may make, and what belongs to them.

ALTER TABLE accounts ADD COLUMN display_name TEXT NOT NULL DEFAULT '';
-- What the display name looks like (UTS 39): no two accounts may look the same.
ALTER TABLE accounts ADD COLUMN looks_like TEXT;
ALTER TABLE accounts ADD COLUMN email TEXT;
ALTER TABLE accounts ADD COLUMN suspended_at_ms INTEGER;
-- JSON: the second factor, its recovery codes as hashes, the last time step that was used.
ALTER TABLE accounts ADD COLUMN second_factor TEXT;
ALTER TABLE accounts ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
UPDATE accounts SET display_name = name, looks_like = name;
CREATE UNIQUE INDEX accounts_by_look ON accounts (looks_like);

ALTER TABLE channels ADD COLUMN description TEXT NOT NULL DEFAULT '';
-- JSON: a list of texts.
ALTER TABLE channels ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE channels ADD COLUMN category TEXT NOT NULL DEFAULT '';
ALTER TABLE channels ADD COLUMN language TEXT NOT NULL DEFAULT '';
ALTER TABLE channels ADD COLUMN visibility TEXT NOT NULL DEFAULT 'public';
ALTER TABLE channels ADD COLUMN latency TEXT NOT NULL DEFAULT 'low';
ALTER TABLE channels ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
CREATE INDEX channels_of_owner ON channels (owner);

CREATE TABLE families (
    id            TEXT PRIMARY KEY,
    account       TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    hash          BLOB NOT NULL,
    device        TEXT NOT NULL,
    address       TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    used_at_ms    INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX families_of_account ON families (account);

CREATE TABLE signing_keys (
    generation    INTEGER PRIMARY KEY,
    kid           TEXT NOT NULL,
    seed          BLOB NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE identities (
    issuer        TEXT NOT NULL,
    subject       TEXT NOT NULL,
    account       TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    linked_at_ms  INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject)
) STRICT;
CREATE INDEX identities_of_account ON identities (account);

CREATE TABLE roles (
    channel       TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    account       TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    role          TEXT NOT NULL,
    given_at_ms   INTEGER NOT NULL,
    PRIMARY KEY (channel, account)
) STRICT;
CREATE INDEX roles_of_account ON roles (account);

CREATE TABLE bans (
    channel       TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    account       TEXT NOT NULL,
    address       BLOB,
    by_account    TEXT NOT NULL,
    reason        TEXT NOT NULL,
    at_ms         INTEGER NOT NULL,
    until_ms      INTEGER,
    PRIMARY KEY (channel, account)
) STRICT;
CREATE INDEX bans_of_address ON bans (channel, address);

CREATE TABLE audit (
    scope         TEXT NOT NULL,
    id            TEXT NOT NULL,
    at_ms         INTEGER NOT NULL,
    actor         TEXT NOT NULL,
    address       TEXT NOT NULL,
    action        TEXT NOT NULL,
    target        TEXT NOT NULL,
    detail        TEXT NOT NULL,
    PRIMARY KEY (scope, id)
) STRICT;

CREATE TABLE idempotency (
    key           BLOB PRIMARY KEY,
    began_at_ms   INTEGER NOT NULL,
    status        INTEGER,
    body          BLOB
) STRICT;
