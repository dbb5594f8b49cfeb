//! SQLite: the embedded default. One process, one writing connection, a pool of reading ones.
//!
//! | Setting | Why |
//! |---|---|
//! | `journal_mode = WAL` | readers never wait for the writer |
//! | `synchronous = FULL` | an acknowledged event survives the loss of power |
//! | a lock on `<file>.lock` | a second writing process would assign the same positions |
//! | `query_only` on reading connections | a bug in a query cannot change history |
//! | `user_version` = level of the schema | a newer file is refused, an older one brought up to date |

pub mod backup;
mod reader;
mod sets;
pub mod standing;
pub(crate) mod startup;
pub(crate) mod store;
mod writer;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake};
use std::thread::{self, Thread};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::mpsc;

pub(crate) use self::reader::Reader;
use crate::error::OpenError;
use crate::ledger::{Backend, Inner, Ledger};
use crate::options::Options;
use crate::shared::{Levels, Shared};
use crate::writer::Writer;

/// One file for each level of the schema, the first makes level 1.
const MIGRATIONS: [&str; 6] = [
    include_str!("../../../schema/ledger/sqlite/0001_init.sql"),
    include_str!("../../../schema/ledger/sqlite/0002_notes.sql"),
    include_str!("../../../schema/ledger/sqlite/0003_moved.sql"),
    include_str!("../../../schema/ledger/sqlite/0004_digests.sql"),
    include_str!("../../../schema/ledger/sqlite/0005_level.sql"),
    include_str!("../../../schema/ledger/sqlite/0006_archived.sql"),
];
const KNOWN_LEVEL: u32 = MIGRATIONS.len() as u32;

impl Ledger {
    /// Opens the log in a file, which is made if it is absent, and checks it. Blocks for some milliseconds.
    pub fn open_sqlite(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let path = path.as_ref().to_owned();
        let lock = lock(&path)?;
        drop(private(&path)?);
        let mut connection = startup::open_writable(&path, &options)?;
        startup::migrate(&mut connection, &options)?;
        startup::refuse_moved(&connection)?;
        let head = startup::check(&connection)?;
        if head.level > options.level {
            return Err(OpenError::CatalogueTooNew { found: head.level, known: options.level });
        }
        let levels = Levels { found: head.level, known: options.level };
        let shared = Arc::new(Shared::new(options.cache_bytes, head.head(), levels, options.archive.clone()));
        let reader = Reader::new(path.clone(), options.readers);
        let store = writer::Store::new(connection, lock, path, reader.clone(), options.clone(), shared.clone());
        let (sender, queue) = mpsc::channel(options.queue);
        let writer = Writer::new(store, queue, shared.clone(), options.clock);
        thread::Builder::new()
            .name("ledger-writer".into())
            .spawn(move || drive(writer.run()))
            .map_err(|error| OpenError::Unavailable(format!("no thread for the writer: {error}")))?;
        let backend = Backend::Sqlite(reader);
        Ok(Self::over(Inner { backend, shared, queue: Some(sender), deadline: options.deadline, sole_writer: true }))
    }

    /// Opens the log to read, while a server may be writing it. Checks the schema's level only: an auditor wants to read a damaged log too.
    pub fn open_sqlite_readonly(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let path = path.as_ref().to_owned();
        let connection = Connection::open_with_flags(&path, READ_ONLY).map_err(|e| unavailable(&path, &e))?;
        let level = startup::level(&connection).map_err(|e| unavailable(&path, &e))?;
        if level == 0 {
            return Err(OpenError::Unavailable(format!("{} holds no log", path.display())));
        }
        if level > KNOWN_LEVEL {
            return Err(OpenError::TooNew { found: level, known: KNOWN_LEVEL });
        }
        let head = store::read_head(&connection).map_err(|e| unavailable(&path, &e))?;
        let found = store::read_level(&connection).map_err(|e| unavailable(&path, &e))?;
        let shared = Arc::new(Shared::new(0, head, Levels { found, known: u16::MAX }, options.archive));
        let backend = Backend::Sqlite(Reader::new(path, options.readers));
        Ok(Self::over(Inner { backend, shared, queue: None, deadline: options.deadline, sole_writer: false }))
    }
}

const READ_ONLY: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Held as long as the writer lives. The system releases it when the process dies, however it dies.
pub(crate) fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = private(&name)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(path.display().to_string())),
        Err(TryLockError::Error(error)) => Err(OpenError::Unavailable(format!("cannot lock {}: {error}", name.display()))),
    }
}

/// Opens a file, which is made for its owner alone. SQLite gives the files beside the database the same mode.
pub(crate) fn private(path: &Path) -> Result<File, OpenError> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| OpenError::Unavailable(format!("cannot open {}: {error}", path.display())))
}

fn unavailable(path: &Path, error: &rusqlite::Error) -> OpenError {
    OpenError::Unavailable(format!("cannot open {}: {error}", path.display()))
}

/// Runs the writer on this thread. It waits for the queue alone, so it needs no runtime and outlives one that is shut down.
fn drive(future: impl Future<Output = ()>) {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut future = pin!(future);
    while future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        thread::park();
    }
}

#[cfg(test)]
mod tests;
