//! A refresh token becomes fresh tokens.

use super::*;
use crate::client::metadata::AuthMethod;
use crate::grant::refresh::{self, Refreshed};

type Wish = refresh::Refresh;

fn wish(generation: u32, at: i64) -> Wish {
    Wish {
        presented: digest(&alloc::format!("rt-{generation}")),
        generation,
        successor: digest(&alloc::format!("rt-{}", generation + 1)),
        scope: None,
        access: digest("at-new"),
        proven: None,
        instance: None,
        target: Ok(Target::default()),
        authorization_details: Ok(None),
        id_token_kid: None,
        context: None,
        at: t(at),
    }
}

fn narrowed(text: &str) -> Wish {
    Wish { scope: Some(scope(text)), ..wish(0, 20) }
}

fn decide(grant: &Grant, cmd: &Wish) -> Decision<GrantEvent, Refreshed> {
    refresh::decide(grant, &client(), cmd, &LIFETIMES)
}

fn with_grace(grant: &Grant, cmd: &Wish) -> Decision<GrantEvent, Refreshed> {
    refresh::decide(grant, &client_with(|metadata| metadata.refresh_grace_seconds = Seconds(10)), cmd, &LIFETIMES)
}

fn reused(at: i64) -> (Vec<GrantEvent>, &'static str) {
    (vec![ended(EndReason::RefreshTokenReused, at)], "invalid_grant")
}

#[test]
fn rfc9700_2_2_2_a_token_is_replaced_at_each_use() {
    let decision = decide(&grant([issued(), redeemed()]), &Wish { access: digest("at-1"), ..wish(0, 20) });
    assert_eq!(said(&decision), (vec![rotated(1, 20)], "ok"));
    assert!(decision.outcome.unwrap().rotated);
}

#[test]
fn rfc9700_4_14_2_a_spent_token_ends_the_grant() {
    let given = grant([issued(), redeemed(), rotated(1, 20), rotated(2, 30)]);
    assert_eq!(said(&decide(&given, &wish(1, 40))), reused(40));
    assert_eq!(said(&decide(&given, &wish(0, 40))), reused(40));
}

#[test]
fn rfc9700_4_14_2_a_spent_token_ends_the_grant_after_the_family_expired_too() {
    let given = grant([issued(), redeemed(), rotated(1, 20)]);
    assert_eq!(said(&decide(&given, &wish(0, 100 * DAY))), reused(100 * DAY));
}

#[test]
fn rfc6749_6_an_unknown_token_of_the_same_generation_is_refused_and_ends_nothing() {
    let cmd = Wish { presented: digest("guess"), ..wish(0, 20) };
    assert_eq!(said(&decide(&grant([issued(), redeemed()]), &cmd)), (vec![], "invalid_grant"));
}

#[test]
fn a_generation_that_was_never_reached_is_unknown() {
    assert_eq!(said(&decide(&grant([issued(), redeemed()]), &wish(1, 20))), (vec![], "invalid_grant"));
    assert_eq!(said(&decide(&grant([issued(), redeemed()]), &wish(u32::MAX - 1, 20))), (vec![], "invalid_grant"));
}

#[test]
fn rfc6749_6_another_client_is_refused_recorded_and_ends_nothing() {
    let given = grant([issued(), redeemed(), rotated(1, 20)]);
    for generation in [0, 1] {
        let decision = refresh::decide(&given, &other_client(), &wish(generation, 30), &LIFETIMES);
        assert_eq!(said(&decision), (vec![misuse(Misuse::RefreshTokenByOtherClient, 30)], "invalid_grant"));
    }
}

#[test]
fn rfc6749_5_2_a_client_without_the_grant_type_is_unauthorized() {
    let client = client_with(|metadata| metadata.grant_types = [GrantType::AuthorizationCode].into());
    let decision = refresh::decide(&grant([issued(), redeemed()]), &client, &wish(0, 20), &LIFETIMES);
    assert_eq!(said(&decision), (vec![], "unauthorized_client"));
}

#[test]
fn a_grant_without_refresh_token_or_ended_refuses() {
    assert_eq!(said(&decide(&grant([issued()]), &wish(0, 20))), (vec![], "invalid_grant"));
    let over = grant([issued(), redeemed(), ended(EndReason::Revoked, 15)]);
    assert_eq!(said(&decide(&over, &wish(0, 20))), (vec![], "invalid_grant"));
}

