//! The whole story of a token: from the request that it began with to its end, and what was in force when it was issued.
//!
//! | Part | Found in |
//! |---|---|
//! | the request | the stream of its interaction |
//! | authentication | the session in which the person signed in: when, how |
//! | what it was exchanged for | the streams of the grants of the chain (RFC 8693) |
//! | consent | the last answer before the code, with the digest of the text that was shown |
//! | code, tokens, refreshes, end | the stream of the grant |
//! | what ended it from above | events on session, consent, account and client after it was issued |
//! | in force | the client's metadata, the key that signed the id_token, the program that served |

use std::collections::BTreeMap;

use chancery_core::client::Client;
use chancery_core::grant::{Grant, GrantKind};
use chancery_core::id::consent_stream;
use chancery_core::key::{self, Key};
use chancery_core::stream::Stream;
use chancery_ledger::Ledger;
use serde::Serialize;
use serde_json::{Value, json};

use super::error::QueryError;
use super::moment::{Place, written};
use super::query::{self, Question};
use super::token::{Kind, Known};
use crate::envelope::{Envelope, Unreadable};
use crate::fold;

/// Events of the grant that a story tells; a family that is refreshed for years has more, which `more` says.
const MOST_EVENTS: u32 = 500;

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct Provenance {
    pub token: String,
    pub kind: Kind,
    pub grant: String,
    pub issued_position: u64,
    pub issued_at: String,
    pub expires_at: String,
    pub client: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// `person`, `client` or `operator`.
    pub speaks_for: &'static str,
    pub scope: String,
    /// What it was exchanged for, and who acts (RFC 8693).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchanged: Option<Value>,
    /// What was in force when it was issued.
    pub in_force: InForce,
    /// Who signed in, when and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Value>,
    /// What the person allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consent: Option<Value>,
    /// What ended the token or what it rests on, if anything did.
    pub ended: Vec<Value>,
    /// Everything above as events, in the order of the log.
    pub events: Vec<Envelope>,
    /// There are more events of the grant than are told here.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub more: bool,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct InForce {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Value>,
}

/// Tells the story of a token.
///
/// # Errors
/// A database that does not answer, or an event that cannot be read.
pub async fn of(ledger: &Ledger, known: &Known) -> Result<Provenance, QueryError> {
    let issued = known.issued.position;
    let place = Place { size: issued + 1, at: chancery_core::time::Timestamp(known.issued.recorded_at) };
    let mut told: BTreeMap<u64, Envelope> = BTreeMap::new();
    let own = ledger.read_stream_page(&known.stream, 1, MOST_EVENTS + 1).await?;
    let more = own.len() > MOST_EVENTS as usize;
    let own: Vec<_> = own.into_iter().take(MOST_EVENTS as usize).map(|event| Envelope::read(&event)).collect::<Result<_, _>>()?;
    let begun = own.first().cloned().unwrap_or_else(|| known.issued.clone());
    told.insert(issued, known.issued.clone());
    told.extend(own.into_iter().map(|event| (event.position, event)));
    let grant = grant_of(&begun, issued)?;
    let person = match &grant.kind {
        GrantKind::Person(person) => Some(person),
        GrantKind::Client | GrantKind::Operator => None,
    };
    let mut authentication = None;
    let mut consent = None;
    // RFC 8693: the chain of exchanges, down to the grant that the person gave.
    let source = grant.exchanged.as_deref().map(|own| own.source.clone());
    let mut root = begun.clone();
    let chain: Vec<_> = source.iter().flat_map(|own| [own.through, own.grant]).flatten().collect();
    for from in chain {
        let stream = read(ledger, &from.stream()).await?;
        root = stream.first().cloned().unwrap_or(root);
        keep(&mut told, stream, |_| true);
    }
    if let Some(person) = person {
        let interaction = root.data.get("interaction").and_then(Value::as_str).unwrap_or_default();
        extend(&mut told, ledger, &format!("interaction-{interaction}"), |_| true).await?;
        let session = read(ledger, &person.session.stream()).await?;
        if let Some(started) = session.first() {
            let methods = started.data.get("amr").cloned();
            authentication = Some(json!({ "session": person.session, "position": started.position, "at": written(started.recorded_at),
                "amr": methods, "auth_time": written(person.auth_time.0) }));
        }
        // The sign-in, and how the session ended.
        keep(&mut told, session, |event| event.kind != "SessionExtended");
        let answers = read(ledger, &consent_stream(person.account, grant.allowed_client())).await?;
        let given = answers.iter().rev().find(|event| event.kind == "ConsentGiven" && event.position <= issued);
        consent = given.map(|event| {
            json!({ "position": event.position, "at": written(event.recorded_at), "scope": event.data.get("scope"),
                "text": event.data.get("text") })
        });
        let given_at = given.map(|event| event.position);
        keep(&mut told, answers, |event| Some(event.position) == given_at || (event.position > issued && event.kind == "ConsentWithdrawn"));
        let account = read(ledger, &person.account.stream()).await?;
        keep(&mut told, account, |event| event.position > issued && ends(event));
    }
    if let Some(source) = &source {
        extend(&mut told, ledger, &source.client.stream(), |event| event.position > issued && ends(event)).await?;
    }
    if !matches!(grant.kind, GrantKind::Operator) {
        extend(&mut told, ledger, &grant.client.stream(), |event| event.position > issued && ends(event)).await?;
    }
    let in_force = in_force(ledger, known, &grant, place).await?;
    let ended = told.values().filter(|event| event.position > issued && ends(event)).map(|event| ended(event, known)).collect();
    Ok(Provenance {
        token: known.digest.clone(),
        kind: known.kind,
        grant: grant.id.to_string(),
        issued_position: issued,
        issued_at: written(known.issued.recorded_at),
        expires_at: written(known.expires_at.0),
        client: grant.client.to_string(),
        account: grant.account().map(|account| account.to_string()),
        speaks_for: match grant.kind {
            GrantKind::Person(_) => "person",
            GrantKind::Client => "client",
            GrantKind::Operator => "operator",
        },
        scope: grant.scope.to_string(),
        exchanged: grant.exchanged.as_deref().map(|own| json!({ "source": own.source, "actors": own.actors })),
        in_force,
        authentication,
        consent,
        ended,
        events: told.into_values().collect(),
        more,
    })
}

