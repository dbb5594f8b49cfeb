//! The plan alone, and a batch against the same writes one by one.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::write::{Actor, NewEvent, Row, StreamWrite};

fn event() -> NewEvent {
    NewEvent {
        id: Uuid::nil(),
        kind: "Happened",
        schema: 1,
        actor: Actor { kind: "test", id: "t".into() },
        correlation: "c".into(),
        causation: None,
        subject: None,
        data: Bytes::from_static(b"{}"),
        personal: None,
    }
}

fn stream(stream: &str, expected: Expected, events: usize) -> StreamWrite {
    StreamWrite { stream: stream.into(), expected, events: vec![event(); events] }
}

fn write(streams: Vec<StreamWrite>) -> Write {
    Write { streams, ..Write::default() }
}

fn upsert(key: &str, version: u64) -> RowWrite {
    let body = Bytes::from(version.to_string());
    RowWrite::Upsert(Row { table: "t", key: key.into(), version, body, index: [None, None], expires_at: None })
}

/// A store in memory: what a back end does around `plan`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    head: HeadState,
    versions: BTreeMap<String, u64>,
    claims: BTreeMap<(String, Vec<u8>), String>,
    rows: BTreeMap<String, Option<u64>>,
    leaves: Vec<Bytes>,
    subtrees: usize,
}

impl Model {
    fn commit(&mut self, batch: &[&Write], now: i64) -> Vec<Result<Vec<Placed>, String>> {
        let touched = touched(batch);
        let mut seen = Seen::default();
        seen.versions.extend(touched.streams.iter().filter_map(|s| self.versions.get(*s).map(|v| (*s, *v))));
        seen.taken.extend(touched.claims.iter().filter(|(kind, key)| self.claims.contains_key(&((*kind).into(), key.to_vec()))));
        let plan = plan(batch, &self.head, seen, now);
        for event in &plan.events {
            assert_eq!(event.position as usize, self.leaves.len());
            assert_eq!(event.version, self.versions.get(event.stream).copied().unwrap_or(0) + 1);
            self.versions.insert(event.stream.into(), event.version);
            self.leaves.push(event.leaf.clone());
        }
        for claim in &plan.claims {
            let key = (claim.kind.to_owned(), claim.key.to_vec());
            match claim.owner {
                Some(owner) => self.claims.insert(key, owner.into()),
                None => self.claims.remove(&key),
            };
        }
        for row in &plan.rows {
            match row {
                RowWrite::Upsert(row) => self.rows.insert(row.key.clone(), Some(row.version)),
                RowWrite::Delete { key, .. } => self.rows.insert(key.clone(), None),
            };
        }
        self.subtrees += plan.subtrees.len();
        self.head = plan.head;
        plan.outcomes.into_iter().map(|o| o.map_err(|e| e.to_string())).collect()
    }
}

fn any_write() -> impl Strategy<Value = Write> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let expected = prop_oneof![3 => (0u64..4).prop_map(Expected::Version), 1 => Just(Expected::Any)];
    let streams = prop::collection::vec((name.clone(), expected, 0usize..3).prop_map(|(n, e, count)| stream(n, e, count)), 1..3);
    let claim = (name.clone(), any::<bool>()).prop_map(|(key, take)| match take {
        true => ClaimWrite::Take { kind: "name", key: key.into(), owner: format!("of {key}") },
        false => ClaimWrite::Release { kind: "name", key: key.into() },
    });
    let row = (name, 0u64..9, any::<bool>()).prop_map(|(key, version, keep)| match keep {
        true => upsert(key, version),
        false => RowWrite::Delete { table: "t", key: key.into() },
    });
    (streams, prop::collection::vec(claim, 0..3), prop::collection::vec(row, 0..3)).prop_map(|(streams, claims, rows)| Write {
        streams,
        claims,
        rows,
        level: None,
    })
}

proptest! {
    /// Who shares a batch with whom is chance, so it must not change anything.
    #[test]
    fn a_batch_is_the_same_as_its_writes_one_by_one(writes in prop::collection::vec(any_write(), 1..40), now in 0i64..5) {
        let batch: Vec<&Write> = writes.iter().collect();
        let (mut together, mut alone) = (Model::default(), Model::default());
        let outcomes = together.commit(&batch, now);
        let expected: Vec<_> = batch.iter().flat_map(|write| alone.commit(&[write], now)).collect();
        prop_assert_eq!(outcomes, expected);
        prop_assert_eq!(together, alone);
    }
}

#[test]
fn a_stream_that_stands_in_a_write_twice_goes_on() {
    let twice = write(vec![stream("s", Expected::Version(0), 2), stream("s", Expected::Version(0), 1)]);
    let mut model = Model::default();
    let placed = model.commit(&[&twice], 0).remove(0).unwrap();
    assert_eq!(placed.iter().map(|p| p.version).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_leaf_at_the_limit_fits_and_one_byte_more_does_not() {
    let sized = |bytes: usize| {
        let mut write = write(vec![stream("s", Expected::Any, 1)]);
        write.streams[0].events[0].data = format!("{{\"x\":\"{}\"}}", "y".repeat(bytes)).into();
        write
    };
    let mut model = Model::default();
    model.commit(&[&sized(0)], 0).remove(0).unwrap();
    // The second leaf is as long as the first but for the data.
    let room = leaf::MAX_LEAF - model.leaves[0].len();
    assert!(model.clone().commit(&[&sized(room)], 0)[0].is_ok());
    let refused = model.commit(&[&sized(room + 1)], 0).remove(0);
    assert!(refused.unwrap_err().contains("larger than the limit"));
    assert_eq!(model.head.size(), 1);
}

#[test]
fn a_loser_with_large_and_small_events_leaves_nothing() {
    let mut torn = write(vec![stream("s", Expected::Any, 2)]);
    torn.rows.push(upsert("s", 2));
    torn.streams[0].events[1].data = vec![b' '; leaf::MAX_LEAF].into();
    let mut model = Model::default();
    let outcomes = model.commit(&[&torn, &write(vec![stream("s", Expected::Version(0), 1)])], 9);
    assert!(outcomes[0].is_err() && outcomes[1].is_ok());
    assert_eq!((model.head.size(), model.rows.len(), model.head.recorded_at), (1, 0, 9));
}

#[test]
fn the_256th_leaf_completes_a_tile() {
    let mut model = Model::default();
    model.commit(&[&write(vec![stream("s", Expected::Any, 255)])], 0).remove(0).unwrap();
    assert_eq!(model.subtrees, 0);
    model.commit(&[&write(vec![stream("s", Expected::Any, 258)])], 0).remove(0).unwrap();
    assert_eq!(model.subtrees, 2);
}
