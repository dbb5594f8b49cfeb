//! One unit of work: load states with their versions, record events, append once.
//!
//! | Rule | Source |
//! |---|---|
//! | every stream that the decision read is asserted, those without events too | DESIGN: rule 4 |
//! | a lost race is decided again on fresh state, never inserted again | DESIGN: rule 4 |
//! | personal data is sealed before it reaches the ledger | DESIGN: rule 7 |
//! | rows are computed by the same fold as the rebuild | DESIGN: rule 2 |
//! | an event is written in a schema that the level of the log holds, or not at all | docs/adr/0037 |
//! | a log that cannot be written is 503, never a token | DESIGN: rule 1 |

use std::collections::BTreeMap;
use std::sync::Arc;

use chancery_core::decision::Draft;
use chancery_core::error::OAuthError;
use chancery_core::grant::exchange;
use chancery_core::stream::{Event, EventType, Fact, KEY_FIELD};
use chancery_core::{canonical, stream};
use chancery_ledger::error::{AppendError, ReadError};
use chancery_ledger::recorded::{Committed, Freshness};
use chancery_ledger::write::{ClaimWrite, Expected, NewEvent, Row, RowWrite, StreamWrite, Write};
use chancery_projections::fold;
use chancery_projections::inline::{self, Inline};

use super::App;
use super::context::Context;
use super::random;
use super::vault::{Aad, DataKey, VaultError};
use super::words::{ASSERTION, BEARER_ASSERTION, CREDENTIAL_NONCE, DPOP, EXCHANGED, SIGNAL};

/// How often a lost race is decided again. Each round somebody else has won, so that all together make progress.
const MOST_ROUNDS: u32 = 64;

/// Why a unit of work ended.
#[derive(Debug)]
pub enum Stop {
    /// The rules said no, or the log cannot be reached.
    Refused(OAuthError),
    /// Somebody else wrote first: load and decide again.
    Conflict,
    /// A unique value is taken.
    Taken(&'static str),
}

impl From<OAuthError> for Stop {
    fn from(error: OAuthError) -> Self {
        Self::Refused(error)
    }
}

impl From<Stop> for OAuthError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(error) => error,
            // RFC 7523 §3, RFC 7521 §4.2.1: an assertion that comes again proves nothing.
            Stop::Taken(kind) if kind == ASSERTION.word => Self::invalid_client("the client assertion was used before"),
            // ABCA §11.1.
            Stop::Taken(kind) if kind == SIGNAL.word => Self::invalid_client_attestation("the proof was used before"),
            // RFC 9449 §11.1.
            Stop::Taken(kind) if kind == DPOP.word => Self::invalid_dpop_proof("the proof was used before")
                .saying("This DPoP proof was used before; make a new one for each request."),
            // RFC 7523 §3.
            Stop::Taken(kind) if kind == BEARER_ASSERTION.word => super::assertion::invalid("the assertion was used before"),
            // OpenID4VCI §8.3.1.2: the wallet gets another one.
            Stop::Taken(kind) if kind == CREDENTIAL_NONCE.word => Self::invalid_nonce("the nonce was used before"),
            Stop::Taken(kind) if kind == EXCHANGED.word => exchange::unknown_token("the token was exchanged before"),
            Stop::Taken(kind) => Self::conflict(format!("the {kind} is taken")),
            Stop::Conflict => Self::temporarily_unavailable("the race did not end"),
        }
    }
}

/// How often a unit of work was tried.
#[derive(Default)]
pub struct Rounds(u32);

impl Rounds {
    /// The first round may decide from cached state; a lost race shows that the cache was behind.
    pub fn freshness(&self) -> Freshness {
        if self.0 == 0 { Freshness::Cached } else { Freshness::Fresh }
    }

    /// Counts a lost race; `false` when it was the last.
    pub fn again(&mut self) -> bool {
        self.0 += 1;
        self.0 < MOST_ROUNDS
    }
}

