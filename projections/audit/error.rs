//! Why a question to the log has no answer.

use chancery_ledger::error::ReadError;

use crate::envelope::Unreadable;

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}
