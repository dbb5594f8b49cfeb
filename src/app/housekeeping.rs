//! What has to be done now and then: none of it decides anything, all of it is in the log.
//!
//! | Chore | Event |
//! |---|---|
//! | rows of things that are long over leave the read models | `ExpiredSwept`, at most 1,000 rows each |
//! | sessions that ran out and whose clients have to be told are ended | `SessionEnded`, `LogoutOrdered` |
//! | used `jti`s of client assertions and DPoP proofs that are too old anyway are forgotten, and user codes that nobody answered | the same, for `assertion_jti`, `dpop_jti`, `user_code` |
//! | data keys of abandoned interactions are destroyed, unless they are under a legal hold | none: the interaction's expiry was announced when it began |
//! | signing keys change by schedule | `SigningKeyPlanned`, `SigningKeyActivated`, `SigningKeyRetired` |
//! | retired keys leave the JWKS | `SigningKeyRemoved` |
//! | keys for encrypted requests follow each other, and old ones are destroyed | `EncryptionKeyPublished`, `EncryptionKeyWithdrawn`, `EncryptionKeyDestroyed` |
//! | refusals beyond the limits | `AttemptsRefused`, one per source and minute |
//! | key rotations of other nodes come into force | theirs |
//! | keys of the log that a newer one has followed | `LogKeyRetired` |

use std::time::Duration;

use chancery_core::backchannel::Backchannel;
use chancery_core::decision::{Draft, Personal};
use chancery_core::error::OAuthError;
use chancery_core::evidence::{self, AttemptsRefused, EvidenceEvent};
use chancery_core::logout::Logout;
use chancery_core::server::{self, ExpiredSwept, Log, ServerEvent};
use chancery_core::session::{Session, SessionEnd};
use chancery_core::time::Timestamp;
use chancery_ledger::write::Row;
use chancery_projections::inline;

use super::App;
use super::context::Context;
use super::once;
use super::vault::KeyKind;
use super::words::{ASSERTION, BEARER_ASSERTION, CREDENTIAL_NONCE, DPOP, EXCHANGED, GUESS, GUESS_OF_ALL, SIGNAL, USER_CODE, Words};
use super::work::{Seal, Stop, Work, decide, unreadable, vault_trouble};

/// Tables whose rows expire.
const EXPIRING: [&str; 9] = ["backchannel", "session", "interaction", "grant", "logout", "pushed", "device", "offer", "seal"];
/// Rows in one sweep.
const MOST_ROWS: u32 = 1000;
/// Sweeps of one kind of words in one round.
const MOST_SWEEPS: usize = 100;
/// Between two rounds.
pub const EVERY: Duration = Duration::from_secs(60);
/// How soon a rotation on another node is noticed.
pub const KEYS_EVERY: Duration = Duration::from_secs(5);

/// Refusals of one source in one minute.
#[derive(Clone, Debug)]
pub struct Refusals {
    pub kind: String,
    /// The address: personal data.
    pub source: String,
    pub count: u32,
    pub from: Timestamp,
    pub until: Timestamp,
}

impl App {
    /// One round. What fails is told and tried again in the next.
    pub async fn tidy(&self, context: &Context) {
        if let Err(error) = self.sweep(context).await {
            tracing::warn!(detail = %error.detail, "expired rows were not swept");
        }
        if let Err(error) = self.destroy_abandoned().await {
            tracing::warn!(detail = %error.detail, "abandoned interactions were not erased");
        }
        if let Err(error) = self.retire_log_keys(context).await {
            tracing::warn!(detail = %error.detail, "old keys of the log were not retired");
        }
        if let Err(error) = self.rotate_due_keys(context).await {
            tracing::warn!(detail = %error.detail, "signing keys were not rotated");
        }
        if let Err(error) = self.remove_retired_keys(context).await {
            tracing::warn!(detail = %error.detail, "retired keys were not removed");
        }
        if let Err(error) = self.destroy_old_openers(context).await {
            tracing::warn!(detail = %error.detail, "old keys for encrypted requests were not destroyed");
        }
    }

