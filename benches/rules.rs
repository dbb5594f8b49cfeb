//! What the rules cost: deciding a refresh, folding a long family, canonical bytes, a row.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use chancery_core::canonical;
use chancery_core::claims::ClaimsRequest;
use chancery_core::client::Client;
use chancery_core::client::metadata::{Asked, Terms, validate};
use chancery_core::client::{ClientRegistered, Origin};
use chancery_core::digest::Digest;
use chancery_core::grant::event::{CodeIssued, CodeRedeemed, GrantEvent, IssuedAccess, IssuedRefresh, RefreshTokenRotated};
use chancery_core::grant::refresh::{self, Refresh};
use chancery_core::grant::target::Target;
use chancery_core::grant::{Grant, Lifetimes};
use chancery_core::id::{AccountId, ClientId, GrantId, InteractionId, SessionId};
use chancery_core::scope::Scope;
use chancery_core::stream::{Fact, Stream};
use chancery_core::time::{Seconds, Timestamp};
use chancery_projections::inline;
use criterion::{Criterion, criterion_group, criterion_main};
use uuid::Uuid;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn digest(number: u32) -> Digest {
    Digest::of(&number.to_be_bytes())
}

fn client() -> Client {
    let asked = Asked {
        redirect_uris: Some(vec!["https://app.example/cb".into()]),
        grant_types: Some(vec!["authorization_code".into(), "refresh_token".into()]),
        ..Asked::default()
    };
    let metadata = validate(&asked, Terms::default()).expect("metadata");
    let client = ClientId::parse("app").expect("client_id");
    let event = ClientRegistered { client, metadata, origin: Origin::Operator, secret: None, secret_expires_at: None, at: Timestamp(0) };
    evolve(None, 1, &event.into())
}

fn evolve<S: Stream>(state: Option<S>, version: u64, event: &S::Event) -> S {
    let personal = BTreeMap::new();
    S::evolve(state, &Fact { id: id(9), version, event, personal: &personal }).expect("a possible history")
}

fn rotated(generation: u32) -> GrantEvent {
    let at = Timestamp(i64::from(generation) * 60_000);
    RefreshTokenRotated {
        generation,
        refresh: digest(generation),
        refresh_expires_at: at.plus(Seconds(86_400)),
        access: IssuedAccess {
            digest: digest(generation + 1_000_000),
            expires_at: at.plus(Seconds(600)),
            audience: None,
            kid: None,
            cnf: None,
        },
        scope: None,
        id_token_kid: Some("kid".into()),
        at,
    }
    .into()
}

/// The events of a grant whose refresh token was rotated this often.
fn family(rotations: u32) -> Vec<GrantEvent> {
    let issued = CodeIssued {
        grant: GrantId(id(1)),
        client: ClientId::parse("app").expect("client_id"),
        account: AccountId(id(2)),
        session: SessionId(id(3)),
        interaction: InteractionId(id(4)),
        scope: Scope::of(&["openid", "profile", "email", "offline_access"]),
        code: digest(7),
        code_expires_at: Timestamp(60_000),
        redirect_uri: "https://app.example/cb".into(),
        redirect_uri_omitted: false,
        resources: BTreeSet::new(),
        claims: ClaimsRequest::default(),
        code_challenge: None,
        dpop_jkt: None,
        auth_time: Timestamp(0),
        amr: vec!["pwd".into()],
        wants_auth_time: false,
        consent_epoch: 0,
        at: Timestamp(0),
    };
    let redeemed = CodeRedeemed {
        access: IssuedAccess { digest: digest(8), expires_at: Timestamp(600_000), audience: None, kid: None, cnf: None },
        refresh: Some(IssuedRefresh { digest: digest(0), cnf: None, expires_at: Timestamp(86_400_000), ends_at: Timestamp(i64::MAX >> 8) }),
        scope: None,
        id_token_kid: Some("kid".into()),
        at: Timestamp(1),
    };
    [issued.into(), redeemed.into()].into_iter().chain((1..=rotations).map(rotated)).collect()
}

fn fold(events: &[GrantEvent]) -> Grant {
    let folded = events.iter().enumerate().fold(None, |state, (index, event)| Some(evolve(state, index as u64 + 1, event)));
    folded.expect("a family has a beginning")
}

fn rules(criterion: &mut Criterion) {
    let (client, lifetimes) = (
        client(),
        Lifetimes {
            code: Seconds(60),
            access_token: Seconds(600),
            client_credentials: Seconds(600),
            refresh_idle: Seconds(86_400),
            refresh_absolute: Seconds(864_000),
        },
    );
    for rotations in [1_u32, 10_000] {
        let grant = fold(&family(rotations));
        let command = Refresh {
            presented: digest(rotations),
            generation: rotations,
            successor: digest(rotations + 1),
            scope: None,
            access: digest(77),
            proven: None,
            target: Ok(Target::default()),
            id_token_kid: None,
            context: None,
            at: Timestamp(i64::from(rotations) * 60_000 + 1),
        };
        assert!(refresh::decide(&grant, &client, &command, &lifetimes).outcome.is_ok());
        criterion.bench_function(&format!("decide: refresh after {rotations} rotations"), |bench| {
            bench.iter(|| refresh::decide(black_box(&grant), &client, &command, &lifetimes));
        });
        criterion.bench_function(&format!("row of a grant after {rotations} rotations"), |bench| {
            bench.iter(|| inline::row("grant-1", black_box(&grant), 3));
        });
    }
    let events = family(10_000);
    criterion.bench_function("fold: 10,002 events of one grant", |bench| bench.iter(|| fold(black_box(&events))));
    let event = rotated(5);
    criterion.bench_function("canonical bytes of RefreshTokenRotated", |bench| bench.iter(|| canonical::to_vec(black_box(&event))));
    let scopes: BTreeSet<_> = ["openid", "profile"].into();
    criterion.bench_function("parse a scope", |bench| {
        bench.iter(|| Scope::parse(black_box("openid profile email")).map(|s| s.has(scopes.first().unwrap_or(&""))))
    });
}

criterion_group!(benches, rules);
criterion_main!(benches);
