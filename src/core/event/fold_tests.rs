//! Folds of histories that no decider made: known events in any order. A fold goes on or stops by name, and never panics; what it holds
//! survives its row, and is the same however the history was cut in two.

use alloc::format;
use alloc::vec::Vec;
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::stream::FoldError;
use crate::testing::evolve;

/// Names of fields that are sealed somewhere.
const SEALED: &[&str] = &[
    "address",
    "claim_names",
    "claim_sources",
    "context",
    "email",
    "email_index",
    "email_verified",
    "name",
    "nonce",
    "password_hash",
    "phone",
    "profile",
    "state",
];

/// The example of every type.
fn examples<S: Stream>() -> Vec<S::Event> {
    let of = |own: &EventType| {
        let file = format!("{}.v{}.example.json", own.name, own.schema);
        let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "..", "schema", "events", S::KIND, file.as_str()].iter().collect();
        let data = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        S::Event::read(own.name, own.schema, data).unwrap()
    };
    S::Event::TYPES.iter().map(of).collect()
}

fn row<S: Stream>(state: &S) -> serde_json::Value {
    serde_json::to_value(state).unwrap()
}

fn any_history_folds_or_stops<S: Stream>() {
    let events = examples::<S>();
    let step = (0..events.len(), any::<bool>());
    let histories = prop::collection::vec(step, 1..16);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(128) });
    let outcome = runner.run(&histories, |history| {
        let mut state: Option<S> = None;
        for (version, (at, sealed)) in (1..).zip(history) {
            let event = &events[at];
            let personal = if sealed { SEALED } else { &[] };
            // From the state as it is, and from its row: a rebuild goes the other way than a request.
            let from_row = state.as_ref().map(|own| serde_json::from_value::<S>(row(own)).unwrap());
            let (here, there) = (evolve(state.clone(), version, event, personal), evolve(from_row, version, event, personal));
            match (here, there) {
                (Ok(here), Ok(there)) => {
                    prop_assert_eq!(row(&here), row(&there));
                    state = Some(here);
                }
                // Such an event is never in a log after these; the next one is tried on the state before it.
                (Err(here), Err(there)) => {
                    prop_assert_eq!(&here, &there);
                    prop_assert!(matches!(here, FoldError::OutOfOrder { .. } | FoldError::Malformed { .. }), "{}", here);
                }
                (here, there) => prop_assert!(false, "{}: {:?} and {:?}", S::KIND, here.is_ok(), there.is_ok()),
            }
        }
        Ok(())
    });
    outcome.unwrap_or_else(|why| panic!("{}: {why}", S::KIND));
}

#[test]
fn any_history_of_any_stream_folds_or_stops_by_name() {
    macro_rules! each {
        ($($state:ty),*) => { $(any_history_folds_or_stops::<$state>();)* };
    }
    each_stream!(each);
}
