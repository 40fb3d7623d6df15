-- Who follows which channel, and pictures for words of chat.

CREATE TABLE follows (
    channel  TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    account  TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (channel, account)
) STRICT;
CREATE INDEX follows_of_account ON follows (account, channel);

-- Kept by triggers, so that rows that go with their account are counted too.
CREATE TABLE follower_counts (
    channel   TEXT PRIMARY KEY REFERENCES channels (id) ON DELETE CASCADE,
    followers INTEGER NOT NULL
) STRICT;
CREATE TRIGGER follower_comes AFTER INSERT ON follows BEGIN
    INSERT INTO follower_counts (channel, followers) VALUES (NEW.channel, 1)
    ON CONFLICT (channel) DO UPDATE SET followers = followers + 1;
END;
CREATE TRIGGER follower_goes AFTER DELETE ON follows BEGIN
    UPDATE follower_counts SET followers = followers - 1 WHERE channel = OLD.channel;
END;

CREATE TABLE emotes (
    id         TEXT PRIMARY KEY,
    -- `installation`, or the channel's id.
    whose      TEXT NOT NULL,
    channel    TEXT REFERENCES channels (id) ON DELETE CASCADE,
    code       TEXT NOT NULL,
    width      INTEGER NOT NULL,
    height     INTEGER NOT NULL,
    animated   INTEGER NOT NULL,
    by_account TEXT NOT NULL,
    at_ms      INTEGER NOT NULL,
    image      BLOB NOT NULL,
    UNIQUE (whose, code)
) STRICT;
CREATE INDEX emotes_of_channel ON emotes (channel);
