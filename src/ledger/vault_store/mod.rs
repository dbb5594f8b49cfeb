//! A durable store for keys that are already wrapped. It knows neither the wrapping nor the keys' use.
//!
//! | Rule | Why |
//! |---|---|
//! | a put inserts, never overwrites | an overwritten key erases a person without an order |
//! | an answer comes after the commit | an event encrypted under a key must not outlive the key's only copy |
//! | concurrent puts share a commit | a registration makes a key: one fsync each would bound logins |
//! | a replacement compares the old bytes | two rewraps at once must not mix two master keys |
//! | after `destroy` on SQLite the bytes are in no file | destroying the key is the erasure |
//!
//! On PostgreSQL `destroy` deletes the row. The bytes remain in dead tuples until VACUUM, in the write-ahead log and in backups: these need
//! a retention of their own, and an erasure is complete when it has passed. On SQLite the same holds for copies of the file and for
//! what a file system or a disk keeps of blocks that were overwritten.
//!
//! Out of scope: wrapping, the master key, when a key is destroyed (`app::vault`).

mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;

use std::path::Path;

/// One wrapped key. The kind is a word of the caller (`account`, `interaction`, `signing` ...), the id is unique in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    pub kind: String,
    pub id: String,
    pub wrapped: Vec<u8>,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    /// Milliseconds since the epoch from which on [`VaultStore::expired`] lists it. Nothing is destroyed by itself.
    pub expires_at: Option<i64>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry({} {}, {} bytes)", self.kind, self.id, self.wrapped.len())
    }
}

/// Other bytes for an entry, if it still holds `old`.
#[derive(Clone)]
pub struct Replacement {
    pub kind: String,
    pub id: String,
    pub old: Vec<u8>,
    pub new: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultStoreError {
    #[error("the vault already has {kind} {id}")]
    AlreadyExists { kind: String, id: String },
    /// The entry is gone or holds other bytes than the replacement was made from; nothing was replaced.
    #[error("{kind} {id} in the vault is not what it was")]
    Changed { kind: String, id: String },
    #[error("the vault cannot be reached: {0}")]
    Unavailable(String),
}

/// A handle; clones share one store.
#[derive(Clone)]
pub struct VaultStore {
    back_end: BackEnd,
}

#[derive(Clone)]
enum BackEnd {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl VaultStore {
    /// Opens `path` (`vault.db`), made with mode 0600 when it is not there. Starts the one thread that owns the file.
    ///
    /// # Errors
    /// `Unavailable` where the file cannot be opened or is of a newer program.
    pub fn open_sqlite(path: &Path) -> Result<VaultStore, VaultStoreError> {
        Ok(VaultStore { back_end: BackEnd::Sqlite(sqlite::Sqlite::open(path)?) })
    }

    /// Opens the schema `vault` of the database at `url`, which [`crate::postgres::migrate`] made.
    ///
    /// # Errors
    /// `Unavailable` where the database cannot be reached or has no such schema.
    pub async fn open_postgres(url: &str) -> Result<VaultStore, VaultStoreError> {
        Ok(VaultStore { back_end: BackEnd::Postgres(postgres::Postgres::open(url).await?) })
    }

    /// Stores all of `entries` or none, durably.
    ///
    /// # Errors
    /// `AlreadyExists` names the first entry whose name is taken. After `Unavailable` the entries may be there.
    pub async fn put(&self, entries: Vec<Entry>) -> Result<(), VaultStoreError> {
        match &self.back_end {
            BackEnd::Sqlite(store) => store.put(entries).await,
            BackEnd::Postgres(store) => store.put(entries).await,
        }
    }

    /// Replaces the bytes of all the named entries, or of none.
    ///
    /// # Errors
    /// `Changed` names the first entry that does not hold its `old` bytes.
    pub async fn replace(&self, replacements: Vec<Replacement>) -> Result<(), VaultStoreError> {
        match &self.back_end {
            BackEnd::Sqlite(store) => store.replace(replacements).await,
            BackEnd::Postgres(store) => store.replace(replacements).await,
        }
    }

    /// # Errors
    /// `Unavailable` only.
    pub async fn get(&self, kind: &str, id: &str) -> Result<Option<Entry>, VaultStoreError> {
        match &self.back_end {
            BackEnd::Sqlite(store) => store.get(kind, id).await,
            BackEnd::Postgres(store) => store.get(kind, id).await,
        }
    }

    /// The kinds in use, in order.
    ///
    /// # Errors
    /// `Unavailable` only.
    pub async fn kinds(&self) -> Result<Vec<String>, VaultStoreError> {
        match &self.back_end {
            BackEnd::Sqlite(store) => store.kinds().await,
            BackEnd::Postgres(store) => store.kinds().await,
        }
    }

    /// At most `limit` entries of a kind in the order of their ids, from the one after `after_id` on.
    ///
    /// # Errors
    /// `Unavailable` only.
    pub async fn list(&self, kind: &str, after_id: Option<&str>, limit: u32) -> Result<Vec<Entry>, VaultStoreError> {
        match &self.back_end {
            BackEnd::Sqlite(store) => store.list(kind, after_id, limit).await,
            BackEnd::Postgres(store) => store.list(kind, after_id, limit).await,
        }
    }

    /// At most `limit` entries of a kind with `expires_at < before`, the oldest first.
    ///
    /// # Errors
    /// `Unavailable` only.
    pub async fn expired(&self, kind: &str, before: i64, limit: u32) -> Result<Vec<Entry>, VaultStoreError> {
        match &self.back_end {
            BackEnd::Sqlite(store) => store.expired(kind, before, limit).await,
            BackEnd::Postgres(store) => store.expired(kind, before, limit).await,
        }
    }

    /// Destroys the named entries durably and says how many there were. Names that are not there are no error, so that an erasure
    /// interrupted half-way can be repeated.
    ///
    /// # Errors
    /// `Unavailable`: some may be destroyed; repeat.
    pub async fn destroy(&self, kind: &str, ids: &[String]) -> Result<u64, VaultStoreError> {
        match &self.back_end {
            BackEnd::Sqlite(store) => store.destroy(kind, ids).await,
            BackEnd::Postgres(store) => store.destroy(kind, ids).await,
        }
    }

    /// # Errors
    /// `Unavailable` only.
    pub async fn count(&self) -> Result<u64, VaultStoreError> {
        match &self.back_end {
            BackEnd::Sqlite(store) => store.count().await,
            BackEnd::Postgres(store) => store.count().await,
        }
    }
}
