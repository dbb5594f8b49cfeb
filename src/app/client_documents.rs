//! Documents that clients are: fetched when somebody names one, kept for a while, and an event when they say something new.
//! draft-ietf-oauth-client-id-metadata-document-02 (CIMD).
//!
//! | Rule | Source |
//! |---|---|
//! | only status 200 is a document; no redirect is followed | CIMD §5 |
//! | no address but public ones, in production | CIMD §8.6 |
//! | JSON, of a JSON type, 5 KiB at most, in the time that every fetch has | CIMD §4, §8.7 |
//! | kept for as long as it says, but a minute at least and a day at most; an hour when it says nothing | CIMD §5.2, RFC 9111 §5.2.2 |
//! | what failed or is malformed is never kept: the next one who asks has it fetched again, within the shares; who waited for the same fetch shares its end | CIMD §5.2 |
//! | when it cannot be read a person's request ends; a client goes on with what was known, for a day | CIMD §5.1; our own |
//! | of requests for one document at once one fetches | our own |
//! | hosts have shares, and so have all together, those that are known apart from new ones: nobody can use up what others live on | our own |
//! | a document decides from the append of its event on, on every node | DESIGN: rule 2 |
//!
//! What this node knows of times is in memory: after a start, and for what another node read, the event's own time stands for it, and counts
//! for a minute.
//!
//! Out of scope: what a document may say (`chancery_core::client::document`), whom it may come from (`config::client_documents`).

use std::collections::BTreeSet;
use std::time::Duration;

use chancery_core::client::document::{self, ClientDocumentRead};
use chancery_core::client::metadata::Metadata;
use chancery_core::client::{Client, Origin};
use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use chancery_core::id::ClientId;
use chancery_core::time::Timestamp;
use chancery_jose::json;

use super::App;
use super::client_keys::{Fetches, Looked, public_members};
use super::clients;
use super::context::Context;
use super::fetch_shares::FetchShares;
use super::remote::{Wanted, Whose};
use super::work::{Seal, Stop, Work, decide};

/// CIMD §8.7.
const MOST_BYTES: usize = 5 * 1024;
/// A document is fresh for so long, whatever it says.
const SHORTEST_MS: i64 = 60 * 1000;
const LONGEST_MS: i64 = 24 * 60 * 60 * 1000;
/// One that says nothing.
const FRESH_MS: i64 = 60 * 60 * 1000;
/// What was read so long ago counts no more when it cannot be read again.
const STALE_MS: i64 = 24 * 60 * 60 * 1000;

/// What this node fetches, and when it did.
#[derive(Default)]
pub struct Documents {
    looked: Fetches,
    /// Of clients that the log does not know.
    new: FetchShares,
    known: FetchShares,
}

/// Who names the client, which says what a failure is and what it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// A browser at the authorization endpoint: nobody has proven anything.
    Browser,
    /// A client that authenticates, with what a person gave it before.
    Client,
}

impl Asks {
    fn refusal(self, detail: String, sentence: &str) -> OAuthError {
        match self {
            Self::Browser => OAuthError::invalid_request(detail).saying(sentence),
            Self::Client => OAuthError::invalid_client(detail).saying(sentence),
        }
    }
}

/// Why there is no document.
enum Missed {
    /// Nobody may know what was found instead: that would make this server somebody's eyes.
    Unread(String),
    /// The document was read, so that its author is told.
    Wrong(String),
}

impl App {
    /// Makes sure that the log knows the document behind an identifier, as it is now. Other clients pass.
    ///
    /// # Errors
    /// `invalid_request` or `invalid_client` when there is none or it is not taken here, `temporarily_unavailable`.
    pub(super) async fn look_up_document(&self, context: &Context, id: &ClientId, asks: Asks) -> Result<(), OAuthError> {
        match id.host() {
            // Boxed: the usual clients do not carry its room.
            Some(host) => Box::pin(self.look_up(context, (id, host), asks)).await,
            None => Ok(()),
        }
    }

