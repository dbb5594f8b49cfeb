//! The writing half: group commits on one connection of its own.
//!
//! | Flight | Statements |
//! |---|---|
//! | 1 | BEGIN, lock the head, versions of all touched streams, taken claims |
//! | 2 | events, rows, claims, subtrees, kinds, head, NOTIFY, COMMIT (`store`) |
//!
//! Between the two the pure `plan` runs. Each statement of flight 1 has a snapshot of its own (read committed), taken after the lock was
//! granted, so it sees all that was committed before.
//!
//! The connection is taken out of `self` for the time of a transaction and put back after a clean end: whatever else happens, an
//! error, a timeout, a dropped future, closes it, and the server rolls back.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::{Client, Error};
use uuid::Uuid;

use super::census::columns;
use super::connect::{STATEMENT, Session, Target};
use super::foreign;
use super::memory::{Acknowledged, Memory};

use super::said::said;
use super::sql::{Statements, known_level};
use super::store::{Flight, store};
use crate::archive::Archive;
use crate::backend::{Done, Failure, Task, Writing};
use crate::digest::Digest;
use crate::error::SetError;
use crate::hashed::{HashMap, HashSet};
use crate::plan::{self, ClaimKey, HeadState, Plan, RowKey, Seen, Touched};
use crate::shared::Shared;
use crate::write::Write;
use chancery_tree::{Frontier, Hash};

/// Beyond the server's own limit the client stops waiting: then the network is gone.
const FLIGHT: Duration = Duration::from_secs(STATEMENT.as_secs() + 2);

pub(crate) struct PgWriting {
    target: Target,
    session: Session,
    memory: Memory,
    shared: Arc<Shared>,
    /// Names this process in notifications, so that its listener knows its own.
    node: String,
    link: Option<Link>,
    /// Types that are certainly in `event_kinds`.
    known_kinds: HashSet<(&'static str, u16)>,
    /// The last call failed: an empty batch must show whether the database takes writes.
    failed: bool,
}

/// A connection that is outside of any transaction.
pub(crate) struct Link {
    pub client: Client,
    pub statements: Statements,
}

/// What flight 1 brought.
struct Locked<'a> {
    head: HeadState,
    set: i32,
    seen: Seen<'a>,
}

impl PgWriting {
    pub(super) fn archive(&self) -> Arc<Archive> {
        self.shared.archive.clone()
    }

    pub(crate) fn new(target: Target, session: Session, memory: Memory, shared: Arc<Shared>, node: String) -> PgWriting {
        PgWriting { target, session, memory, shared, node, link: None, known_kinds: HashSet::default(), failed: false }
    }

    pub(crate) async fn link(&mut self) -> Result<Link, String> {
        self.memory.sound().map_err(|e| e.to_string())?;
        if let Some(link) = self.link.take()
            && !link.client.is_closed()
        {
            return Ok(link);
        }
        self.memory.may_try()?;
        let made = tokio::time::timeout(FLIGHT, async {
            let client = self.target.checked_session(self.session, &self.memory).await?;
            client.batch_execute(&known_level(self.shared.own_level())).await.map_err(|e| said(&e))?;
            let statements = Statements::prepare(&client).await.map_err(|e| said(&e))?;
            Ok(Link { client, statements })
        });
        let made = made.await.unwrap_or_else(|_| Err("the database does not answer".to_owned()));
        match &made {
            Ok(_) => self.memory.up(),
            Err(why) => self.memory.down(why),
        }
        made
    }

    pub(crate) fn put_back(&mut self, link: Link) {
        self.link = Some(link);
    }

