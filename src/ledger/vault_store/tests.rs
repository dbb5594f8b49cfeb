//! One suite for both back ends, and what only a file can show.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{Entry, Replacement, VaultStore, VaultStoreError};

fn entry(kind: &str, id: &str, wrapped: &[u8]) -> Entry {
    Entry { kind: kind.into(), id: id.into(), wrapped: wrapped.into(), created_at: 1, expires_at: None }
}

fn change(id: &str, old: &[u8], new: &[u8]) -> Replacement {
    Replacement { kind: "account".into(), id: id.into(), old: old.into(), new: new.into() }
}

fn exists(id: &str) -> Result<(), VaultStoreError> {
    Err(VaultStoreError::AlreadyExists { kind: "account".into(), id: id.into() })
}

async fn postgres() -> VaultStore {
    VaultStore::open_postgres(&crate::postgres::tests::migrated().await).await.unwrap()
}

async fn on_sqlite<F: Future<Output = ()>>(rule: impl FnOnce(VaultStore) -> F) {
    let folder = tempfile::tempdir().unwrap();
    rule(VaultStore::open_sqlite(&folder.path().join("vault.db")).unwrap()).await;
}

macro_rules! suite {
    ($($rule:ident)*) => {
        mod sqlite { $(#[tokio::test] async fn $rule() { super::on_sqlite(super::$rule).await })* }
        mod postgres { $(#[tokio::test] async fn $rule() { super::$rule(super::postgres().await).await })* }
    };
}

suite! {
    a_put_is_all_or_nothing_and_never_overwrites
    of_concurrent_puts_the_duplicate_fails_alone
    a_replacement_compares_all_old_bytes
    lists_are_ordered_and_paged
    expired_entries_are_listed_oldest_first
    destroyed_entries_are_gone_and_may_be_destroyed_again
}

async fn a_put_is_all_or_nothing_and_never_overwrites(store: VaultStore) {
    store.put(vec![entry("account", "a", b"1"), entry("client", "a", b"2")]).await.unwrap();
    assert_eq!(store.put(vec![entry("account", "b", b"3"), entry("account", "a", b"4")]).await, exists("a"));
    assert_eq!(store.put(vec![entry("account", "c", b"3"), entry("account", "c", b"4")]).await, exists("c"));
    assert_eq!(store.get("account", "a").await.unwrap(), Some(entry("account", "a", b"1")));
    assert_eq!(store.get("account", "b").await.unwrap(), None);
    assert_eq!(store.count().await.unwrap(), 2);
    assert_eq!(store.kinds().await.unwrap(), ["account", "client"]);
}

async fn of_concurrent_puts_the_duplicate_fails_alone(store: VaultStore) {
    let puts: Vec<_> = (0..64)
        .map(|i| {
            let (store, id) = (store.clone(), format!("k{}", i % 63));
            tokio::spawn(async move { store.put(vec![entry("account", &id, &[i])]).await })
        })
        .collect();
    let mut refused = Vec::new();
    for put in puts {
        refused.extend(put.await.unwrap().err());
    }
    assert_eq!(refused, [exists("k0").unwrap_err()]);
    assert_eq!(store.count().await.unwrap(), 63);
}

async fn a_replacement_compares_all_old_bytes(store: VaultStore) {
    store.put(vec![entry("account", "a", b"1"), entry("account", "b", b"2")]).await.unwrap();
    let changed = |id: &str| Err(VaultStoreError::Changed { kind: "account".into(), id: id.into() });
    assert_eq!(store.replace(vec![change("a", b"1", b"9"), change("b", b"1", b"9")]).await, changed("b"));
    assert_eq!(store.replace(vec![change("a", b"1", b"9"), change("none", b"", b"9")]).await, changed("none"));
    assert_eq!(store.get("account", "a").await.unwrap().unwrap().wrapped, b"1");
    store.replace(vec![change("a", b"1", b"8"), change("b", b"2", b"9")]).await.unwrap();
    assert_eq!(store.get("account", "b").await.unwrap(), Some(entry("account", "b", b"9")));
}

async fn lists_are_ordered_and_paged(store: VaultStore) {
    // Upper case before lower case: the order is that of the bytes, on every server.
    for id in ["b", "Z", "é", "a"] {
        store.put(vec![entry("account", id, b"x")]).await.unwrap();
    }
    let ids = |page: Vec<Entry>| page.into_iter().map(|e| e.id).collect::<Vec<_>>();
    assert_eq!(ids(store.list("account", None, 3).await.unwrap()), ["Z", "a", "b"]);
    assert_eq!(ids(store.list("account", Some("b"), 3).await.unwrap()), ["é"]);
    assert!(store.list("client", None, 3).await.unwrap().is_empty());
}

async fn expired_entries_are_listed_oldest_first(store: VaultStore) {
    for (id, expires_at) in [("a", Some(30)), ("b", Some(10)), ("c", None), ("d", Some(20))] {
        store.put(vec![Entry { expires_at, ..entry("interaction", id, b"x") }]).await.unwrap();
    }
    let listed = store.expired("interaction", 30, 10).await.unwrap();
    assert_eq!(listed.iter().map(|e| e.id.as_str()).collect::<Vec<_>>(), ["b", "d"]);
    assert_eq!(store.expired("interaction", 31, 2).await.unwrap().len(), 2);
    assert_eq!(store.count().await.unwrap(), 4);
}

async fn destroyed_entries_are_gone_and_may_be_destroyed_again(store: VaultStore) {
    store.put(vec![entry("account", "a", b"1"), entry("account", "b", b"2"), entry("client", "a", b"3")]).await.unwrap();
    let ids = ["a".to_owned(), "none".to_owned()];
    assert_eq!(store.destroy("account", &ids).await.unwrap(), 1);
    assert_eq!(store.destroy("account", &ids).await.unwrap(), 0);
    assert_eq!(store.get("account", "a").await.unwrap(), None);
    assert_eq!(store.count().await.unwrap(), 2);
    // A name is free again when its key is gone.
    store.put(vec![entry("account", "a", b"4")]).await.unwrap();
}

/// 64 bytes that stand nowhere else. Arrival is not the order of the names, so that the pages of names are split and merged.
fn key(i: u32) -> (String, Vec<u8>) {
    let digest = Sha256::digest(i.to_be_bytes());
    (format!("{digest:x}"), digest.repeat(2))
}

/// Whether any file has the first half of the bytes; a piece that was left behind counts too.
fn holds(folder: &Path, wrapped: &[u8]) -> bool {
    let piece = &wrapped[..24];
    std::fs::read_dir(folder).unwrap().any(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        bytes.windows(piece.len()).any(|window| window == piece)
    })
}

#[tokio::test]
async fn after_destroy_no_file_holds_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = VaultStore::open_sqlite(&folder.path().join("vault.db")).unwrap();
    for from in (0..1_200).step_by(40) {
        store.put((from..from + 40).map(|i| entry("account", &key(i).0, &key(i).1)).collect()).await.unwrap();
    }
    assert!(holds(folder.path(), &key(3).1), "the search finds what is there");
    // A few, then most of them: half-empty pages are merged, and what is merged is moved.
    let (few, most): (Vec<u32>, Vec<u32>) = (0..1_200).filter(|i| i % 10 != 0).partition(|i| i % 10 < 4);
    for ids in [few, most] {
        for part in ids.chunks(97) {
            let names: Vec<String> = part.iter().map(|i| key(*i).0).collect();
            assert_eq!(store.destroy("account", &names).await.unwrap(), part.len() as u64);
            assert!(!holds(folder.path(), &key(part[0]).1));
        }
        let found: Vec<u32> = ids.iter().copied().filter(|i| holds(folder.path(), &key(*i).1)).collect();
        assert_eq!(found, [0; 0], "destroyed keys that are still in a file");
    }
    assert_eq!(store.count().await.unwrap(), 120);
    // What a rewrap replaced is gone too, whatever the length of the new bytes.
    for (i, length) in [(0, 64), (10, 80), (20, 30)] {
        let (name, old) = key(i);
        store.replace(vec![change(&name, &old, &vec![7; length])]).await.unwrap();
        assert!(!holds(folder.path(), &old));
        assert_eq!(store.get("account", &name).await.unwrap().unwrap().wrapped, vec![7; length]);
    }
    // Free slots are used again: as many keys as were destroyed fit into the file as it is.
    let size = || std::fs::metadata(folder.path().join("vault.db")).unwrap().len();
    let before = size();
    store.put((2_000..2_900).map(|i| entry("account", &key(i).0, &key(i).1)).collect()).await.unwrap();
    assert!(size() <= before, "{before} grew to {}", size());
}

#[tokio::test]
async fn the_file_is_closed_to_others_and_is_there_after_a_restart() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.db");
    let store = VaultStore::open_sqlite(&path).unwrap();
    store.put(vec![entry("account", "a", b"1")]).await.unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    drop(store);
    let store = VaultStore::open_sqlite(&path).unwrap();
    assert_eq!(store.count().await.unwrap(), 1);
}

#[tokio::test]
async fn a_vault_of_a_newer_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let refused = VaultStore::open_sqlite(&path).err().unwrap();
    assert!(refused.to_string().contains("level 99"), "{refused}");
}