    async fn look_up(&self, context: &Context, (id, host): (&ClientId, &str), asks: Asks) -> Result<(), OAuthError> {
        let arrived_at = self.now().0;
        let known = self.load_client(&id.stream()).await?.state;
        // Before anything is said about what is known: a host that is denied from now on is denied to old clients too.
        if !self.config.client_documents.admits(host) {
            let why = format!("documents of {host} are not taken");
            return Err(match asks {
                Asks::Browser => asks.refusal(why, "There is no client with this client_id here."),
                // As for every other unknown client.
                Asks::Client => OAuthError::invalid_client(why),
            });
        }
        if known.as_deref().is_some_and(|own| !own.is_active() || own.origin != Origin::Document || self.is_fresh(own)) {
            return Ok(());
        }
        let gate = self.documents.looked.gate(id);
        let _one_at_a_time = gate.lock().await;
        // Whoever held the gate before may have found it.
        let known = self.read::<Client>(&id.stream()).await?;
        if known.as_deref().is_some_and(|own| self.is_fresh(own)) {
            return Ok(());
        }
        let counts_still = || known.as_deref().is_some_and(|own| self.counts_still(own));
        // Or has failed, while this request waited: it shares that, so that a slow server holds each of them once.
        if self.documents.looked.of(id).is_some_and(|own| own.tried_at > arrived_at) {
            return self.without(asks, counts_still(), Missed::Unread("a fetch failed while this request waited".to_owned()));
        }
        let limits = &self.config.rate_limits;
        let shares = if known.is_some() { &self.documents.known } else { &self.documents.new };
        let (of_host, of_all) = (limits.client_documents_per_host, limits.client_documents);
        let Some(_fetching) = shares.begin(host, of_host, of_all, self.now().0) else {
            // Nobody knows that it is another by now: what others ask for must not shut a client out.
            if counts_still() {
                return Ok(());
            }
            return Err(OAuthError::temporarily_unavailable("too many client documents are fetched")
                .saying("Too many documents of clients are on their way; try again in a minute."));
        };
        match self.fetch_document(id).await? {
            Ok((metadata, digest, fresh_for)) => {
                let event = ClientDocumentRead { at: self.now(), client: id.clone(), document: digest, metadata };
                decide!(self, context, |work| read_once(work, &event))?;
                let now = self.now().0;
                self.documents.looked.note(id, Looked { tried_at: now, found_at: now, fresh_until: now + fresh_for });
                Ok(())
            }
            Err(missed) => {
                let counts = counts_still();
                self.document_missed(id, known.as_deref());
                self.without(asks, counts, missed)
            }
        }
    }

    /// What follows when the document could not be read. A person is not asked about a client of whom nothing is known now (CIMD §5.1); a
    /// client that speaks for somebody goes on while its server is down.
    fn without(&self, asks: Asks, counts_still: bool, missed: Missed) -> Result<(), OAuthError> {
        if asks == Asks::Client && counts_still {
            return Ok(());
        }
        Err(match missed {
            Missed::Unread(why) => asks.refusal(why, "The document that this client_id names could not be read."),
            Missed::Wrong(why) => asks.refusal(why.clone(), &format!("The document that this client_id names is refused: {why}")),
        })
    }

    fn document_missed(&self, id: &ClientId, known: Option<&Client>) {
        // Later than every request that waited.
        let tried_at = self.now().0.saturating_add(1);
        let before = known.and_then(|own| self.looked_at(own));
        let never = Looked { tried_at, found_at: i64::MIN, fresh_until: i64::MIN };
        self.documents.looked.note(id, Looked { tried_at, fresh_until: i64::MIN, ..before.unwrap_or(never) });
    }

    fn looked_at(&self, client: &Client) -> Option<Looked> {
        // For how long it said to be fresh is what the node that read it knows.
        let from_log = |Timestamp(at)| Looked { tried_at: at, found_at: at, fresh_until: at.saturating_add(SHORTEST_MS) };
        self.documents
            .looked
            .of(&client.id)
            .filter(|own| own.found_at > i64::MIN)
            .or_else(|| client.document.as_ref().map(|own| from_log(own.at)))
    }

