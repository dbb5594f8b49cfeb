//! Legal hold: an account that is held is not erased. The fold itself refuses the order, so that no path can forget it.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What is recorded about the person has to stay readable for now: no erasure until the hold is lifted. `personal`: `reason`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LegalHoldPlaced {
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LegalHoldLifted {
    pub at: Timestamp,
}
