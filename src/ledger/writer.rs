//! The one writer of this process: collects what waits into a batch, commits it, answers everybody.
//!
//! | Rule | Source |
//! |---|---|
//! | at most 256 writes and 1 MiB per batch; what waits beyond the queue's bound is `Busy` | DESIGN.md §3 group commit |
//! | a refused statement: the batch is run again one write at a time | DESIGN.md §3 |
//! | an unknown outcome is looked up before anything else is written | DESIGN.md §3 unknown outcome |
//! | after the commit: rows into the cache, then the head is announced, then the answers | an answer promises both |
//! | while the database is away, what waits is refused at once | DESIGN.md §1 rule 1: fail closed |
//!
//! The same loop runs on a thread of its own (SQLite) and as a task (PostgreSQL).

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

use crate::backend::{Done, Failure, Task, Writing};
use crate::error::{AppendError, SetError};
use crate::options::Clock;
use crate::recorded::Committed;
use crate::shared::Shared;
use crate::write::{ClaimWrite, RowWrite, Write};

const BATCH_WRITES: usize = 256;
pub(crate) const BATCH_BYTES: usize = 1 << 20;

const WAITING: u8 = 0;
const TAKEN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// Who has an append now. One side decides: the writer takes it, or the request withdraws it when its deadline passes.
#[derive(Default)]
pub(crate) struct Ticket(AtomicU8);