    async fn run(&mut self, batch: &[&Write], now: i64) -> Result<Done, Failure> {
        let link = self.link().await.map_err(Failure::Unavailable)?;
        let touched = plan::touched(batch);
        let locked = match within(lock(&link, &touched, &self.memory)).await {
            Ok(Ok(locked)) => locked,
            Ok(Err(Stop::Said(e))) => return Err(self.refused(link, &e).await),
            Ok(Err(Stop::Damaged(why))) => return Err(Failure::Unavailable(why)),
            Err(late) => return Err(Failure::Unavailable(late)),
        };
        self.shared.learn_level(locked.head.level).map_err(Failure::Unavailable)?;
        // What other nodes wrote beyond the announced head: rows in memory may be older than that.
        let foreign = self.shared.head().size..locked.head.size();
        let plan = plan::plan(batch, &locked.head, locked.seen, now);
        if plan.is_empty() && !self.failed {
            if link.client.execute(&link.statements.commit, &[]).await.is_ok() {
                self.put_back(link);
            }
            return Done::of(&plan, &self.shared);
        }
        let kinds: HashSet<(&'static str, u16)> =
            plan.events.iter().map(|e| (e.kind, e.schema)).filter(|kind| !self.known_kinds.contains(kind)).collect();
        let new_kinds = kinds.iter().map(|(kind, schema)| (*kind, *schema)).collect();
        let done = Done::of(&plan, &self.shared)?;
        let (client, statements) = (&link.client, &link.statements);
        // Behind COMMIT in the same flight, so that nobody's lock waits for it, and done before the answer.
        let flight = within(async {
            tokio::join!(
                biased;
                store(client, statements, &plan, locked.set, &new_kinds, &done, &self.node),
                foreign::forget(client, &statements.written, &self.shared.cache, foreign),
            )
            .0
        });
        let flight = flight.await;
        if !matches!(flight, Ok(Flight::Committed)) {
            // What others wrote was perhaps not looked at.
            self.shared.cache.clear();
        }
        match flight {
            Ok(Flight::Committed) => {
                self.put_back(link);
                self.known_kinds.extend(kinds);
                self.acknowledge(&plan);
                Ok(done)
            }
            Ok(Flight::Refused(e)) => Err(self.refused(link, &e).await),
            Ok(Flight::Lost(e)) => Err(Failure::Unknown { why: said(&e), attempted: done }),
            Err(late) => Err(Failure::Unknown { why: late, attempted: done }),
        }
    }

    fn acknowledge(&self, plan: &Plan<'_>) {
        if let Some(last) = plan.events.last() {
            let head = plan.head.head();
            self.memory.acknowledge(Acknowledged { size: head.size, root: head.root, last_leaf: last.leaf_hash });
        }
    }

    /// The server refused a statement, so nothing is stored. Whether the batch or the database is to blame, its code tells.
    async fn refused(&mut self, link: Link, e: &Error) -> Failure {
        let why = said(e);
        let Some(code) = e.code() else { return Failure::Unavailable(why) };
        if link.client.batch_execute("ROLLBACK").await.is_ok() {
            self.put_back(link);
        }
        // 22: a value that cannot be stored; 23: a constraint, such as an event id that is there; 54: too long for an index.
        match code.code().get(..2) {
            Some("22" | "23" | "54") => Failure::Refused(why),
            _ => Failure::Unavailable(why),
        }
    }

    async fn look_up(&mut self, ids: &[Uuid]) -> Result<bool, Failure> {
        let link = self.link().await.map_err(Failure::Unavailable)?;
        let looked = within(async {
            // The lock first: the lost transaction holds it until it has ended, one way or the other.
            lock(&link, &Touched::default(), &self.memory).await?;
            let found = link.client.query_one(&link.statements.count_ids, &[&ids]).await?.try_get::<_, i64>(0)?;
            link.client.execute(&link.statements.commit, &[]).await?;
            Ok(found)
        });
        match looked.await {
            Ok(Ok(found)) => {
                self.put_back(link);
                match usize::try_from(found) {
                    Ok(0) => Ok(false),
                    Ok(found) if found == ids.len() => Ok(true),
                    _ => Err(Failure::Unavailable(format!("{found} of {} events of one commit are in the log", ids.len()))),
                }
            }
            Ok(Err(Stop::Said(e))) => Err(Failure::Unavailable(said(&e))),
            Ok(Err(Stop::Damaged(why))) | Err(why) => Err(Failure::Unavailable(why)),
        }
    }
}

impl Writing for PgWriting {
    async fn commit(&mut self, batch: &[&Write], now: i64) -> Result<Done, Failure> {
        let done = self.run(batch, now).await;
        self.failed = done.is_err();
        done
    }

    async fn committed(&mut self, ids: &[Uuid]) -> Result<bool, Failure> {
        self.look_up(ids).await
    }

    async fn maintain(&mut self, task: &Task) -> Result<u64, SetError> {
        super::sets::maintain(self, task).await
    }

