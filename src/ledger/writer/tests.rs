//! The writer over a database that does what a test tells it to.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::*;
use crate::ledger::{Backend, Inner, Ledger};
use crate::options::Options;
use crate::plan::{HeadState, Plan, Seen, plan};
use crate::shared::Levels;
use crate::write::{Actor, Expected, NewEvent, Row, StreamWrite};

/// What the next commit does.
enum Next {
    Refuse,
    Fail,
    /// The answer of COMMIT is lost; was it carried out?
    Lose {
        committed: bool,
    },
}

#[derive(Clone, Default)]
struct Script {
    next: Arc<Mutex<VecDeque<Next>>>,
    /// Answers of the look-up; `None` is a database that is away. Empty: the truth.
    away: Arc<Mutex<u32>>,
    batches: Arc<Mutex<Vec<usize>>>,
    stored: Arc<Mutex<Vec<Uuid>>>,
    /// One permit lets one commit through, when it is there.
    gate: Option<Arc<Semaphore>>,
}

struct Store(Script, HeadState);

impl Store {
    fn store(&mut self, plan: &Plan<'_>) {
        self.0.stored.lock().unwrap().extend(plan.events.iter().map(|e| e.id));
        self.1 = plan.head.clone();
    }
}

impl Writing for Store {
    async fn commit(&mut self, batch: &[&Write], now: i64) -> Result<Done, Failure> {
        if let Some(gate) = &self.0.gate {
            gate.acquire().await.unwrap().forget();
        }
        self.0.batches.lock().unwrap().push(batch.len());
        let plan = plan(batch, &self.1.clone(), Seen::default(), now);
        let done = Done::of(&plan, &Shared::new(0, self.1.head(), Levels { found: 1, known: 1 }, None))?;
        let bad = batch.iter().flat_map(|w| &w.streams).any(|s| s.stream == "bad");
        let next = self.0.next.lock().unwrap().pop_front();
        match next {
            _ if bad => return Err(Failure::Refused("bad".into())),
            Some(Next::Refuse) => return Err(Failure::Refused("no".into())),
            Some(Next::Fail) => return Err(Failure::Unavailable("away".into())),
            Some(Next::Lose { committed: false }) => return Err(Failure::Unknown { why: "lost".into(), attempted: done }),
            Some(Next::Lose { committed: true }) => {
                self.store(&plan);
                return Err(Failure::Unknown { why: "lost".into(), attempted: done });
            }
            None => self.store(&plan),
        }
        Ok(done)
    }

    async fn committed(&mut self, ids: &[Uuid]) -> Result<bool, Failure> {
        let mut away = self.0.away.lock().unwrap();
        if *away > 0 {
            *away -= 1;
            return Err(Failure::Unavailable("away".into()));
        }
        let stored = self.0.stored.lock().unwrap();
        Ok(ids.iter().all(|id| stored.contains(id)))
    }

    async fn maintain(&mut self, _: &Task) -> Result<u64, SetError> {
        Ok(0)
    }

