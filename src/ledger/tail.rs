//! The newest events in memory, so that those who follow the log need not ask the database for what was written a moment ago.
//!
//! | Rule | Why |
//! |---|---|
//! | only where this process is the only writer | what another node wrote is not in here |
//! | filled after the commit, before the head is announced | whoever hears of an event finds it |
//! | dense, bounded in events and bytes; the oldest leave first | memory |
//! | emptied when the outcome of a commit was in doubt | the database knows, this may not |

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::recorded::Recorded;

const EVENTS: usize = 2_048;
const BYTES: usize = 3 << 19;

#[derive(Default)]
pub(crate) struct Tail(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Dense: each position is one more than the one before.
    events: VecDeque<Recorded>,
    bytes: usize,
}

impl Tail {
    /// What was committed, in order. A gap to what is here empties it first.
    pub fn extend(&self, events: Vec<Recorded>) {
        let mut inner = self.lock();
        let next = inner.events.back().map(|last| last.position + 1);
        if next.is_some_and(|next| events.first().is_some_and(|first| first.position != next)) {
            *inner = Inner::default();
        }
        for event in events {
            inner.bytes += event.leaf.len();
            inner.events.push_back(event);
        }
        while inner.events.len() > EVENTS || inner.bytes > BYTES {
            let Some(oldest) = inner.events.pop_front() else { break };
            inner.bytes -= oldest.leaf.len();
        }
    }

    /// At most `limit` events from a position on; `None` if the database has to be asked.
    pub fn read(&self, from: u64, limit: usize) -> Option<Vec<Recorded>> {
        let inner = self.lock();
        let first = inner.events.front()?.position;
        let skipped = usize::try_from(from.checked_sub(first)?).ok()?;
        // At its end there is nothing yet; beyond it nobody can have come.
        if skipped > inner.events.len() {
            return None;
        }
        Some(inner.events.range(skipped..).take(limit).cloned().collect())
    }

    pub fn clear(&self) {
        *self.lock() = Inner::default();
    }

    /// No code panics while holding it.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn event(position: u64, bytes: usize) -> Recorded {
        let leaf = Bytes::from(vec![b'x'; bytes]);
        Recorded { position, stream: "s".into(), version: position + 1, kind: "K".into(), recorded_at: 1, leaf }
    }

    fn positions(tail: &Tail, from: u64, limit: usize) -> Option<Vec<u64>> {
        Some(tail.read(from, limit)?.iter().map(|event| event.position).collect())
    }

    #[test]
    fn what_is_here_is_read_and_nothing_else() {
        let tail = Tail::default();
        assert_eq!(positions(&tail, 0, 10), None);
        tail.extend((5..9).map(|at| event(at, 10)).collect());
        assert_eq!(positions(&tail, 4, 10), None, "older than what is here");
        assert_eq!(positions(&tail, 6, 2), Some(vec![6, 7]));
        assert_eq!(positions(&tail, 9, 10), Some(Vec::new()));
        assert_eq!(positions(&tail, 10, 10), None);
        tail.extend(Vec::new());
        tail.extend(vec![event(9, 10)]);
        assert_eq!(positions(&tail, 5, 10), Some(vec![5, 6, 7, 8, 9]));
        tail.clear();
        assert_eq!(positions(&tail, 9, 10), None);
    }

    #[test]
    fn a_gap_empties_it() {
        let tail = Tail::default();
        tail.extend(vec![event(1, 10), event(2, 10)]);
        tail.extend(vec![event(4, 10)]);
        assert_eq!((positions(&tail, 2, 10), positions(&tail, 4, 10)), (None, Some(vec![4])));
    }

    #[test]
    fn it_is_bounded_in_events_and_bytes() {
        let tail = Tail::default();
        for at in 0..EVENTS as u64 + 10 {
            tail.extend(vec![event(at, 1)]);
        }
        assert_eq!(positions(&tail, 10, 1), Some(vec![10]));
        assert_eq!(positions(&tail, 9, 1), None);
        let next = EVENTS as u64 + 10;
        tail.extend((next..next + 5).map(|at| event(at, BYTES / 4)).collect());
        assert_eq!(positions(&tail, next, 10), None);
        assert_eq!(positions(&tail, next + 1, 10), Some((next + 1..next + 5).collect()));
        let inner = tail.lock();
        assert_eq!(inner.bytes, inner.events.iter().map(|event| event.leaf.len()).sum::<usize>());
    }
}
