-- vault.db: wrapped keys, and nothing else. Destroying a key must leave its bytes nowhere in the file.
--
-- The pragma secure_delete alone does not do that: when SQLite merges half-empty pages it moves what lives on them and may leave copies in
-- the unused part of pages (seen with keys in the order of their names: 1 of 2,700 destroyed keys was still there). So the bytes stand in slots that are never removed: a slot is appended, overwritten in place by bytes of the
-- same length (zeros when its key is destroyed), and then waits in `free` for another key of that length. Nothing in `slots` ever moves.
CREATE TABLE slots (
    place   INTEGER PRIMARY KEY,
    wrapped BLOB NOT NULL
) STRICT;

CREATE TABLE free (
    size  INTEGER NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (size, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE entries (
    kind       TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    place      INTEGER NOT NULL,
    created_at INTEGER NOT NULL,           -- milliseconds since the epoch
    expires_at INTEGER,                    -- may be destroyed from then on; NULL: lives until it is destroyed by name
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX entries_expiry ON entries (kind, expires_at, id) WHERE expires_at IS NOT NULL;