    fn is_fresh(&self, client: &Client) -> bool {
        self.looked_at(client).is_some_and(|own| self.now().0 < own.fresh_until)
    }

    fn counts_still(&self, client: &Client) -> bool {
        self.looked_at(client).is_some_and(|own| self.now().0 < own.found_at.saturating_add(STALE_MS))
    }

    /// The document, checked as a registration is, the digest of its bytes, and for how many milliseconds it is fresh.
    async fn fetch_document(&self, id: &ClientId) -> Result<Result<(Metadata, Digest, i64), Missed>, OAuthError> {
        let wanted = Wanted { url: id.to_string(), accept: "application/json", most: MOST_BYTES, whose: Whose::Strangers };
        let fetched = match self.fetch(wanted).await? {
            Ok(fetched) => fetched,
            Err(why) => {
                tracing::info!(client = %id, why, "the document of the client could not be fetched");
                return Ok(Err(Missed::Unread(why)));
            }
        };
        // CIMD §4. A picture or a note that somebody left on a server of others is no document of theirs.
        if !fetched.media_type.as_deref().is_some_and(is_json) {
            return Ok(Err(Missed::Unread("its type is not application/json".to_owned())));
        }
        let read = json::object(&fetched.body).map_err(|_| Missed::Unread("it is not one JSON object".to_owned()));
        let read = read.and_then(|members| {
            let mut asked = document::asked(id, &members, &self.config.client_documents.scopes).map_err(Missed::Wrong)?;
            asked.jwks = asked.jwks.as_ref().map(public_members);
            clients::validate(&asked, false, self.policy()).map_err(|problems| {
                tracing::info!(client = %id, ?problems, "the document of the client is not acceptable");
                // By their names alone: the sentences repeat what a stranger wrote, and stand on a page of ours.
                let fields = problems.iter().map(|own| own.field).collect::<BTreeSet<_>>();
                Missed::Wrong(format!("not acceptable here: {}.", fields.into_iter().collect::<Vec<_>>().join(", ")))
            })
        });
        Ok(read.map(|metadata| (metadata, Digest::of(&fetched.body), fresh_ms(fetched.fresh_for))))
    }
}

/// CIMD §4: `application/json`, or a more specific type.
fn is_json(media_type: &str) -> bool {
    media_type.strip_prefix("application/").is_some_and(|kind| kind == "json" || kind.ends_with("+json"))
}

fn fresh_ms(said: Option<Duration>) -> i64 {
    said.map_or(FRESH_MS, |own| i64::try_from(own.as_millis()).unwrap_or(LONGEST_MS)).clamp(SHORTEST_MS, LONGEST_MS)
}

async fn read_once(mut work: Work<'_>, event: &ClientDocumentRead) -> Result<(), Stop> {
    let mut loaded = work.load::<Client>(&event.client.stream()).await?;
    let decision = document::read(loaded.state.as_deref(), event.clone());
    decision.outcome?;
    work.record(&mut loaded, decision.events, &Seal::default())?;
    work.commit().await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cimd_4_a_document_has_a_json_type() {
        for good in ["application/json", "application/cimd+json", "application/client+json"] {
            assert!(is_json(good), "{good}");
        }
        for bad in ["text/html", "text/json", "application/jsonx", "image/svg+xml", "application/octet-stream", ""] {
            assert!(!is_json(bad), "{bad}");
        }
    }

    #[test]
    fn cimd_5_2_what_a_document_says_of_its_age_counts_within_bounds() {
        let seconds = |own: u64| fresh_ms(Some(Duration::from_secs(own)));
        assert_eq!((fresh_ms(None), seconds(600)), (FRESH_MS, 600_000));
        assert_eq!((seconds(0), seconds(u64::MAX)), (SHORTEST_MS, LONGEST_MS));
    }
}
