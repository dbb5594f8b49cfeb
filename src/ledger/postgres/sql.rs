//! The statements of a group commit, prepared once per connection.
//!
//! What is asked for by a list of keys is looked up in a `LATERAL` with `OFFSET 0`: a plan is made while the tables are empty, and a plain
//! join may then be planned the other way round, walking the whole table for each batch until the next ANALYZE. Measured: 23 ms instead of
//! 0.2 ms with 10,000 rows. Finding by `ctid` is safe here, since whoever writes these rows holds the head's or the set's lock.

use tokio_postgres::{Client, Error, Statement};

/// The channel that tells other nodes of a commit: `<node> <size>`. A hint; polling is the truth.
pub(crate) const CHANNEL: &str = "chancery_head";

pub(crate) const LOCK_HEAD: &str =
    "SELECT size, frontier, root, recorded_at, inline_set, inline_digest, level FROM chancery.head WHERE one = 1 FOR UPDATE";

/// First number of the advisory locks that tell which levels connected nodes know; the second is the level.
const NODES: u32 = 0x6368_616e;

/// Shows others, as long as the session lives, which level of the catalogue this node knows.
pub(crate) fn known_level(level: u16) -> String {
    format!("SELECT pg_advisory_lock_shared({NODES}, {level})")
}

/// The levels that connected nodes know. Anybody may look at locks.
pub(crate) fn node_levels() -> String {
    format!(
        "SELECT DISTINCT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND classid = {NODES} AND objsubid = 2 AND granted \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
}

/// Backwards along the index of (stream, version): one step per stream, however long it is.
const VERSIONS: &str = "SELECT asked.stream, last.version FROM unnest($1::text[]) AS asked (stream) CROSS JOIN LATERAL \
     (SELECT version FROM chancery.events WHERE events.stream = asked.stream ORDER BY version DESC LIMIT 1) AS last";

const CLAIMS: &str = "SELECT found.kind, found.key FROM unnest($1::text[], $2::bytea[]) AS asked (kind, key) CROSS JOIN LATERAL \
     (SELECT kind, key FROM chancery.claims WHERE claims.kind = asked.kind AND claims.key = asked.key OFFSET 0) AS found";

pub(crate) const INSERT_EVENTS: &str = "INSERT INTO chancery.events (position, id, stream, version, kind, schema, recorded_at, leaf, leaf_hash) \
     SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::integer[], $7::bigint[], $8::bytea[], $9::bytea[])";

pub(crate) const UPSERT_ROWS: &str = "INSERT INTO chancery.rows (set_id, tbl, key, version, body, i0, i1, expires_at) \
     SELECT $1::integer, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::text[], $7::text[], $8::bigint[]) \
     ON CONFLICT (set_id, tbl, key) DO UPDATE SET version = excluded.version, body = excluded.body, \
     i0 = excluded.i0, i1 = excluded.i1, expires_at = excluded.expires_at";

pub(crate) const DELETE_ROWS: &str = "DELETE FROM chancery.rows WHERE ctid = ANY (ARRAY (SELECT found.ctid \
     FROM unnest($2::text[], $3::text[]) AS gone (t, k) CROSS JOIN LATERAL \
     (SELECT ctid FROM chancery.rows WHERE set_id = $1::integer AND tbl = gone.t AND key = gone.k OFFSET 0) AS found))";

/// Rows as they are before they are written, for the digest of their set; `$1` is the set, or NULL for the inline one.
pub(crate) const ROWS_BEFORE: &str = "SELECT found.* FROM unnest($2::text[], $3::text[]) AS asked (t, k) CROSS JOIN LATERAL \
     (SELECT tbl, key, version, body, i0, i1, expires_at FROM chancery.rows \
     WHERE set_id = coalesce($1::integer, (SELECT inline_set FROM chancery.head)) AND tbl = asked.t AND key = asked.k OFFSET 0) AS found";

const TAKE_CLAIMS: &str = "INSERT INTO chancery.claims (kind, key, owner) SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[]) \
     ON CONFLICT (kind, key) DO UPDATE SET owner = excluded.owner";

const RELEASE_CLAIMS: &str = "DELETE FROM chancery.claims WHERE ctid = ANY (ARRAY (SELECT found.ctid \
     FROM unnest($1::text[], $2::bytea[]) AS gone (kind, key) CROSS JOIN LATERAL \
     (SELECT ctid FROM chancery.claims WHERE claims.kind = gone.kind AND claims.key = gone.key OFFSET 0) AS found))";

const INSERT_SUBTREES: &str =
    "INSERT INTO chancery.subtrees (level, idx, hash) SELECT * FROM unnest($1::integer[], $2::bigint[], $3::bytea[])";

const INSERT_KINDS: &str =
    "INSERT INTO chancery.event_kinds (kind, schema) SELECT * FROM unnest($1::text[], $2::integer[]) ON CONFLICT DO NOTHING";

const UPDATE_HEAD: &str = "UPDATE chancery.head SET size = $1, frontier = $2, root = $3, recorded_at = $4, note = coalesce($5, note), inline_digest = $6, \
     inline_checkpoint = CASE WHEN inline_checkpoint = size THEN $1 ELSE inline_checkpoint END, level = $7 WHERE one = 1";

const NOTIFY: &str = "SELECT pg_notify('chancery_head', $1::text)";

const COUNT_IDS: &str = "SELECT count(*) FROM chancery.events WHERE id = ANY($1::uuid[])";

pub(crate) struct Statements {
    pub begin: Statement,
    pub commit: Statement,
    pub lock_head: Statement,
    pub versions: Statement,
    pub claims: Statement,
    pub rows_before: Statement,
    pub insert_events: Statement,
    pub upsert_rows: Statement,
    pub delete_rows: Statement,
    pub take_claims: Statement,
    pub release_claims: Statement,
    pub insert_subtrees: Statement,
    pub insert_kinds: Statement,
    pub update_head: Statement,
    pub notify: Statement,
    pub count_ids: Statement,
    pub written: Statement,
}

impl Statements {
    pub(crate) async fn prepare(client: &Client) -> Result<Statements, Error> {
        Ok(Statements {
            begin: client.prepare("BEGIN").await?,
            commit: client.prepare("COMMIT").await?,
            lock_head: client.prepare(LOCK_HEAD).await?,
            versions: client.prepare(VERSIONS).await?,
            claims: client.prepare(CLAIMS).await?,
            rows_before: client.prepare(ROWS_BEFORE).await?,
            insert_events: client.prepare(INSERT_EVENTS).await?,
            upsert_rows: client.prepare(UPSERT_ROWS).await?,
            delete_rows: client.prepare(DELETE_ROWS).await?,
            take_claims: client.prepare(TAKE_CLAIMS).await?,
            release_claims: client.prepare(RELEASE_CLAIMS).await?,
            insert_subtrees: client.prepare(INSERT_SUBTREES).await?,
            insert_kinds: client.prepare(INSERT_KINDS).await?,
            update_head: client.prepare(UPDATE_HEAD).await?,
            notify: client.prepare(NOTIFY).await?,
            count_ids: client.prepare(COUNT_IDS).await?,
            written: client.prepare(super::foreign::WRITTEN).await?,
        })
    }
}
