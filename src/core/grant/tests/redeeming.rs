//! The code becomes tokens, once.

use super::*;
use crate::grant::redeem::{self, Redeem, Redeemed};

fn wish(at: i64) -> Redeem {
    Redeem {
        code: digest("code"),
        redirect_uri: Some("https://app.example.com/cb".into()),
        code_verifier: None,
        access: digest("at-0"),
        proven: None,
        instance: None,
        target: Ok(Target::default()),
        authorization_details: Ok(None),
        refresh: digest("rt-0"),
        id_token_kid: None,
        context: None,
        at: t(at),
    }
}

fn verified(verifier: Option<&str>, at: i64) -> Redeem {
    Redeem { code_verifier: verifier.map(String::from), ..wish(at) }
}

fn decide(grant: &Grant, cmd: &Redeem) -> Decision<GrantEvent, Redeemed> {
    redeem::decide(grant, &client(), cmd, &LIFETIMES)
}

#[test]
fn rfc6749_4_1_3_a_code_becomes_tokens() {
    let decision = decide(&grant([issued()]), &wish(10));
    assert_eq!(said(&decision), (vec![redeemed()], "ok"));
    let outcome = decision.outcome.unwrap();
    assert_eq!((outcome.access_expires_at, outcome.refresh_expires_at), (t(610), Some(t(10 + 14 * DAY))));
}

#[test]
fn rfc6749_6_only_a_client_registered_for_refresh_tokens_gets_one() {
    let client = client_with(|metadata| metadata.grant_types = [GrantType::AuthorizationCode].into());
    let decision = redeem::decide(&grant([issued()]), &client, &wish(10), &LIFETIMES);
    assert_eq!(decision.outcome.unwrap().refresh_expires_at, None);
}

#[test]
fn rfc6749_5_2_a_client_without_the_grant_type_is_unauthorized() {
    let client = client_with(|metadata| metadata.grant_types = [GrantType::ClientCredentials].into());
    assert_eq!(said(&redeem::decide(&grant([issued()]), &client, &wish(10), &LIFETIMES)), (vec![], "unauthorized_client"));
}

#[test]
fn rfc6749_4_1_3_another_client_is_refused_recorded_and_ends_nothing() {
    for given in [grant([issued()]), grant([issued(), redeemed()])] {
        let decision = redeem::decide(&given, &other_client(), &wish(20), &LIFETIMES);
        assert_eq!(said(&decision), (vec![misuse(Misuse::CodeByOtherClient, 20)], "invalid_grant"));
    }
}

#[test]
fn rfc6749_4_1_3_an_unknown_code_is_refused_and_ends_nothing() {
    let cmd = Redeem { code: digest("guess"), ..wish(10) };
    assert_eq!(said(&decide(&grant([issued()]), &cmd)), (vec![], "invalid_grant"));
    assert_eq!(said(&decide(&grant([issued(), redeemed()]), &cmd)), (vec![], "invalid_grant"));
}

#[test]
fn rfc6749_4_1_3_the_redirect_uri_is_the_one_of_the_request() {
    let with = |uri: Option<&str>| Redeem { redirect_uri: uri.map(String::from), ..wish(10) };
    assert_eq!(said(&decide(&grant([issued()]), &with(Some("https://app.example.com/cb/")))), (vec![], "invalid_grant"));
    assert_eq!(said(&decide(&grant([issued()]), &with(None))), (vec![], "invalid_request"));
}

#[test]
fn rfc6749_4_1_3_a_redirect_uri_that_was_left_out_may_be_left_out_again_and_no_other_is_taken() {
    let GrantEvent::CodeIssued(event) = issued() else { unreachable!() };
    let given = || grant([crate::grant::event::CodeIssued { redirect_uri_omitted: true, ..event.clone() }.into()]);
    let with = |uri: Option<&str>| Redeem { redirect_uri: uri.map(String::from), ..wish(10) };
    assert_eq!(said(&decide(&given(), &with(None))), (vec![redeemed()], "ok"));
    assert_eq!(said(&decide(&given(), &with(Some("https://app.example.com/cb")))), (vec![redeemed()], "ok"));
    assert_eq!(said(&decide(&given(), &with(Some("https://app.example.com/other")))), (vec![], "invalid_grant"));
}

#[test]
fn rfc7636_4_6_the_challenge_of_appendix_b_is_met_by_its_verifier() {
    let given = grant([issued_for("openid email", Some(CHALLENGE))]);
    assert_eq!(said(&decide(&given, &verified(Some(VERIFIER), 10))), (vec![redeemed()], "ok"));
}

