-- Level 4: a digest of each row set that moves along with its changes: four sums of 64 bits over the SHA-256 of the rows.
-- NULL: the set is older than its digest. That of the inline set stands in head, as its checkpoint does.
ALTER TABLE chancery.sets ADD COLUMN digest bytea;
ALTER TABLE chancery.head ADD COLUMN inline_digest bytea;

-- A log that is still empty has no rows, and so the digest of nothing.
UPDATE chancery.head SET inline_digest = decode(repeat('00', 32), 'hex') WHERE size = 0;
