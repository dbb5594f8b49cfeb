-- Wrapped keys, and nothing else. A schema of its own, so that it is dumped, kept and destroyed apart from the log:
-- a deleted row lives on in the write-ahead log, in dead tuples until VACUUM, and in backups. Keep those of this schema
-- for a short time of their own; an erasure is complete when the last backup that holds the key is gone.
CREATE SCHEMA vault;

CREATE TABLE vault.entries (
    kind       text   NOT NULL COLLATE "C",
    id         text   NOT NULL COLLATE "C",
    wrapped    bytea  NOT NULL,
    created_at bigint NOT NULL,            -- milliseconds since the epoch
    expires_at bigint,                     -- may be destroyed from then on; NULL: lives until it is destroyed by name
    PRIMARY KEY (kind, id)
);
CREATE INDEX entries_expiry ON vault.entries (kind, expires_at) WHERE expires_at IS NOT NULL;
-- Dead tuples hold destroyed keys: they are vacuumed at once, not when a fifth of the table is dead.
ALTER TABLE vault.entries SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1);

GRANT USAGE ON SCHEMA vault TO chancery_serve;
GRANT SELECT, INSERT, UPDATE, DELETE ON vault.entries TO chancery_serve;
