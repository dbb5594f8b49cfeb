//! Questions to the log: events by filters, in the order of the log or backwards.
//!
//! | Filter | Found by |
//! |---|---|
//! | `subject`, `client`, `type` | its table of the index |
//! | `actor` | its table, and the one of `subject` or `client`, which most actors are |
//! | `token` | the table of digests |
//! | `stream`, `grant` | the log's own index of streams; a grant has the request that led to it besides |
//! | `session` | the events of its account |
//! | none | the log |
//!
//! The first filter of this order that is given leads: token, stream, grant, session, subject, actor, client, type. Every filter is checked
//! on the event itself. A question looks at a bounded number of events; its page may then hold fewer than asked and still have a next one.

use chancery_ledger::Ledger;
use chancery_ledger::recorded::Recorded;
use serde_json::Value;

use super::error::QueryError;
use super::source::{Source, Window, broken};
use super::{Digests, SET, TOKENS, actor_of, buckets_of, client_of, cut, tokens_of};
use crate::envelope::{Envelope, Unreadable};

/// Largest page of an answer.
pub const MOST: u32 = 1000;
/// Events that one question looks at.
pub const MOST_LOOKED_AT: u64 = 10_000;
/// Events read at once.
const BATCH: usize = 128;
/// Lists of digests read at once.
const LISTS: u32 = 512;

/// What to look for; filters that are given must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    pub subject: Option<String>,
    pub client: Option<String>,
    /// `kind:id`, or the kind of an actor without id.
    pub actor: Option<String>,
    pub session: Option<String>,
    pub grant: Option<String>,
    /// Digest of a token or code, as it stands in events.
    pub token: Option<String>,
    pub kind: Option<String>,
    pub stream: Option<String>,
    /// First position that may be answered.
    pub from: u64,
    /// First position that may not.
    pub until: Option<u64>,
    pub newest_first: bool,
    pub limit: u32,
}

/// An event as it was recorded, and what it says.
#[derive(Clone, Debug)]
pub struct Found {
    pub recorded: Recorded,
    pub envelope: Envelope,
}

/// A page: where to go on, and whether the index had reached the end of the log.
#[derive(Clone, Debug)]
pub struct Page {
    pub events: Vec<Found>,
    /// The next `from` (or `until`, newest first); `None` when everything up to `indexed` was looked at.
    pub next: Option<u64>,
    /// How many events the answer takes into account.
    pub indexed: u64,
}

impl Question {
    /// Does an event answer it, wherever it was found?
    pub fn accepts(&self, envelope: &Envelope) -> bool {
        let fits = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| Some(wanted) == found);
        fits(&self.subject, envelope.subject.as_deref())
            && fits(&self.kind, Some(&envelope.kind))
            && fits(&self.stream, Some(&envelope.stream))
            && self.client.as_ref().is_none_or(|client| client_of(envelope).as_ref() == Some(client))
            && self.actor.as_ref().is_none_or(|actor| actor_of(envelope) == *actor)
            && self.session.as_ref().is_none_or(|session| names(envelope, "session", session))
            && self.grant.as_ref().is_none_or(|grant| names(envelope, "grant", grant) || self.leads_to_grant(envelope))
            && self.token.as_ref().is_none_or(|token| tokens_of(envelope).iter().any(|own| own == token))
    }

    /// Steps of an authorization request come before the grant has its name. Where the grant leads, [`sources`] lists only the request that
    /// led to it.
    fn leads_to_grant(&self, envelope: &Envelope) -> bool {
        self.stream.is_none() && self.token.is_none() && envelope.stream.starts_with("interaction-")
    }

    fn is_filtered(&self) -> bool {
        let filters = [&self.subject, &self.client, &self.actor, &self.session, &self.grant, &self.token, &self.kind, &self.stream];
        filters.iter().any(|filter| filter.is_some())
    }
}

/// Is the event on the thing's own stream, or does its data name the thing?
fn names(envelope: &Envelope, what: &str, id: &str) -> bool {
    let own = envelope.stream.strip_prefix(what).and_then(|rest| rest.strip_prefix('-'));
    own == Some(id) || envelope.data.get(what).and_then(Value::as_str) == Some(id)
}

/// Answers a question.
///
/// # Errors
/// A database that does not answer, or a leaf that cannot be read.
pub async fn ask(ledger: &Ledger, question: &Question) -> Result<Page, QueryError> {
    let limit = question.limit.clamp(1, MOST) as usize;
    let head = ledger.head().await?.size;
    if !question.is_filtered() {
        return everything(ledger, question, limit, head).await;
    }
    let indexed = if needs_index(question) { ledger.checkpoint(SET).await?.unwrap_or(0) } else { head };
    let until = question.until.unwrap_or(u64::MAX).min(indexed);
    let window = Window { from: question.from, until, newest_first: question.newest_first };
    let mut sources = sources(ledger, question, window).await?;
    let mut page = Page { events: Vec::new(), next: None, indexed };
    let mut looked_at = 0;
    loop {
        let batch = batch(&mut sources, window).await?;
        let Some(last) = batch.last().copied() else { return Ok(page) };
        looked_at += batch.len() as u64;
        let mut events = ledger.read_at(&batch).await?;
        if window.newest_first {
            events.reverse();
        }
        for recorded in events {
            let envelope = Envelope::read(&recorded)?;
            if question.accepts(&envelope) {
                let position = recorded.position;
                page.events.push(Found { recorded, envelope });
                if page.events.len() == limit {
                    page.next = beyond(position, window);
                    return Ok(page);
                }
            }
        }
        if looked_at >= MOST_LOOKED_AT {
            page.next = beyond(last, window);
            return Ok(page);
        }
    }
}

