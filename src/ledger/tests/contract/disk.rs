//! A disk that is full or read-only: a clear refusal, nothing half written, and recovery without a restart.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use chancery_ledger::error::{AppendError, OpenError};
use chancery_ledger::write::{StreamWrite, Write};
use chancery_ledger::{Ledger, Options};
use tempfile::TempDir;

use crate::fixture::*;
use crate::sqlite::Sqlite;

fn large(stream: &str, version: u64) -> Write {
    let streams = vec![StreamWrite { events: vec![sized_event(20_000)], ..at(stream, version, 0) }];
    Write { streams, rows: vec![upsert(stream, version + 1)], claims: vec![take(&format!("{stream}-{version}"), stream)], level: None }
}

/// Appends until it fails; returns how many there are and why the next one is not.
async fn fill(ledger: &Ledger, stream: &str, mut version: u64) -> (u64, AppendError) {
    loop {
        match ledger.append(large(stream, version)).await {
            Ok(_) => version += 1,
            Err(error) => return (version, error),
        }
        assert!(version < 2_000, "the disk never got full");
    }
}

async fn assert_exactly(ledger: &Ledger, stream: &str, version: u64) {
    assert_eq!(ledger.read_stream(stream, 0).await.unwrap().len() as u64, version);
    assert_eq!(version_of(ledger, stream).await, Some(version));
    assert_eq!(ledger.claim_owner("name", format!("{stream}-{version}").as_bytes()).await.unwrap(), None);
    assert_whole(ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_at_its_limit_refuses_and_recovers() {
    let fixture = Sqlite::new().await.unwrap();
    let ledger = fixture.open(Options { max_pages: Some(300), ..options() }).await.unwrap();
    let (version, error) = fill(&ledger, "s", 0).await;
    assert!(matches!(&error, AppendError::Unavailable(why) if why.contains("full")), "{error}");
    assert!(version > 10);
    assert!(ledger.is_alive().await.is_err() || ledger.append(large("s", version)).await.is_err());
    assert_exactly(&ledger, "s", version).await;
    ledger.close().await;
    let roomier = fixture.open(Options { max_pages: Some(600), ..options() }).await.unwrap();
    roomier.append(large("s", version)).await.unwrap();
    assert_exactly(&roomier, "s", version + 1).await;
    roomier.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_recovers_without_a_restart() {
    let Some(disk) = Tmpfs::mount("size=4m") else { return };
    let ledger = Ledger::open_sqlite(disk.path().join("chancery.db"), options()).unwrap();
    // Something else fills the disk and later goes away.
    std::fs::write(disk.path().join("ballast"), vec![0; 2 << 20]).unwrap();
    let (version, error) = fill(&ledger, "s", 0).await;
    assert!(matches!(error, AppendError::Unavailable(_)), "{error:?}");
    assert_exactly(&ledger, "s", version).await;
    // To the last byte. A write of one page may still fit, since the log file of SQLite keeps what it has.
    disk.fill_up();
    for _ in 0..3 {
        assert!(ledger.append(large("s", version)).await.is_err());
    }
    let _ = ledger.is_alive().await;
    assert!(ledger.append(large("s", version)).await.is_err());
    assert_exactly(&ledger, "s", version).await;
    std::fs::remove_file(disk.path().join("rest")).unwrap();

    std::fs::remove_file(disk.path().join("ballast")).unwrap();
    assert_eq!(ledger.is_alive().await, Ok(()));
    ledger.append(large("s", version)).await.unwrap();
    assert_eq!(ledger.is_alive().await, Ok(()));
    assert_exactly(&ledger, "s", version + 1).await;
    ledger.close().await;
    let again = Ledger::open_sqlite(disk.path().join("chancery.db"), options()).unwrap();
    assert_exactly(&again, "s", version + 1).await;
    again.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_is_refused_at_the_start() {
    let Some(disk) = Tmpfs::mount("size=4m") else { return };
    let path = disk.path().join("chancery.db");
    let ledger = Ledger::open_sqlite(&path, options()).unwrap();
    ledger.append(large("s", 0)).await.unwrap();
    ledger.close().await;
    drop(ledger);
    assert!(disk.remount("ro"));
    let refused = Ledger::open_sqlite(&path, options());
    assert!(matches!(&refused, Err(OpenError::Unavailable(why)) if why.contains("chancery.db")), "{:?}", refused.err());
    assert!(disk.remount("rw"));
    let again = Ledger::open_sqlite(&path, options()).unwrap();
    assert_exactly(&again, "s", 1).await;
    again.close().await;
}

/// A small disk of its own. Needs the right to mount; file modes would not stop root.
struct Tmpfs(TempDir);

impl Tmpfs {
    fn mount(options: &str) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(directory.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(directory)),
            Ok(output) => {
                eprintln!("skipped: no right to mount a small disk: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                eprintln!("skipped: cannot mount a small disk: {error}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn fill_up(&self) {
        let mut rest = File::create(self.path().join("rest")).unwrap();
        while rest.write_all(&[0; 512]).is_ok() {}
    }

    fn remount(&self, mode: &str) -> bool {
        let status = Command::new("mount").args(["-o", &format!("remount,{mode}")]).arg(self.path()).status();
        status.is_ok_and(|status| status.success())
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