impl Ticket {
    /// `true`: the writer will never touch the write.
    pub fn withdraw(&self) -> bool {
        self.0.compare_exchange(WAITING, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn take(&self) -> bool {
        self.0.compare_exchange(WAITING, TAKEN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

pub(crate) struct Job {
    pub write: Write,
    pub ticket: Arc<Ticket>,
    pub reply: oneshot::Sender<Answer>,
}

/// How an append ended. What was written goes home with it: memory that another thread gives back costs the allocator more than the answer.
pub(crate) struct Answer {
    pub outcome: Result<Committed, AppendError>,
    pub spent: Write,
}

pub(crate) enum Work {
    Append(Job),
    Task(Task, oneshot::Sender<Result<u64, SetError>>),
    /// Ends the writer; the reply comes when the database is closed.
    Close(oneshot::Sender<()>),
}

pub(crate) struct Writer<S> {
    store: S,
    queue: mpsc::Receiver<Work>,
    shared: Arc<Shared>,
    clock: Clock,
    /// Taken from the queue, but for the next batch.
    carried: Option<Work>,
}

impl<S: Writing> Writer<S> {
    pub fn new(store: S, queue: mpsc::Receiver<Work>, shared: Arc<Shared>, clock: Clock) -> Self {
        Self { store, queue, shared, clock, carried: None }
    }

    /// Until all handles are gone or one of them says `Close`.
    pub async fn run(mut self) {
        while let Some(work) = self.next().await {
            match work {
                Work::Append(job) => {
                    let batch = self.collect(job);
                    self.commit(batch).await;
                }
                Work::Task(task, reply) => {
                    let outcome = self.store.maintain(&task).await;
                    if matches!(task, Task::FinishRebuild { .. }) {
                        self.shared.cache.clear();
                    }
                    let _ = reply.send(outcome);
                }
                Work::Close(reply) => {
                    // The order matters: whoever waits for the reply may open the same file next.
                    drop(self);
                    let _ = reply.send(());
                    return;
                }
            }
        }
    }

    async fn next(&mut self) -> Option<Work> {
        match self.carried.take() {
            Some(work) => Some(work),
            None => self.queue.recv().await,
        }
    }

    fn collect(&mut self, first: Job) -> Vec<Job> {
        let mut bytes = weight(&first.write);
        let mut batch = Vec::with_capacity(64);
        batch.extend(claim(first));
        while batch.len() < BATCH_WRITES {
            match self.queue.try_recv() {
                Ok(Work::Append(job)) if bytes + weight(&job.write) <= BATCH_BYTES => {
                    bytes += weight(&job.write);
                    batch.extend(claim(job));
                }
                Ok(other) => {
                    self.carried = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        batch
    }

    async fn commit(&mut self, batch: Vec<Job>) {
        match self.settle(&batch).await {
            Ok(done) => self.answer(batch, done),
            Err(Lost::Refused(_)) if batch.len() > 1 => {
                for job in batch {
                    match self.settle(std::slice::from_ref(&job)).await {
                        Ok(done) => self.answer(vec![job], done),
                        Err(lost) => self.refuse(vec![job], &lost),
                    }
                }
            }
            Err(lost) => self.refuse(batch, &lost),
        }
    }

    /// Commits, and finds out about the commit if the database did not say.
    async fn settle(&mut self, batch: &[Job]) -> Result<Done, Lost> {
        let writes: Vec<&Write> = batch.iter().map(|job| &job.write).collect();
        let mut looked_up = false;
        loop {
            let began = Instant::now();
            let (why, attempted) = match self.store.commit(&writes, (self.clock)()).await {
                Ok(done) => {
                    let (lost, won): (Vec<_>, Vec<_>) = done.outcomes.iter().partition(|outcome| outcome.is_err());
                    let events = won.into_iter().flatten().map(Vec::len).sum();
                    self.shared.counts.committed(batch.len(), events, lost.len(), began.elapsed());
                    return Ok(done);
                }
                Err(Failure::Refused(why)) => return Err(Lost::Refused(why)),
                Err(Failure::Unavailable(why)) => return Err(Lost::Unavailable(why)),
                Err(Failure::Unknown { why, attempted }) => (why, attempted),
            };
            tracing::warn!(%why, "the outcome of a commit is unknown; looking it up");
            match self.look_up(batch, &attempted, &why).await {
                Some(true) => return Ok(attempted),
                // Nothing of it is in the log: run it again, but not for ever.
                Some(false) if !looked_up => looked_up = true,
                Some(false) => return Err(Lost::Unavailable(why)),
                None => return Err(Lost::Unknown(why)),
            }
        }
    }

    /// Were the events committed? `None` only if nobody is left to hear the answer.
    async fn look_up(&mut self, batch: &[Job], attempted: &Done, why: &str) -> Option<bool> {
        let won = batch.iter().zip(&attempted.outcomes).filter(|(_, outcome)| outcome.is_ok());
        let ids: Vec<Uuid> = won.flat_map(|(job, _)| &job.write.streams).flat_map(|s| &s.events).map(|e| e.id).collect();
        if ids.is_empty() {
            return Some(false);
        }
        self.shared.set_trouble(Some(why.into()));
        for attempt in 0.. {
            match self.store.committed(&ids).await {
                Ok(found) => return Some(found),
                Err(failure) => tracing::warn!(?failure, attempt, "the look-up of a commit failed"),
            }
            self.refuse_waiting(why);
            if self.queue.is_closed() && batch.iter().all(|job| job.reply.is_closed()) {
                break;
            }
            self.store.pause(attempt).await;
        }
        None
    }

    /// Requests that came meanwhile would only wait for their deadline.
    fn refuse_waiting(&mut self, why: &str) {
        if let Some(work) = self.carried.take() {
            self.refuse_or_carry(work, why);
        }
        while self.carried.is_none()
            && let Ok(work) = self.queue.try_recv()
        {
            self.refuse_or_carry(work, why);
        }
    }

    fn refuse_or_carry(&mut self, work: Work, why: &str) {
        match work {
            Work::Append(job) => {
                let _ = job.reply.send(Answer { outcome: Err(AppendError::Unavailable(why.into())), spent: job.write });
            }
            Work::Task(_, reply) => {
                let _ = reply.send(Err(SetError::Unavailable(why.into())));
            }
            close @ Work::Close(_) => self.carried = Some(close),
        }
    }

    fn answer(&self, batch: Vec<Job>, done: Done) {
        let mut replies = Vec::with_capacity(batch.len());
        for (Job { mut write, reply, .. }, outcome) in batch.into_iter().zip(done.outcomes) {
            if outcome.is_ok() {
                std::mem::take(&mut write.rows).into_iter().for_each(|row| self.cache(row));
            }
            replies.push((reply, outcome, write));
        }
        self.shared.set_trouble(None);
        self.shared.publish(done.note.clone());
        // Not beyond our own: `Ledger::append` does not raise further, and a log that others raised further takes no write of ours.
        let _ = self.shared.learn_level(done.level);
        self.shared.announce(done.head);
        for (reply, outcome, spent) in replies {
            let outcome = outcome.map(|placed| Committed { placed, head: done.head, note: done.note.clone() });
            // A request that went away does not want the answer.
            let _ = reply.send(Answer { outcome, spent });
        }
    }

    fn cache(&self, row: RowWrite) {
        match row {
            RowWrite::Upsert(row) => self.shared.cache.put(Arc::new(row)),
            RowWrite::Delete { table, key } => self.shared.cache.put_absent(table, &key),
        }
    }

    fn refuse(&self, batch: Vec<Job>, lost: &Lost) {
        let (why, error) = match lost {
            Lost::Refused(why) | Lost::Unavailable(why) => (why, AppendError::Unavailable(why.clone())),
            Lost::Unknown(why) => (why, AppendError::Unknown(why.clone())),
        };
        tracing::error!(%why, appends = batch.len(), "appends were not committed");
        // A refused write is that write's fault; the log itself is well.
        if !matches!(lost, Lost::Refused(_)) {
            self.shared.set_trouble(Some(why.clone()));
        }
        self.shared.counts.refused(batch.len());
        for job in batch {
            let _ = job.reply.send(Answer { outcome: Err(error.clone()), spent: job.write });
        }
    }
}

enum Lost {
    Refused(String),
    Unavailable(String),
    Unknown(String),
}

/// The job, unless its request gave up or went away.
fn claim(job: Job) -> Option<Job> {
    (!job.reply.is_closed() && job.ticket.take()).then_some(job)
}

/// Bytes that a write brings to a batch, near enough.
pub(crate) fn weight(write: &Write) -> usize {
    let events = write.streams.iter().flat_map(|s| &s.events);
    let events = events.map(|e| e.data.len() + e.personal.as_ref().map_or(0, |p| p.len()) + 512).sum::<usize>();
    let claims = write.claims.iter().map(|claim| match claim {
        ClaimWrite::Take { key, owner, .. } => key.len() + owner.len() + 64,
        ClaimWrite::Release { key, .. } => key.len() + 64,
    });
    let rows = write.rows.iter().map(|row| match row {
        RowWrite::Upsert(row) => row.key.len() + row.body.len() + 128,
        RowWrite::Delete { key, .. } => key.len() + 64,
    });
    events + claims.sum::<usize>() + rows.sum::<usize>()
}

#[cfg(test)]
mod tests;