/// Runs a unit of work until it is committed or refused: `decide!(app, context, |work| one_round(work))`, where a round loads,
/// decides, records and commits. Gives `Result<_, Stop>`.
macro_rules! decide {
    ($app:expr, $context:expr, |$work:ident| $round:expr) => {{
        let mut rounds = $crate::app::work::Rounds::default();
        loop {
            let $work = $app.work($context, rounds.freshness());
            match $round.await {
                Err($crate::app::work::Stop::Conflict) if rounds.again() => {}
                outcome => break outcome,
            }
        }
    }};
}
pub(crate) use decide;

/// A loaded stream: its state, if it has one, and the version that the decision saw.
#[derive(Clone, Debug)]
pub struct Loaded<S> {
    pub stream: String,
    pub version: u64,
    pub state: Option<Arc<S>>,
}

impl<S> Loaded<S> {
    /// The state, or a refusal.
    pub fn or(&self, refusal: impl FnOnce() -> OAuthError) -> Result<&S, OAuthError> {
        self.state.as_deref().ok_or_else(refusal)
    }
}

/// Which data key seals the personal data of an event, and whose they are.
#[derive(Clone, Default)]
pub struct Seal {
    pub key: Option<Arc<DataKey>>,
    /// `subject` of the envelope.
    pub subject: Option<String>,
}

/// The unit of work.
pub struct Work<'a> {
    app: &'a App,
    context: &'a Context,
    freshness: Freshness,
    write: Write,
}

impl App {
    /// Begins a unit of work; [`decide!`] does.
    pub fn work<'a>(&'a self, context: &'a Context, freshness: Freshness) -> Work<'a> {
        Work { app: self, context, freshness, write: Write::default() }
    }

    /// Reads a state for an answer that appends nothing.
    ///
    /// # Errors
    /// `temporarily_unavailable` when the log cannot be read.
    pub async fn read<S: Inline>(&self, stream: &str) -> Result<Option<Arc<S>>, OAuthError> {
        Ok(self.load::<S>(stream, Freshness::Fresh).await?.state)
    }

    pub(super) async fn load<S: Inline>(&self, stream: &str, freshness: Freshness) -> Result<Loaded<S>, OAuthError> {
        let row = self.ledger.row(S::KIND, stream, freshness).await.map_err(unreadable)?;
        self.loaded(stream, row.as_deref()).await
    }

    /// The state of a row that was read, or of no row.
    pub(super) async fn loaded<S: Inline>(&self, stream: &str, row: Option<&Row>) -> Result<Loaded<S>, OAuthError> {
        let Some(row) = row else {
            // A row that housekeeping dropped is folded from the log: a missing row decides nothing.
            let events = match self.ledger.read_stream(stream, 1).await {
                Ok(events) => events,
                // Only what has been over for long loses its row, and only what is older still its events: nobody may use it any more.
                Err(ReadError::Archived { version, .. }) => return Ok(Loaded { stream: stream.to_owned(), version, state: None }),
                Err(error) => return Err(unreadable(error)),
            };
            let folded = fold::stream::<S>(None, &events).map_err(|e| OAuthError::server_error(e.to_string()))?;
            let (state, version) = folded.map_or((None, 0), |own| (Some(Arc::new(own.state)), own.version));
            return Ok(Loaded { stream: stream.to_owned(), version, state });
        };
        let version = row.version;
        let state = match self.decoded.get::<S>(stream, version) {
            Some(state) => Some(state),
            None => {
                let parsed = inline::state::<S>(row).map_err(|e| OAuthError::server_error(format!("row {stream}: {e}")))?;
                let state = Arc::new(parsed.state);
                self.decoded.put(stream, version, &state);
                Some(state)
            }
        };
        Ok(Loaded { stream: stream.to_owned(), version, state })
    }
}

