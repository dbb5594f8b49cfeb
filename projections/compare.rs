//! What a check of a read model found: a digest per table of what is stored and of what the log says, and the name of each difference.

use std::collections::{BTreeMap, BTreeSet};

use chancery_ledger::digest::{Census, Digest, SetState, Tally};
use chancery_ledger::error::ReadError;

use crate::envelope::Unreadable;

/// Why a check stopped.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Fold(#[from] Unreadable),
    #[error("a row of the index cannot be read: {0}")]
    Row(#[from] serde_json::Error),
}

/// One table of a read model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    pub table: String,
    /// As it is stored.
    pub stored: Tally,
    /// As the log says.
    pub folded: Tally,
}

impl Compared {
    pub fn is_equal(&self) -> bool {
        self.stored == self.folded
    }
}

/// Something that is not what the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub table: String,
    pub key: String,
    pub what: &'static str,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The checkpoint of the set when it was counted, and the digest that moved along with it.
    pub state: SetState,
    /// The digest of the rows that are there.
    pub counted: Digest,
    pub tables: Vec<Compared>,
    pub different: Vec<Difference>,
}

impl Report {
    pub(crate) fn new(census: &Census, folded: &BTreeMap<String, Tally>, stored: &BTreeMap<String, Tally>) -> Self {
        let names: BTreeSet<&String> = stored.keys().chain(folded.keys()).collect();
        let of = |side: &BTreeMap<String, Tally>, name: &String| side.get(name).copied().unwrap_or_default();
        let tables = names
            .into_iter()
            .map(|table| Compared { table: table.clone(), stored: of(stored, table), folded: of(folded, table) })
            .collect();
        Self { state: census.state, counted: census.digest(), tables, different: Vec::new() }
    }

    /// Rows were changed by something else than the log's writer.
    pub fn was_changed_beside(&self) -> bool {
        self.state.digest.is_some_and(|digest| digest != self.counted)
    }

    /// Everything is what the log says.
    pub fn is_well(&self) -> bool {
        self.different.is_empty() && !self.was_changed_beside()
    }
}
