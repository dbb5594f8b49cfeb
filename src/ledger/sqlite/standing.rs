//! A database of how things stood, for an auditor: written once, beside any log.
//!
//! It is made under a name of its own and gets its place when it is whole: what an interrupted run leaves is never taken for an answer.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use crate::error::SetError;

const SCHEMA: &str = include_str!("../../../schema/replay/sqlite.sql");

/// An event for the database.
#[derive(Clone, Debug)]
pub struct StoodEvent {
    pub position: u64,
    pub recorded_at: i64,
    pub kind: String,
    pub stream: String,
    pub version: u64,
    pub subject: Option<String>,
    pub client: Option<String>,
    pub actor: String,
    pub leaf: String,
    pub leaf_hash: String,
}

/// What a stream added up to.
#[derive(Clone, Debug)]
pub struct StoodState {
    pub kind: String,
    pub key: String,
    pub version: u64,
    /// JSON.
    pub state: String,
}

/// A database that is being made.
pub struct Standing {
    connection: Connection,
    draft: PathBuf,
    path: PathBuf,
}

impl Standing {
    /// Begins. Blocks, as everything here.
    ///
    /// # Errors
    /// A file of this name exists, or the directory cannot be written.
    pub fn create(path: &Path) -> Result<Self, SetError> {
        if path.exists() {
            return Err(SetError::Rejected(format!("{} exists already; remove it or name another file", path.display())));
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".unfinished");
        let draft = PathBuf::from(name);
        let unavailable = |error: &dyn std::fmt::Display| SetError::Unavailable(format!("{}: {error}", draft.display()));
        if draft.exists() {
            std::fs::remove_file(&draft).map_err(|e| unavailable(&e))?;
        }
        // For its owner alone, as the log is.
        drop(super::private(&draft).map_err(|e| unavailable(&e))?);
        let connection = Connection::open(&draft).map_err(|e| unavailable(&e))?;
        // Until it is whole nobody needs it: no journal, no waiting for the disk.
        connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;").map_err(|e| unavailable(&e))?;
        connection.execute_batch(SCHEMA).map_err(|e| unavailable(&e))?;
        Ok(Self { connection, draft, path: path.to_owned() })
    }

    /// Adds events.
    ///
    /// # Errors
    /// A full disk.
    pub fn events(&mut self, events: &[StoodEvent]) -> Result<(), SetError> {
        let transaction = self.connection.transaction().map_err(failed)?;
        {
            let sql = "INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
            let mut insert = transaction.prepare_cached(sql).map_err(failed)?;
            for own in events {
                let (position, version) = (own.position.cast_signed(), own.version.cast_signed());
                let row = params![
                    position,
                    own.recorded_at,
                    own.kind,
                    own.stream,
                    version,
                    own.subject,
                    own.client,
                    own.actor,
                    own.leaf,
                    own.leaf_hash
                ];
                insert.execute(row).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    /// Adds states.
    ///
    /// # Errors
    /// A full disk.
    pub fn states(&mut self, states: &[StoodState]) -> Result<(), SetError> {
        let transaction = self.connection.transaction().map_err(failed)?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO states VALUES (?1, ?2, ?3, ?4)").map_err(failed)?;
            for own in states {
                insert.execute(params![own.kind, own.key, own.version.cast_signed(), own.state]).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    /// The streams of the events in the order of their names, at most `limit` after one.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn streams(&self, after: &str, limit: u32) -> Result<Vec<String>, SetError> {
        let sql = "SELECT DISTINCT stream FROM events WHERE stream > ?1 ORDER BY stream LIMIT ?2";
        let mut select = self.connection.prepare_cached(sql).map_err(failed)?;
        let rows = select.query_map(params![after, limit], |row| row.get(0)).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// Says what it is of, and puts it in its place.
    ///
    /// # Errors
    /// A full disk.
    pub fn finish(self, about: &[(&str, String)]) -> Result<(), SetError> {
        for (name, value) in about {
            self.connection.execute("INSERT INTO about VALUES (?1, ?2)", params![name, value]).map_err(failed)?;
        }
        self.connection.close().map_err(|(_, error)| failed(error))?;
        let unavailable = |error: std::io::Error| SetError::Unavailable(format!("{}: {error}", self.path.display()));
        let file = std::fs::File::open(&self.draft).map_err(unavailable)?;
        file.sync_all().map_err(unavailable)?;
        std::fs::rename(&self.draft, &self.path).map_err(unavailable)
    }
}

fn failed(error: rusqlite::Error) -> SetError {
    SetError::Unavailable(error.to_string())
}
