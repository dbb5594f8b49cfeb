-- Level 3: a log that has moved to another database is closed for good.

ALTER TABLE head ADD COLUMN moved_to TEXT;

CREATE TRIGGER head_moved BEFORE UPDATE ON head WHEN OLD.moved_to IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'this log has moved to another database'); END;
