//! Is this token alive?

use super::*;
use crate::grant::standing::{of_access, of_grant, of_refresh};

struct Family {
    client: Client,
    account: Account,
    session: Session,
    consent: Consent,
}

fn family() -> Family {
    let started = SessionStarted {
        session: session_id(),
        account: alice(),
        cookie: digest("cookie"),
        amr: vec![],
        at: t(-10),
        idle: Seconds(DAY as u32),
        ends_at: t(30 * DAY),
    };
    Family { client: client(), account: fold([person()]), session: fold([started.into()]), consent: fold([given(-5)]) }
}

fn person() -> crate::account::AccountEvent {
    AccountRegistered { account: alice(), at: t(-100), key_commitment: digest("key"), roles: [].into(), declared: false }.into()
}

fn given(at: i64) -> crate::consent::ConsentEvent {
    let (account, client) = (alice(), client_id("app"));
    ConsentGiven { account, chosen: [].into(), client, scope: scope("openid email"), text: digest("text"), at: t(at) }.into()
}

impl Family {
    fn parents(&self) -> Parents<'_> {
        let (account, session, consent) = (Some(&self.account), Some(&self.session), Some(&self.consent));
        Parents { client: Some(&self.client), account, session, consent, resource: None, origin: Origin::default() }
    }
}

fn live() -> Grant {
    grant([issued(), redeemed()])
}

#[test]
fn rfc7662_2_2_a_token_stands_with_its_grant_and_all_parents() {
    let family = family();
    let grant = live();
    let (access, scope) = of_access(&grant, &digest("at-0"), &family.parents(), t(20)).unwrap();
    assert_eq!((access.expires_at, scope), (t(610), &grant.scope));
    assert_eq!(of_refresh(&grant, &digest("rt-0"), &family.parents(), t(20)), Ok(t(10 + 14 * DAY)));
}

#[test]
fn rfc7662_2_2_unknown_expired_and_revoked_tokens_are_dead() {
    let family = family();
    let dead = |grant: &Grant, token, at| of_access(grant, &digest(token), &family.parents(), t(at)).unwrap_err();
    assert_eq!(dead(&live(), "guess", 20), Dead::Unknown);
    assert_eq!(dead(&live(), "rt-0", 20), Dead::Unknown);
    assert_eq!(dead(&live(), "at-0", 610), Dead::Expired);
    let revoked = grant([issued(), redeemed(), AccessTokenRevoked { access: digest("at-0"), at: t(20) }.into()]);
    assert_eq!(dead(&revoked, "at-0", 20), Dead::Unknown);
    let over = grant([issued(), redeemed(), ended(EndReason::Revoked, 20)]);
    assert_eq!(of_grant(&over, &family.parents(), t(20)), Err(Dead::GrantEnded));
    assert_eq!(of_refresh(&over, &digest("rt-0"), &family.parents(), t(20)), Err(Dead::GrantEnded));
}

#[test]
fn rfc9700_4_14_2_only_the_newest_refresh_token_stands() {
    let family = family();
    let grant = grant([issued(), redeemed(), rotated(1, 20)]);
    assert_eq!(of_refresh(&grant, &digest("rt-0"), &family.parents(), t(21)), Err(Dead::Unknown));
    assert!(of_refresh(&grant, &digest("rt-1"), &family.parents(), t(21)).is_ok());
    assert_eq!(of_refresh(&grant, &digest("rt-1"), &family.parents(), t(20 + 14 * DAY)), Err(Dead::Expired));
}

#[test]
fn a_dead_client_kills() {
    let mut family = family();
    family.client = fold([registered("app", metadata()), ClientDisabled { at: t(15) }.into()]);
    assert_eq!(of_grant(&live(), &family.parents(), t(20)), Err(Dead::ClientGone));
    assert_eq!(of_grant(&live(), &Parents { client: None, ..family.parents() }, t(20)), Err(Dead::ClientGone));
}

#[test]
fn a_dead_account_kills() {
    let mut family = family();
    family.account = fold([person(), AccountDisabled { at: t(15) }.into()]);
    assert_eq!(of_grant(&live(), &family.parents(), t(20)), Err(Dead::AccountGone));
    assert_eq!(of_grant(&live(), &Parents { account: None, ..family.parents() }, t(20)), Err(Dead::AccountGone));
}

#[test]
fn oidc_core_11_a_dead_session_kills_unless_access_is_offline() {
    let mut family = family();
    let offline = grant([issued_for("openid offline_access", None), redeemed()]);
    let check = |family: &Family, grant: &Grant, at| of_grant(grant, &family.parents(), t(at));
    assert_eq!(check(&family, &live(), DAY), Err(Dead::SessionOver));
    assert_eq!(check(&family, &offline, DAY), Ok(()));
    family.session.ended = Some(SessionEnd::SignedOut);
    assert_eq!(check(&family, &live(), 20), Err(Dead::SessionOver));
    assert_eq!(check(&family, &offline, 20), Ok(()));
    assert_eq!(of_grant(&live(), &Parents { session: None, ..family.parents() }, t(20)), Err(Dead::SessionOver));
    let _: crate::session::SessionEvent = SessionEnded { at: t(1), reason: SessionEnd::SignedOut }.into();
}

#[test]
fn a_withdrawn_consent_kills_older_grants_and_no_newer_ones() {
    let mut family = family();
    family.consent = fold([given(-5), ConsentWithdrawn { at: t(5) }.into(), given(6)]);
    assert_eq!(of_grant(&live(), &family.parents(), t(20)), Err(Dead::ConsentWithdrawn));
    let GrantEvent::CodeIssued(event) = issued() else { unreachable!() };
    let newer = grant([CodeIssued { at: t(6), consent_epoch: 1, ..event }.into(), redeemed()]);
    assert_eq!(of_grant(&newer, &family.parents(), t(20)), Ok(()));
}

#[test]
fn a_client_alone_needs_only_itself_and_an_operator_nothing() {
    let family = family();
    let alone = |client| Parents { client, account: None, session: None, consent: None, resource: None, origin: Origin::default() };
    let (id, access) = (grant_id(), access("at", 0));
    let of_client = ClientCredentialsGranted { grant: id, client: client_id("app"), scope: scope("api"), access: access.clone(), at: t(0) };
    let of_operator = OperatorTokenMinted { grant: id, client: client_id("ops"), scope: scope("admin"), access, at: t(0) };
    assert_eq!(of_grant(&grant([of_client.clone().into()]), &alone(Some(&family.client)), t(20)), Ok(()));
    assert_eq!(of_grant(&grant([of_client.into()]), &alone(None), t(20)), Err(Dead::ClientGone));
    assert_eq!(of_grant(&grant([of_operator.into()]), &alone(None), t(20)), Ok(()));
}

#[test]
fn rfc8707_2_a_token_dies_with_its_resource_server() {
    let (family, server) = (family(), resource_server("https://api.example.com", "api"));
    let mut grant = live();
    grant.access[0].audience = Some(server.identifier.clone());
    let alive = |resource| of_access(&grant, &digest("at-0"), &Parents { resource, ..family.parents() }, t(20)).map(|_| ());
    assert_eq!(alive(Some(&server)), Ok(()));
    assert_eq!(alive(None), Err(Dead::ResourceGone));
    let gone = crate::resource::ResourceServer { disabled: true, ..server.clone() };
    assert_eq!(alive(Some(&gone)), Err(Dead::ResourceGone));
}
