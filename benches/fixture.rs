//! Histories that the measurements of the rules begin with. Compiled into each of them.

use std::collections::{BTreeMap, BTreeSet};

use chancery_core::claims::ClaimsRequest;
use chancery_core::client::Client;
use chancery_core::client::metadata::{Asked, Terms, validate};
use chancery_core::client::{ClientRegistered, Origin};
use chancery_core::digest::Digest;
use chancery_core::grant::event::{CodeIssued, CodeRedeemed, GrantEvent, IssuedAccess, IssuedRefresh, RefreshTokenRotated};
use chancery_core::grant::refresh::Refresh;
use chancery_core::grant::target::Target;
use chancery_core::grant::{Grant, Lifetimes};
use chancery_core::id::{AccountId, ClientId, GrantId, InteractionId, SessionId};
use chancery_core::scope::Scope;
use chancery_core::stream::{Fact, Stream};
use chancery_core::time::{Seconds, Timestamp};
use uuid::Uuid;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub fn digest(number: u32) -> Digest {
    Digest::of(&number.to_be_bytes())
}

pub fn client() -> Client {
    let asked = Asked {
        redirect_uris: Some(vec!["https://app.example/cb".into()]),
        grant_types: Some(vec!["authorization_code".into(), "refresh_token".into()]),
        ..Asked::default()
    };
    let metadata = validate(&asked, Terms::default()).expect("metadata");
    let client = ClientId::parse("app").expect("client_id");
    let event = ClientRegistered {
        client,
        metadata,
        origin: Origin::Operator,
        secret: None,
        secret_expires_at: None,
        registration_access: None,
        invitation: None,
        sector_document: None,
        at: Timestamp(0),
    };
    evolve(None, 1, &event.into())
}

pub fn evolve<S: Stream>(state: Option<S>, version: u64, event: &S::Event) -> S {
    let personal = BTreeMap::new();
    S::evolve(state, &Fact { id: id(9), version, event, personal: &personal }).expect("a possible history")
}

pub fn rotated(generation: u32) -> GrantEvent {
    let at = Timestamp(i64::from(generation) * 60_000);
    RefreshTokenRotated {
        cnf: None,
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
pub fn family(rotations: u32) -> Vec<GrantEvent> {
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
        instance: None,
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

pub fn fold(events: &[GrantEvent]) -> Grant {
    let folded = events.iter().enumerate().fold(None, |state, (index, event)| Some(evolve(state, index as u64 + 1, event)));
    folded.expect("a family has a beginning")
}

pub const LIFETIMES: Lifetimes = Lifetimes {
    code: Seconds(60),
    access_token: Seconds(600),
    client_credentials: Seconds(600),
    refresh_idle: Seconds(86_400),
    refresh_absolute: Seconds(864_000),
};

/// The next refresh of a family that was rotated this often.
pub fn next_refresh(rotations: u32) -> Refresh {
    Refresh {
        presented: digest(rotations),
        generation: rotations,
        successor: digest(rotations + 1),
        scope: None,
        access: digest(77),
        proven: None,
        instance: None,
        target: Ok(Target::default()),
        authorization_details: Ok(None),
        id_token_kid: None,
        context: None,
        at: Timestamp(i64::from(rotations) * 60_000 + 1),
    }
}