#[test]
fn rfc7636_4_6_a_wrong_or_missing_verifier_is_refused_without_spending_the_code() {
    let long = "a".repeat(129);
    for bad in [None, Some("short"), Some(CHALLENGE), Some(long.as_str()), Some("ebjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")] {
        let given = grant([issued_for("openid email", Some(CHALLENGE))]);
        assert_eq!(said(&decide(&given, &verified(bad, 10))), (vec![wrong_verifier(10)], "invalid_grant"));
        let after = grant([issued_for("openid email", Some(CHALLENGE)), wrong_verifier(10)]);
        assert_eq!(said(&decide(&after, &verified(Some(VERIFIER), 11))).1, "ok");
    }
}

#[test]
fn rfc7636_4_1_a_verifier_of_fewer_than_43_characters_is_refused_even_when_its_hash_fits() {
    let challenge = crate::base64url::encode(&digest("short").0);
    let given = grant([issued_for("openid email", Some(&challenge))]);
    assert_eq!(said(&decide(&given, &verified(Some("short"), 10))).1, "invalid_grant");
}

#[test]
fn rfc9700_4_8_2_a_verifier_for_a_code_without_challenge_is_refused() {
    assert_eq!(said(&decide(&grant([issued()]), &verified(Some(VERIFIER), 10))), (vec![wrong_verifier(10)], "invalid_grant"));
}

#[test]
fn five_wrong_verifiers_burn_the_code() {
    let mut events = vec![issued_for("openid email", Some(CHALLENGE))];
    for at in 1..5 {
        let decision = decide(&fold(events.clone()), &verified(None, at));
        assert_eq!(said(&decision).0, [wrong_verifier(at)]);
        events.push(wrong_verifier(at));
    }
    let fifth = said(&decide(&fold(events.clone()), &verified(None, 5)));
    assert_eq!(fifth, (vec![wrong_verifier(5), ended(EndReason::CodeVerifierGuessed, 5)], "invalid_grant"));
    events.extend(fifth.0);
    assert_eq!(said(&decide(&fold(events), &verified(Some(VERIFIER), 6))), (vec![], "invalid_grant"));
}

#[test]
fn rfc6749_4_1_2_a_second_redemption_ends_the_grant() {
    let replayed = said(&decide(&grant([issued(), redeemed()]), &wish(11)));
    assert_eq!(replayed, (vec![ended(EndReason::CodeReplayed, 11)], "invalid_grant"));
    let after = grant([issued(), redeemed(), ended(EndReason::CodeReplayed, 11)]);
    assert!(after.access.is_empty());
    assert_eq!(said(&decide(&after, &wish(12))), (vec![], "invalid_grant"));
}

#[test]
fn rfc9700_2_1_1_a_replay_after_expiry_ends_the_grant_too() {
    let replayed = said(&decide(&grant([issued(), redeemed()]), &wish(5000)));
    assert_eq!(replayed, (vec![ended(EndReason::CodeReplayed, 5000)], "invalid_grant"));
}

#[test]
fn a_replay_ends_the_grant_whatever_else_is_wrong_with_it() {
    let cmd = Redeem { redirect_uri: None, ..verified(Some("x"), 11) };
    assert_eq!(said(&decide(&grant([issued(), redeemed()]), &cmd)).0, [ended(EndReason::CodeReplayed, 11)]);
}

#[test]
fn rfc6749_4_1_2_an_expired_code_that_was_never_redeemed_ends_nothing() {
    assert_eq!(said(&decide(&grant([issued()]), &wish(60))), (vec![], "invalid_grant"));
    assert_eq!(said(&decide(&grant([issued()]), &wish(59))).1, "ok");
}

fn orders(scopes: &str) -> Target {
    Target::of(&resource_server("https://api.example.com", scopes), Some("kid".into()))
}

#[test]
fn rfc8707_2_2_a_token_has_the_scopes_that_its_resource_server_knows() {
    let target = Target { lifetime: Some(Seconds(60)), ..orders("api other") };
    let issued = issued_for("openid api", None);
    let decision = decide(&grant([issued.clone()]), &Redeem { target: Ok(target), ..wish(10) });
    let grant = grant([issued, said(&decision).0.remove(0)]);
    let outcome = decision.outcome.unwrap();
    assert_eq!((outcome.scope, outcome.access_expires_at), (scope("api"), t(70)));
    assert_eq!(grant.access[0].audience.as_ref().unwrap().as_str(), "https://api.example.com");
    assert_eq!((grant.access[0].scope.clone(), grant.scope), (Some(scope("api")), scope("openid api")));
}

