-- Level 6: events whose bytes were moved to an archive.

-- The end of what was archived: before it a leaf may have given way to its hash, and nowhere else.
ALTER TABLE head ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;

-- The one change that an event can undergo: its leaf becomes its hash.
DROP TRIGGER events_no_update;
CREATE TRIGGER events_no_update BEFORE UPDATE ON events
WHEN NOT (NEW.leaf = OLD.leaf_hash AND OLD.position < (SELECT archived FROM head)
    AND NEW.position = OLD.position AND NEW.id = OLD.id AND NEW.stream = OLD.stream AND NEW.version = OLD.version
    AND NEW.kind = OLD.kind AND NEW.schema = OLD.schema AND NEW.recorded_at = OLD.recorded_at AND NEW.leaf_hash = OLD.leaf_hash)
BEGIN SELECT RAISE(ABORT, 'an event cannot be changed'); END;

-- Where the archive ends only moves on.
CREATE TRIGGER head_archived BEFORE UPDATE OF archived ON head WHEN NEW.archived < OLD.archived OR NEW.archived > OLD.size
BEGIN SELECT RAISE(ABORT, 'the archive does not end there'); END;
