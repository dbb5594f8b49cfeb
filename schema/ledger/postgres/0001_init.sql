-- The log and what is kept beside it. Run by `chancery migrate` as the owner, who is not the role that serves.
CREATE SCHEMA chancery;

-- The log. A position is the index of the leaf in the Merkle tree: dense from 0, given under the lock on the head row.
-- Every column but leaf and leaf_hash is a copy of a member of the leaf, for look-ups; the leaf is the truth.
CREATE TABLE chancery.events (
    position    bigint  PRIMARY KEY CHECK (position >= 0),
    id          uuid    NOT NULL UNIQUE,
    stream      text    NOT NULL COLLATE "C",
    version     bigint  NOT NULL CHECK (version >= 1),      -- 1 for the first event of the stream
    kind        text    NOT NULL COLLATE "C",
    schema      integer NOT NULL,
    recorded_at bigint  NOT NULL,                           -- milliseconds since the epoch, never smaller than before
    leaf        bytea   NOT NULL,                           -- the exact bytes that are hashed
    leaf_hash   bytea   NOT NULL CHECK (octet_length(leaf_hash) = 32),
    UNIQUE (stream, version)
);

-- The one row that every append locks.
CREATE TABLE chancery.head (
    one         integer PRIMARY KEY CHECK (one = 1),
    size        bigint  NOT NULL,                           -- how many events there are; the next position
    frontier    bytea   NOT NULL,                           -- roots of the perfect subtrees, largest first, 32 bytes each
    root        bytea   NOT NULL,                           -- RFC 6962 Merkle tree hash of all leaves
    recorded_at bigint  NOT NULL,                           -- of the last event
    inline_set  integer,                                    -- the row set that changes with the events
    inline_checkpoint bigint NOT NULL                       -- how many events are folded into it
) WITH (fillfactor = 10);
INSERT INTO chancery.head (one, size, frontier, root, recorded_at, inline_checkpoint)
VALUES (1, 0, '', '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 0, 0);

-- Hashes of complete subtrees of 2^8, 2^16 ... leaves: what a tile of the exported log holds.
CREATE TABLE chancery.subtrees (
    level integer NOT NULL,
    idx   bigint  NOT NULL,
    hash  bytea   NOT NULL,
    PRIMARY KEY (level, idx)
);

-- Each type and schema of event that is in the log.
CREATE TABLE chancery.event_kinds (
    kind   text    NOT NULL COLLATE "C",
    schema integer NOT NULL,
    PRIMARY KEY (kind, schema)
);

-- Unique values: client ids, blind indexes of e-mail addresses, ids of assertions.
CREATE TABLE chancery.claims (
    kind  text  NOT NULL COLLATE "C",
    key   bytea NOT NULL,
    owner text  NOT NULL COLLATE "C",
    PRIMARY KEY (kind, key)
);

-- Sets of read-model rows: the inline one, those of asynchronous projections, and those that a rebuild fills beside them.
CREATE TABLE chancery.sets (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text    NOT NULL UNIQUE COLLATE "C",
    checkpoint bigint  NOT NULL DEFAULT 0                   -- how many events are folded in; of the inline set it stands in head
);
ALTER TABLE chancery.head ADD FOREIGN KEY (inline_set) REFERENCES chancery.sets (id);

CREATE TABLE chancery.rows (
    set_id     integer NOT NULL,                            -- no foreign key: it would be checked, and locked, for each row
    tbl        text    NOT NULL COLLATE "C",
    key        text    NOT NULL COLLATE "C",
    version    bigint  NOT NULL,                            -- of the one stream that the row depends on
    body       bytea   NOT NULL,
    i0         text    COLLATE "C",
    i1         text    COLLATE "C",
    expires_at bigint,
    PRIMARY KEY (set_id, tbl, key)
) WITH (fillfactor = 80);
CREATE INDEX rows_i0 ON chancery.rows (set_id, tbl, i0, key) WHERE i0 IS NOT NULL;
CREATE INDEX rows_i1 ON chancery.rows (set_id, tbl, i1, key) WHERE i1 IS NOT NULL;
CREATE INDEX rows_expires ON chancery.rows (set_id, tbl, expires_at, key) WHERE expires_at IS NOT NULL;

-- History does not change, whoever asks. ALWAYS: also in a session that plays a replica.
CREATE FUNCTION chancery.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are never changed or removed' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER events_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON chancery.events
    FOR EACH STATEMENT EXECUTE FUNCTION chancery.refuse_change();
ALTER TABLE chancery.events ENABLE ALWAYS TRIGGER events_never_change;

GRANT USAGE ON SCHEMA chancery TO chancery_serve;
GRANT SELECT, INSERT ON chancery.events, chancery.subtrees, chancery.event_kinds TO chancery_serve;
GRANT SELECT, UPDATE ON chancery.head TO chancery_serve;
GRANT SELECT, INSERT, UPDATE, DELETE ON chancery.claims, chancery.sets, chancery.rows TO chancery_serve;
