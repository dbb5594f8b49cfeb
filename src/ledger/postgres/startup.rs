//! Opening the log: schema, role, inline set, and the check of head and tail (`check`).

use tokio_postgres::{Client, Error, Row};

use super::connect::{Session, Target};
use super::migrate;
use super::said::said;
use crate::check::{self, StoredEvent, StoredHead};
use crate::error::OpenError;
use crate::plan::HeadState;
use chancery_tree::frontier::Subtree;
use chancery_tree::{Hash, TILE_LEVELS};

/// What a sound log looks like at the start.
pub(super) struct Started {
    pub session: Session,
    pub head: HeadState,
    /// Hash of the last leaf; `None` for an empty log.
    pub last_leaf: Option<Hash>,
}

pub(super) async fn start(target: &Target, inline_set: &str, strict_role: bool) -> Result<Started, OpenError> {
    let session = target.best_session().await.map_err(unavailable)?;
    let client = target.session(session).await.map_err(unavailable)?;
    migrate::check(&client, strict_role).await?;
    let moved: Option<String> =
        client.query_one("SELECT max(moved_to) FROM chancery.head", &[]).await.and_then(|row| row.try_get(0)).map_err(unavailable)?;
    if let Some(to) = moved {
        return Err(OpenError::Moved(to));
    }
    name_inline_set(&client, inline_set).await.map_err(unavailable)?;
    // One snapshot for all the reads, while other nodes go on writing.
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(unavailable)?;
    let (head, last_leaf) = check_log(&client).await?;
    client.batch_execute("COMMIT").await.map_err(unavailable)?;
    Ok(Started { session, head, last_leaf })
}

/// For readers: the level only.
pub(super) async fn look(target: &Target) -> Result<Session, OpenError> {
    let session = target.best_session().await.map_err(unavailable)?;
    let client = target.session(session).await.map_err(unavailable)?;
    migrate::check(&client, false).await?;
    Ok(session)
}

/// The first node that opens a fresh log names its inline set.
async fn name_inline_set(client: &Client, name: &str) -> Result<(), Error> {
    let named: Option<i32> = client.query_one("SELECT inline_set FROM chancery.head", &[]).await?.try_get(0)?;
    if named.is_some() {
        return Ok(());
    }
    client.batch_execute("BEGIN; SELECT FROM chancery.head FOR UPDATE").await?;
    client.execute("INSERT INTO chancery.sets (name, checkpoint) VALUES ($1, 0) ON CONFLICT (name) DO NOTHING", &[&name]).await?;
    let name_it = "UPDATE chancery.head SET inline_set = (SELECT id FROM chancery.sets WHERE name = $1) WHERE inline_set IS NULL";
    client.execute(name_it, &[&name]).await?;
    client.batch_execute("COMMIT").await
}

async fn check_log(client: &Client) -> Result<(HeadState, Option<Hash>), OpenError> {
    let head = client.query_opt("SELECT size, frontier, root, recorded_at, level FROM chancery.head", &[]).await.map_err(unavailable)?;
    let Some(head) = head else {
        return Err(OpenError::Damaged { position: 0, what: "the head row is missing".into() });
    };
    let head = stored_head(&head).map_err(unavailable)?;
    let needed = check::needed(head.size);
    let levels: Vec<i32> = needed.subtrees.iter().map(|(level, _)| level.cast_signed()).collect();
    let indexes: Vec<i64> = needed.subtrees.iter().map(|(_, index)| index.cast_signed()).collect();
    let sql = "SELECT hash FROM unnest($1::integer[], $2::bigint[]) WITH ORDINALITY AS asked (level, idx, n) \
         LEFT JOIN chancery.subtrees USING (level, idx) ORDER BY n";
    let subtrees = client.query(sql, &[&levels, &indexes]).await.map_err(unavailable)?;
    let subtrees = subtrees.iter().map(|row| Ok(row.try_get::<_, Option<&[u8]>>(0)?.and_then(|hash| Hash::try_from(hash).ok())));
    let subtrees = subtrees.collect::<Result<Vec<_>, Error>>().map_err(unavailable)?;
    let from = needed.leaves_from;
    let sql = "SELECT position, id, stream, version, kind, schema, recorded_at, leaf, leaf_hash FROM chancery.events \
         WHERE position >= $1 ORDER BY position";
    let events = client.query(sql, &[&from.cast_signed()]).await.map_err(unavailable)?;
    let events = events.iter().map(stored_event).collect::<Result<Vec<_>, Error>>().map_err(unavailable)?;
    let state = check::verify(&head, &subtrees, &events)?;
    let sql = "SELECT idx, hash FROM chancery.subtrees WHERE level = $1 AND idx >= $2";
    let tiles = client.query(sql, &[&TILE_LEVELS.cast_signed(), &(from >> TILE_LEVELS).cast_signed()]).await.map_err(unavailable)?;
    let tiles = tiles.iter().map(stored_tile).collect::<Result<Vec<_>, Error>>().map_err(unavailable)?;
    check::verify_tiles(&events, &tiles)?;
    let last_leaf = events.last().and_then(|event| Hash::try_from(event.leaf_hash.as_slice()).ok());
    Ok((state, last_leaf))
}

fn stored_head(row: &Row) -> Result<StoredHead, Error> {
    Ok(StoredHead {
        size: row.try_get::<_, i64>(0)?.cast_unsigned(),
        frontier: row.try_get(1)?,
        root: row.try_get(2)?,
        recorded_at: row.try_get(3)?,
        // An impossible level is one that no program knows.
        level: u16::try_from(row.try_get::<_, i32>(4)?).unwrap_or(u16::MAX),
    })
}

fn stored_tile(row: &Row) -> Result<Subtree, Error> {
    // A hash of another length is one that no tile has.
    let hash = Hash::try_from(row.try_get::<_, &[u8]>(1)?).unwrap_or_default();
    Ok(Subtree { level: TILE_LEVELS, index: row.try_get::<_, i64>(0)?.cast_unsigned(), hash })
}

pub(super) fn stored_event(row: &Row) -> Result<StoredEvent, Error> {
    Ok(StoredEvent {
        position: row.try_get::<_, i64>(0)?.cast_unsigned(),
        id: row.try_get(1)?,
        stream: row.try_get(2)?,
        version: row.try_get::<_, i64>(3)?.cast_unsigned(),
        kind: row.try_get(4)?,
        // A schema that no event can have differs from the leaf, which the check names.
        schema: u16::try_from(row.try_get::<_, i32>(5)?).unwrap_or(u16::MAX),
        recorded_at: row.try_get(6)?,
        leaf: row.try_get(7)?,
        leaf_hash: row.try_get(8)?,
    })
}

fn unavailable(e: Error) -> OpenError {
    OpenError::Unavailable(said(&e))
}
