//! Where the positions of an answer come from: lists of the index, or a stream of the log. Each in order, forwards or backwards, read bit by
//! bit, so that an answer reads little more than it shows.

use std::collections::VecDeque;

use chancery_ledger::Ledger;
use chancery_ledger::error::ReadError;

use super::error::QueryError;
use super::{PAGE, SET, key};
use crate::envelope::Unreadable;

/// Lists of the first read; each further one reads twice as many, up to `MOST_LISTS`: a busy value has hundreds of positions in a list, an
/// idle one a single one.
const FIRST_LISTS: u32 = 4;
const MOST_LISTS: u32 = 256;
/// Events of a stream in one read.
const STREAM_PAGE: u32 = 200;

/// The part of the log that may be answered, and from which end.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// First position.
    pub from: u64,
    /// First position beyond.
    pub until: u64,
    pub newest_first: bool,
}

impl Window {
    fn has(&self, position: u64) -> bool {
        (self.from..self.until).contains(&position)
    }
}

/// Positions in the order of the window.
pub struct Source<'a> {
    ledger: &'a Ledger,
    window: Window,
    kind: Kind,
    ready: VecDeque<u64>,
    ended: bool,
}

enum Kind {
    /// Rows of a table of the index with one value.
    Lists { table: &'static str, value: String, beyond: String, lists: u32 },
    /// The versions of a stream that were not read yet: `next` is the first (or, backwards, one more than the last).
    Stream { stream: String, next: u64 },
    /// Known beforehand.
    Fixed,
}

impl<'a> Source<'a> {
    /// The positions of a value in a table of the index.
    pub fn lists(ledger: &'a Ledger, window: Window, table: &'static str, value: &str) -> Self {
        let beyond = match window.newest_first {
            // A list that begins before the window may reach into it, by a page at most. The empty text is before every key.
            false => window.from.checked_sub(u64::from(PAGE) + 1).map(|first| key(first, "")).unwrap_or_default(),
            true => key(window.until, ""),
        };
        let kind = Kind::Lists { table, value: value.to_owned(), beyond, lists: FIRST_LISTS };
        Self { ledger, window, kind, ready: VecDeque::new(), ended: false }
    }

    /// The positions of a stream.
    ///
    /// # Errors
    /// A database that does not answer.
    pub async fn stream(ledger: &'a Ledger, window: Window, stream: &str) -> Result<Self, QueryError> {
        let edge = if window.newest_first { window.until } else { window.from };
        let next = version_at(ledger, stream, edge).await?;
        let kind = Kind::Stream { stream: stream.to_owned(), next };
        Ok(Self { ledger, window, kind, ready: VecDeque::new(), ended: false })
    }

    /// Positions that were found otherwise, in any order.
    pub fn fixed(ledger: &'a Ledger, window: Window, mut positions: Vec<u64>) -> Self {
        positions.sort_unstable();
        positions.dedup();
        if window.newest_first {
            positions.reverse();
        }
        let ready = positions.into_iter().filter(|position| window.has(*position)).collect();
        Self { ledger, window, kind: Kind::Fixed, ready, ended: true }
    }

    /// The next position, which stays.
    ///
    /// # Errors
    /// A database that does not answer, or a list that is none.
    pub async fn peek(&mut self) -> Result<Option<u64>, QueryError> {
        while self.ready.is_empty() && !self.ended {
            self.fill().await?;
        }
        Ok(self.ready.front().copied())
    }

    /// Takes the position that [`Self::peek`] saw.
    pub fn take(&mut self) {
        self.ready.pop_front();
    }

    async fn fill(&mut self) -> Result<(), QueryError> {
        let (ledger, window) = (self.ledger, self.window);
        match &mut self.kind {
            Kind::Fixed => self.ended = true,
            Kind::Lists { table, value, beyond, lists } => {
                let by = (0, value.as_str());
                let rows = match window.newest_first {
                    false => ledger.projected_by(SET, table, by, Some(beyond), *lists).await?,
                    true => ledger.projected_back(SET, table, by, beyond, *lists).await?,
                };
                self.ended = rows.len() < *lists as usize;
                *lists = (*lists * 2).min(MOST_LISTS);
                for row in rows {
                    let mut positions: Vec<u64> = serde_json::from_slice(&row.body).map_err(|e| broken(&row.key, &e))?;
                    if window.newest_first {
                        positions.reverse();
                    }
                    // Beyond the far edge of the window nothing follows.
                    self.ended |= match window.newest_first {
                        false => positions.first().is_some_and(|first| *first >= window.until),
                        true => positions.first().is_some_and(|last| *last < window.from),
                    };
                    self.ready.extend(positions.into_iter().filter(|position| window.has(*position)));
                    *beyond = row.key;
                }
            }
            Kind::Stream { stream, next } => {
                let (first, most) = match window.newest_first {
                    false => (*next, STREAM_PAGE),
                    true => {
                        let first = next.saturating_sub(u64::from(STREAM_PAGE)).max(1);
                        (first, u32::try_from(next.saturating_sub(first)).unwrap_or(STREAM_PAGE))
                    }
                };
                let events = match most {
                    0 => Vec::new(),
                    most => ledger.read_stream_page(stream, first, most).await?,
                };
                let mut positions: Vec<u64> = events.iter().map(|event| event.position).collect();
                self.ended = events.len() < STREAM_PAGE as usize
                    || match window.newest_first {
                        false => positions.last().is_some_and(|last| *last >= window.until),
                        true => positions.first().is_some_and(|first| *first < window.from),
                    };
                if window.newest_first {
                    positions.reverse();
                    *next = first;
                } else {
                    *next = first + events.len() as u64;
                }
                self.ready.extend(positions.into_iter().filter(|position| window.has(*position)));
            }
        }
        Ok(())
    }
}

/// The version of the first event of a stream at or after a position; one more than the last if there is none. Versions are dense, so a
/// few reads find it in a stream of any length.
pub async fn version_at(ledger: &Ledger, stream: &str, position: u64) -> Result<u64, ReadError> {
    let (mut low, mut high) = (1_u64, 1_u64);
    loop {
        match ledger.read_stream_page(stream, high, 1).await?.first() {
            Some(event) if event.position < position => (low, high) = (high + 1, high.saturating_mul(2)),
            _ => break,
        }
    }
    while low < high {
        let middle = low + (high - low) / 2;
        match ledger.read_stream_page(stream, middle, 1).await?.first() {
            Some(event) if event.position < position => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// A row of the index that cannot be read: a rebuild makes it again.
pub fn broken(key: &str, error: &serde_json::Error) -> Unreadable {
    let position = key.get(..16).and_then(|first| first.parse().ok()).unwrap_or(0);
    Unreadable { position, why: format!("audit index: {error}") }
}
