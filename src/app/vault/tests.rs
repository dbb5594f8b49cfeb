//! The vault over a store in memory.

mod adoption;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::memory::Memory;
use super::*;
use crate::app::random::fill;

const AAD: Aad<'_> = Aad { log_id: "log", stream: "account-1", event_id: "e1", field: "email" };

fn master(byte: u8) -> MasterKey {
    MasterKey::new([byte; 32])
}

async fn unlocked(memory: &Memory, key: &MasterKey) -> Result<Vault, VaultError> {
    Vault::unlock(Store::Memory(memory.clone()), key, Clock::manual(1_000), fill).await
}

async fn vault() -> (Memory, Vault) {
    let memory = Memory::new();
    let vault = unlocked(&memory, &master(1)).await.unwrap();
    (memory, vault)
}

/// What refused, without asking for Debug of the secret on the other side.
fn refused<T>(result: Result<T, VaultError>) -> VaultError {
    result.err().expect("refused")
}

#[tokio::test]
async fn a_sealed_value_opens_in_its_place_only() {
    let (_, vault) = vault().await;
    let key = vault.create(KeyKind::Account, "1").await.unwrap();
    let sealed = vault.seal(&key, &AAD, b"alice@example.com");
    assert_eq!(**vault.unseal(&key, &AAD, &sealed).unwrap(), *b"alice@example.com");
    let elsewhere = [
        Aad { log_id: "another", ..AAD },
        Aad { stream: "account-2", ..AAD },
        Aad { event_id: "e2", ..AAD },
        Aad { field: "name", ..AAD },
        // The same bytes in a row, with another border.
        Aad { stream: "account-1e", event_id: "1", ..AAD },
    ];
    for aad in elsewhere {
        assert_eq!(vault.unseal(&key, &aad, &sealed).err(), Some(UnsealError::Tampered));
    }
    let other = vault.create(KeyKind::Account, "2").await.unwrap();
    assert_eq!(vault.unseal(&other, &AAD, &sealed).err(), Some(UnsealError::WrongKey));
    assert_ne!(vault.seal(&key, &AAD, b"x"), vault.seal(&key, &AAD, b"x"));
}

#[tokio::test]
async fn every_changed_byte_is_found() {
    let (_, vault) = vault().await;
    let key = vault.create(KeyKind::Account, "1").await.unwrap();
    let sealed = URL_SAFE_NO_PAD.decode(vault.seal(&key, &AAD, b"alice")).unwrap();
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut changed = sealed.clone();
            changed[at] ^= 1 << bit;
            let expected = match at {
                0 => UnsealError::Malformed,
                1..5 => UnsealError::WrongKey,
                _ => UnsealError::Tampered,
            };
            assert_eq!(vault.unseal(&key, &AAD, &URL_SAFE_NO_PAD.encode(&changed)).err(), Some(expected), "byte {at}");
        }
    }
    for cut in 0..sealed.len() {
        assert!(vault.unseal(&key, &AAD, &URL_SAFE_NO_PAD.encode(&sealed[..cut])).is_err());
    }
    for text in ["", "!", "AA", "é", "====", &"A".repeat(10_000)] {
        assert!(vault.unseal(&key, &AAD, text).is_err());
    }
}

#[tokio::test]
async fn lengths_within_a_bucket_look_alike() {
    let (_, vault) = vault().await;
    let key = vault.create(KeyKind::Account, "1").await.unwrap();
    for (length, bucket) in [(0, 32), (1, 32), (31, 32), (32, 64), (63, 64), (64, 96)] {
        // Zeros and the mark itself at the end are text like any other.
        for text in [vec![0; length], vec![0x80; length]] {
            let sealed = vault.seal(&key, &AAD, &text);
            assert_eq!(URL_SAFE_NO_PAD.decode(&sealed).unwrap().len(), 1 + 4 + 12 + bucket + 16);
            assert_eq!(*vault.unseal(&key, &AAD, &sealed).unwrap(), text);
        }
    }
}