impl Work<'_> {
    /// Loads a stream and asserts its version.
    ///
    /// # Errors
    /// `temporarily_unavailable` when the log cannot be read.
    pub async fn load<S: Inline>(&mut self, stream: &str) -> Result<Loaded<S>, OAuthError> {
        let loaded = self.app.load::<S>(stream, self.freshness).await?;
        self.entry(&loaded.stream, loaded.version);
        Ok(loaded)
    }

    /// A stream that begins here: its id was drawn a moment ago.
    pub fn fresh<S>(&mut self, stream: String) -> Loaded<S> {
        self.entry(&stream, 0);
        Loaded { stream, version: 0, state: None }
    }

    /// The log tells what happened in the order in which it was decided, not in which the states were looked at: the consent
    /// stands before the answer that rests on it.
    fn moves_to_the_end(&mut self, stream: &str) {
        if let Some(at) = self.write.streams.iter().position(|own| own.stream == stream && own.events.is_empty()) {
            let own = self.write.streams.remove(at);
            self.write.streams.push(own);
        }
    }

    fn entry(&mut self, stream: &str, version: u64) -> &mut StreamWrite {
        let at = match self.write.streams.iter().position(|own| own.stream == stream) {
            Some(at) => at,
            None => {
                self.write.streams.push(StreamWrite {
                    stream: stream.to_owned(),
                    expected: Expected::Version(version),
                    events: Vec::new(),
                });
                self.write.streams.len() - 1
            }
        };
        &mut self.write.streams[at]
    }

    /// Records the events of a decision and moves the state on.
    ///
    /// # Errors
    /// `server_error` when an event cannot follow the state: a decider and its fold disagree.
    pub fn record<S: Inline>(&mut self, loaded: &mut Loaded<S>, drafts: Vec<Draft<S::Event>>, seal: &Seal) -> Result<(), OAuthError> {
        if drafts.is_empty() {
            return Ok(());
        }
        let began_at = loaded.version;
        self.moves_to_the_end(&loaded.stream);
        for draft in drafts {
            let (event, personal) = self.event(&loaded.stream, &draft, seal)?;
            loaded.version += 1;
            let fact = Fact { id: event.id, version: loaded.version, event: &draft.event, personal: &personal };
            let before = loaded.state.take().map(Arc::unwrap_or_clone);
            let state = S::evolve(before, &fact).map_err(|e| OAuthError::server_error(e.to_string()))?;
            loaded.state = Some(Arc::new(state));
            self.entry(&loaded.stream, began_at).events.push(event);
        }
        let Some(state) = loaded.state.clone().filter(|state| state.is_kept()) else { return Ok(()) };
        let row = inline::row(&loaded.stream, &*state, loaded.version).map_err(|e| OAuthError::server_error(e.to_string()))?;
        self.write.rows.retain(|own| !matches!(own, RowWrite::Upsert(own) if own.table == row.table && own.key == row.key));
        self.write.rows.push(RowWrite::Upsert(row));
        Ok(())
    }

    /// Records events on a stream that nobody folds: evidence.
    ///
    /// # Errors
    /// `server_error` when an event has no canonical form.
    pub fn record_evidence<E: Event>(&mut self, stream: &str, drafts: Vec<Draft<E>>, seal: &Seal) -> Result<(), OAuthError> {
        let events = drafts.iter().map(|draft| Ok(self.event(stream, draft, seal)?.0)).collect::<Result<Vec<_>, OAuthError>>()?;
        if !events.is_empty() {
            self.write.streams.push(StreamWrite { stream: stream.to_owned(), expected: Expected::Any, events });
        }
        Ok(())
    }

    fn event<E: Event>(&self, stream: &str, draft: &Draft<E>, seal: &Seal) -> Result<(NewEvent, BTreeMap<String, String>), OAuthError> {
        let broken = |why: &dyn std::fmt::Debug| OAuthError::server_error(format!("event on {stream}: {why:?}"));
        let id = random::uuid_v7(self.app.clock.now_ms());
        let (event_type, data) = self.at_level_of_log(&draft.event)?;
        let mut personal = BTreeMap::new();
        if let Some(key) = seal.key.as_ref().filter(|_| !draft.personal.is_empty()) {
            let event_id = id.to_string();
            for (field, value) in draft.personal.iter() {
                let aad = Aad { log_id: &self.app.log_id, stream, event_id: &event_id, field };
                let cut = if draft.personal.is_whole(field) { value.to_owned() } else { stream::bounded(value) };
                personal.insert(field.to_owned(), self.app.vault.seal(key, &aad, cut.as_bytes()));
            }
            personal.insert(KEY_FIELD.to_owned(), format!("{}/{}", key.id().kind.as_str(), key.id().id));
        } else if !draft.personal.is_empty() {
            // Losing what an auditor may need is no choice, and writing it in clear is none either.
            return Err(OAuthError::server_error(format!("{} carries personal data and has no data key", event_type.name)));
        }
        let sealed = if personal.is_empty() { None } else { Some(canonical::to_vec(&personal).map_err(|e| broken(&e))?) };
        let event = NewEvent {
            id,
            kind: event_type.name,
            schema: event_type.schema,
            actor: self.context.actor.clone(),
            correlation: self.context.correlation.clone(),
            causation: None,
            subject: seal.subject.clone(),
            data: data.into(),
            personal: sealed.map(Into::into),
        };
        Ok((event, personal))
    }

    /// The event in the newest schema that the log holds. Nodes that know no more than its level may be running.
    fn at_level_of_log<E: Event>(&self, event: &E) -> Result<(EventType, Vec<u8>), OAuthError> {
        let (newest, level) = (event.event_type(), self.app.ledger.level());
        let broken = |e| OAuthError::server_error(format!("event {}: {e:?}", newest.name));
        if newest.since <= level {
            return Ok((newest, canonical::to_vec(event).map_err(broken)?));
        }
        let (older, data) = event.lowered(level).ok_or_else(|| not_yet(newest, level))?;
        Ok((older, canonical::to_vec(&data).map_err(broken)?))
    }

    /// Raises the level of the log with this write.
    pub fn raise(&mut self, level: u16) {
        self.write.level = Some(level);
    }

    /// Takes a unique value.
    pub fn take(&mut self, kind: &'static str, key: Vec<u8>, owner: String) {
        self.write.claims.push(ClaimWrite::Take { kind, key, owner });
    }

    /// Gives a unique value back.
    pub fn release(&mut self, kind: &'static str, key: Vec<u8>) {
        self.write.claims.push(ClaimWrite::Release { kind, key });
    }

    /// Drops rows whose streams are over; an event must say so.
    pub fn drop_row(&mut self, table: &'static str, key: String) {
        self.write.rows.push(RowWrite::Delete { table, key });
    }

    /// Appends everything, or nothing. With no events there is nothing to arbitrate and nothing is sent.
    ///
    /// # Errors
    /// `Conflict`, `Taken`, or `Refused(temporarily_unavailable)`: fail closed.
    pub async fn commit(self) -> Result<Option<Committed>, Stop> {
        if self.write.streams.iter().all(|own| own.events.is_empty()) {
            return Ok(None);
        }
        match self.app.ledger.append(self.write).await {
            Ok(committed) => {
                self.context.note_commit(&committed);
                Ok(Some(committed))
            }
            Err(AppendError::VersionConflict { .. }) => Err(Stop::Conflict),
            Err(AppendError::ClaimTaken { kind }) => Err(Stop::Taken(kind)),
            Err(error @ AppendError::TooLarge { .. }) => {
                Err(OAuthError::invalid_request(error.to_string()).saying("The request holds more than an event can keep.").into())
            }
            Err(error) => Err(OAuthError::temporarily_unavailable(error.to_string()).into()),
        }
    }
}

/// A log that cannot be read answers 503; a damaged one is a fault that somebody must see.
pub fn unreadable(error: ReadError) -> OAuthError {
    match error {
        ReadError::Unavailable(_) => OAuthError::temporarily_unavailable(error.to_string()),
        ReadError::Damaged { .. } => OAuthError::server_error(error.to_string()),
        ReadError::Archived { position, .. } => OAuthError::conflict(error.to_string())
            .saying(format!("The event at position {position} is in the archive, which this server does not read.")),
    }
}

/// What the vault's troubles mean for a request.
pub fn vault_trouble(error: VaultError) -> OAuthError {
    match error {
        VaultError::Unavailable(_) => OAuthError::temporarily_unavailable(error.to_string()),
        other => OAuthError::server_error(other.to_string()),
    }
}

/// The refusal of what cannot be written yet.
fn not_yet(newest: EventType, level: u16) -> OAuthError {
    let EventType { name, schema, since } = newest;
    OAuthError::temporarily_unavailable(format!(
        "{name} (schema {schema}) needs level {since} of the catalogue, the log has {level}: run `chancery ledger upgrade` when no older node runs"
    ))
    .saying("This is not available until the operator has finished an upgrade.")
}