#[test]
fn rfc8707_2_a_wrong_resource_does_not_spend_the_code() {
    let refused = || Err(crate::error::OAuthError::invalid_target("not granted"));
    assert_eq!(said(&decide(&grant([issued()]), &Redeem { target: refused(), ..wish(10) })), (vec![], "invalid_target"));
    // Evidence comes first: a replay ends the grant whatever resource it names.
    let replay = decide(&grant([issued(), redeemed()]), &Redeem { target: refused(), ..wish(20) });
    assert_eq!(said(&replay).0.len(), 1);
}

/// A client that proved this key.
fn proving(key: &str, at: i64) -> Redeem {
    Redeem { proven: Some(Confirmation::Jkt(digest(key))), ..wish(at) }
}

/// A code that was bound to `key` when it was asked for.
fn bound() -> Grant {
    let GrantEvent::CodeIssued(event) = issued() else { unreachable!() };
    grant([CodeIssued { dpop_jkt: Some(digest("key")), ..event }.into()])
}

#[test]
fn rfc9449_10_a_bound_code_needs_a_proof_of_its_key() {
    let recorded: GrantEvent = MisuseRefused { misuse: Misuse::CodeWithOtherKey, by: client_id("app"), at: t(10) }.into();
    for cmd in [wish(10), proving("other", 10)] {
        assert_eq!(said(&decide(&bound(), &cmd)), (vec![recorded.clone()], "invalid_grant"));
        let noted = evolve(Some(bound()), 2, &recorded, &[]).unwrap();
        assert_eq!(said(&decide(&noted, &cmd)), (vec![], "invalid_grant"), "recorded once");
        assert!(decide(&noted, &proving("key", 20)).outcome.is_ok(), "the code is not spent");
    }
    assert!(decide(&grant([issued()]), &proving("any", 10)).outcome.is_ok(), "a code that was not bound takes any key");
}

#[test]
fn abca_9_4_a_code_that_an_instance_asked_for_is_for_that_one() {
    let GrantEvent::CodeIssued(event) = issued() else { unreachable!() };
    let bound = || grant([CodeIssued { instance: Some(digest("instance")), ..event.clone() }.into()]);
    let by = |instance: Option<&str>| Redeem { instance: instance.map(digest), ..wish(10) };
    let recorded: GrantEvent = MisuseRefused { misuse: Misuse::CodeWithOtherKey, by: client_id("app"), at: t(10) }.into();
    for cmd in [by(None), by(Some("other")), proving("instance", 10)] {
        assert_eq!(said(&decide(&bound(), &cmd)), (vec![recorded.clone()], "invalid_grant"));
        let noted = evolve(Some(bound()), 2, &recorded, &[]).unwrap();
        assert_eq!(said(&decide(&noted, &cmd)), (vec![], "invalid_grant"), "recorded once");
        assert!(decide(&noted, &by(Some("instance"))).outcome.is_ok(), "the code is not spent");
    }
    assert!(decide(&grant([issued()]), &by(Some("any"))).outcome.is_ok(), "a code that no instance asked for takes any");
}

#[test]
fn rfc9449_5_the_access_token_is_bound_and_the_refresh_token_of_a_public_client() {
    let key = Some(Confirmation::Jkt(digest("key")));
    let public = client_with(|metadata| metadata.token_endpoint_auth_method = crate::client::metadata::AuthMethod::None);
    for (client, bound) in [(client(), None), (public, key)] {
        let decision = redeem::decide(&grant([issued()]), &client, &proving("key", 10), &LIFETIMES);
        let GrantEvent::CodeRedeemed(event) = &decision.events[0].event else { panic!("no tokens") };
        assert_eq!((event.access.cnf, event.refresh.as_ref().unwrap().cnf), (key, bound));
    }
}

#[test]
fn rfc9449_5_2_a_client_that_always_proves_a_key_gets_nothing_without() {
    let strict = client_with(|metadata| metadata.dpop_bound_access_tokens = true);
    assert_eq!(said(&redeem::decide(&grant([issued()]), &strict, &wish(10), &LIFETIMES)), (vec![], "invalid_dpop_proof"));
    assert!(redeem::decide(&grant([issued()]), &strict, &proving("key", 10), &LIFETIMES).outcome.is_ok());
}
