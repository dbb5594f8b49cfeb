//! Keeping the audit index up with the log.

use std::time::Duration;

use chancery_ledger::Ledger;
use chancery_ledger::error::{ReadError, SetError};

use super::{OLDER, PAGE, SET, rows};

const PAUSE: Duration = Duration::from_secs(1);
/// How long new events are gathered into one page: a question may be this much behind, and a busy log costs few rows.
const GATHER: Duration = Duration::from_millis(100);

/// Why the index stands still. It is tried again; readiness tells.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Set(#[from] SetError),
    #[error("{0}")]
    Fold(String),
}

/// Follows the log until the task is dropped. What goes wrong is told and tried again, from the checkpoint.
pub async fn run(ledger: Ledger) {
    let mut is_alone = false;
    loop {
        match page(&ledger, SET).await {
            Ok((_, events)) if events == PAGE as usize => {}
            Ok((at, _)) => {
                // Caught up: what older programs indexed is needed by nobody any more.
                if !is_alone {
                    is_alone = drop_older(&ledger).await.inspect_err(|error| tracing::warn!(%error, "an old audit index stays")).is_ok();
                }
                ledger.wait(at).await;
                // Also under load, where something new has always come: a page costs nearly the same for ten events as for a thousand.
                tokio::time::sleep(GATHER).await;
            }
            // Another node wrote the same rows first: go on from its checkpoint.
            Err(FollowError::Set(SetError::CheckpointMoved { .. })) => {}
            Err(error) => {
                tracing::warn!(%error, "the audit index stands still");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn drop_older(ledger: &Ledger) -> Result<(), FollowError> {
    for set in OLDER {
        if ledger.checkpoint(set).await?.is_some() {
            ledger.drop_set(set).await?;
        }
    }
    Ok(())
}

/// One page; `false` when there is nothing new.
///
/// # Errors
/// A database that does not answer, or an event that cannot be read.
pub async fn step(ledger: &Ledger) -> Result<bool, FollowError> {
    Ok(page(ledger, SET).await?.1 > 0)
}

/// The checkpoint of a set after one more page, and how many events that had.
async fn page(ledger: &Ledger, set: &str) -> Result<(u64, usize), FollowError> {
    let from = ledger.checkpoint(set).await?.unwrap_or(0);
    let events = ledger.read_all(from, PAGE).await?;
    if events.is_empty() {
        return Ok((from, 0));
    }
    let next = from + events.len() as u64;
    let writes = rows(from, &events).map_err(|e| FollowError::Fold(e.to_string()))?;
    ledger.project(set, from, next, writes).await?;
    Ok((next, events.len()))
}

/// Where the index stands while it is made again.
const ASIDE: &str = "audit.aside";

/// Makes the index again beside the live one, which answers questions until it is replaced. `progress` hears (events done, events in
/// all). Returns how many events are indexed.
///
/// # Errors
/// As for [`step`]; the live index stays as it was.
pub async fn rebuild(ledger: &Ledger, progress: &mut (dyn FnMut(u64, u64) + Send)) -> Result<u64, FollowError> {
    ledger.drop_set(ASIDE).await?;
    while page(ledger, ASIDE).await?.1 > 0 {
        progress(ledger.checkpoint(ASIDE).await?.unwrap_or(0), ledger.known_head().size);
    }
    if ledger.checkpoint(ASIDE).await?.is_some() {
        ledger.replace_set(ASIDE, SET).await?;
    }
    Ok(ledger.checkpoint(SET).await?.unwrap_or(0))
}

/// How many events the index is behind.
///
/// # Errors
/// A database that does not answer.
pub async fn lag(ledger: &Ledger) -> Result<u64, ReadError> {
    let at = ledger.checkpoint(SET).await?.unwrap_or(0);
    Ok(ledger.head().await?.size.saturating_sub(at))
}
