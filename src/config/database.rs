//! Where the log is kept.

use std::path::{Path, PathBuf};

use super::reader::Reader;
use super::secret::Secret;

/// Where the log is kept.
#[derive(Clone)]
pub enum Database {
    /// The file inside the data directory.
    Sqlite(PathBuf),
    /// The URL, which may hold a password.
    Postgres(Secret),
}

pub(super) fn read(reader: &mut Reader, data_dir: &Path) -> Database {
    let Some(found) = reader.secret("database_url") else { return Database::Sqlite(data_dir.join("chancery.db")) };
    let url = found.secret.expose();
    // Only the scheme may be named: the rest may hold a password.
    let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_lowercase()).unwrap_or_default();
    let sentence = match scheme.as_str() {
        "postgres" | "postgresql" => {
            if url.len() > scheme.len() + 3 {
                return Database::Postgres(found.secret);
            }
            "names no host; write postgres://user@host/database."
        }
        "kurrentdb" | "esdb" | "kurrent" | "eventstore" => {
            "KurrentDB is not supported yet; use postgres://, or unset it for embedded SQLite."
        }
        "sqlite" => "SQLite needs no URL; unset it, and set data_dir for another place.",
        "mysql" | "mariadb" => "MySQL is not supported; use postgres://, or unset it for embedded SQLite.",
        _ => "is not a postgres:// or postgresql:// URL; unset it for embedded SQLite.",
    };
    reader.refuse("database_url", sentence);
    Database::Sqlite(data_dir.join("chancery.db"))
}
