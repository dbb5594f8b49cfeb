//! Moving house: the log and its vault go to another database, and the tree goes on there without a break.
//!
//! | Rule | Source |
//! |---|---|
//! | the copied leaves have the root of the checkpoint that was signed last, or nothing moves | docs/adr/0025 |
//! | the old side is closed before the new one is opened | docs/adr/0025 |
//! | a vault entry that is gone on the old side is gone on the new one | DESIGN §5: destroying a key is the erasure |
//! | the first event of the new side says that the log has moved | docs/adr/0025 |
//!
//! Broken off anywhere, the same command goes on.

use chancery_core::server::{self, Log, LogMoved, ServerEvent};
use chancery_ledger::Ledger;
use chancery_ledger::recorded::Head;
use chancery_ledger::relocate::{MoveError, Place, Relocation};
use chancery_projections::fold;

use super::clock::Clock;
use super::context::Context;
use super::notary;
use super::start::{self, Opening, StartError};
use super::vault::{Store, VaultStore, VaultStoreError};
use super::work::{Seal, Stop, Work, decide};
use super::{App, random};
use crate::config::{Config, Database, Secrets};

/// Vault entries in one read.
const PAGE: u32 = 200;

/// Why nothing was moved, or not to the end; then the same command goes on.
#[derive(Debug, thiserror::Error)]
pub enum NotMoved {
    #[error(transparent)]
    Ledger(#[from] MoveError),
    #[error("the vault: {0}")]
    Vault(#[from] VaultStoreError),
    #[error("the new vault holds another key under {kind} {id}; name an empty database")]
    OtherVault { kind: String, id: String },
    #[error("the signed checkpoint does not vouch for this log: {0}. Nothing was moved")]
    Checkpoint(String),
    #[error("the log has moved, and does not open on its new side yet: {0}")]
    Start(#[from] StartError),
}

/// What was moved.
#[derive(Clone, Debug)]
pub struct Moved {
    pub head: Head,
    pub claims: u64,
    pub keys: u64,
    /// Position of the event that says so.
    pub position: u64,
}

/// Moves the log of one configuration to the database of another. `progress` hears (events done, events in all).
///
/// # Errors
/// See [`NotMoved`]. Until the old side is closed it goes on as before.
pub async fn relocate(
    from: &Config,
    to: &Config,
    secrets: &Secrets,
    clock: Clock,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<Moved, NotMoved> {
    let mut relocation = Relocation::begin(&place(&from.database), &place(&to.database), start::options(from, &clock)).await?;
    let (old_vault, new_vault) = (vault(from).await?, vault(to).await?);
    let head = loop {
        let head = relocation.copy(progress).await?;
        vouch(&relocation.source, &head).await.map_err(NotMoved::Checkpoint)?;
        if relocation.close_source(&head).await? {
            break head;
        }
    };
    // Only now, when no event can follow: a key that is made or destroyed later would be missed.
    let keys = copy_vault(&old_vault, &new_vault).await?;
    let claims = relocation.finish().await?;
    drop((old_vault, new_vault));
    let app = start::open(to.clone(), secrets, clock, Opening::default()).await?;
    let context = Context::of_server("operator", random::uuid_v7(app.now().0).to_string()).as_operator("local");
    let position = app.record_move(&context, &place(&from.database), &place(&to.database), &head).await;
    app.ledger.close().await;
    Ok(Moved { head, claims, keys, position: position? })
}

/// Where a configuration has its log.
pub fn place(database: &Database) -> Place {
    match database {
        Database::Sqlite(path) => Place::Sqlite(path.clone()),
        Database::Postgres(url) => Place::Postgres(url.expose().to_owned()),
    }
}

async fn vault(config: &Config) -> Result<VaultStore, NotMoved> {
    match start::open_vault_store(config).await? {
        Store::Ledger(store) => Ok(store),
        #[cfg(test)]
        Store::Memory(_) => Err(NotMoved::Checkpoint("a vault in memory".to_owned())),
    }
}

/// Does the checkpoint that was signed last say exactly this head?
async fn vouch(source: &Ledger, head: &Head) -> Result<(), String> {
    let events = source.read_stream(server::STREAM, 1).await.map_err(|e| e.to_string())?;
    let log = fold::stream::<Log>(None, &events).map_err(|e| e.to_string())?.ok_or("the log does not begin with LogCreated")?.state;
    let note = source.note().await.map_err(|e| e.to_string())?.ok_or("there is none; start the server once")?;
    let checkpoint = notary::judge(&log, &note, head)?;
    if checkpoint.size == head.size { Ok(()) } else { Err(format!("it is of {} events, the log has {}", checkpoint.size, head.size)) }
}

/// Makes the new vault what the old one is; returns how many entries there are.
async fn copy_vault(from: &VaultStore, to: &VaultStore) -> Result<u64, NotMoved> {
    let mut copied = 0;
    for kind in from.kinds().await? {
        let mut after: Option<String> = None;
        loop {
            let page = from.list(&kind, after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            copied += page.len() as u64;
            match to.put(page.clone()).await {
                Ok(()) => {}
                // An earlier run was here.
                Err(VaultStoreError::AlreadyExists { .. }) => {
                    for entry in page {
                        match to.get(&kind, &entry.id).await? {
                            None => to.put(vec![entry]).await?,
                            Some(there) if there.wrapped == entry.wrapped => {}
                            Some(_) => return Err(NotMoved::OtherVault { kind, id: entry.id }),
                        }
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    for kind in to.kinds().await? {
        let mut after: Option<String> = None;
        loop {
            let page = to.list(&kind, after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            let mut gone = Vec::new();
            for entry in page {
                if from.get(&kind, &entry.id).await?.is_none() {
                    gone.push(entry.id);
                }
            }
            if !gone.is_empty() {
                to.destroy(&kind, &gone).await?;
            }
        }
    }
    Ok(copied)
}

impl App {
    async fn record_move(&self, context: &Context, from: &Place, to: &Place, head: &Head) -> Result<u64, StartError> {
        let root = head.root.iter().map(|byte| format!("{byte:02x}")).collect();
        let event = LogMoved { from: from.kind().into(), to: to.kind().into(), size: head.size, root, at: self.now() };
        decide!(self, context, |work| record_once(work, event.clone()))
            .map_err(|stop| StartError::from(chancery_core::error::OAuthError::from(stop)))
    }
}

async fn record_once(mut work: Work<'_>, event: LogMoved) -> Result<u64, Stop> {
    let mut loaded = work.load::<Log>(server::STREAM).await?;
    work.record(&mut loaded, vec![ServerEvent::from(event).into()], &Seal::default())?;
    let committed = work.commit().await?;
    Ok(committed.and_then(|own| own.placed.last().map(|placed| placed.position)).unwrap_or(0))
}
