//! Was this token active then, and why (not)?
//!
//! | Rule | Source |
//! |---|---|
//! | the answer is that of the rule which answers introspection, asked about the states and the time of then | `core::grant::standing` |
//! | each thing that the token rests on is told, with the event that made it so | DESIGN: audit |
//! | a token is named by its digest; the digest alone finds its grant | the index |
//!
//! Out of scope: the text of a token (whoever has it makes the digest first), what led to the token (`provenance`).

use chancery_core::account::{Account, Standing};
use chancery_core::client::Client;
use chancery_core::consent::Consent;
use chancery_core::digest::Digest;
use chancery_core::grant::exchanged::Source;
use chancery_core::grant::standing::{self, Origin, Parents};
use chancery_core::grant::{Grant, GrantKind};
use chancery_core::id::{GrantId, consent_stream};
use chancery_core::resource::ResourceServer;
use chancery_core::session::Session;
use chancery_core::stream::Stream;
use chancery_core::time::Timestamp;
use chancery_ledger::Ledger;
use serde::Serialize;
use serde_json::Value;

use super::error::QueryError;
use super::moment::{Place, events, told, written};
use super::query::positions_of;
use super::tokens_of;
use crate::envelope::{Envelope, Unreadable};
use crate::fold;

/// What a digest stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    AccessToken,
    RefreshToken,
    AuthorizationCode,
}

/// A token as the log knows it.
#[derive(Clone, Debug)]
pub struct Known {
    pub digest: String,
    pub kind: Kind,
    /// Stream of its grant.
    pub stream: String,
    /// The event that issued it.
    pub issued: Envelope,
    /// As it was issued; a refresh token of a client without rotation lives longer with each use.
    pub expires_at: Timestamp,
}

/// One thing that a token rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    pub what: &'static str,
    pub alive: bool,
    pub said: String,
    /// The event that made it so, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    pub active: bool,
    /// One sentence.
    pub why: String,
    pub as_of: Value,
    pub token: String,
    pub kind: Kind,
    pub grant: String,
    pub client: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    pub issued_at: String,
    pub issued_position: u64,
    pub expires_at: String,
    pub checks: Vec<Check>,
}

/// Finds a token by its digest, in a grant if that is known.
///
/// # Errors
/// A database that does not answer, or an event that cannot be read.
pub async fn find(ledger: &Ledger, digest: &str, grant: Option<GrantId>) -> Result<Option<Known>, QueryError> {
    let candidates = match grant {
        Some(grant) => ledger.read_stream(&grant.stream(), 1).await?,
        None => ledger.read_at(&positions_of(ledger, digest).await?).await?,
    };
    for recorded in candidates {
        let envelope = Envelope::read(&recorded)?;
        if matches!(envelope.kind.as_str(), "AccessTokenRevoked" | "CredentialsIssued") || !tokens_of(&envelope).contains(&digest) {
            continue;
        }
        let time = |value: Option<&Value>| Timestamp(value.and_then(Value::as_i64).unwrap_or_default());
        let data = &envelope.data;
        // An exchange names the token that was brought and does not issue it.
        if data.pointer("/source/digest").and_then(Value::as_str) == Some(digest) {
            continue;
        }
        let (kind, expires_at) = if data.get("code").and_then(Value::as_str) == Some(digest) {
            (Kind::AuthorizationCode, time(data.get("code_expires_at")))
        } else if data.pointer("/access/digest").and_then(Value::as_str) == Some(digest) {
            (Kind::AccessToken, time(data.pointer("/access/expires_at")))
        } else {
            (Kind::RefreshToken, time(data.pointer("/refresh/expires_at").or_else(|| data.get("refresh_expires_at"))))
        };
        return Ok(Some(Known { digest: digest.to_owned(), kind, stream: envelope.stream.clone(), expires_at, issued: envelope }));
    }
    Ok(None)
}

/// A state of then with the last event that is in it.
struct Then<S> {
    state: S,
    last: u64,
}

async fn then<S: Stream>(ledger: &Ledger, stream: &str, place: Place) -> Result<Option<Then<S>>, QueryError> {
    let events = events(ledger, stream, place).await?;
    let last = events.last().map_or(0, |event| event.position);
    Ok(fold::stream::<S>(None, &events)?.map(|own| Then { state: own.state, last }))
}

