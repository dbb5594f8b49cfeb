//! PostgreSQL on either side of a move. Other nodes may serve from the old side until it is closed.

use chancery_tree::Hash;
use tokio_postgres::{Client, Error};
use uuid::Uuid;

use super::{Ending, MoveError, NO_ROWS, Staged};
use crate::error::OpenError;
use crate::postgres::connect::Target as Address;
use crate::postgres::migrate;
use crate::postgres::said::said;
use crate::postgres::sql::INSERT_EVENTS;

/// Rows in one statement.
const CHUNK: usize = 1000;

/// The new side.
pub(super) struct Target {
    client: Client,
}

async fn connect(url: &str) -> Result<Client, MoveError> {
    let unavailable = |e: Error| MoveError::Open(OpenError::Unavailable(said(&e)));
    let address = Address::parse(url).map_err(OpenError::Unavailable)?;
    let session = address.best_session().await.map_err(unavailable)?;
    let client = address.session(session).await.map_err(unavailable)?;
    migrate::check(&client, false).await?;
    // A connection that is lost meanwhile ends the move, which can be run again.
    Ok(client)
}

impl Target {
    /// Opens a migrated database; also says how many events an earlier run staged.
    pub async fn open(url: &str) -> Result<(Self, u64), MoveError> {
        let client = connect(url).await?;
        let size: i64 = one(&client, "SELECT size FROM chancery.head").await?;
        if size > 0 {
            return Err(MoveError::NotEmpty);
        }
        let staged: i64 = one(&client, "SELECT coalesce(max(position) + 1, 0) FROM chancery.events").await?;
        Ok((Self { client }, staged.cast_unsigned()))
    }

    pub async fn leaf_hashes(&self, from: u64, count: usize) -> Result<Vec<Hash>, MoveError> {
        let sql = "SELECT leaf_hash FROM chancery.events WHERE position >= $1 ORDER BY position LIMIT $2";
        let rows = self.client.query(sql, &[&from.cast_signed(), &(count as i64)]).await.map_err(failed)?;
        // A hash of another length is one that no leaf has.
        let hash = |row: &tokio_postgres::Row| Ok(Hash::try_from(row.try_get::<_, &[u8]>(0).map_err(failed)?).unwrap_or_default());
        rows.iter().map(hash).collect()
    }

    pub async fn stage(&self, events: &[Staged]) -> Result<(), MoveError> {
        if events.is_empty() {
            return Ok(());
        }
        let own = |event: &Staged| (event.members.position.cast_signed(), event.members.version.cast_signed());
        let (positions, versions): (Vec<i64>, Vec<i64>) = events.iter().map(own).unzip();
        let ids: Vec<Uuid> = events.iter().map(|e| e.members.id).collect();
        let streams: Vec<&str> = events.iter().map(|e| e.members.stream.as_str()).collect();
        let kinds: Vec<&str> = events.iter().map(|e| e.members.kind.as_str()).collect();
        let schemas: Vec<i32> = events.iter().map(|e| i32::from(e.members.schema)).collect();
        let times: Vec<i64> = events.iter().map(|e| e.members.recorded_at).collect();
        let leaves: Vec<&[u8]> = events.iter().map(|e| &e.leaf[..]).collect();
        let hashes: Vec<&[u8]> = events.iter().map(|e| &e.leaf_hash[..]).collect();
        let statement = self.client.prepare(INSERT_EVENTS).await.map_err(failed)?;
        self.client
            .execute(&statement, &[&positions, &ids, &streams, &versions, &kinds, &schemas, &times, &leaves, &hashes])
            .await
            .map(drop)
            .map_err(failed)
    }

    pub async fn finish(&mut self, ending: &Ending) -> Result<(), MoveError> {
        // Dropped without COMMIT it is rolled back.
        let transaction = self.client.transaction().await.map_err(failed)?;
        write(transaction.client(), ending).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }
}

