-- How things stood at one moment of a log: made by `chancery replay`, read by anybody with SQLite. Nothing here decides anything.
-- Times are milliseconds since the epoch; what is personal stands as ciphertext, as in the log.

-- What this is of: log_id, origin, issuer, until_position, until_time, size, root (hex), made_by.
CREATE TABLE about (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Every event up to the moment. `leaf` holds the exact bytes that the tree hashes, `leaf_hash` is in hex.
CREATE TABLE events (
    position    INTEGER PRIMARY KEY,
    recorded_at INTEGER NOT NULL,
    type        TEXT    NOT NULL,
    stream      TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    subject     TEXT,
    client      TEXT,
    actor       TEXT    NOT NULL,
    leaf        TEXT    NOT NULL,
    leaf_hash   TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_stream ON events (stream, version);
CREATE INDEX events_subject ON events (subject, position);
CREATE INDEX events_client ON events (client, position);
CREATE INDEX events_type ON events (type, position);

-- What the events of each stream add up to, as JSON: `SELECT key, json_extract(state, '$.standing') FROM states WHERE kind = 'account'`.
CREATE TABLE states (
    kind    TEXT    NOT NULL,
    key     TEXT    NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    state   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX states_kind ON states (kind, key);