/// Was it active at this place of the log?
///
/// # Errors
/// A database that does not answer, or an event that cannot be folded.
pub async fn verdict(ledger: &Ledger, known: &Known, place: Place) -> Result<Verdict, QueryError> {
    let mut checks = Vec::new();
    let issued = known.issued.position < place.size;
    let said = if issued { "it had been issued" } else { "it had not been issued yet" };
    checks.push(Check { what: "issued", alive: issued, said: said.into(), position: Some(known.issued.position) });
    let mut active = false;
    let mut parties = (String::new(), None);
    if let Some(grant) = then::<Grant>(ledger, &known.stream, place).await? {
        parties = (grant.state.client.to_string(), grant.state.account().map(|account| account.to_string()));
        if issued {
            active = on_its_grant(ledger, known, &grant, place, &mut checks).await?;
        }
    } else if let Some(client) = known.issued.data.get("client").and_then(Value::as_str) {
        parties = (client.to_owned(), known.issued.subject.clone());
    }
    let why = match checks.iter().find(|check| !check.alive) {
        None => "It was active: everything that it rests on was alive.".to_owned(),
        Some(check) => format!("It was not active: {}.", check.said),
    };
    Ok(Verdict {
        active,
        why,
        as_of: told(place),
        token: known.digest.clone(),
        kind: known.kind,
        grant: known.stream.trim_start_matches("grant-").to_owned(),
        client: parties.0,
        account: parties.1,
        issued_at: written(known.issued.recorded_at),
        issued_position: known.issued.position,
        expires_at: written(known.expires_at.0),
        checks,
    })
}

/// The checks of an issued token; says whether the rule of introspection finds it alive.
async fn on_its_grant(
    ledger: &Ledger,
    known: &Known,
    grant: &Then<Grant>,
    place: Place,
    checks: &mut Vec<Check>,
) -> Result<bool, QueryError> {
    let state = &grant.state;
    let client = match state.kind {
        GrantKind::Operator => None,
        GrantKind::Person(_) | GrantKind::Client => then::<Client>(ledger, &state.client.stream(), place).await?,
    };
    let (account, consent) = match state.account() {
        None => (None, None),
        Some(account) => (
            then::<Account>(ledger, &account.stream(), place).await?,
            then::<Consent>(ledger, &consent_stream(account, state.allowed_client()), place).await?,
        ),
    };
    let session = match state.bound_session() {
        None => None,
        Some(session) => then::<Session>(ledger, &session.stream(), place).await?,
    };
    let of_digest = state.access.iter().find(|own| own.digest.to_string() == known.digest);
    let audience = of_digest.and_then(|own| own.audience.as_ref());
    let resource = match audience {
        None => None,
        Some(audience) => then::<ResourceServer>(ledger, &audience.stream(), place).await?,
    };
    let source = state.exchanged.as_deref().map(|own| &own.source);
    let origin_grant = match source.and_then(|own| own.grant) {
        None => None,
        Some(from) => then::<Grant>(ledger, &from.stream(), place).await?,
    };
    let origin_client = match source {
        None => None,
        Some(own) => then::<Client>(ledger, &own.client.stream(), place).await?,
    };
    let origin = Origin { grant: origin_grant.as_ref().map(|own| &own.state), client: origin_client.as_ref().map(|own| &own.state) };
    let parents = Parents {
        origin,
        resource: resource.as_ref().map(|own| &own.state),
        client: client.as_ref().map(|own| &own.state),
        account: account.as_ref().map(|own| &own.state),
        session: session.as_ref().map(|own| &own.state),
        consent: consent.as_ref().map(|own| &own.state),
    };
    let digest: Digest = serde_json::from_value(Value::from(known.digest.as_str()))
        .map_err(|_| Unreadable { position: known.issued.position, why: "a digest of another form".into() })?;
    let alive = match known.kind {
        Kind::AccessToken => standing::of_access(state, &digest, &parents, place.at).is_ok(),
        Kind::RefreshToken => standing::of_refresh(state, &digest, &parents, place.at).is_ok(),
        Kind::AuthorizationCode => {
            let fresh = state.code.as_ref().is_some_and(|code| !code.redeemed && place.at < code.expires_at);
            fresh && standing::of_grant(state, &parents, place.at).is_ok()
        }
    };
    of_the_token(ledger, known, state, place, checks).await?;
    of_the_grant(state, grant, checks);
    if !matches!(state.kind, GrantKind::Operator) {
        let active = client.as_ref().is_some_and(|own| own.state.is_active());
        let said = if active { "the client was enabled" } else { "the client was disabled or did not exist" };
        checks.push(Check { what: "client", alive: active, said: said.into(), position: client.as_ref().map(|own| own.last) });
    }
    if let Some(source) = source {
        checks.push(of_the_source(source, origin_grant.as_ref(), origin_client.as_ref()));
    }
    if audience.is_some() {
        let active = resource.as_ref().is_some_and(|own| own.state.is_active());
        let said = if active { "the resource server was enabled" } else { "the resource server was disabled or did not exist" };
        checks.push(Check { what: "resource server", alive: active, said: said.into(), position: resource.as_ref().map(|own| own.last) });
    }
    if state.account().is_some() {
        checks.push(of_the_account(account.as_ref()));
        let carries = consent.as_ref().is_none_or(|own| own.state.carries(state.consent_epoch()));
        let said = match (&consent, carries) {
            (None, _) => "no consent was needed",
            (Some(_), true) => "the consent stood",
            (Some(_), false) => "the consent had been withdrawn",
        };
        checks.push(Check { what: "consent", alive: carries, said: said.into(), position: consent.as_ref().map(|own| own.last) });
    }
    if state.bound_session().is_some() {
        checks.push(of_the_session(session.as_ref(), place));
    }
    if !alive && checks.iter().all(|check| check.alive) {
        // ADR 0009: a grant keeps its newest sixteen access tokens.
        let said = "newer access tokens of the grant had taken its place";
        checks.push(Check { what: "kept", alive: false, said: said.into(), position: Some(grant.last) });
    }
    Ok(alive)
}

