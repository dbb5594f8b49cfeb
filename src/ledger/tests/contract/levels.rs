//! The level of the catalogue: kept with the head, raised by a write, refused by a program that knows less.

use chancery_ledger::error::{AppendError, OpenError};
use chancery_ledger::write::Write;
use chancery_ledger::{Ledger, Options};

use crate::fixture::*;

pub fn knowing(level: u16) -> Options {
    Options { level, ..options() }
}

/// Whole numbers: as this process knows it, and as the database has it.
async fn levels(ledger: &Ledger) -> (u16, u16) {
    (ledger.level(), ledger.stored_level().await.unwrap())
}

pub async fn a_log_keeps_the_level_that_it_was_begun_with_or_raised_to(fixture: &impl Fixture) {
    let ledger = fixture.open(knowing(3)).await.unwrap();
    assert_eq!(levels(&ledger).await, (1, 1), "an empty log");
    ledger.append(Write { level: Some(2), ..with_row("s", 0) }).await.unwrap();
    assert_eq!(levels(&ledger).await, (2, 2));
    let lost = Write { level: Some(3), ..with_row("s", 0) };
    assert!(is_conflict(&ledger.append(lost).await));
    assert_eq!(levels(&ledger).await, (2, 2), "a write that lost raises nothing");
    ledger.append(Write { level: Some(1), ..with_row("s", 1) }).await.unwrap();
    ledger.append(with_row("s", 2)).await.unwrap();
    assert_eq!(levels(&ledger).await, (2, 2), "it never falls");
    let beyond = ledger.append(Write { level: Some(4), ..with_row("s", 3) }).await;
    assert!(matches!(beyond, Err(AppendError::Unavailable(_))), "{beyond:?}");
    ledger.close().await;
    let again = fixture.open(knowing(2)).await.unwrap();
    assert_eq!(levels(&again).await, (2, 2));
    again.append(with_row("s", 3)).await.unwrap();
    again.close().await;
}

pub async fn a_program_that_knows_less_does_not_open_the_log(fixture: &impl Fixture) {
    let ledger = fixture.open(knowing(2)).await.unwrap();
    ledger.append(Write { level: Some(2), ..with_row("s", 0) }).await.unwrap();
    ledger.close().await;
    let refused = fixture.open(knowing(1)).await.err().unwrap();
    assert!(matches!(refused, OpenError::CatalogueTooNew { found: 2, known: 1 }), "{refused}");
    assert!(refused.to_string().contains("level 2") && refused.to_string().contains("level 1"), "{refused}");
}
