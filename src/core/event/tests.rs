//! Goldens: `schema/events/<stream>/<Event>.v<n>.example.json`, and with the feature `schema` the JSON Schema beside it.
//!
//! `UPDATE_GOLDEN=1` writes them; an ordinary run compares.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::{format, vec};
use core::fmt::Debug;
use std::path::PathBuf;

use serde_json::Value;
use uuid::Uuid;

use super::*;
use crate::account::request_code::{RequestCodeChosen, RequestCodeRefused, RequestCodeRemoved};
use crate::account::*;
use crate::client::document::ClientDocumentRead;
use crate::client::manage::{ClientDeleted, ClientKeysFetched, ClientReplaced, RegistrationAccessIssued};
use crate::client::metadata::SigningAlg;
use crate::client::*;
use crate::consent::*;
use crate::evidence::*;
use crate::grant::GrantEvent;
use crate::grant::event::*;
use crate::hold::{Holds, StreamHoldLifted, StreamHoldPlaced};
use crate::id::{ClientId, InvitationId};
use crate::interaction::*;
use crate::invitation::{self, InitialAccessTokenIssued, InitialAccessTokenRevoked, InitialAccessTokenUsed};
use crate::key::*;
use crate::logout::*;
use crate::opening::{EncryptionKeyDestroyed, EncryptionKeyPublished, EncryptionKeyWithdrawn, Material};
use crate::request::Prompt;
use crate::resource::*;
use crate::seal::{LogSealed, Seals};
use crate::server::*;
use crate::session::*;
use crate::signals::{
    SignalStreamChanged, SignalStreamCreated, SignalStreamDeleted, SignalStreamStatusChanged, SignalStreamVerificationRequested, Signals,
    Status, Wishes,
};
use crate::stream::Event;
use crate::testing::*;
use crate::time::Seconds;

fn golden(kind: &str, event: EventType, ending: &str) -> PathBuf {
    let file = format!("{}.v{}.{ending}", event.name, event.schema);
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "schema", "events", kind, file.as_str()].iter().collect()
}

