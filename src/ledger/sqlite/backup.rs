//! A copy of an SQLite file while others write to it.
//!
//! | Rule | Why |
//! |---|---|
//! | one snapshot, written by SQLite itself (`VACUUM INTO`) | a file that is copied while it changes is torn |
//! | nothing of deleted rows is in the copy | a destroyed key must not live on in free pages of a backup |
//! | the copy appears whole or not at all, on the disk, for its owner alone | - |
//! | the head of a copied log is held against its last leaves | a backup that cannot be restored is none |

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{READ_ONLY, private, startup};
use crate::error::OpenError;
use crate::recorded::Head;

/// Copies a log. Returns its head, which was checked in the copy.
///
/// # Errors
/// A copy that is there already; a log that cannot be read or is damaged.
pub fn log(from: &Path, to: &Path) -> Result<Head, OpenError> {
    copy(from, to, |copy| Ok(startup::check(copy)?.head()))
}

/// Copies a vault.
///
/// # Errors
/// As for [`log`].
pub fn vault(from: &Path, to: &Path) -> Result<(), OpenError> {
    copy(from, to, |_| Ok(()))
}

fn copy<T>(from: &Path, to: &Path, check: impl FnOnce(&Connection) -> Result<T, OpenError>) -> Result<T, OpenError> {
    let failed = |error: &dyn std::fmt::Display| OpenError::Unavailable(format!("{}: {error}", to.display()));
    if to.exists() {
        return Err(failed(&"the file is there already; a backup is never overwritten"));
    }
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    // What a broken-off backup left.
    let _ = fs::remove_file(&part);
    // Made before SQLite fills it, so that it is private from its first byte.
    drop(private(&part)?);
    let copied = || {
        let source = Connection::open_with_flags(from, READ_ONLY).map_err(|error| super::unavailable(from, &error))?;
        source.execute("VACUUM INTO ?1", [part.display().to_string()]).map_err(|error| failed(&error))?;
        drop(source);
        let copy = Connection::open_with_flags(&part, READ_ONLY).map_err(|error| failed(&error))?;
        let checked = check(&copy)?;
        drop(copy);
        File::open(&part).and_then(|file| file.sync_all()).map_err(|error| failed(&error))?;
        fs::rename(&part, to).map_err(|error| failed(&error))?;
        Ok(checked)
    };
    let outcome = copied();
    if outcome.is_err() {
        let _ = fs::remove_file(&part);
    }
    outcome
}
