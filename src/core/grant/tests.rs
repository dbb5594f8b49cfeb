//! The rules of grants, one test each.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::event::*;
use super::standing::{Dead, Origin, Parents};
use super::target::Target;
use super::*;
use crate::account::{Account, AccountDisabled, AccountRegistered};
use crate::client::metadata::{GrantType, Rotation};
use crate::client::{Client, ClientDisabled};
use crate::consent::{Consent, ConsentGiven, ConsentWithdrawn};
use crate::decision::Decision;
use crate::session::{Session, SessionEnd, SessionEnded, SessionStarted};
use crate::testing::*;

mod asserting;
mod exchanging;
mod folding;
mod histories;
mod issuing;
mod redeeming;
mod refreshing;
mod revoking;
mod standing;

// RFC 7636 Appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn issued_for(scopes: &str, challenge: Option<&str>) -> GrantEvent {
    let event = CodeIssued {
        grant: grant_id(),
        client: client_id("app"),
        account: alice(),
        session: session_id(),
        interaction: interaction_id(),
        scope: scope(scopes),
        code: digest("code"),
        code_expires_at: t(60),
        redirect_uri: "https://app.example.com/cb".into(),
        redirect_uri_omitted: false,
        claims: crate::claims::ClaimsRequest::default(),
        resources: BTreeSet::new(),
        code_challenge: challenge.map(ToString::to_string),
        dpop_jkt: None,
        instance: None,
        auth_time: t(-10),
        amr: vec!["pwd".into()],
        wants_auth_time: false,
        consent_epoch: 0,
        at: t(0),
    };
    event.into()
}

fn issued() -> GrantEvent {
    issued_for("openid email", None)
}

fn access(name: &str, at: i64) -> IssuedAccess {
    IssuedAccess { digest: digest(name), expires_at: t(at + 600), audience: None, cnf: None, kid: None }
}

fn redeemed() -> GrantEvent {
    let refresh = IssuedRefresh { cnf: None, digest: digest("rt-0"), expires_at: t(10 + 14 * DAY), ends_at: t(10 + 90 * DAY) };
    CodeRedeemed { access: access("at-0", 10), refresh: Some(refresh), scope: None, id_token_kid: None, at: t(10) }.into()
}

/// `rt-(n-1)` became `rt-n`.
fn rotated(n: u32, at: i64) -> GrantEvent {
    let (access, refresh_expires_at) = (access(&alloc::format!("at-{n}"), at), t(at + 14 * DAY));
    let refresh = digest(&alloc::format!("rt-{n}"));
    RefreshTokenRotated { cnf: None, generation: n, refresh, refresh_expires_at, access, scope: None, id_token_kid: None, at: t(at) }.into()
}

fn used(at: i64) -> GrantEvent {
    RefreshTokenUsed { refresh_expires_at: t(at + 14 * DAY), access: access("at-u", at), scope: None, id_token_kid: None, at: t(at) }.into()
}

fn ended(reason: EndReason, at: i64) -> GrantEvent {
    GrantEnded { reason, at: t(at) }.into()
}

fn misuse(misuse: Misuse, at: i64) -> GrantEvent {
    MisuseRefused { misuse, by: client_id("other"), at: t(at) }.into()
}

fn wrong_verifier(at: i64) -> GrantEvent {
    CodeVerifierRefused { at: t(at) }.into()
}

fn grant<const N: usize>(events: [GrantEvent; N]) -> Grant {
    fold(events)
}
