//! Seals: an event while nothing else happens, so that silence can be told from absence.
//!
//! | Rule | Source |
//! |---|---|
//! | a log that was quiet for the set time says so, in the tree like everything else | docs/adr/0023 |
//! | whoever appended meanwhile has already said it: then there is no seal | - |
//!
//! Seals stand on a stream for each day, so that no stream grows without end.
//!
//! Out of scope: signing (the notary signs every head, sealed or not).

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::decision::Decision;
use crate::events;
use crate::stream::{Fact, FoldError, Stream};
use crate::time::{Seconds, Timestamp};

/// Nothing was appended between `quiet_since` and this event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogSealed {
    /// `recorded_at` of the event before.
    pub quiet_since: Timestamp,
    pub at: Timestamp,
}

events! {
    /// Seals of one day.
    SealEvent { LogSealed = 1 }
}

/// How often one day was sealed, and when last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seals {
    pub count: u32,
    pub last_at: Timestamp,
}

/// The stream of a day, named `2026-11-21`.
pub fn stream(day: &str) -> String {
    alloc::format!("seal-{day}")
}

impl Stream for Seals {
    const KIND: &'static str = "seal";
    type Event = SealEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, SealEvent>) -> Result<Self, FoldError> {
        let SealEvent::LogSealed(event) = fact.event;
        Ok(Self { count: state.map_or(0, |seals| seals.count).saturating_add(1), last_at: event.at })
    }
}

/// The log is looked at.
#[derive(Clone, Copy, Debug)]
pub struct SealLog {
    /// `recorded_at` of the last event.
    pub quiet_since: Timestamp,
    /// How long it has to be quiet.
    pub after: Seconds,
    pub at: Timestamp,
}

/// A seal, unless something was appended a moment ago.
pub fn decide(cmd: &SealLog) -> Decision<SealEvent, ()> {
    let is_quiet = cmd.quiet_since.plus(cmd.after) <= cmd.at;
    let events = if is_quiet { alloc::vec![LogSealed { quiet_since: cmd.quiet_since, at: cmd.at }.into()] } else { alloc::vec![] };
    Decision::accept(events, ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    fn seals(quiet: i64) -> usize {
        said(&decide(&SealLog { quiet_since: t(0), after: Seconds(60), at: t(quiet) })).0.len()
    }

    #[test]
    fn a_quiet_log_is_sealed_and_a_busy_one_is_not() {
        assert_eq!((seals(59), seals(60), seals(3600)), (0, 1, 1));
        // A clock that was set back waits until it has caught up.
        assert_eq!(seals(-5), 0);
    }

    #[test]
    fn seals_of_a_day_are_counted() {
        let sealed = |at| SealEvent::from(LogSealed { quiet_since: t(at - 60), at: t(at) });
        assert_eq!(fold::<Seals>([sealed(60), sealed(120)]), Seals { count: 2, last_at: t(120) });
    }
}
