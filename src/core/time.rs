//! Time as a value. The rules never read a clock; every command says when it happens.

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// A span in whole seconds, as the specs count (`expires_in`, `max_age`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Seconds(pub u32);

impl Timestamp {
    /// This moment and a span after it.
    #[must_use]
    pub const fn plus(self, span: Seconds) -> Self {
        Self(self.0.saturating_add(span.0 as i64 * 1000))
    }

    /// Whole seconds since the epoch, as `NumericDate` wants (RFC 7519 §2).
    pub const fn numeric_date(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Whole seconds from `self` until `later`; 0 when it has passed.
    pub fn seconds_until(self, later: Self) -> u32 {
        u32::try_from((later.0.saturating_sub(self.0)).max(0) / 1000).unwrap_or(u32::MAX)
    }
}