/// Its own life: expiry, use, revocation.
async fn of_the_token(ledger: &Ledger, known: &Known, state: &Grant, place: Place, checks: &mut Vec<Check>) -> Result<(), QueryError> {
    let own = state.refresh.as_ref().filter(|family| known.kind == Kind::RefreshToken && family.digest.to_string() == known.digest);
    let expires_at = own.map_or(known.expires_at, |family| family.expires_at);
    let unexpired = place.at < expires_at;
    let said = format!("{} {}", if unexpired { "it was good until" } else { "it had expired at" }, written(expires_at.0));
    checks.push(Check { what: "unexpired", alive: unexpired, said, position: None });
    for recorded in events(ledger, &known.stream, place).await? {
        let event = Envelope::read(&recorded)?;
        let at = Some(event.position);
        let ends = match (known.kind, event.kind.as_str()) {
            (Kind::AuthorizationCode, "CodeRedeemed") => Some(("unused", "it had been redeemed")),
            (Kind::RefreshToken, "RefreshTokenRotated") if event.position > known.issued.position => {
                Some(("unused", "it had been used and replaced by a newer one"))
            }
            (Kind::AccessToken, "AccessTokenRevoked") if tokens_of(&event).contains(&known.digest.as_str()) => {
                Some(("unrevoked", "it had been revoked by its client"))
            }
            _ => None,
        };
        if let Some((what, said)) = ends {
            checks.push(Check { what, alive: false, said: said.into(), position: at });
            break;
        }
    }
    Ok(())
}

fn of_the_grant(state: &Grant, grant: &Then<Grant>, checks: &mut Vec<Check>) {
    let reason = state.ended.and_then(|reason| serde_json::to_value(reason).ok());
    let (said, position) = match reason.as_ref().and_then(Value::as_str) {
        Some(reason) => (format!("its grant had ended ({})", reason.replace('_', " ")), Some(grant.last)),
        None => ("its grant stood".to_owned(), None),
    };
    checks.push(Check { what: "grant", alive: state.ended.is_none(), said, position });
}

fn of_the_source(source: &Source, grant: Option<&Then<Grant>>, client: Option<&Then<Client>>) -> Check {
    let stands = source.grant.is_none() || grant.is_some_and(|own| own.state.ended.is_none());
    let enabled = client.is_some_and(|own| own.state.is_active());
    let (said, position) = match (stands, enabled) {
        (false, _) => ("the grant that it was exchanged for had ended", grant.map(|own| own.last)),
        (true, false) => ("the client whose token it was exchanged for was disabled", client.map(|own| own.last)),
        (true, true) => ("what it was exchanged for stood", grant.map(|own| own.last)),
    };
    Check { what: "source", alive: stands && enabled, said: said.into(), position }
}

fn of_the_account(account: Option<&Then<Account>>) -> Check {
    let said = match account.map(|own| own.state.standing) {
        Some(Standing::Active) => "the account was active",
        Some(Standing::Disabled) => "the account was disabled",
        Some(Standing::BeingErased | Standing::Erased) => "the account was erased",
        None => "the account did not exist",
    };
    let alive = account.is_some_and(|own| own.state.is_active());
    Check { what: "account", alive, said: said.into(), position: account.map(|own| own.last) }
}

fn of_the_session(session: Option<&Then<Session>>, place: Place) -> Check {
    let alive = session.is_some_and(|own| own.state.is_alive(place.at));
    let said = match session.map(|own| &own.state) {
        None => "the session did not exist".to_owned(),
        Some(_) if alive => "the session was alive".to_owned(),
        Some(session) if session.ended.is_some() => "the session had ended".to_owned(),
        Some(session) if place.at >= session.ends_at => format!("the session had reached its end at {}", written(session.ends_at.0)),
        Some(session) => format!("the session had been idle since {}", written(session.seen_at.0)),
    };
    Check { what: "session", alive, said, position: session.map(|own| own.last) }
}