/// Where to go on after a position; `None` at the edge of the window.
fn beyond(position: u64, window: Window) -> Option<u64> {
    match window.newest_first {
        false => Some(position + 1).filter(|next| *next < window.until),
        true => Some(position).filter(|next| *next > window.from),
    }
}

fn needs_index(question: &Question) -> bool {
    question.token.is_some() || (question.stream.is_none() && question.grant.is_none())
}

/// The positions of the next events to look at.
async fn batch(sources: &mut [Source<'_>], window: Window) -> Result<Vec<u64>, QueryError> {
    let mut batch = Vec::with_capacity(BATCH);
    while batch.len() < BATCH {
        let mut next: Option<u64> = None;
        for source in sources.iter_mut() {
            let Some(position) = source.peek().await? else { continue };
            let comes_first = next.is_none_or(|next| if window.newest_first { position > next } else { position < next });
            next = if comes_first { Some(position) } else { next };
        }
        let Some(position) = next else { break };
        for source in sources.iter_mut() {
            if source.peek().await? == Some(position) {
                source.take();
            }
        }
        batch.push(position);
    }
    Ok(batch)
}

/// Where the candidates are, by the first filter of the order above.
async fn sources<'a>(ledger: &'a Ledger, question: &Question, window: Window) -> Result<Vec<Source<'a>>, QueryError> {
    if let Some(token) = &question.token {
        return Ok(vec![Source::fixed(ledger, window, positions_of(ledger, token).await?)]);
    }
    if let Some(stream) = &question.stream {
        return Ok(vec![Source::stream(ledger, window, stream).await?]);
    }
    if let Some(grant) = &question.grant {
        let stream = format!("grant-{grant}");
        let first = ledger.read_stream_page(&stream, 1, 1).await?;
        let request = first.first().map(Envelope::read).transpose()?;
        let mut sources = vec![Source::stream(ledger, window, &stream).await?];
        if let Some(interaction) = request.as_ref().and_then(|event| event.data.get("interaction")).and_then(Value::as_str) {
            sources.push(Source::stream(ledger, window, &format!("interaction-{interaction}")).await?);
        }
        return Ok(sources);
    }
    if let Some(session) = &question.session {
        let first = ledger.read_stream_page(&format!("session-{session}"), 1, 1).await?;
        let Some(begun) = first.first().map(Envelope::read).transpose()? else { return Ok(Vec::new()) };
        let account = begun.data.get("account").and_then(Value::as_str).unwrap_or_default();
        return Ok(vec![Source::lists(ledger, window, "subject", account)]);
    }
    let list = |table, value: &str| Source::lists(ledger, window, table, value);
    if let Some(subject) = &question.subject {
        return Ok(vec![list("subject", subject)]);
    }
    if let Some(actor) = &question.actor {
        return Ok(match actor.split_once(':') {
            Some(("account", id)) => vec![list("actor", actor), list("subject", id)],
            Some(("client", id)) => vec![list("actor", actor), list("client", id)],
            _ => vec![list("actor", actor)],
        });
    }
    let either = question.client.as_ref().map(|client| list("client", client));
    Ok(either.or_else(|| question.kind.as_ref().map(|kind| list("type", kind))).into_iter().collect())
}

/// The positions of the events that issue, replace or revoke a token.
///
/// # Errors
/// A database that does not answer, or a list that is none.
pub async fn positions_of(ledger: &Ledger, digest: &str) -> Result<Vec<u64>, QueryError> {
    let mut positions = Vec::new();
    for bucket in buckets_of(digest) {
        let mut after: Option<String> = None;
        loop {
            let rows = ledger.projected_by(SET, TOKENS, (0, &bucket), after.as_deref(), LISTS).await?;
            for row in &rows {
                let mut own: Digests = serde_json::from_slice(&row.body).map_err(|e| broken(&row.key, &e))?;
                positions.extend(own.remove(cut(digest)).unwrap_or_default());
            }
            match rows.last() {
                Some(last) if rows.len() == LISTS as usize => after = Some(last.key.clone()),
                _ => break,
            }
        }
    }
    Ok(positions)
}

/// Without a filter: the log itself.
async fn everything(ledger: &Ledger, question: &Question, limit: usize, head: u64) -> Result<Page, QueryError> {
    let until = question.until.unwrap_or(u64::MAX).min(head);
    let most = until.saturating_sub(question.from).min(limit as u64);
    let first = if question.newest_first { until - most } else { question.from };
    let mut events = match u32::try_from(most).unwrap_or(MOST) {
        0 => Vec::new(),
        most => ledger.read_all(first, most).await?,
    };
    let window = Window { from: question.from, until, newest_first: question.newest_first };
    if question.newest_first {
        events.reverse();
    }
    let next = events.last().filter(|_| events.len() == limit).and_then(|last| beyond(last.position, window));
    let found = |recorded: Recorded| Ok(Found { envelope: Envelope::read(&recorded)?, recorded });
    let events = events.into_iter().map(found).collect::<Result<_, Unreadable>>()?;
    Ok(Page { events, next, indexed: head })
}
