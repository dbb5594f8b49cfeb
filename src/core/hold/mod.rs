//! Legal holds of single streams: what is held is neither erased nor moved to an archive until the hold is lifted.
//!
//! | Rule | Source |
//! |---|---|
//! | the holds of a person's streams stand together, so that an erasure reads and asserts one version | DESIGN: rule 4 |
//! | a hold is placed once and lifted once; saying it again says nothing | our own |
//! | so many of one person, and so many of nobody | our own |
//!
//! Out of scope: the hold of a whole account (`account::hold`).

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;

use serde::{Deserialize, Serialize};

use crate::decision::{Decision, Draft, Personal};
use crate::error::OAuthError;
use crate::events;
use crate::id::AccountId;
use crate::stream::{Event, Fact, FoldError, Stream};
use crate::time::Timestamp;

/// Streams that can be held at once for one person, or for nobody: an erasure looks at each.
pub const MOST: usize = 500;

/// The stream has to stay readable, and in the database. `personal`: `reason`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StreamHoldPlaced {
    pub stream: String,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StreamHoldLifted {
    pub stream: String,
    pub at: Timestamp,
}

events! {
    /// Holds of the streams of one person, or of nobody.
    HoldEvent { StreamHoldPlaced = 1, StreamHoldLifted = 1 }
}

/// What is held now, with the time since when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Holds {
    pub streams: BTreeMap<String, Timestamp>,
}

/// The stream that knows the holds of a person's streams; `None`: of streams without a subject.
pub fn stream(subject: Option<AccountId>) -> String {
    let whose = subject.map_or_else(|| "nobody".to_string(), |account| account.to_string());
    format!("hold-{whose}")
}

impl Stream for Holds {
    const KIND: &'static str = "hold";
    type Event = HoldEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, HoldEvent>) -> Result<Self, FoldError> {
        let mut holds = state.unwrap_or_default();
        let follows = match fact.event {
            HoldEvent::StreamHoldPlaced(event) => holds.streams.insert(event.stream.clone(), event.at).is_none(),
            HoldEvent::StreamHoldLifted(event) => holds.streams.remove(&event.stream).is_some(),
        };
        if follows { Ok(holds) } else { Err(FoldError::OutOfOrder { name: fact.event.event_type().name }) }
    }
}

/// Places a hold, unless there is one.
pub fn place(holds: &Holds, stream: &str, reason: &str, at: Timestamp) -> Decision<HoldEvent, ()> {
    if holds.streams.contains_key(stream) {
        return Decision::accept(vec![], ());
    }
    if holds.streams.len() >= MOST {
        let sentence = format!("{MOST} streams are held here already; lift the holds that are not needed any more.");
        return Decision::refuse(OAuthError::conflict("too many holds").saying(sentence));
    }
    let event = StreamHoldPlaced { stream: stream.into(), at };
    Decision::accept(vec![Draft::new(event.into(), Personal::default().with("reason", Some(reason)))], ())
}

/// Lifts the hold, if there is one.
pub fn lift(holds: &Holds, stream: &str, at: Timestamp) -> Decision<HoldEvent, ()> {
    let events = match holds.streams.contains_key(stream) {
        true => vec![StreamHoldLifted { stream: stream.into(), at }.into()],
        false => vec![],
    };
    Decision::accept(events, ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    const SESSION: &str = "session-1";

    fn placed(stream: &str) -> HoldEvent {
        StreamHoldPlaced { stream: stream.into(), at: t(0) }.into()
    }

    fn lifted(stream: &str) -> HoldEvent {
        StreamHoldLifted { stream: stream.into(), at: t(1) }.into()
    }

    #[test]
    fn a_hold_lasts_until_it_is_lifted() {
        let held = fold::<Holds>([placed(SESSION), placed("grant-1")]);
        assert_eq!(held.streams.keys().collect::<alloc::vec::Vec<_>>(), ["grant-1", SESSION]);
        let after = fold::<Holds>([placed(SESSION), lifted(SESSION)]);
        assert!(after.streams.is_empty());
    }

    #[test]
    fn what_is_said_twice_is_not_recorded_twice() {
        let held = fold::<Holds>([placed(SESSION)]);
        assert_eq!(said(&place(&held, SESSION, "case 17", t(2))), ([].into(), "ok"));
        assert_eq!(said(&lift(&Holds::default(), SESSION, t(2))), ([].into(), "ok"));
        assert_eq!(said(&place(&Holds::default(), SESSION, "case 17", t(0))), ([placed(SESSION)].into(), "ok"));
        assert_eq!(said(&lift(&held, SESSION, t(1))), ([lifted(SESSION)].into(), "ok"));
    }

    #[test]
    fn a_history_that_says_it_twice_stops_the_fold() {
        let held = fold::<Holds>([placed(SESSION)]);
        assert_eq!(evolve(Some(held), 2, &placed(SESSION), &[]), Err(FoldError::OutOfOrder { name: "StreamHoldPlaced" }));
        assert_eq!(evolve::<Holds>(None, 1, &lifted(SESSION), &[]), Err(FoldError::OutOfOrder { name: "StreamHoldLifted" }));
    }

    #[test]
    fn holds_are_bounded() {
        let full = Holds { streams: (0..MOST).map(|n| (format!("session-{n}"), t(0))).collect() };
        assert_eq!(place(&full, "session-new", "x", t(1)).outcome.unwrap_err().code(), "conflict");
        assert!(place(&full, "session-0", "x", t(1)).outcome.is_ok());
    }

    #[test]
    fn the_holds_of_a_person_stand_on_one_stream() {
        assert_eq!(stream(Some(alice())), format!("hold-{}", alice()));
        assert_eq!(stream(None), "hold-nobody");
    }
}
