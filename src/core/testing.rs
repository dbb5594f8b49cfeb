//! Fixtures of the rules' tests: fixed time, named digests, small builders.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Debug;

use uuid::Uuid;

use crate::client::metadata::{self, Metadata, Terms};
use crate::client::{Client, ClientEvent, ClientRegistered, Origin};
use crate::decision::Decision;
use crate::digest::Digest;
use crate::grant::Lifetimes;
use crate::id::{AccountId, ClientId, DeviceId, GrantId, InteractionId, LogoutId, PushedId, SessionId};
use crate::request::Request;
use crate::resource::{self, ResourceServer};
use crate::scope::Scope;
use crate::stream::{Event, Fact, KEY_FIELD, Stream};
use crate::time::{Seconds, Timestamp};

pub const DAY: i64 = 24 * 60 * 60;

pub const LIFETIMES: Lifetimes = Lifetimes {
    code: Seconds(60),
    access_token: Seconds(600),
    client_credentials: Seconds(600),
    refresh_idle: Seconds(14 * DAY as u32),
    refresh_absolute: Seconds(90 * DAY as u32),
};

/// So many seconds after the moment at which every test begins.
pub fn t(seconds: i64) -> Timestamp {
    Timestamp(1_800_000_000_000 + seconds * 1000)
}

pub fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

pub fn alice() -> AccountId {
    AccountId(Uuid::from_u128(0xa11ce))
}

pub fn bob() -> AccountId {
    AccountId(Uuid::from_u128(0xb0b))
}

pub fn session_id() -> SessionId {
    SessionId(Uuid::from_u128(0x5e55))
}

pub fn grant_id() -> GrantId {
    GrantId(Uuid::from_u128(0x97a27))
}

pub fn interaction_id() -> InteractionId {
    InteractionId(Uuid::from_u128(0x12))
}

pub fn device_id() -> DeviceId {
    DeviceId(Uuid::from_u128(0xde))
}

pub fn pushed_id() -> PushedId {
    PushedId(Uuid::from_u128(0x12))
}

pub fn logout_id() -> LogoutId {
    LogoutId(Uuid::from_u128(0x10))
}

pub fn client_id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

pub fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

/// Metadata of a confidential web client with code and refresh tokens.
pub fn metadata() -> Metadata {
    let asked = metadata::Asked {
        redirect_uris: Some(["https://app.example.com/cb".to_string()].into()),
        grant_types: Some(["authorization_code".to_string(), "refresh_token".to_string()].into()),
        ..metadata::Asked::default()
    };
    metadata::validate(&asked, Terms::default()).unwrap()
}

pub fn registered(id: &str, metadata: Metadata) -> ClientEvent {
    let client = client_id(id);
    ClientRegistered {
        client,
        metadata,
        origin: Origin::Operator,
        secret: Some(digest("secret")),
        secret_expires_at: None,
        registration_access: None,
        invitation: None,
        sector_document: None,
        at: t(0),
    }
    .into()
}

/// The client `app`, after a change to its metadata.
pub fn client_with(change: impl FnOnce(&mut Metadata)) -> Client {
    let mut metadata = metadata();
    change(&mut metadata);
    fold([registered("app", metadata)])
}

pub fn client() -> Client {
    client_with(|_| ())
}

pub fn other_client() -> Client {
    fold([registered("other", metadata())])
}

/// A checked request of `app`.
pub fn request(scopes: &str) -> Request {
    Request {
        redirect_uri: "https://app.example.com/cb".into(),
        redirect_uri_omitted: false,
        authorization_details: BTreeSet::new(),
        claims: crate::claims::ClaimsRequest::default(),
        response_mode: metadata::ResponseMode::Query,
        response_type: metadata::ResponseType::Code,
        scope: scope(scopes),
        resources: BTreeSet::new(),
        code_challenge: None,
        dpop_jkt: None,
        instance: None,
        prompt: BTreeSet::new(),
        max_age: None,
        object: None,
        wants_auth_time: false,
        ui_locales: None,
        hinted_account: None,
    }
}

/// A resource server that the file declares.
pub fn resource_server(identifier: &str, scopes: &str) -> ResourceServer {
    let asked = resource::Asked { identifier: identifier.into(), scope: Some(scopes.into()), ..resource::Asked::default() };
    let (identifier, settings) = resource::validate(&asked).unwrap();
    fold(said(&resource::set(None, &resource::Set { identifier, settings, origin: Origin::Declared, at: t(0) })).0)
}

/// One event further, with these ciphertexts beside it.
pub fn evolve<S: Stream>(state: Option<S>, version: u64, event: &S::Event, personal: &[&str]) -> Result<S, crate::stream::FoldError> {
    let mut sealed: BTreeMap<String, String> = personal.iter().map(|field| (field.to_string(), "AAECAw".to_string())).collect();
    sealed.insert(KEY_FIELD.into(), "account-1".into());
    S::evolve(state, &Fact { id: Uuid::from_u128(version.into()), version, event, personal: &sealed })
}

/// The state of a history in which every event has these ciphertexts.
pub fn fold_sealed<S: Stream>(events: impl IntoIterator<Item = S::Event>, personal: &[&str]) -> S {
    let folded = events.into_iter().zip(1..).fold(None, |state, (event, version)| Some(evolve(state, version, &event, personal).unwrap()));
    folded.expect("a history has an event")
}

/// The state of a history.
pub fn fold<S: Stream>(events: impl IntoIterator<Item = S::Event>) -> S {
    fold_sealed(events, &[])
}

/// What a decision says, to be compared in one line: its events, and `ok` or the error code.
pub fn said<E: Clone, T>(decision: &Decision<E, T>) -> (Vec<E>, &'static str) {
    let events = decision.events.iter().map(|draft| draft.event.clone()).collect();
    (events, decision.outcome.as_ref().map_or_else(|error| error.code(), |_| "ok"))
}

/// What the log does to an event: data to canonical bytes and back gives the same event and the same bytes.
pub fn assert_survives_the_log<E: Event + Debug + PartialEq>(event: &E) {
    let kind = event.event_type();
    let data = event.data().unwrap();
    let bytes = crate::canonical::to_vec(&data).unwrap();
    let read = E::read(kind.name, kind.schema, serde_json::from_slice(&bytes).unwrap()).unwrap();
    assert_eq!(&read, event);
    assert_eq!(crate::canonical::to_vec(&read.data().unwrap()).unwrap(), bytes);
}

/// What the inline row does to a state.
pub fn assert_survives_the_row<S: Stream + Debug + PartialEq>(state: &S) {
    let row = serde_json::to_vec(state).unwrap();
    assert_eq!(&serde_json::from_slice::<S>(&row).unwrap(), state);
}