/// The grant as its first event made it: what it stands on does not change later.
fn grant_of(begun: &Envelope, position: u64) -> Result<Grant, QueryError> {
    let broken = |why: String| Unreadable { position, why };
    let mut envelope = begun.clone();
    let event = envelope.event::<<Grant as Stream>::Event>().map_err(|e| broken(e.to_string()))?;
    let fact = chancery_core::stream::Fact { id: begun.id, version: 1, event: &event, personal: &begun.personal };
    Ok(Grant::evolve(None, &fact).map_err(|e| broken(e.to_string()))?)
}

async fn in_force(ledger: &Ledger, known: &Known, grant: &Grant, place: Place) -> Result<InForce, QueryError> {
    let mut in_force = InForce::default();
    let client = super::moment::events(ledger, &grant.client.stream(), place).await?;
    if let Some(folded) = fold::stream::<Client>(None, &client)? {
        let since = client.last().map(|event| event.position);
        in_force.client = Some(json!({ "client_id": folded.state.id, "metadata": folded.state.metadata, "origin": folded.state.origin,
            "version": folded.version, "position": since }));
    }
    if let Some(kid) = known.issued.data.get("id_token_kid").and_then(Value::as_str) {
        let life = super::moment::events(ledger, &key::stream(kid), place).await?;
        if let Some(folded) = fold::stream::<Key>(None, &life)? {
            let public: Value = serde_json::from_str(&folded.state.public_jwk).unwrap_or_default();
            let since = life.last().map(|event| event.position);
            in_force.signing_key =
                Some(json!({ "kid": kid, "alg": folded.state.alg, "phase": folded.state.phase, "public_jwk": public, "position": since }));
        }
    }
    let started =
        Question { kind: Some("ServerStarted".into()), until: Some(place.size), newest_first: true, limit: 1, ..Question::default() };
    let started = query::ask(ledger, &started).await?.events;
    in_force.server = started.first().map(|found| {
        let data = &found.envelope.data;
        json!({ "version": data.get("version"), "config": data.get("config"), "mode": data.get("mode"), "position": found.envelope.position,
            "at": written(found.envelope.recorded_at) })
    });
    Ok(in_force)
}

/// Does the event end something that a token can rest on?
pub fn ends(event: &Envelope) -> bool {
    matches!(
        event.kind.as_str(),
        "GrantEnded"
            | "AccessTokenRevoked"
            | "SessionEnded"
            | "ConsentWithdrawn"
            | "AccountDisabled"
            | "ErasureOrdered"
            | "DataKeyDestroyed"
            | "ClientDisabled"
            | "SigningKeyRetired"
            | "SigningKeyRemoved"
            | "EncryptionKeyWithdrawn"
            | "EncryptionKeyDestroyed"
    )
}

fn ended(event: &Envelope, known: &Known) -> Value {
    let this = event.kind != "AccessTokenRevoked" || event.data.get("access").and_then(Value::as_str) == Some(known.digest.as_str());
    json!({ "position": event.position, "at": written(event.recorded_at), "type": event.kind, "reason": event.data.get("reason"),
        "this_token": this })
}

async fn read(ledger: &Ledger, stream: &str) -> Result<Vec<Envelope>, QueryError> {
    let events = ledger.read_stream_page(stream, 1, MOST_EVENTS).await?;
    Ok(events.iter().map(Envelope::read).collect::<Result<_, Unreadable>>()?)
}

fn keep(told: &mut BTreeMap<u64, Envelope>, events: Vec<Envelope>, wanted: impl Fn(&Envelope) -> bool) {
    told.extend(events.into_iter().filter(|event| wanted(event)).map(|event| (event.position, event)));
}

async fn extend(
    told: &mut BTreeMap<u64, Envelope>,
    ledger: &Ledger,
    stream: &str,
    wanted: impl Fn(&Envelope) -> bool,
) -> Result<(), QueryError> {
    let events = read(ledger, stream).await?;
    keep(told, events, wanted);
    Ok(())
}
