//! The settings of `proof.*`: seals, what everybody may read, and who is shown the checkpoints.

use std::time::Duration;

use super::reader::Reader;

/// How the log is proven to others.
#[derive(Clone)]
pub struct Proof {
    /// A log that was quiet for this long is sealed; `None`: never.
    pub seal_after: Option<Duration>,
    /// Checkpoint, hashes and proofs are for everybody; otherwise for `audit:read`. Entries are never for everybody.
    pub public: bool,
}

pub(super) fn read(reader: &mut Reader) -> Proof {
    let seal_after = reader.duration("proof.seal_after");
    Proof { seal_after: (!seal_after.is_zero()).then_some(seal_after), public: reader.boolean("proof.public") }
}