#[tokio::test]
async fn a_destroyed_key_is_gone_from_store_and_memory() {
    let (memory, vault) = vault().await;
    let commitment = vault.create(KeyKind::Account, "1").await.unwrap().commitment();
    assert_eq!(vault.open(KeyKind::Account, "1").await.unwrap().unwrap().commitment(), commitment);
    assert_eq!(vault.destroy(KeyKind::Account, &["1".to_owned()]).await.unwrap(), 1);
    assert!(vault.open(KeyKind::Account, "1").await.unwrap().is_none());
    assert_eq!(vault.destroy(KeyKind::Account, &["1".to_owned()]).await.unwrap(), 0);
    assert!(unlocked(&memory, &master(1)).await.unwrap().open(KeyKind::Account, "1").await.unwrap().is_none());
}

#[tokio::test]
async fn a_key_destroyed_elsewhere_is_forgotten_when_told_or_after_a_minute() {
    let memory = Memory::new();
    let clock = Clock::manual(0);
    let here = Vault::unlock(Store::Memory(memory.clone()), &master(1), clock.clone(), fill).await.unwrap();
    let there = unlocked(&memory, &master(1)).await.unwrap();
    for id in ["1", "2"] {
        here.create(KeyKind::Account, id).await.unwrap();
    }
    there.destroy(KeyKind::Account, &["1".to_owned(), "2".to_owned()]).await.unwrap();
    here.forget(KeyKind::Account, &["1".to_owned()]);
    assert!(here.open(KeyKind::Account, "1").await.unwrap().is_none());
    clock.advance(cache::AGE_MS);
    assert!(here.open(KeyKind::Account, "2").await.unwrap().is_none());
}

#[tokio::test]
async fn a_destruction_that_failed_leaves_nothing_in_memory() {
    let (memory, vault) = vault().await;
    vault.create(KeyKind::Account, "1").await.unwrap();
    memory.left.store(0, Ordering::SeqCst);
    assert!(matches!(refused(vault.destroy(KeyKind::Account, &["1".to_owned()]).await), VaultError::Unavailable(_)));
    memory.left.store(i64::MAX, Ordering::SeqCst);
    // Still readable, since it still exists, but read from the store each time.
    assert!(vault.open(KeyKind::Account, "1").await.unwrap().is_some());
    assert_eq!(vault.cache.len(), 0);
    memory.entries.lock().unwrap().retain(|(kind, _), _| kind != "account");
    assert!(vault.open(KeyKind::Account, "1").await.unwrap().is_none());
}

#[test]
fn the_cache_is_bounded_and_keeps_nothing_that_overlaps_a_destruction() {
    let cache = Cache::default();
    let key = |id: usize| Arc::new(DataKey::new(DataKeyId::new(KeyKind::Client, id.to_string()), Zeroizing::new([1; 32])));
    for id in 0..cache::CAPACITY * 2 {
        cache.keep(cache.ticket(), &key(id), None, 0);
    }
    assert!(cache.len() <= cache::CAPACITY);
    let ticket = cache.ticket();
    cache.destroyed(&[DataKeyId::new(KeyKind::Client, "unrelated")]);
    cache.keep(ticket, &key(usize::MAX), None, 0);
    assert!(cache.get(key(usize::MAX).id(), 0).is_none());
}

