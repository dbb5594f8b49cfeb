//! What other nodes wrote, kept out of the row cache.
//!
//! | Rule | Why |
//! |---|---|
//! | a row of the inline set has the name of its stream | so that the events of a commit tell which rows it changed |
//! | rows older than the newest event of their stream are forgotten, all others stay | a node keeps its cache while others write |
//! | a tail too long to look at empties the cache | whoever was away for long starts anew |
//!
//! It happens before the commit is announced here: who wakes by `wait` finds no row in the cache that is older than what woke him.

use std::ops::Range;

use tokio_postgres::{Client, Error, Statement};

use crate::cache::Cache;

/// The streams of a piece of the log with the versions that it gave them.
pub(super) const WRITTEN: &str = "SELECT stream, version FROM chancery.events WHERE position >= $1 AND position < $2";

/// Events that are looked at one by one.
const MOST: u64 = 4096;

/// Forgets what the events of `foreign` changed. After an error the whole cache is forgotten: nothing stale stays.
pub(super) async fn forget(client: &Client, written: &Statement, cache: &Cache, foreign: Range<u64>) -> Result<(), Error> {
    let forgotten = match foreign.end.saturating_sub(foreign.start) {
        0 => return Ok(()),
        1..=MOST => each(client, written, cache, foreign).await,
        _ => {
            cache.clear();
            return Ok(());
        }
    };
    if forgotten.is_err() {
        cache.clear();
    }
    forgotten
}

async fn each(client: &Client, written: &Statement, cache: &Cache, foreign: Range<u64>) -> Result<(), Error> {
    let rows = client.query(written, &[&foreign.start.cast_signed(), &foreign.end.cast_signed()]).await?;
    for row in &rows {
        cache.forget_older(row.try_get(0)?, row.try_get::<_, i64>(1)?.cast_unsigned());
    }
    Ok(())
}