#[test]
fn rfc6749_6_a_narrower_scope_is_for_this_access_token_only() {
    let decision = decide(&grant([issued(), redeemed()]), &narrowed("email"));
    let after = grant([issued(), redeemed(), decision.events[0].event.clone()]);
    assert_eq!(decision.outcome.unwrap().scope, scope("email"));
    assert_eq!((after.scope.clone(), after.access[1].scope.clone()), (scope("openid email"), Some(scope("email"))));
    assert_eq!(decide(&after, &wish(1, 30)).outcome.unwrap().scope, scope("openid email"));
}

#[test]
fn rfc6749_6_a_growing_scope_is_refused_and_spends_nothing() {
    assert_eq!(said(&decide(&grant([issued(), redeemed()]), &narrowed("email phone"))), (vec![], "invalid_scope"));
}

#[test]
fn the_predecessor_gets_the_same_successor_again_within_the_grace_window() {
    let given = grant([issued(), redeemed(), rotated(1, 20)]);
    let decision = with_grace(&given, &wish(0, 29));
    let repeated = RefreshTokenRepeated { access: access("at-new", 29), scope: None, id_token_kid: None, at: t(29) };
    assert_eq!(said(&decision), (vec![repeated.into()], "ok"));
    let outcome = decision.outcome.unwrap();
    assert_eq!((outcome.rotated, outcome.refresh_expires_at), (true, t(20 + 14 * DAY)), "it extends no expiry");
}

#[test]
fn the_predecessor_is_spent_outside_the_grace_window() {
    let given = grant([issued(), redeemed(), rotated(1, 20)]);
    assert_eq!(said(&with_grace(&given, &wish(0, 30))), reused(30));
    assert_eq!(said(&decide(&given, &wish(0, 20))), reused(20));
}

#[test]
fn the_predecessor_is_spent_once_its_successor_was_used() {
    assert_eq!(said(&with_grace(&grant([issued(), redeemed(), rotated(1, 20), rotated(2, 21)]), &wish(0, 22))), reused(22));
    // Also when the client stopped rotating in between, so that the use of the successor moved no generation on.
    assert_eq!(said(&with_grace(&grant([issued(), redeemed(), rotated(1, 20), used(21)]), &wish(0, 22))), reused(22));
}

#[test]
fn within_the_grace_window_only_the_predecessor_itself_is_answered() {
    let given = grant([issued(), redeemed(), rotated(1, 20)]);
    assert_eq!(said(&with_grace(&given, &Wish { presented: digest("other"), ..wish(0, 21) })), reused(21));
    assert_eq!(said(&with_grace(&given, &Wish { successor: digest("other"), ..wish(0, 21) })), reused(21));
}

#[test]
fn without_rotation_the_token_stays_and_its_idle_time_starts_again() {
    let client = client_with(|metadata| metadata.refresh_token_rotation = Rotation::Never);
    let cmd = Wish { access: digest("at-u"), ..wish(0, 20) };
    let decision = refresh::decide(&grant([issued(), redeemed()]), &client, &cmd, &LIFETIMES);
    assert_eq!(said(&decision), (vec![used(20)], "ok"));
    assert!(!decision.outcome.unwrap().rotated);
    let again = refresh::decide(&grant([issued(), redeemed(), used(20)]), &client, &wish(0, 30), &LIFETIMES);
    assert_eq!(said(&again).1, "ok");
}

#[test]
fn the_absolute_end_of_the_family_caps_the_idle_time() {
    let given = grant([issued(), redeemed(), rotated(1, 13 * DAY), rotated(2, 26 * DAY), rotated(3, 80 * DAY)]);
    let decision = decide(&given, &wish(3, 85 * DAY));
    assert_eq!(decision.outcome.unwrap().refresh_expires_at, t(10 + 90 * DAY));
}

#[test]
fn rfc6749_6_an_expired_token_is_refused_and_ends_nothing() {
    let given = grant([issued(), redeemed()]);
    assert_eq!(said(&decide(&given, &wish(0, 10 + 14 * DAY))), (vec![], "invalid_grant"));
    assert_eq!(said(&decide(&given, &wish(0, 9 + 14 * DAY))).1, "ok");
}

