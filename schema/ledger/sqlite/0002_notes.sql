-- Level 2: signed checkpoints (C2SP tlog-checkpoint, as signed notes).

-- The note of the last commit, written in its transaction. NULL in a log that nobody has signed yet.
ALTER TABLE head ADD COLUMN note TEXT;

-- Checkpoints that others have seen, with the signatures of witnesses. Those of commits in between are not kept: any later
-- checkpoint proves them by a consistency proof.
CREATE TABLE notes (
    size INTEGER PRIMARY KEY,
    note TEXT    NOT NULL,
    at   INTEGER NOT NULL
) STRICT;