async fn write(client: &Client, ending: &Ending) -> Result<(), Error> {
    for chunk in ending.subtrees.chunks(CHUNK) {
        let levels: Vec<i32> = chunk.iter().map(|own| own.level.cast_signed()).collect();
        let indexes: Vec<i64> = chunk.iter().map(|own| own.index.cast_signed()).collect();
        let hashes: Vec<&[u8]> = chunk.iter().map(|own| &own.hash[..]).collect();
        let sql = "INSERT INTO chancery.subtrees (level, idx, hash) SELECT * FROM unnest($1::integer[], $2::bigint[], $3::bytea[])";
        client.execute(sql, &[&levels, &indexes, &hashes]).await?;
    }
    for (kind, schema) in &ending.kinds {
        client.execute("INSERT INTO chancery.event_kinds (kind, schema) VALUES ($1, $2)", &[kind, &i32::from(*schema)]).await?;
    }
    for chunk in ending.claims.chunks(CHUNK) {
        let kinds: Vec<&str> = chunk.iter().map(|own| own.kind.as_str()).collect();
        let keys: Vec<&[u8]> = chunk.iter().map(|own| own.key.as_slice()).collect();
        let owners: Vec<&str> = chunk.iter().map(|own| own.owner.as_str()).collect();
        let sql = "INSERT INTO chancery.claims (kind, key, owner) SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[])";
        client.execute(sql, &[&kinds, &keys, &owners]).await?;
    }
    for kept in &ending.notes {
        let sql = "INSERT INTO chancery.notes (size, note, at) VALUES ($1, $2, $3)";
        client.execute(sql, &[&kept.size.cast_signed(), &kept.note, &kept.at]).await?;
    }
    client.execute("INSERT INTO chancery.sets (name, checkpoint) VALUES ($1, 0) ON CONFLICT (name) DO NOTHING", &[&NO_ROWS]).await?;
    let head = ending.head.head();
    let sql = "UPDATE chancery.head SET size = $1, frontier = $2, root = $3, recorded_at = $4, note = $5, inline_checkpoint = 0, inline_digest = $7, \
               inline_set = (SELECT id FROM chancery.sets WHERE name = $6), level = $8 WHERE one = 1";
    let (size, frontier, root) = (head.size.cast_signed(), ending.head.frontier.encode(), &head.root[..]);
    let rows = ending.head.rows.map(|sum| sum.encode().to_vec());
    let level = i32::from(ending.head.level);
    client.execute(sql, &[&size, &frontier, &root, &head.recorded_at, &ending.note, &NO_ROWS, &rows, &level]).await.map(drop)
}

/// The old side.
pub(super) struct Closing {
    client: Client,
}

impl Closing {
    pub async fn open(url: &str) -> Result<Self, MoveError> {
        Ok(Self { client: connect(url).await? })
    }

    pub async fn close(&self, size: u64, to: &str) -> Result<bool, MoveError> {
        match one::<Option<String>>(&self.client, "SELECT moved_to FROM chancery.head").await? {
            // By an earlier run that broke off.
            Some(moved) if moved == to => Ok(true),
            Some(moved) => Err(MoveError::Moved(moved)),
            // One statement: it waits for the lock on the head, and counts only if nobody appended before it got it.
            None => {
                let sql = "UPDATE chancery.head SET moved_to = $1 WHERE one = 1 AND size = $2 AND moved_to IS NULL";
                Ok(self.client.execute(sql, &[&to, &size.cast_signed()]).await.map_err(failed)? == 1)
            }
        }
    }
}

async fn one<T: for<'a> tokio_postgres::types::FromSql<'a>>(client: &Client, sql: &str) -> Result<T, MoveError> {
    client.query_one(sql, &[]).await.map_err(failed)?.try_get(0).map_err(failed)
}

fn failed(e: Error) -> MoveError {
    MoveError::Store(said(&e))
}
