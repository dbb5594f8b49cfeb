-- Level 6: events whose bytes were moved to an archive.

-- The end of what was archived: before it a leaf may have given way to its hash, and nowhere else. The role that serves may change the
-- head, but no event; only the owner takes leaves out.
ALTER TABLE chancery.head ADD COLUMN archived bigint NOT NULL DEFAULT 0;

DROP TRIGGER events_never_change ON chancery.events;
CREATE TRIGGER events_never_change BEFORE DELETE OR TRUNCATE ON chancery.events
    FOR EACH STATEMENT EXECUTE FUNCTION chancery.refuse_change();
ALTER TABLE chancery.events ENABLE ALWAYS TRIGGER events_never_change;

-- The one change that an event can undergo: its leaf becomes its hash.
CREATE FUNCTION chancery.refuse_other_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.leaf IS DISTINCT FROM OLD.leaf_hash OR OLD.position >= (SELECT archived FROM chancery.head)
        OR (NEW.position, NEW.id, NEW.stream, NEW.version, NEW.kind, NEW.schema, NEW.recorded_at, NEW.leaf_hash)
            IS DISTINCT FROM (OLD.position, OLD.id, OLD.stream, OLD.version, OLD.kind, OLD.schema, OLD.recorded_at, OLD.leaf_hash)
    THEN
        RAISE EXCEPTION 'events are never changed or removed' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER events_change_once BEFORE UPDATE ON chancery.events FOR EACH ROW EXECUTE FUNCTION chancery.refuse_other_change();
ALTER TABLE chancery.events ENABLE ALWAYS TRIGGER events_change_once;

-- Where the archive ends only moves on.
CREATE FUNCTION chancery.refuse_archived() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.archived < OLD.archived OR NEW.archived > OLD.size THEN
        RAISE EXCEPTION 'the archive does not end there';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER head_archived BEFORE UPDATE OF archived ON chancery.head FOR EACH ROW EXECUTE FUNCTION chancery.refuse_archived();
ALTER TABLE chancery.head ENABLE ALWAYS TRIGGER head_archived;
