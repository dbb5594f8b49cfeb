//! The vault in the schema `vault` of a PostgreSQL database.
//!
//! One task gathers concurrent puts and inserts them in one statement, which is its own transaction. Where a put of the group cannot be
//! stored, the group is run one put at a time, so that it fails alone.

use std::collections::HashSet;

use deadpool_postgres::{Object, Pool};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::{Entry, Replacement, VaultStoreError};
use crate::postgres::connect::Target;

const CONNECTIONS: usize = 4;
/// Puts that wait; a caller beyond waits for its place.
const QUEUE: usize = 1_024;
/// Puts that share one commit.
const GROUP: usize = 256;
const COLUMNS: &str = "kind, id, wrapped, created_at, expires_at";
const INSERT: &str = "INSERT INTO vault.entries (kind, id, wrapped, created_at, expires_at) \
     SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::bigint[])";
const TAKEN: &str = "SELECT kind, id FROM vault.entries JOIN unnest($1::text[], $2::text[]) AS asked (kind, id) USING (kind, id)";

#[derive(Clone)]
pub(super) struct Postgres {
    pool: Pool,
    puts: mpsc::Sender<Put>,
}

struct Put {
    entries: Vec<Entry>,
    answer: oneshot::Sender<Result<(), VaultStoreError>>,
}

impl Postgres {
    pub(super) async fn open(url: &str) -> Result<Postgres, VaultStoreError> {
        let target = Target::parse(url).map_err(VaultStoreError::Unavailable)?;
        let session = target.best_session().await.map_err(|e| unavailable(&e))?;
        let pool = target.pool(session, CONNECTIONS, None).map_err(VaultStoreError::Unavailable)?;
        let (puts, queue) = mpsc::channel(QUEUE);
        let store = Postgres { pool, puts };
        // A database without the schema is refused here, not at the first login.
        store.count().await?;
        tokio::spawn(gather(store.pool.clone(), queue));
        Ok(store)
    }

    pub(super) async fn put(&self, entries: Vec<Entry>) -> Result<(), VaultStoreError> {
        let (answer, answered) = oneshot::channel();
        let gone = |_| VaultStoreError::Unavailable("the vault is closing".to_owned());
        self.puts.send(Put { entries, answer }).await.map_err(|_| gone(()))?;
        answered.await.map_err(|_| gone(()))?
    }

    pub(super) async fn replace(&self, replacements: Vec<Replacement>) -> Result<(), VaultStoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(|e| unavailable(&e))?;
        let sql = "UPDATE vault.entries SET wrapped = $4 WHERE kind = $1 AND id = $2 AND wrapped = $3";
        let update = transaction.prepare_cached(sql).await.map_err(|e| unavailable(&e))?;
        for r in replacements {
            if transaction.execute(&update, &[&r.kind, &r.id, &r.old, &r.new]).await.map_err(|e| unavailable(&e))? == 0 {
                // Dropping the transaction rolls it back.
                return Err(VaultStoreError::Changed { kind: r.kind, id: r.id });
            }
        }
        transaction.commit().await.map_err(|e| unavailable(&e))
    }

    pub(super) async fn destroy(&self, kind: &str, ids: &[String]) -> Result<u64, VaultStoreError> {
        let client = self.client().await?;
        let sql = "DELETE FROM vault.entries WHERE kind = $1 AND id = ANY($2)";
        let delete = client.prepare_cached(sql).await.map_err(|e| unavailable(&e))?;
        client.execute(&delete, &[&kind, &ids]).await.map_err(|e| unavailable(&e))
    }

    pub(super) async fn get(&self, kind: &str, id: &str) -> Result<Option<Entry>, VaultStoreError> {
        let sql = format!("SELECT {COLUMNS} FROM vault.entries WHERE kind = $1 AND id = $2");
        Ok(self.entries(&sql, &[&kind, &id]).await?.pop())
    }

    pub(super) async fn kinds(&self) -> Result<Vec<String>, VaultStoreError> {
        let client = self.client().await?;
        let rows = client.query("SELECT DISTINCT kind FROM vault.entries ORDER BY kind", &[]).await.map_err(|e| unavailable(&e))?;
        rows.iter().map(|row| row.try_get(0).map_err(|e| unavailable(&e))).collect()
    }

    pub(super) async fn list(&self, kind: &str, after_id: Option<&str>, limit: u32) -> Result<Vec<Entry>, VaultStoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM vault.entries WHERE kind = $1 AND ($2::text IS NULL OR id > $2::text COLLATE \"C\") ORDER BY id LIMIT $3"
        );
        self.entries(&sql, &[&kind, &after_id, &i64::from(limit)]).await
    }

    pub(super) async fn expired(&self, kind: &str, before: i64, limit: u32) -> Result<Vec<Entry>, VaultStoreError> {
        let sql = format!("SELECT {COLUMNS} FROM vault.entries WHERE kind = $1 AND expires_at < $2 ORDER BY expires_at, id LIMIT $3");
        self.entries(&sql, &[&kind, &before, &i64::from(limit)]).await
    }

    pub(super) async fn count(&self) -> Result<u64, VaultStoreError> {
        let client = self.client().await?;
        let row = client.query_one("SELECT count(*) FROM vault.entries", &[]).await.map_err(|e| unavailable(&e))?;
        row.try_get::<_, i64>(0).map(i64::cast_unsigned).map_err(|e| unavailable(&e))
    }

    async fn entries(&self, sql: &str, params: &[&(dyn tokio_postgres::types::ToSql + Sync)]) -> Result<Vec<Entry>, VaultStoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql).await.map_err(|e| unavailable(&e))?;
        let rows = client.query(&statement, params).await.map_err(|e| unavailable(&e))?;
        rows.iter().map(|row| entry(row).map_err(|e| unavailable(&e))).collect()
    }

    async fn client(&self) -> Result<Object, VaultStoreError> {
        self.pool.get().await.map_err(|e| unavailable(&e))
    }
}