/// Members sorted on every level, so that the text does not depend on how maps are built.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let ordered: BTreeMap<_, _> = members.iter().map(|(name, member)| (name.clone(), sorted(member))).collect();
            Value::Object(ordered.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

fn assert_golden(path: &PathBuf, value: &Value) {
    let text = serde_json::to_string_pretty(&sorted(value)).unwrap() + "\n";
    if updating() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(text, golden, "{}: run with UPDATE_GOLDEN=1 and read the difference", path.display());
}

/// Folds each history, and writes or compares the first event of each type as its example.
fn check<S: Stream + Debug + PartialEq>(histories: Vec<Vec<S::Event>>)
where
    S::Event: Clone + Debug + PartialEq,
{
    let mut seen = BTreeSet::new();
    for history in histories {
        assert_survives_the_row(&fold::<S>(history.clone()));
        for event in history {
            assert_survives_the_log(&event);
            let kind = event.event_type();
            if seen.insert(kind) {
                let path = golden(S::KIND, kind, "example.json");
                assert_golden(&path, &event.data().unwrap());
                let example = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
                assert_eq!(S::Event::read(kind.name, kind.schema, example).unwrap(), event);
            }
        }
    }
    assert_eq!(seen, S::Event::TYPES.iter().copied().collect(), "every type of {} has an example that folds", S::KIND);
}

#[test]
fn account() {
    let (account, key_commitment) = (alice(), digest("data key"));
    check::<Account>(vec![vec![
        AccountRegistered { account, at: t(0), key_commitment, roles: [Role::Admin].into(), declared: false }.into(),
        PasswordChanged { at: t(1), reason: PasswordChange::StrongerParameters }.into(),
        ProfileChanged { at: t(2) }.into(),
        ClaimSourcesChanged { at: t(2) }.into(),
        EmailChanged { at: t(2) }.into(),
        RequestCodeChosen { at: t(2) }.into(),
        RequestCodeRefused { client: client_id("app"), at: t(2) }.into(),
        RequestCodeRemoved { at: t(2) }.into(),
        RoleGranted { at: t(2), role: Role::Auditor }.into(),
        RoleWithdrawn { at: t(2), role: Role::Auditor }.into(),
        AccountDisabled { at: t(2) }.into(),
        AccountEnabled { at: t(3) }.into(),
        LegalHoldPlaced { at: t(3) }.into(),
        ErasureRefused { stream: Some("session-01a1fc16-453d-7e8c-9c8d-5f35eeecc5b1".into()), at: t(3) }.into(),
        LegalHoldLifted { at: t(3) }.into(),
        ErasureOrdered { at: t(4) }.into(),
        DataKeyDestroyed { at: t(5) }.into(),
    ]]);
}

#[test]
fn signals() {
    let client = ClientId::parse("app").unwrap();
    let session_revoked = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
    let wishes = Wishes {
        requested: Some([session_revoked.into()].into()),
        push_to: Some("https://app.example.com/signals".into()),
        description: Some("Sessions".into()),
    };
    check::<Signals>(vec![vec![
        SignalStreamCreated { client, stream_id: "01a1fc16-453d-7e8c-9c8d-5f35eeecc5b1".into(), wishes: wishes.clone(), at: t(0) }.into(),
        SignalStreamChanged { wishes, at: t(1) }.into(),
        SignalStreamStatusChanged { status: Status::Paused, reason: Some("maintenance".into()), at: t(2) }.into(),
        SignalStreamVerificationRequested { state: Some("VGhpcyBpcw".into()), at: t(3) }.into(),
        SignalStreamDeleted { at: t(4) }.into(),
    ]]);
}

#[test]
fn client() {
    let mut after = metadata();
    after.jwks = Some(serde_json::json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}));
    after.client_name = Some("Example".into());
    after.default_max_age = Some(Seconds(3600));
    let (itself, document) = (client_id("https://client.example/metadata.json"), digest("bytes of the document"));
    let described = vec![ClientDocumentRead { at: t(0), client: itself, document, metadata: metadata() }.into()];
    let registered = vec![
        registered("app", metadata()),
        ClientRedeclared { before: metadata(), metadata: after, at: t(1) }.into(),
        ClientDisabled { at: t(2) }.into(),
        ClientEnabled { at: t(3) }.into(),
        ClientKeysFetched {
            at: t(4),
            digest: digest("keys"),
            jwks_uri: "https://app.example.com/jwks".into(),
            jwks: serde_json::json!({ "keys": [] }),
        }
        .into(),
        RegistrationAccessIssued { at: t(5), registration_access: digest("token") }.into(),
        ClientReplaced {
            at: t(6),
            before: metadata(),
            metadata: metadata(),
            registration_access: digest("next token"),
            secret: None,
            sector_document: None,
        }
        .into(),
        ClientDeleted { at: t(7), before: metadata() }.into(),
    ];
    check::<Client>(vec![registered, described]);
}

#[test]
fn invitation() {
    let id = InvitationId(uuid::Uuid::from_u128(0x1));
    let policy = invitation::Policy { scope: Some(scope("openid email")), ..invitation::Policy::default() };
    check::<Invitation>(vec![vec![
        InitialAccessTokenIssued { at: t(0), expires_at: t(60), invitation: id, policy, token: digest("token"), uses: 2 }.into(),
        InitialAccessTokenUsed { at: t(1), client: client_id("app") }.into(),
        InitialAccessTokenRevoked { at: t(2) }.into(),
    ]]);
}

#[test]
fn consent() {
    let (account, client, text) = (alice(), client_id("app"), digest("text shown"));
    check::<Consent>(vec![vec![
        ConsentDenied { account, client: client.clone(), scope: scope("openid email phone"), text, at: t(0) }.into(),
        ConsentGiven { account, chosen: [].into(), client, scope: scope("openid email"), text, at: t(1) }.into(),
        ConsentWithdrawn { at: t(2) }.into(),
    ]]);
}