    /// Drops rows that expired; returns how many.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn sweep(&self, context: &Context) -> Result<u32, OAuthError> {
        let mut swept = 0;
        for table in EXPIRING {
            let until = self.now();
            let rows = self.ledger.rows_expired(table, until.0, MOST_ROWS).await.map_err(unreadable)?;
            if rows.is_empty() {
                continue;
            }
            let mut keys = Vec::new();
            for row in rows {
                if !self.is_awaited(context, table, &row).await? {
                    keys.push(row.key);
                }
            }
            if keys.is_empty() {
                continue;
            }
            swept += keys.len() as u32;
            decide!(self, context, |work| self.sweep_once(work, table, &keys, until))?;
        }
        for words in [&ASSERTION, &SIGNAL, &DPOP, &USER_CODE, &EXCHANGED, &BEARER_ASSERTION, &CREDENTIAL_NONCE, &GUESS, &GUESS_OF_ALL] {
            swept += self.sweep_words(context, words).await?;
        }
        Ok(swept)
    }

    /// Forgets words whose bearers are refused for their age; returns how many.
    async fn sweep_words(&self, context: &Context, words: &'static Words) -> Result<u32, OAuthError> {
        let until = self.now();
        let before = u64::try_from(until.numeric_date()).unwrap_or_default().to_be_bytes();
        let mut swept = 0;
        // A busy server uses up more words in a round than one event tells of.
        for _ in 0..MOST_SWEEPS {
            let due = self.ledger.claims_before(words.due, &before, MOST_ROWS).await.map_err(unreadable)?;
            if due.is_empty() {
                break;
            }
            decide!(self, context, |work| once::forget(work, words, &due, until))?;
            swept += due.len() as u32;
        }
        Ok(swept)
    }

    /// A row that is due for something else than being dropped: a session whose clients have to be told is ended now, a message in
    /// the outbox waits for its attempt.
    async fn is_awaited(&self, context: &Context, table: &str, row: &Row) -> Result<bool, OAuthError> {
        let broken = |e: serde_json::Error| OAuthError::server_error(e.to_string());
        match table {
            "session" => {
                let session = inline::state::<Session>(row).map_err(broken)?.state;
                if session.ended.is_some() || session.clients.is_empty() {
                    return Ok(false);
                }
                self.end_session(context, session.id, SessionEnd::Expired).await?;
                Ok(true)
            }
            "backchannel" => Ok(inline::state::<Backchannel>(row).map_err(broken)?.state.is_to_be_told()),
            "logout" => Ok(inline::state::<Logout>(row).map_err(broken)?.state.is_waiting()),
            _ => Ok(false),
        }
    }

    async fn sweep_once(&self, mut work: Work<'_>, table: &'static str, keys: &[String], until: Timestamp) -> Result<(), Stop> {
        let mut log = work.load::<Log>(server::STREAM).await?;
        let event = ExpiredSwept { table: table.into(), rows: keys.len() as u32, until, at: self.now() };
        work.record(&mut log, vec![ServerEvent::from(event).into()], &Seal::default())?;
        for key in keys {
            work.drop_row(table, key.clone());
        }
        work.commit().await.map(drop)
    }

    async fn destroy_abandoned(&self) -> Result<(), OAuthError> {
        let found = self.vault.abandoned(MOST_ROWS).await.map_err(vault_trouble)?;
        let mut abandoned = Vec::with_capacity(found.len());
        for id in found {
            if !self.is_held_by_nobody(&format!("interaction-{id}")).await? {
                abandoned.push(id);
            }
        }
        if !abandoned.is_empty() {
            self.vault.destroy(KeyKind::Interaction, &abandoned).await.map_err(vault_trouble)?;
        }
        Ok(())
    }

    /// Appends the counts of what the limits refused.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn record_refusals(&self, context: &Context, refusals: &[Refusals]) -> Result<(), OAuthError> {
        if refusals.is_empty() {
            return Ok(());
        }
        let seal = Seal { key: Some(self.epoch_key().await?), subject: None };
        decide!(self, context, |work| record_refusals_once(work, refusals, &seal))?;
        Ok(())
    }
}

async fn record_refusals_once(mut work: Work<'_>, refusals: &[Refusals], seal: &Seal) -> Result<(), Stop> {
    let drafts = refusals
        .iter()
        .map(|own| {
            let event = AttemptsRefused { kind: own.kind.clone(), count: own.count, from: own.from, until: own.until };
            Draft::new(EvidenceEvent::from(event), Personal::default().with("source", Some(own.source.as_str())))
        })
        .collect();
    work.record_evidence(evidence::ANONYMOUS, drafts, seal)?;
    work.commit().await.map(drop)
}