async fn gather(pool: Pool, mut queue: mpsc::Receiver<Put>) {
    let mut group = Vec::with_capacity(GROUP);
    while queue.recv_many(&mut group, GROUP).await > 0 {
        let all: Vec<&Entry> = group.iter().flat_map(|put| &put.entries).collect();
        let together = insert(&pool, &all).await;
        for put in group.drain(..) {
            let result = match &together {
                Err(Refused::Duplicate) => alone(&pool, &put.entries).await,
                Err(Refused::Fault(e)) => Err(e.clone()),
                Ok(()) => Ok(()),
            };
            // Whoever asked may have gone away meanwhile.
            let _ = put.answer.send(result);
        }
    }
}

enum Refused {
    Duplicate,
    Fault(VaultStoreError),
}

async fn insert(pool: &Pool, entries: &[&Entry]) -> Result<(), Refused> {
    let fault = |e: &dyn std::fmt::Display| Refused::Fault(unavailable(e));
    let client = pool.get().await.map_err(|e| fault(&e))?;
    let statement = client.prepare_cached(INSERT).await.map_err(|e| fault(&e))?;
    let kinds: Vec<&str> = entries.iter().map(|e| e.kind.as_str()).collect();
    let ids: Vec<&str> = entries.iter().map(|e| e.id.as_str()).collect();
    let wrapped: Vec<&[u8]> = entries.iter().map(|e| e.wrapped.as_slice()).collect();
    let created: Vec<i64> = entries.iter().map(|e| e.created_at).collect();
    let expires: Vec<Option<i64>> = entries.iter().map(|e| e.expires_at).collect();
    match client.execute(&statement, &[&kinds, &ids, &wrapped, &created, &expires]).await {
        Ok(_) => Ok(()),
        Err(e) if e.code() == Some(&SqlState::UNIQUE_VIOLATION) => Err(Refused::Duplicate),
        // A value that the server refuses, such as a name with a zero byte, must fail alone too.
        Err(e) if e.as_db_error().is_some_and(|e| e.code().code().starts_with("22")) => Err(Refused::Duplicate),
        Err(e) => Err(fault(&e)),
    }
}

async fn alone(pool: &Pool, entries: &[Entry]) -> Result<(), VaultStoreError> {
    let all: Vec<&Entry> = entries.iter().collect();
    match insert(pool, &all).await {
        Ok(()) => Ok(()),
        Err(Refused::Fault(e)) => Err(e),
        Err(Refused::Duplicate) => Err(first_taken(pool, entries).await?),
    }
}

/// Which of the entries stood in the way. The insert already failed; this only finds the name for the error.
async fn first_taken(pool: &Pool, entries: &[Entry]) -> Result<VaultStoreError, VaultStoreError> {
    let client = pool.get().await.map_err(|e| unavailable(&e))?;
    let kinds: Vec<&str> = entries.iter().map(|e| e.kind.as_str()).collect();
    let ids: Vec<&str> = entries.iter().map(|e| e.id.as_str()).collect();
    let rows = client.query(TAKEN, &[&kinds, &ids]).await.map_err(|e| unavailable(&e))?;
    let mut taken = HashSet::new();
    for row in &rows {
        taken.insert((row.try_get(0).map_err(|e| unavailable(&e))?, row.try_get(1).map_err(|e| unavailable(&e))?));
    }
    let twice = entries.iter().find(|e| !taken.insert((e.kind.clone(), e.id.clone())));
    Ok(match twice {
        Some(e) => VaultStoreError::AlreadyExists { kind: e.kind.clone(), id: e.id.clone() },
        None => VaultStoreError::Unavailable("the database refused an entry that it does not hold".to_owned()),
    })
}

fn entry(row: &Row) -> Result<Entry, tokio_postgres::Error> {
    Ok(Entry {
        kind: row.try_get(0)?,
        id: row.try_get(1)?,
        wrapped: row.try_get(2)?,
        created_at: row.try_get(3)?,
        expires_at: row.try_get(4)?,
    })
}

fn unavailable(e: &dyn std::fmt::Display) -> VaultStoreError {
    VaultStoreError::Unavailable(e.to_string())
}
