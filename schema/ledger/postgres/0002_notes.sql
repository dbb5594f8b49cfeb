-- Level 2: signed checkpoints (C2SP tlog-checkpoint, as signed notes).

-- The note of the last commit, written in its transaction. NULL in a log that nobody has signed yet.
ALTER TABLE chancery.head ADD COLUMN note text;

-- Checkpoints that others have seen, with the signatures of witnesses. Those of commits in between are not kept: any later
-- checkpoint proves them by a consistency proof.
CREATE TABLE chancery.notes (
    size bigint PRIMARY KEY,
    note text   NOT NULL,
    at   bigint NOT NULL                                    -- milliseconds since the epoch when it was kept first
);
GRANT SELECT, INSERT, UPDATE ON chancery.notes TO chancery_serve;
