-- The event log on SQLite, level 1 (PRAGMA user_version = 1).
-- Whole numbers are 64 bits wide; times are milliseconds since the epoch.

-- One row for each event, in one total order without gaps. `leaf` is the truth: canonical JSON, hashed as it stands.
-- The columns beside it are copies of its members, for look-ups.
CREATE TABLE events (
    position    INTEGER PRIMARY KEY,
    id          BLOB    NOT NULL,
    stream      TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    schema      INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    leaf        BLOB    NOT NULL,
    leaf_hash   BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_id ON events (id);
CREATE UNIQUE INDEX events_stream ON events (stream, version);

-- History is added to, never changed.
CREATE TRIGGER events_no_update BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'an event cannot be changed'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'an event cannot be deleted'); END;

-- Hashes of complete subtrees of 2^8, 2^16, 2^24 ... leaves (RFC 6962 §2.1).
CREATE TABLE subtrees (
    level INTEGER NOT NULL,
    idx   INTEGER NOT NULL,
    hash  BLOB    NOT NULL,
    PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;

-- Every type of event in use, so that a program can tell at its start whether it knows them all.
CREATE TABLE event_kinds (
    kind   TEXT    NOT NULL,
    schema INTEGER NOT NULL,
    PRIMARY KEY (kind, schema)
) STRICT, WITHOUT ROWID;

-- Unique values and who holds them.
CREATE TABLE claims (
    kind  TEXT NOT NULL,
    key   BLOB NOT NULL,
    owner TEXT NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

-- Sets of read-model rows. `checkpoint`: how many events are folded into the set; that of the inline set stands in `head`.
CREATE TABLE sets (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    checkpoint INTEGER NOT NULL
) STRICT;

CREATE TABLE rows (
    set_id     INTEGER NOT NULL REFERENCES sets (id),
    tbl        TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    body       BLOB    NOT NULL,
    i0         TEXT,
    i1         TEXT,
    expires_at INTEGER
) STRICT;
CREATE UNIQUE INDEX rows_key ON rows (set_id, tbl, key);
CREATE INDEX rows_i0 ON rows (set_id, tbl, i0, key) WHERE i0 IS NOT NULL;
CREATE INDEX rows_i1 ON rows (set_id, tbl, i1, key) WHERE i1 IS NOT NULL;
CREATE INDEX rows_expires ON rows (set_id, tbl, expires_at, key) WHERE expires_at IS NOT NULL;

-- The end of the log: Merkle frontier and root, and the set whose rows change with the events.
CREATE TABLE head (
    one               INTEGER PRIMARY KEY CHECK (one = 1),
    size              INTEGER NOT NULL,
    frontier          BLOB    NOT NULL,
    root              BLOB    NOT NULL,
    recorded_at       INTEGER NOT NULL,
    inline_set        INTEGER NOT NULL REFERENCES sets (id),
    inline_checkpoint INTEGER NOT NULL
) STRICT;
