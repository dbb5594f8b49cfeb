//! Why the server does not start.

use chancery_core::error::OAuthError;
use chancery_ledger::error::AppendError;
use chancery_projections::inline::rebuild;

use crate::app::vault::VaultError;

/// Why the server does not start: a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Ledger(#[from] chancery_ledger::error::OpenError),
    #[error("the log cannot be read: {0}")]
    Read(#[from] chancery_ledger::error::ReadError),
    #[error("the log cannot be written: {0}")]
    Append(#[from] AppendError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(
        "the log holds events of the type {name} (schema {schema}), which this program does not know: use the newer program that wrote them"
    )]
    UnknownEvent { name: String, schema: u16 },
    #[error(
        "this log belongs to the issuer {found}, not to {configured}. If the issuer really moved, start once with --change-issuer; every client has to learn the new one"
    )]
    OtherIssuer { found: String, configured: String },
    #[error(
        "the log has {events} events, but the vault beside it is empty: restore the vault (vault.db, or the schema vault) from the backup that belongs to this log; without it personal data and signing keys cannot be read"
    )]
    VaultMissing { events: u64 },
    #[error(
        "the checkpoint that was signed last does not belong to this log: {what}. Is it an older copy? Restore the newest one, or ask whoever holds checkpoints of it"
    )]
    OtherCheckpoint { what: String },
    #[error(
        "the read models have another form than this program's, and a node that knows catalogue level {other} is running beside this one, which knows {own}: these two cannot overlap; stop the other nodes first"
    )]
    OtherNodes { own: u16, other: u16 },
    #[error("the read models cannot be rebuilt: {0}")]
    Rebuild(#[from] rebuild::RebuildError),
    #[error("{0}")]
    Other(String),
}

impl From<OAuthError> for StartError {
    fn from(error: OAuthError) -> Self {
        Self::Other(error.detail.into_owned())
    }
}