/// A family that is bound to `key`.
fn bound() -> Grant {
    let key = Some(Confirmation::Jkt(digest("key")));
    let refresh = IssuedRefresh { cnf: key, digest: digest("rt-0"), expires_at: t(10 + 14 * DAY), ends_at: t(10 + 90 * DAY) };
    let access = IssuedAccess { cnf: key, ..access("at-0", 10) };
    grant([issued(), CodeRedeemed { access, refresh: Some(refresh), scope: None, id_token_kid: None, at: t(10) }.into()])
}

fn proving(key: &str, wish: Wish) -> Wish {
    Wish { proven: Some(Confirmation::Jkt(digest(key))), ..wish }
}

#[test]
fn rfc9449_5_a_bound_refresh_token_needs_a_proof_of_its_key() {
    let recorded: GrantEvent = MisuseRefused { misuse: Misuse::RefreshTokenWithOtherKey, by: client_id("app"), at: t(20) }.into();
    for cmd in [wish(0, 20), proving("other", wish(0, 20))] {
        assert_eq!(said(&decide(&bound(), &cmd)), (vec![recorded.clone()], "invalid_grant"));
        let noted = evolve(Some(bound()), 3, &recorded, &[]).unwrap();
        assert_eq!(said(&decide(&noted, &cmd)), (vec![], "invalid_grant"), "recorded once");
    }
    assert!(decide(&bound(), &proving("key", wish(0, 20))).outcome.is_ok());
}

#[test]
fn rfc9449_5_a_spent_token_without_its_key_ends_nothing() {
    let moved = decide(&bound(), &proving("key", wish(0, 20)));
    let rotated = evolve(Some(bound()), 3, &moved.events[0].event, &[]).unwrap();
    assert_eq!(decide(&rotated, &wish(0, 30)).events.len(), 1);
    assert!(matches!(decide(&rotated, &wish(0, 30)).events[0].event, GrantEvent::MisuseRefused(_)));
    assert_eq!(said(&decide(&rotated, &proving("key", wish(0, 30)))), reused(30), "with its key it is a reuse");
}

fn by_public(grant: &Grant, cmd: &Wish) -> Decision<GrantEvent, Refreshed> {
    let client = client_with(|metadata| {
        metadata.token_endpoint_auth_method = AuthMethod::None;
        metadata.refresh_grace_seconds = Seconds(10);
    });
    refresh::decide(grant, &client, cmd, &LIFETIMES)
}

#[test]
fn rfc9449_5_a_public_clients_token_is_bound_from_its_first_proof_on() {
    let free = || grant([issued(), redeemed()]);
    let GrantEvent::RefreshTokenRotated(unproven) = by_public(&free(), &wish(0, 20)).events[0].event.clone() else { panic!("no tokens") };
    assert_eq!(unproven.cnf, None);
    let moved = by_public(&free(), &proving("key", wish(0, 20)));
    let bound = grant([issued(), redeemed(), moved.events[0].event.clone()]);
    let family = bound.refresh.clone().unwrap();
    assert_eq!((family.cnf, family.bound_from), (Some(Confirmation::Jkt(digest("key"))), 1));
    let GrantEvent::RefreshTokenRotated(next) = by_public(&bound, &proving("key", wish(1, 30))).events[0].event.clone() else {
        panic!("no tokens")
    };
    assert_eq!(next.cnf, None, "it is said once");
    // The predecessor was bound to none; what it brings within the grace window is.
    for cmd in [wish(1, 21), proving("other", wish(1, 21)), wish(0, 21), proving("other", wish(0, 21))] {
        let refused = by_public(&bound, &cmd);
        assert_eq!(refused.events.len(), 1);
        assert!(matches!(refused.events[0].event, GrantEvent::MisuseRefused(_)), "{:?}", refused.events);
    }
    assert!(by_public(&bound, &proving("key", wish(0, 21))).outcome.is_ok());
    // Else a thief could bind the family and be rid of its owner.
    assert_eq!(said(&by_public(&bound, &wish(0, 31))), reused(31));
}

#[test]
fn rfc9449_5_a_confidential_client_may_change_its_key() {
    let decision = decide(&grant([issued(), redeemed()]), &proving("new", wish(0, 20)));
    let GrantEvent::RefreshTokenRotated(event) = &decision.events[0].event else { panic!("no tokens") };
    assert_eq!(event.access.cnf, Some(Confirmation::Jkt(digest("new"))));
}
