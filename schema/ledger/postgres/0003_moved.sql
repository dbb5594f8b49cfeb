-- Level 3: a log that has moved to another database is closed for good.

ALTER TABLE chancery.head ADD COLUMN moved_to text;

CREATE FUNCTION chancery.refuse_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.moved_to IS NOT NULL THEN
        RAISE EXCEPTION 'this log has moved to another database';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER head_moved BEFORE UPDATE ON chancery.head FOR EACH ROW EXECUTE FUNCTION chancery.refuse_moved();
ALTER TABLE chancery.head ENABLE ALWAYS TRIGGER head_moved;
