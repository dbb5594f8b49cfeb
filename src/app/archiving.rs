//! Retention: old events leave the database for an archive that was verified, except what is under a legal hold.
//!
//! | Rule | Why |
//! |---|---|
//! | a segment ends where a full bundle does, before the leaves that a start hashes again, and before what a follower still has to read | nobody is left without what he needs next |
//! | the event that says so is appended before anything leaves | No event, no effect; an interrupted run goes on |
//! | only bytes leave: hashes, columns and indexes stay | proofs, look-ups and receipts go on without the archive |
//! | what is held stays whole: streams, and of a person every stream that names them | an archive is no place for what a court may want tomorrow |

use std::collections::BTreeSet;

use chancery_core::error::OAuthError;
use chancery_core::id::AccountId;
use chancery_core::server::{self, Log, SegmentArchived, ServerEvent};
use chancery_ledger::archive::prune::{PruneError, Pruner};
use chancery_ledger::check;
use chancery_projections::audit;
use chancery_tree::tile::TILE_WIDTH;
use serde::Deserialize;

use super::App;
use super::context::Context;
use super::erasure::stream_hold::Held;
use super::feeds;
use super::work::{Seal, Stop, Work, decide, unreadable};

/// Leaves in one transaction.
const PAGE: u32 = 1000;

/// What became of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Events whose bytes left the database.
    pub moved: u64,
    /// Events that stay because somebody holds them.
    pub held: u64,
}

impl App {
    /// Where a segment can end that is wanted up to a position: at that position or before it.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn segment_end(&self, wanted: u64) -> Result<u64, OAuthError> {
        let size = self.ledger.head().await.map_err(unreadable)?.size;
        let mut end = wanted.min(check::needed(size).leaves_from);
        let mut followers = vec![audit::SET.to_owned()];
        followers.extend(self.config.feeds.iter().map(|feed| feeds::set(&feed.name)));
        for set in followers {
            // A follower that has not begun may want the log from its first event.
            end = end.min(self.ledger.checkpoint(&set).await.map_err(unreadable)?.unwrap_or(0));
        }
        Ok(end / TILE_WIDTH * TILE_WIDTH)
    }

    /// Records that the events before a position are in an archive, unless the log says so already.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn record_segment(&self, context: &Context, until: u64) -> Result<(), OAuthError> {
        let root = self.root_at(until).await?.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Ok(decide!(self, context, |work| self.segment_once(work, until, &root))?)
    }

    async fn segment_once(&self, mut work: Work<'_>, until: u64, root: &str) -> Result<(), Stop> {
        let mut log = work.load::<Log>(server::STREAM).await?;
        let from = log.or(|| OAuthError::server_error("there is no log"))?.archived;
        if until <= from {
            return Ok(());
        }
        let event = SegmentArchived { from, until, root: root.to_owned(), at: self.now() };
        work.record(&mut log, vec![ServerEvent::from(event).into()], &Seal::default())?;
        work.commit().await.map(drop)
    }

    /// The end of what the log says is archived.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn archived(&self) -> Result<u64, OAuthError> {
        Ok(self.read::<Log>(server::STREAM).await?.map_or(0, |log| log.archived))
    }
}

/// Takes the leaves before a position out of the database, except what is held. `progress` hears how far it is.
///
/// # Errors
/// See [`PruneError`]; what was taken out by then is out, and another run goes on.
pub async fn prune(pruner: &mut Pruner, held: &Held, until: u64, progress: impl Fn(u64)) -> Result<Pruned, PruneError> {
    let streams = held_streams(pruner, held).await?;
    let (mut pruned, mut from) = (Pruned::default(), 0);
    loop {
        let leaves = pruner.leaves(from, until, PAGE).await?;
        let Some(last) = leaves.last() else { return Ok(pruned) };
        from = last.position + 1;
        let count = leaves.len() as u64;
        let going = leaves.iter().filter(|own| !streams.contains(&own.stream) && !names(&own.stream, held));
        let going: Vec<u64> = going.map(|own| own.position).collect();
        pruner.prune(&going, until).await?;
        pruned.moved += going.len() as u64;
        pruned.held += count - going.len() as u64;
        progress(from);
    }
}

/// Streams under a hold, and those in which an event is about a person who is. All that is left of the log is looked at: a request
/// begins before anybody knows whose it is.
async fn held_streams(pruner: &mut Pruner, held: &Held) -> Result<BTreeSet<String>, PruneError> {
    #[derive(Deserialize)]
    struct About {
        subject: Option<String>,
    }
    let mut streams = held.streams.clone();
    let mut from = 0;
    while !held.accounts.is_empty() {
        let leaves = pruner.leaves(from, i64::MAX as u64, PAGE).await?;
        let Some(last) = leaves.last() else { break };
        from = last.position + 1;
        for own in leaves {
            let about: About = serde_json::from_slice(&own.leaf)
                .map_err(|e| PruneError::Store(format!("position {}: the leaf cannot be read: {e}", own.position)))?;
            let account = about.subject.as_deref().and_then(AccountId::parse);
            if account.is_some_and(|account| held.accounts.contains(&account)) {
                streams.insert(own.stream);
            }
        }
    }
    Ok(streams)
}

/// Does the name of the stream say that it is of a person who is held, as `account-` and `evidence-` do?
fn names(stream: &str, held: &Held) -> bool {
    const UUID: usize = 36;
    let id = stream.split_once('-').and_then(|(_, rest)| rest.get(..UUID)).and_then(AccountId::parse);
    id.is_some_and(|account| held.accounts.contains(&account))
}