#[tokio::test]
async fn keys_are_never_overwritten_and_ids_are_bounded() {
    let (_, vault) = vault().await;
    let first = vault.create(KeyKind::Account, "1").await.unwrap();
    let again = VaultError::AlreadyExists { kind: "account".to_owned(), id: "1".to_owned() };
    assert_eq!(refused(vault.create(KeyKind::Account, "1").await), again);
    assert_eq!(vault.open(KeyKind::Account, "1").await.unwrap().unwrap().commitment(), first.commitment());
    for bad in ["", &"x".repeat(256)] {
        assert!(matches!(refused(vault.create(KeyKind::Client, bad).await), VaultError::BadId { .. }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_concurrent_creators_one_wins_and_all_get_the_same_key() {
    let memory = Memory::new();
    let mut tasks = Vec::new();
    for _ in 0..32 {
        let memory = memory.clone();
        tasks.push(tokio::spawn(async move {
            // Each is a node of its own, and the vault is new to all of them.
            let vault = unlocked(&memory, &master(1)).await.unwrap();
            let (epoch, made) = vault.epoch("2026-11").await.unwrap();
            let mac = mac(&vault.named(Purpose::Sid).await.unwrap(), &[b"x"]);
            (epoch.commitment(), made, mac, vault.create(KeyKind::Account, "a").await.is_ok())
        }));
    }
    let mut seen = Vec::new();
    for task in tasks {
        seen.push(task.await.unwrap());
    }
    assert_eq!(seen.iter().filter(|(_, made, _, _)| *made).count(), 1);
    assert_eq!(seen.iter().filter(|(_, _, _, created)| *created).count(), 1);
    assert_eq!(seen.iter().map(|(commitment, _, mac, _)| (*commitment, *mac)).collect::<BTreeSet<_>>().len(), 1);
}

#[tokio::test]
async fn a_wrong_master_key_is_refused_with_a_sentence() {
    let (memory, _) = vault().await;
    let error = refused(unlocked(&memory, &master(2)).await);
    assert_eq!(error, VaultError::WrongMasterKey);
    assert!(error.to_string().starts_with("CHANCERY_MASTER_KEY is not the key that this vault was made with"));
    assert!(unlocked(&memory, &master(1)).await.is_ok());
}

#[tokio::test]
async fn a_vault_without_its_check_value_or_with_damage_is_refused() {
    let (memory, vault) = vault().await;
    vault.create(KeyKind::Account, "1").await.unwrap();
    let name = ("account".to_owned(), "1".to_owned());
    let damaged = VaultError::Damaged { kind: "account".to_owned(), id: "1".to_owned() };
    let whole = memory.entries.lock().unwrap()[&name].wrapped.clone();
    for at in 0..whole.len() {
        memory.entries.lock().unwrap().get_mut(&name).unwrap().wrapped[at] ^= 1;
        vault.forget(KeyKind::Account, &["1".to_owned()]);
        let error = refused(vault.open(KeyKind::Account, "1").await);
        assert!(error == damaged || matches!(error, VaultError::OtherMasterKey { .. }), "byte {at}: {error}");
        memory.entries.lock().unwrap().get_mut(&name).unwrap().wrapped = whole.clone();
    }
    // Two entries exchanged: the name is part of what is authenticated.
    vault.create(KeyKind::Account, "2").await.unwrap();
    memory.entries.lock().unwrap().get_mut(&("account".to_owned(), "2".to_owned())).unwrap().wrapped = whole;
    vault.forget(KeyKind::Account, &["2".to_owned()]);
    assert!(matches!(refused(vault.open(KeyKind::Account, "2").await), VaultError::Damaged { .. }));

    memory.entries.lock().unwrap().remove(&(CHECK.to_owned(), CHECK_CURRENT.to_owned()));
    assert_eq!(refused(unlocked(&memory, &master(1)).await), VaultError::NoCheckValue);
}

#[tokio::test]
async fn an_adopted_interaction_lives_and_dies_with_the_account() {
    let (memory, vault) = vault().await;
    vault.create(KeyKind::Account, "alice").await.unwrap();
    vault.create(KeyKind::Account, "bob").await.unwrap();
    let before = vault.create(KeyKind::Interaction, "i").await.unwrap().commitment();
    vault.adopt("i", "alice").await.unwrap();
    vault.adopt("i", "alice").await.unwrap();
    assert!(matches!(refused(vault.adopt("none", "bob").await), VaultError::Missing { .. }));
    assert!(matches!(refused(vault.adopt("i", "nobody").await), VaultError::Missing { .. }));
    assert_eq!(vault.open(KeyKind::Interaction, "i").await.unwrap().unwrap().commitment(), before);
    vault.destroy(KeyKind::Account, &["alice".to_owned()]).await.unwrap();
    assert!(vault.open(KeyKind::Interaction, "i").await.unwrap().is_none());
    assert!(unlocked(&memory, &master(1)).await.unwrap().open(KeyKind::Interaction, "i").await.unwrap().is_none());
}

#[test]
fn a_vault_that_cannot_be_reached_says_so_once() {
    let error = VaultError::from(VaultStoreError::Unavailable("connection refused".to_owned()));
    assert_eq!(error.to_string(), "the vault cannot be reached: connection refused");
}

#[tokio::test]
async fn abandoned_interactions_are_found_after_a_day_and_adopted_ones_are_not() {
    let memory = Memory::new();
    let clock = Clock::manual(0);
    let vault = Vault::unlock(Store::Memory(memory.clone()), &master(1), clock.clone(), fill).await.unwrap();
    vault.create(KeyKind::Account, "a").await.unwrap();
    for id in ["left", "kept", "half"] {
        vault.create(KeyKind::Interaction, id).await.unwrap();
    }
    vault.adopt("kept", "a").await.unwrap();
    // An adoption interrupted between its two steps.
    memory.left.store(1, Ordering::SeqCst);
    assert!(vault.adopt("half", "a").await.is_err());
    memory.left.store(i64::MAX, Ordering::SeqCst);
    clock.advance(ABANDONED_AFTER_MS);
    assert!(vault.abandoned(10).await.unwrap().is_empty());
    clock.advance(1);
    assert_eq!(vault.abandoned(10).await.unwrap(), ["left"]);
    vault.destroy(KeyKind::Interaction, &["left".to_owned()]).await.unwrap();
    assert!(vault.abandoned(10).await.unwrap().is_empty());
    assert!(vault.open(KeyKind::Interaction, "half").await.unwrap().is_some());
    assert_eq!(memory.entries.lock().unwrap().keys().filter(|(kind, _)| kind == "interaction").count(), 0);
}

/// A vault with a bit of everything, and what must be the same after a change of the master key.
async fn furnished(vault: &Vault) {
    for i in 0..450 {
        vault.create(KeyKind::Account, &format!("a{i:03}")).await.unwrap();
    }
    vault.create(KeyKind::Interaction, "i").await.unwrap();
    vault.adopt("i", "a001").await.unwrap();
    vault.epoch("2026-11").await.unwrap();
    vault.put_signing_key("kid-1", b"pkcs8").await.unwrap();
    for purpose in Purpose::ALL {
        vault.named(purpose).await.unwrap();
    }
}

async fn contents(vault: &Vault) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for i in 0..450 {
        all.push(vault.open(KeyKind::Account, &format!("a{i:03}")).await.unwrap().unwrap().commitment().to_vec());
    }
    all.push(vault.open(KeyKind::Interaction, "i").await.unwrap().unwrap().commitment().to_vec());
    all.push(vault.epoch("2026-11").await.unwrap().0.commitment().to_vec());
    all.push(vault.signing_key("kid-1").await.unwrap().unwrap().to_vec());
    for purpose in Purpose::ALL {
        all.push(mac(&vault.named(purpose).await.unwrap(), &[b"x"]).to_vec());
    }
    all
}

#[tokio::test]
async fn a_change_of_the_master_key_interrupted_anywhere_can_be_finished() {
    let (memory, vault) = vault().await;
    furnished(&vault).await;
    let before = contents(&vault).await;
    let original = memory.entries.lock().unwrap().clone();
    let mut steps = 0;
    loop {
        let memory = Memory::new();
        *memory.entries.lock().unwrap() = original.clone();
        let store = Store::Memory(memory.clone());
        let clock = Clock::manual(0);
        memory.left.store(steps, Ordering::SeqCst);
        let cut = rewrap(&store, &master(1), &master(2), &clock, fill).await;
        memory.left.store(i64::MAX, Ordering::SeqCst);
        if cut.is_err() && steps > 0 {
            let next_is_there = memory.entries.lock().unwrap().contains_key(&(CHECK.to_owned(), CHECK_NEXT.to_owned()));
            let (old, new) = (unlocked(&memory, &master(1)).await.err(), unlocked(&memory, &master(2)).await.err());
            // Either both keys are told to finish, or only the last trace was missing and the new key works already.
            let finished = new.is_none() && old == Some(VaultError::WrongMasterKey);
            assert!(finished || (next_is_there && old == Some(VaultError::RewrapUnfinished) && new == old), "{steps}: {old:?} {new:?}");
            assert!(finished || refused(rewrap(&store, &master(1), &master(3), &clock, fill).await) == VaultError::OtherRewrapUnfinished);
        }
        rewrap(&store, &master(1), &master(2), &clock, fill).await.unwrap();
        assert_eq!(refused(unlocked(&memory, &master(1)).await), VaultError::WrongMasterKey);
        assert!(contents(&unlocked(&memory, &master(2)).await.unwrap()).await == before);
        if cut.is_ok() {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 8, "only {steps} places to interrupt");
}

#[tokio::test]
async fn rewrap_refuses_the_wrong_key_and_takes_late_entries_along() {
    let (memory, running) = vault().await;
    let store = Store::Memory(memory.clone());
    let clock = Clock::manual(0);
    let empty = Store::Memory(Memory::new());
    assert_eq!(refused(rewrap(&empty, &master(1), &master(2), &clock, fill).await), VaultError::Empty);
    assert_eq!(refused(rewrap(&store, &master(1), &master(1), &clock, fill).await), VaultError::SameMasterKey);
    assert_eq!(refused(rewrap(&store, &master(9), &master(2), &clock, fill).await), VaultError::WrongMasterKey);
    running.create(KeyKind::Account, "early").await.unwrap();
    assert_eq!(rewrap(&store, &master(1), &master(2), &clock, fill).await, Ok(1));
    // A server that still runs with the old key.
    running.create(KeyKind::Account, "late").await.unwrap();
    let vault = unlocked(&memory, &master(2)).await.unwrap();
    assert!(matches!(refused(vault.open(KeyKind::Account, "late").await), VaultError::OtherMasterKey { .. }));
    assert_eq!(rewrap(&store, &master(1), &master(2), &clock, fill).await, Ok(1));
    assert!(vault.open(KeyKind::Account, "late").await.unwrap().is_some());
}

#[tokio::test]
async fn signing_keys_are_kept_by_kid() {
    let (memory, vault) = vault().await;
    for i in 0..120 {
        vault.put_signing_key(&format!("k{i:03}"), format!("key {i}").as_bytes()).await.unwrap();
    }
    assert!(matches!(refused(vault.put_signing_key("k000", b"other").await), VaultError::AlreadyExists { .. }));
    let kids = vault.signing_kids().await.unwrap();
    assert_eq!((kids.len(), kids[0].as_str()), (120, "k000"));
    assert_eq!(**vault.signing_key("k007").await.unwrap().unwrap(), *b"key 7");
    assert!(vault.destroy_signing_key("k007").await.unwrap() && !vault.destroy_signing_key("k007").await.unwrap());
    assert!(vault.signing_key("k007").await.unwrap().is_none());
    let entries = memory.entries.lock().unwrap();
    assert!(!entries.values().any(|e| e.wrapped.windows(5).any(|bytes| bytes == b"key 1")));
}

#[tokio::test]
async fn macs_differ_by_purpose_and_by_border_and_blind_indexes_by_address() {
    let (memory, vault) = vault().await;
    let (one, two) = (vault.named(Purpose::Sid).await.unwrap(), vault.named(Purpose::Cursor).await.unwrap());
    assert_ne!(mac(&one, &[b"x"]), mac(&two, &[b"x"]));
    assert_ne!(one.id(), two.id());
    assert_ne!(mac(&one, &[b"ab", b"c"]), mac(&one, &[b"a", b"bc"]));
    let again = unlocked(&memory, &master(1)).await.unwrap().named(Purpose::Sid).await.unwrap();
    assert_eq!((mac(&one, &[b"x"]), one.id()), (mac(&again, &[b"x"]), again.id()));
    let key = vault.named(Purpose::BlindIndex).await.unwrap();
    assert_eq!(blind_index(&key, " Alice@Example.com"), blind_index(&key, "alice@example.COM"));
    assert_ne!(blind_index(&key, "alice@example.com"), blind_index(&key, "alice@example.org"));
}
