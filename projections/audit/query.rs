//! Questions to the log: by subject, client, type or stream, from a position on, in the order of the log.

use chancery_ledger::Ledger;
use chancery_ledger::error::ReadError;

use super::{PAGE, SET};
use crate::envelope::{Envelope, Unreadable};

/// Largest page of an answer.
pub const MOST: u32 = 1000;
/// Lists of the index that are read at once.
const LISTS: u32 = 64;

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
    fn look_up(&self) -> Option<(&'static str, &str)> {
        let filters = [("subject", &self.subject), ("client", &self.client), ("type", &self.kind)];
        filters.into_iter().find_map(|(table, value)| Some((table, value.as_deref()?)))
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
    if let Some(stream) = &question.stream {
        return of_stream(ledger, question, stream, limit).await;
    }
    let Some((table, value)) = question.look_up() else { return everything(ledger, question.from, limit).await };
    let indexed = ledger.checkpoint(SET).await?.unwrap_or(0);
    let mut page = Page { events: Vec::new(), next: None, indexed };
    // A list that begins before `from` may reach beyond it, by a page at most.
    let mut after = question.from.checked_sub(u64::from(PAGE) + 1).map(|first| format!("{first:016}"));
    loop {
        let lists = ledger.projected_by(SET, table, (0, value), after.as_deref(), LISTS).await?;
        for row in &lists {
            let positions: Vec<u64> =
                serde_json::from_slice(&row.body).map_err(|e| Unreadable { position: 0, why: format!("audit index: {e}") })?;
            for position in positions.into_iter().filter(|position| *position >= question.from) {
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
        }
        match lists.last() {
            Some(last) if lists.len() == LISTS as usize => after = Some(last.key.clone()),
            _ => return Ok(page),
        }
    }
}

/// A stream is short and has an index of its own in the log.
async fn of_stream(ledger: &Ledger, question: &Question, stream: &str, limit: u32) -> Result<Page, QueryError> {
    let indexed = ledger.head().await?.size;
    let mut page = Page { events: Vec::new(), next: None, indexed };
    for recorded in ledger.read_stream(stream, 1).await?.iter().filter(|event| event.position >= question.from) {
        let envelope = Envelope::read(recorded)?;
        if !question.accepts(&envelope) {
            continue;
        }
        if page.events.len() as u32 == limit {
            page.next = Some(envelope.position);
            break;
        }
        page.events.push(envelope);
    }
    Ok(page)
}

async fn everything(ledger: &Ledger, from: u64, limit: u32) -> Result<Page, QueryError> {
    let events = ledger.read_all(from, limit).await?;
    let next = (events.len() as u32 == limit).then(|| from + u64::from(limit));
    let indexed = from + events.len() as u64;
    let events = events.iter().map(Envelope::read).collect::<Result<_, _>>()?;
    Ok(Page { events, next, indexed })
}
