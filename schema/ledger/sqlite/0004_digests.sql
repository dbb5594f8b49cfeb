-- Level 4: a digest of each row set that moves along with its changes: four sums of 64 bits over the SHA-256 of the rows.
-- NULL: the set is older than its digest. That of the inline set stands in `head`, as its checkpoint does.
ALTER TABLE sets ADD COLUMN digest BLOB;
ALTER TABLE head ADD COLUMN inline_digest BLOB;
