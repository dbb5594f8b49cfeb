//! An interaction's key goes with the person who signed in, whatever is interrupted.

use super::*;

#[tokio::test]
async fn after_not_you_an_interaction_goes_with_the_second_person() {
    let (memory, vault) = vault().await;
    for account in ["alice", "bob", "carol"] {
        vault.create(KeyKind::Account, account).await.unwrap();
    }
    let before = vault.create(KeyKind::Interaction, "i").await.unwrap().commitment();
    vault.adopt("i", "alice").await.unwrap();
    vault.adopt("i", "bob").await.unwrap();
    vault.destroy(KeyKind::Account, &["alice".to_owned()]).await.unwrap();
    assert_eq!(vault.open(KeyKind::Interaction, "i").await.unwrap().unwrap().commitment(), before);
    vault.destroy(KeyKind::Account, &["bob".to_owned()]).await.unwrap();
    assert!(vault.open(KeyKind::Interaction, "i").await.unwrap().is_none());
    assert!(unlocked(&memory, &master(1)).await.unwrap().open(KeyKind::Interaction, "i").await.unwrap().is_none());
    assert_eq!(refused(vault.adopt("i", "carol").await), VaultError::AdopterErased { interaction: "i".to_owned() });
}

#[tokio::test]
async fn an_adoption_interrupted_anywhere_is_finished_and_erased_with_its_account() {
    for (first, steps) in [(None, 2), (Some("alice"), 2)] {
        for done in 0..=steps {
            let (memory, vault) = vault().await;
            for account in ["alice", "bob"] {
                vault.create(KeyKind::Account, account).await.unwrap();
            }
            let before = vault.create(KeyKind::Interaction, "i").await.unwrap().commitment();
            if let Some(first) = first {
                vault.adopt("i", first).await.unwrap();
            }
            memory.left.store(done, Ordering::SeqCst);
            let outcome = vault.adopt("i", "bob").await;
            memory.left.store(i64::MAX, Ordering::SeqCst);
            // Whatever happened, the interaction can be read, and the next start finishes what was begun.
            let vault = unlocked(&memory, &master(1)).await.unwrap();
            assert_eq!(vault.open(KeyKind::Interaction, "i").await.unwrap().unwrap().commitment(), before);
            vault.finish_adoptions().await.unwrap();
            assert_eq!(vault.finish_adoptions().await.unwrap(), 0);
            if outcome.is_err() && done == 0 {
                vault.adopt("i", "bob").await.unwrap();
            }
            vault.destroy(KeyKind::Account, &["bob".to_owned()]).await.unwrap();
            assert!(vault.open(KeyKind::Interaction, "i").await.unwrap().is_none(), "after {done} steps");
        }
    }
}

#[tokio::test]
async fn of_two_who_adopt_at_once_the_key_ends_with_one() {
    let (_, vault) = vault().await;
    for account in ["alice", "bob"] {
        vault.create(KeyKind::Account, account).await.unwrap();
    }
    let before = vault.create(KeyKind::Interaction, "i").await.unwrap().commitment();
    let (one, other) = tokio::join!(vault.adopt("i", "alice"), vault.adopt("i", "bob"));
    assert!(one.is_ok() && other.is_ok());
    assert_eq!(vault.open(KeyKind::Interaction, "i").await.unwrap().unwrap().commitment(), before);
    assert_eq!(vault.finish_adoptions().await.unwrap(), 0);
}