#[test]
fn evidence() {
    check::<Attempts>(vec![vec![
        LoginFailed { account: Some(alice()), at: t(0) }.into(),
        LoginFailed { account: None, at: t(0) }.into(),
        LoginFailuresCleared { at: t(1) }.into(),
        ClientAuthenticationFailed { client: client_id("app"), reason: "wrong secret".into(), at: t(2) }.into(),
        DpopProofReplayed { client: Some(client_id("app")), jkt: digest("key"), at: t(2) }.into(),
        SubjectTokenReplayed { client: client_id("gateway"), token: digest("at-0"), at: t(2) }.into(),
        UserCodeRefused { account: alice(), at: t(2) }.into(),
        UnknownPersonHinted { client: client_id("app"), at: t(2) }.into(),
        AttemptsRefused { kind: "login".into(), count: 42, from: t(0), until: t(60) }.into(),
        AuditQueried { question: "type=CodeIssued".into(), at: t(3) }.into(),
        AuditTailOpened { question: "type=CodeIssued".into(), from: 17, at: t(4) }.into(),
    ]]);
}

#[test]
fn interaction() {
    let (interaction, client, account, session, grant) = (interaction_id(), client_id("app"), alice(), session_id(), Some(grant_id()));
    let mut asked = request("openid email");
    asked.code_challenge = Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into());
    asked.prompt = [Prompt::Login, Prompt::Consent].into();
    (asked.max_age, asked.wants_auth_time, asked.hinted_account) = (Some(Seconds(60)), true, Some(account));
    let open: InteractionEvent = AuthorizationRequested {
        interaction,
        client: client.clone(),
        request: asked.clone(),
        browser: digest("cookie"),
        key_commitment: digest("data key"),
        pushed: true,
        expires_at: t(3600),
        at: t(0),
    }
    .into();
    let at_once = AuthorizationAnsweredAtOnce { interaction, client, request: asked, account, session, grant, pushed: false, at: t(0) };
    let signed_in = PersonAuthenticated { account, session, at: t(10) };
    check::<Interaction>(vec![
        vec![
            open.clone(),
            signed_in.into(),
            AccountChosen { account, session, at: t(12) }.into(),
            AuthorizationGranted { account, grant, at: t(20) }.into(),
        ],
        vec![open, AuthorizationRefused { error: "access_denied".into(), at: t(20) }.into()],
        vec![at_once.into()],
    ]);
}

#[test]
fn key() {
    let public_jwk =
        r#"{"crv":"P-256","kty":"EC","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;
    let planned = SigningKeyPlanned {
        kid: "2027-01".into(),
        alg: SigningAlg::Es256,
        public_jwk: public_jwk.into(),
        source: KeySource::Generated,
        signs_at: Some(t(1)),
        held_as: None,
        at: t(0),
    };
    check::<Key>(vec![vec![
        planned.into(),
        SigningKeyActivated { at: t(1) }.into(),
        SigningKeyRetired { at: t(2) }.into(),
        SigningKeyRemoved { at: t(3) }.into(),
    ]]);
}

#[test]
fn opening() {
    let published = EncryptionKeyPublished {
        kid: "xuV-lG4eUPG3L7jYtyj9ZRdcSPSPj2Qx7-H9FnbWXWc".into(),
        material: Material::P256,
        public_jwk: r#"{"crv":"P-256","kid":"xuV-lG4eUPG3L7jYtyj9ZRdcSPSPj2Qx7-H9FnbWXWc","kty":"EC","use":"enc","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#
            .into(),
        at: t(0),
    };
    check::<Opening>(vec![vec![
        published.into(),
        EncryptionKeyWithdrawn { at: t(1) }.into(),
        EncryptionKeyDestroyed { at: t(DAY + 1) }.into(),
    ]]);
}