    async fn pause(&self, attempt: u32) {
        tokio::time::sleep(Duration::from_millis(25 << attempt.min(5))).await;
    }
}

pub(crate) enum Stop {
    Said(Error),
    Damaged(String),
}

impl From<Error> for Stop {
    fn from(e: Error) -> Stop {
        Stop::Said(e)
    }
}

/// Flight 1.
async fn lock<'a>(link: &Link, touched: &Touched<'a>, memory: &Memory) -> Result<Locked<'a>, Stop> {
    let (client, s) = (&link.client, &link.statements);
    let known = memory.acknowledged();
    let (kinds, keys): (Vec<&str>, Vec<&[u8]>) = touched.claims.iter().copied().unzip();
    let (tables, row_keys): (Vec<&str>, Vec<&str>) = touched.rows.iter().copied().unzip();
    let (begun, head, versions, taken, before) = tokio::join!(
        biased;
        client.execute(&s.begin, &[]),
        client.query_one(&s.lock_head, &[]),
        async {
            if touched.streams.is_empty() { Ok(Vec::new()) } else { client.query(&s.versions, &[&touched.streams]).await }
        },
        async {
            if kinds.is_empty() { Ok(Vec::new()) } else { client.query(&s.claims, &[&kinds, &keys]).await }
        },
        async {
            if row_keys.is_empty() { Ok(Vec::new()) } else { client.query(&s.rows_before, &[&None::<i32>, &tables, &row_keys]).await }
        },
    );
    begun?;
    let (head, set) = head_state(&head?).map_err(Stop::Damaged)?;
    memory.compare(known, head.size(), &head.frontier.root()).map_err(|e| Stop::Damaged(e.to_string()))?;
    let (versions, taken, before) = (versions?, taken?, before?);
    let asked: HashMap<&str, &'a str> = touched.streams.iter().map(|stream| (*stream, *stream)).collect();
    let claims: HashMap<(&str, &[u8]), ClaimKey<'a>> = touched.claims.iter().map(|claim| (*claim, *claim)).collect();
    let mut seen = Seen::default();
    for row in &versions {
        if let Some(stream) = asked.get(row.try_get::<_, &str>(0)?) {
            seen.versions.insert(stream, row.try_get::<_, i64>(1)?.cast_unsigned());
        }
    }
    for row in &taken {
        let (kind, key): (&str, &[u8]) = (row.try_get(0)?, row.try_get(1)?);
        seen.taken.extend(claims.get(&(kind, key)));
    }
    let rows: HashMap<(&str, &str), RowKey<'a>> = touched.rows.iter().map(|row| (*row, *row)).collect();
    for row in &before {
        let columns = columns(row)?;
        if let Some(key) = rows.get(&(columns.table, columns.key)) {
            seen.rows.insert(*key, columns.digest());
        }
    }
    Ok(Locked { head, set, seen })
}

/// The head row of [`super::sql::LOCK_HEAD`] and the id of the inline set.
pub(crate) fn head_state(row: &tokio_postgres::Row) -> Result<(HeadState, i32), String> {
    let read = || -> Result<_, Error> {
        let size = row.try_get::<_, i64>(0)?.cast_unsigned();
        let (frontier, root): (&[u8], &[u8]) = (row.try_get(1)?, row.try_get(2)?);
        let digest = row.try_get::<_, Option<&[u8]>>(5)?.and_then(Digest::decode);
        Ok((size, frontier, root, row.try_get::<_, i64>(3)?, row.try_get::<_, Option<i32>>(4)?, digest, row.try_get::<_, i32>(6)?))
    };
    let (size, frontier, root, recorded_at, set, rows, level) = read().map_err(|e| said(&e))?;
    let frontier = Frontier::decode(size, frontier).ok_or("the head's frontier does not fit its size")?;
    let stored: &Hash = root.try_into().map_err(|_| "the head's root is not 32 bytes long")?;
    if frontier.root() != *stored {
        return Err("the head's root is not that of its frontier".to_owned());
    }
    let level = level_of(level)?;
    Ok((HeadState { frontier, recorded_at, level, rows }, set.ok_or("the head names no inline set")?))
}

/// # Errors
/// A number that no level can be.
pub(crate) fn level_of(stored: i32) -> Result<u16, String> {
    u16::try_from(stored).map_err(|_| "the head's level is impossible".to_owned())
}

/// The outer `Err` is a network that swallowed the answer.
pub(crate) async fn within<T>(flight: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(FLIGHT, flight).await.map_err(|_| "the database does not answer".to_owned())
}
