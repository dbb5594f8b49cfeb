//! Questions to the log: by subject, client, type or stream, from a position on, in the order of the log.

use chancery_ledger::Ledger;
use chancery_ledger::error::ReadError;

use super::{SET, key};
use crate::envelope::{Envelope, Unreadable};

/// Largest page.
pub const MOST: u32 = 1000;

/// What to look for; filters that are given must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    pub subject: Option<String>,
    pub client: Option<String>,
    pub kind: Option<String>,
    pub stream: Option<String>,
    /// First position that may be answered.
    pub from: u64,
    pub limit: u32,
}

/// A page: where to go on, and whether the index had reached the end of the log.
#[derive(Clone, Debug)]
pub struct Page {
    pub events: Vec<Envelope>,
    /// The next `from`; `None` when everything up to `indexed` was looked at.
    pub next: Option<u64>,
    /// How many events the answer takes into account.
    pub indexed: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl Question {
    /// The most selective look-up of the index, if any filter is given.
    fn look_up(&self) -> Option<(&'static str, usize, &str)> {
        if let Some(stream) = &self.stream {
            return Some(("event_type", 1, stream));
        }
        if let Some(subject) = &self.subject {
            return Some(("event", 0, subject));
        }
        if let Some(client) = &self.client {
            return Some(("event", 1, client));
        }
        self.kind.as_deref().map(|kind| ("event_type", 0, kind))
    }

    fn accepts(&self, envelope: &Envelope) -> bool {
        let fits = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| Some(wanted) == found);
        fits(&self.subject, envelope.subject.as_deref())
            && fits(&self.client, super::client_of(envelope).as_deref())
            && fits(&self.kind, Some(&envelope.kind))
            && fits(&self.stream, Some(&envelope.stream))
    }
}

/// Answers a question.
///
/// # Errors
/// A database that does not answer, or a leaf that cannot be read.
pub async fn ask(ledger: &Ledger, question: &Question) -> Result<Page, QueryError> {
    let limit = question.limit.clamp(1, MOST);
    let Some((table, column, value)) = question.look_up() else { return everything(ledger, question.from, limit).await };
    let indexed = ledger.checkpoint(SET).await?.unwrap_or(0);
    let mut after = question.from.checked_sub(1).map(key);
    let mut page = Page { events: Vec::new(), next: None, indexed };
    loop {
        let found = ledger.projected_by(SET, table, (column, value), after.as_deref(), limit).await?;
        for row in &found {
            let Ok(position) = row.key.parse::<u64>() else { continue };
            for recorded in ledger.read_all(position, 1).await? {
                let envelope = Envelope::read(&recorded)?;
                if question.accepts(&envelope) {
                    page.events.push(envelope);
                }
            }
            if page.events.len() as u32 == limit {
                page.next = Some(position + 1);
                return Ok(page);
            }
        }
        match found.last() {
            Some(last) if found.len() as u32 == limit => after = Some(last.key.clone()),
            _ => return Ok(page),
        }
    }
}

async fn everything(ledger: &Ledger, from: u64, limit: u32) -> Result<Page, QueryError> {
    let events = ledger.read_all(from, limit).await?;
    let next = (events.len() as u32 == limit).then(|| from + u64::from(limit));
    let indexed = from + events.len() as u64;
    let events = events.iter().map(Envelope::read).collect::<Result<_, _>>()?;
    Ok(Page { events, next, indexed })
}