#[test]
fn log() {
    let issuer = |port: u16| format!("http://localhost:{port}/oidc");
    check::<Log>(vec![vec![
        LogCreated { log_id: Uuid::from_u128(1), origin: "localhost/chancery".into(), issuer: issuer(3000), level: 1, at: t(0) }.into(),
        ServerStarted {
            version: "0.1.0".into(),
            config: "00".repeat(32),
            mode: "development".into(),
            profile: Some(crate::profile::Profile::Fapi2Security),
            at: t(1),
        }
        .into(),
        IssuerChanged { before: issuer(3000), issuer: issuer(4000), at: t(2) }.into(),
        ExpiredSwept { table: "grant".into(), rows: 1000, until: t(-DAY), at: t(3) }.into(),
        LogKeyCreated { key_id: "530d903a".into(), vkey: VKEY.into(), at: t(4) }.into(),
        LogKeyRetired { key_id: "530d903a".into(), at: t(5) }.into(),
        LogMoved { from: "sqlite".into(), to: "postgres".into(), size: 100_000, root: "00".repeat(32), at: t(6) }.into(),
        CatalogueRaised { from: 1, to: 2, at: t(7) }.into(),
        SegmentArchived { from: 0, until: 4_096, root: "00".repeat(32), at: t(8) }.into(),
    ]]);
}

/// The example of C2SP signed-note.
const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

#[test]
fn seal() {
    check::<Seals>(vec![vec![LogSealed { quiet_since: t(0), at: t(60) }.into()]]);
}

#[test]
fn hold() {
    let stream = session_id().stream();
    check::<Holds>(vec![vec![StreamHoldPlaced { stream: stream.clone(), at: t(0) }.into(), StreamHoldLifted { stream, at: t(60) }.into()]]);
}

#[test]
fn logout() {
    let order = LogoutOrdered { account: alice(), at: t(0), client: client_id("app"), logout: logout_id(), session: session_id() };
    let attempted = LogoutAttempted { at: t(0), attempt: 1, next_at: t(10) };
    check::<Logout>(vec![
        vec![
            order.clone().into(),
            attempted.into(),
            LogoutFailed { at: t(1), why: "status 503".into() }.into(),
            LogoutDelivered { at: t(11), status: 200 }.into(),
        ],
        vec![order.into(), LogoutAbandoned { at: t(86_400), reason: Abandoned::TooLate }.into()],
    ]);
}

#[test]
fn resource() {
    let server = resource_server("https://api.example.com", "read write");
    let before = server.settings.clone();
    let mut settings = before.clone();
    (settings.name, settings.access_token_lifetime) = (Some("Orders".into()), Some(Seconds(300)));
    settings.introspected_by = [client_id("orders-backend")].into();
    check::<ResourceServer>(vec![vec![
        ResourceServerRegistered { identifier: server.identifier, origin: server.origin, settings: before.clone(), at: t(0) }.into(),
        ResourceServerChanged { before, settings, at: t(1) }.into(),
        ResourceServerDisabled { at: t(2) }.into(),
    ]]);
}

#[test]
fn session() {
    let (session, account, cookie, idle) = (session_id(), alice(), digest("cookie"), Seconds(14 * DAY as u32));
    check::<Session>(vec![vec![
        SessionStarted { session, account, cookie, amr: vec!["pwd".into()], at: t(0), idle, ends_at: t(90 * DAY) }.into(),
        SessionExtended { at: t(DAY) }.into(),
        SessionJoined { at: t(DAY), client: client_id("app"), front_channel: true, not_by_server: false }.into(),
        SessionEnded { at: t(2 * DAY), reason: SessionEnd::SignedOut }.into(),
    ]]);
}

#[test]
fn no_name_means_two_things() {
    let catalogue = event_catalogue();
    let names: BTreeSet<_> = catalogue.iter().map(|(_, event)| (event.name, event.schema)).collect();
    assert_eq!(names.len(), catalogue.len());
    assert!(catalogue.iter().any(|(kind, event)| (*kind, event.name) == ("log", "LogCreated")));
}

#[test]
fn a_newer_log_stops_the_fold_by_name() {
    let unknown = |name: &str, schema| GrantEvent::read(name, schema, serde_json::json!({"at": 0})).unwrap_err().to_string();
    assert_eq!(unknown("GrantBlessed", 1), "unknown event type GrantBlessed (schema 1): this program is older than the log");
    assert_eq!(unknown("GrantEnded", 2), "unknown event type GrantEnded (schema 2): this program is older than the log");
    assert!(unknown("GrantEnded", 1).starts_with("event GrantEnded is malformed: missing field"));
}

mod grant;
#[cfg(feature = "schema")]
mod schema;
mod without_browser;
