//! Work in parallel, results in order, and never more of them waiting than a few for each thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Results that may wait for their turn, for each thread.
const AHEAD: u64 = 8;

struct Shared<R> {
    next: AtomicU64,
    stop: AtomicBool,
    state: Mutex<State<R>>,
    changed: Condvar,
}

struct State<R> {
    done: BTreeMap<u64, R>,
    /// The one that is taken next.
    wanted: u64,
}

impl<R> Shared<R> {
    /// Nothing between lock and unlock can leave the state half changed.
    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, State<R>>) -> MutexGuard<'a, State<R>> {
        self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `work` for 0 to `count` on so many threads and gives the results to `take` in that order, until it refuses one.
///
/// # Errors
/// What `take` refused with.
pub(crate) fn in_order<R: Send, E>(
    count: u64,
    threads: usize,
    work: impl Fn(u64) -> R + Sync,
    mut take: impl FnMut(u64, R) -> Result<(), E>,
) -> Result<(), E> {
    if threads <= 1 {
        return (0..count).try_for_each(|index| take(index, work(index)));
    }
    let ahead = AHEAD * threads as u64;
    let shared = Shared {
        next: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        state: Mutex::new(State { done: BTreeMap::new(), wanted: 0 }),
        changed: Condvar::new(),
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = shared.next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let mut state = shared.lock();
                    while index >= state.wanted + ahead && !shared.stop.load(Ordering::Relaxed) {
                        state = shared.wait(state);
                    }
                    drop(state);
                    if shared.stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let result = work(index);
                    shared.lock().done.insert(index, result);
                    shared.changed.notify_all();
                }
            });
        }
        let outcome = (0..count).try_for_each(|index| {
            let mut state = shared.lock();
            let result = loop {
                if let Some(result) = state.done.remove(&index) {
                    break result;
                }
                state = shared.wait(state);
            };
            state.wanted = index + 1;
            drop(state);
            shared.changed.notify_all();
            take(index, result)
        });
        // Set under the lock, so that nobody falls asleep between looking and waiting.
        let state = shared.lock();
        shared.stop.store(true, Ordering::Relaxed);
        drop(state);
        shared.changed.notify_all();
        outcome
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whoever_made_them() {
        for threads in [1, 2, 7] {
            let mut seen = Vec::new();
            let outcome: Result<(), ()> = in_order(
                1000,
                threads,
                |at| at * 2,
                |at, twice| {
                    assert_eq!(twice, at * 2);
                    seen.push(at);
                    Ok(())
                },
            );
            assert!(outcome.is_ok() && seen == (0..1000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_refusal_ends_everything() {
        for threads in [1, 4] {
            let made = AtomicU64::new(0);
            let work = |at| {
                made.fetch_add(1, Ordering::Relaxed);
                at
            };
            assert_eq!(in_order(1_000_000, threads, work, |at, _| if at == 5 { Err("five") } else { Ok(()) }), Err("five"));
            assert!(made.load(Ordering::Relaxed) < 100);
        }
    }
}