    async fn pause(&self, _: u32) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn start(script: &Script) -> Ledger {
    let options = Options::new(Arc::new(|| 1));
    let shared = Arc::new(Shared::new(1 << 20, HeadState::default().head(), Levels { found: 1, known: 1 }, None));
    let (sender, queue) = mpsc::channel(options.queue);
    tokio::spawn(Writer::new(Store(script.clone(), HeadState::default()), queue, shared.clone(), options.clock).run());
    // Nothing here reads, so the reading half may point anywhere.
    let backend = Backend::Sqlite(crate::sqlite::Reader::new("unused".into(), 1));
    Ledger::over(Inner { backend, shared, queue: Some(sender), deadline: Duration::from_secs(10), sole_writer: true })
}

fn write(stream: &str) -> Write {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let event = NewEvent {
        id: Uuid::from_u64_pair(1, NEXT.fetch_add(1, Ordering::Relaxed)),
        kind: "Happened",
        schema: 1,
        actor: Actor { kind: "test", id: "t".into() },
        correlation: "c".into(),
        causation: None,
        subject: None,
        data: "{}".into(),
        personal: None,
    };
    let row = Row { table: "t", key: stream.into(), version: 1, body: "1".into(), index: [None, None], expires_at: None };
    let streams = vec![StreamWrite { stream: stream.into(), expected: Expected::Any, events: vec![event] }];
    Write { streams, rows: vec![RowWrite::Upsert(row)], ..Write::default() }
}

fn script(next: impl IntoIterator<Item = Next>) -> Script {
    Script { next: Arc::new(Mutex::new(next.into_iter().collect())), ..Script::default() }
}

async fn cached(ledger: &Ledger, key: &str) -> bool {
    ledger.row("t", key, crate::recorded::Freshness::Cached).await.is_ok_and(|row| row.is_some())
}

#[tokio::test(start_paused = true)]
async fn a_lost_commit_that_was_carried_out_is_answered_as_committed() {
    let script = script([Next::Lose { committed: true }]);
    *script.away.lock().unwrap() = 3;
    let ledger = start(&script);
    let committed = ledger.append(write("s")).await.unwrap();
    assert_eq!((committed.head.size, committed.placed[0].position), (1, 0));
    assert!(cached(&ledger, "s").await);
    assert_eq!(script.stored.lock().unwrap().len(), 1, "not run a second time");
    assert_eq!(ledger.known_head().size, 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_commit_that_was_not_carried_out_is_run_again() {
    let script = script([Next::Lose { committed: false }]);
    let ledger = start(&script);
    assert_eq!(ledger.append(write("s")).await.unwrap().head.size, 1);
    assert_eq!(*script.batches.lock().unwrap(), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_lost_again_is_given_up_with_a_clear_answer() {
    let script = script([Next::Lose { committed: false }, Next::Lose { committed: false }]);
    let ledger = start(&script);
    assert!(matches!(ledger.append(write("s")).await, Err(AppendError::Unavailable(_))));
    assert!(ledger.append(write("s")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn while_the_outcome_is_unknown_the_deadline_says_so_and_others_are_refused_at_once() {
    let script = script([Next::Lose { committed: true }]);
    *script.away.lock().unwrap() = 1_000_000;
    let ledger = start(&script);
    let (lost, waiting) = tokio::join!(ledger.append(write("lost")), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let asked = tokio::time::Instant::now();
        (ledger.append(write("waiting")).await, asked.elapsed())
    });
    assert!(matches!(lost, Err(AppendError::Unknown(_))));
    assert!(matches!(waiting.0, Err(AppendError::Unavailable(_))));
    assert!(waiting.1 < Duration::from_secs(1));
    assert!(ledger.is_alive().await.is_err());
    // The database is back: the truth is found and nothing is lost.
    *script.away.lock().unwrap() = 0;
    ledger.append(write("next")).await.ok();
    assert_eq!(ledger.append(write("last")).await.unwrap().placed[0].position + 1, ledger.known_head().size);
    assert!(cached(&ledger, "lost").await);
    assert_eq!(ledger.is_alive().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_in_the_queue_is_unavailable_and_nothing_is_written() {
    let gate = Arc::new(Semaphore::new(0));
    let script = Script { gate: Some(gate.clone()), ..Script::default() };
    let ledger = start(&script);
    let first = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.append(write("first")).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let queued = ledger.append(write("queued")).await;
    assert!(matches!(queued, Err(AppendError::Unavailable(_))), "{queued:?}");
    assert!(matches!(first.await.unwrap(), Err(AppendError::Unknown(_))));
    gate.add_permits(10);
    assert_eq!(ledger.append(write("last")).await.unwrap().head.size, 2, "the first and the last, not the one that was withdrawn");
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_is_run_one_by_one() {
    let gate = Arc::new(Semaphore::new(0));
    let script = Script { gate: Some(gate.clone()), ..Script::default() };
    let ledger = start(&script);
    let append = |stream| {
        let ledger = ledger.clone();
        tokio::spawn(async move { ledger.append(write(stream)).await })
    };
    let mut appends = vec![append("first")];
    // Paused time moves only when nothing else can, so the writer holds the first one now.
    tokio::time::sleep(Duration::from_millis(1)).await;
    appends.extend(["a", "bad", "b"].map(append));
    tokio::time::sleep(Duration::from_millis(1)).await;
    gate.add_permits(10);
    let mut outcomes = Vec::new();
    for append in appends {
        outcomes.push(append.await.unwrap().is_ok());
    }
    assert_eq!(outcomes, [true, true, false, true]);
    assert_eq!(*script.batches.lock().unwrap(), [1, 3, 1, 1, 1]);
    assert_eq!(ledger.is_alive().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_away_fails_closed_and_recovers() {
    let script = script([Next::Fail, Next::Refuse]);
    let ledger = start(&script);
    assert!(matches!(ledger.append(write("a")).await, Err(AppendError::Unavailable(why)) if why == "away"));
    assert!(!cached(&ledger, "a").await);
    assert!(ledger.append(write("b")).await.is_err());
    assert_eq!(ledger.append(write("c")).await.unwrap().head.size, 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_ends_at_256_writes_and_at_one_mebibyte() {
    let gate = Arc::new(Semaphore::new(0));
    let script = Script { gate: Some(gate.clone()), ..Script::default() };
    let ledger = start(&script);
    let append = |write: Write| {
        let ledger = ledger.clone();
        tokio::spawn(async move { ledger.append(write).await })
    };
    let mut appends = vec![append(write("first"))];
    tokio::time::sleep(Duration::from_millis(1)).await;
    appends.extend((0..300).map(|_| append(write("small"))));
    tokio::time::sleep(Duration::from_millis(1)).await;
    appends.extend((0..40).map(|_| {
        let mut large = write("large");
        large.streams[0].events[0].data = format!("\"{}\"", "x".repeat(50_000)).into();
        append(large)
    }));
    tokio::time::sleep(Duration::from_millis(1)).await;
    gate.add_permits(100);
    for append in appends {
        append.await.unwrap().unwrap();
    }
    let batches = script.batches.lock().unwrap().clone();
    assert_eq!(batches[..2], [1, 256]);
    assert!(batches[2] > 44 && batches[2] < 44 + 21, "the rest of the small ones and a mebibyte: {batches:?}");
    assert_eq!(batches.iter().sum::<usize>(), 341);
}
