//! The rules of grants, one test each.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::event::*;
use super::standing::{Dead, Parents};
use super::*;
use crate::account::{Account, AccountDisabled, AccountRegistered};
use crate::client::metadata::{GrantType, Rotation};
use crate::client::{Client, ClientDisabled};
use crate::consent::{Consent, ConsentGiven, ConsentWithdrawn};
use crate::decision::Decision;
use crate::session::{Session, SessionEnd, SessionEnded, SessionStarted};
use crate::testing::*;

mod histories;

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
        code_challenge: challenge.map(ToString::to_string),
        auth_time: t(-10),
        amr: vec!["pwd".into()],
        wants_auth_time: false,
        at: t(0),
    };
    event.into()
}

fn issued() -> GrantEvent {
    issued_for("openid email", None)
}

fn access(name: &str, at: i64) -> IssuedAccess {
    IssuedAccess { digest: digest(name), expires_at: t(at + 600) }
}

fn redeemed() -> GrantEvent {
    let refresh = IssuedRefresh { digest: digest("rt-0"), expires_at: t(10 + 14 * DAY), ends_at: t(10 + 90 * DAY) };
    CodeRedeemed { access: access("at-0", 10), refresh: Some(refresh), id_token_kid: None, at: t(10) }.into()
}

/// `rt-(n-1)` became `rt-n`.
fn rotated(n: u32, at: i64) -> GrantEvent {
    let (access, refresh_expires_at) = (access(&alloc::format!("at-{n}"), at), t(at + 14 * DAY));
    let refresh = digest(&alloc::format!("rt-{n}"));
    RefreshTokenRotated { generation: n, refresh, refresh_expires_at, access, scope: None, id_token_kid: None, at: t(at) }.into()
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

mod issuing {
    use super::*;
    use crate::grant::issue::{self, IssueCode, IssueToClient, MintForOperator};

    fn to_client(own: &str, asked: Option<&str>) -> Decision<GrantEvent, issue::IssuedToClient> {
        let client = client_with(|metadata| {
            metadata.grant_types = [GrantType::ClientCredentials].into();
            metadata.scope = scope(own);
        });
        let cmd = IssueToClient { grant: grant_id(), scope: asked.map(scope), access: digest("at"), context: None, at: t(0) };
        issue::to_client(&client, &cmd, &LIFETIMES)
    }

    #[test]
    fn rfc6749_4_1_2_a_code_lives_shortly_and_remembers_what_it_is_bound_to() {
        let cmd = IssueCode {
            grant: grant_id(),
            client: client_id("app"),
            account: alice(),
            session: session_id(),
            interaction: interaction_id(),
            scope: scope("openid email"),
            code: digest("code"),
            redirect_uri: "https://app.example.com/cb".into(),
            code_challenge: None,
            auth_time: t(-10),
            amr: vec!["pwd".into()],
            wants_auth_time: false,
            nonce: Some("n".into()),
            context: None,
            at: t(0),
        };
        let decision = issue::code(&cmd, &LIFETIMES);
        assert_eq!(said(&decision), (vec![issued()], "ok"));
        assert_eq!(decision.events[0].personal.iter().collect::<Vec<_>>(), [("nonce", "n")]);
    }

    #[test]
    fn rfc6749_4_4_3_client_credentials_bring_no_refresh_token() {
        let decision = to_client("api", None);
        let grant = grant([decision.events[0].event.clone()]);
        assert!(grant.refresh.is_none() && grant.account().is_none() && grant.bound_session().is_none());
        assert_eq!(grant.access[0].expires_at, t(600));
    }

    #[test]
    fn rfc6749_3_3_a_client_gets_no_more_scope_than_it_registered() {
        assert_eq!(to_client("api write", None).outcome.unwrap().scope, scope("api write"));
        assert_eq!(to_client("api", Some("api other")).outcome.unwrap().scope, scope("api"));
        assert_eq!(said(&to_client("api", Some("other"))), (vec![], "invalid_scope"));
    }

    #[test]
    fn oidc_core_3_1_2_1_scopes_about_a_person_are_no_scopes_of_a_client() {
        assert_eq!(to_client("openid email api", None).outcome.unwrap().scope, scope("api"));
        assert_eq!(said(&to_client("openid email api", Some("openid"))).1, "invalid_scope");
    }

    #[test]
    fn rfc6749_5_2_client_credentials_need_their_registration() {
        let cmd = IssueToClient { grant: grant_id(), scope: None, access: digest("at"), context: None, at: t(0) };
        assert_eq!(said(&issue::to_client(&client(), &cmd, &LIFETIMES)), (vec![], "unauthorized_client"));
    }

    #[test]
    fn an_operator_token_has_management_scopes_and_nothing_else() {
        let mint = |text: &str| {
            let (grant, client, access) = (grant_id(), client_id("operator"), digest("at"));
            said(&issue::to_operator(&MintForOperator { grant, client, scope: scope(text), access, expires_at: t(60), at: t(0) }))
        };
        assert_eq!((mint("admin audit:read").0.len(), mint("admin audit:read").1), (1, "ok"));
        assert_eq!(mint("admin openid"), (vec![], "invalid_scope"));
        assert_eq!(mint(""), (vec![], "invalid_scope"));
    }
}

mod redeeming {
    use super::*;
    use crate::grant::redeem::{self, Redeem, Redeemed};

    fn wish(at: i64) -> Redeem {
        Redeem {
            code: digest("code"),
            redirect_uri: Some("https://app.example.com/cb".into()),
            code_verifier: None,
            access: digest("at-0"),
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
}

mod refreshing {
    use super::*;
    use crate::grant::refresh::{self, Refreshed};

    type Wish = refresh::Refresh;

    fn wish(generation: u32, at: i64) -> Wish {
        Wish {
            presented: digest(&alloc::format!("rt-{generation}")),
            generation,
            successor: digest(&alloc::format!("rt-{}", generation + 1)),
            scope: None,
            access: digest("at-new"),
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
}

mod revoking {
    use super::*;
    use crate::grant::revoke::{self, Returned, Revoke};

    fn decide(grant: &Grant, token: Returned, client: &str) -> (Vec<GrantEvent>, &'static str) {
        said(&revoke::decide(grant, &Revoke { token, client: client_id(client), at: t(20) }))
    }

    #[test]
    fn rfc7009_2_1_revoking_a_refresh_token_ends_the_grant() {
        assert_eq!(decide(&grant([issued(), redeemed()]), Returned::Refresh, "app"), (vec![ended(EndReason::Revoked, 20)], "ok"));
    }

    #[test]
    fn rfc7009_2_1_revoking_an_access_token_ends_that_token() {
        let revoked: GrantEvent = AccessTokenRevoked { access: digest("at-0"), at: t(20) }.into();
        let given = || [issued(), redeemed(), rotated(1, 15)];
        assert_eq!(decide(&grant(given()), Returned::Access(digest("at-0")), "app"), (vec![revoked.clone()], "ok"));
        let after: Grant = fold(given().into_iter().chain([revoked]));
        assert_eq!(after.access.iter().map(|one| one.digest).collect::<Vec<_>>(), [digest("at-1")]);
        assert!(after.refresh.is_some() && after.ended.is_none());
    }

    #[test]
    fn rfc7009_2_1_a_token_of_another_client_is_refused() {
        assert_eq!(decide(&grant([issued(), redeemed()]), Returned::Refresh, "other"), (vec![], "invalid_grant"));
        assert_eq!(decide(&grant([issued(), redeemed()]), Returned::Access(digest("at-0")), "other"), (vec![], "invalid_grant"));
    }

    #[test]
    fn rfc7009_2_2_an_unknown_or_dead_token_is_answered_like_a_revoked_one() {
        assert_eq!(decide(&grant([issued(), redeemed()]), Returned::Access(digest("guess")), "app"), (vec![], "ok"));
        assert_eq!(decide(&grant([issued()]), Returned::Refresh, "app"), (vec![], "ok"));
        let over = grant([issued(), redeemed(), ended(EndReason::Revoked, 15)]);
        assert_eq!(decide(&over, Returned::Refresh, "app"), (vec![], "ok"));
    }
}

mod standing {
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
        ConsentGiven { account, client, scope: scope("openid email"), text: digest("text"), at: t(at) }.into()
    }

    impl Family {
        fn parents(&self) -> Parents<'_> {
            let (account, session, consent) = (Some(&self.account), Some(&self.session), Some(&self.consent));
            Parents { client: Some(&self.client), account, session, consent }
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
        let newer = grant([CodeIssued { at: t(6), ..event }.into(), redeemed()]);
        assert_eq!(of_grant(&newer, &family.parents(), t(20)), Ok(()));
    }

    #[test]
    fn a_client_alone_needs_only_itself_and_an_operator_nothing() {
        let family = family();
        let alone = |client| Parents { client, account: None, session: None, consent: None };
        let (id, access) = (grant_id(), access("at", 0));
        let of_client =
            ClientCredentialsGranted { grant: id, client: client_id("app"), scope: scope("api"), access: access.clone(), at: t(0) };
        let of_operator = OperatorTokenMinted { grant: id, client: client_id("ops"), scope: scope("admin"), access, at: t(0) };
        assert_eq!(of_grant(&grant([of_client.clone().into()]), &alone(Some(&family.client)), t(20)), Ok(()));
        assert_eq!(of_grant(&grant([of_client.into()]), &alone(None), t(20)), Err(Dead::ClientGone));
        assert_eq!(of_grant(&grant([of_operator.into()]), &alone(None), t(20)), Ok(()));
    }
}

mod folding {
    use super::*;
    use crate::stream::FoldError;

    fn refused(events: Vec<GrantEvent>, last: GrantEvent) -> &'static str {
        let state = (!events.is_empty()).then(|| fold::<Grant>(events));
        match evolve(state, 9, &last, &[]) {
            Err(FoldError::OutOfOrder { name }) => name,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_history_that_no_decider_makes_stops_the_fold_by_name() {
        assert_eq!(refused(vec![], redeemed()), "CodeRedeemed");
        assert_eq!(refused(vec![issued()], issued()), "CodeIssued");
        assert_eq!(refused(vec![issued(), redeemed()], redeemed()), "CodeRedeemed");
        assert_eq!(refused(vec![issued()], rotated(1, 20)), "RefreshTokenRotated");
        assert_eq!(refused(vec![issued(), redeemed()], rotated(2, 20)), "RefreshTokenRotated");
        assert_eq!(refused(vec![issued(), redeemed(), ended(EndReason::Revoked, 15)], rotated(1, 20)), "RefreshTokenRotated");
        assert_eq!(refused(vec![issued(), ended(EndReason::Revoked, 15)], redeemed()), "CodeRedeemed");
    }

    #[test]
    fn misuse_of_an_ended_grant_is_still_recorded() {
        let after = grant([issued(), ended(EndReason::CodeVerifierGuessed, 15), misuse(Misuse::CodeByOtherClient, 16)]);
        assert_eq!(after.ended, Some(EndReason::CodeVerifierGuessed));
    }

    #[test]
    fn expired_access_tokens_leave_with_the_next_event() {
        assert_eq!(grant([issued(), redeemed(), rotated(1, 609)]).access.len(), 2);
        assert_eq!(grant([issued(), redeemed(), rotated(1, 610)]).access.len(), 1);
    }

    #[test]
    fn a_grant_is_over_with_the_last_thing_that_can_be_used() {
        assert_eq!(grant([issued()]).over_at(), t(60));
        assert_eq!(grant([issued(), redeemed()]).over_at(), t(10 + 14 * DAY));
    }

    #[test]
    fn the_nonce_is_kept_as_ciphertext() {
        let grant: Grant = fold_sealed([issued()], &["nonce"]);
        let Some(Person { nonce: Some(nonce), .. }) = grant.person() else { panic!("no nonce") };
        assert_eq!((nonce.field.as_ref(), nonce.key.as_str(), nonce.stream.clone()), ("nonce", "account-1", grant_id().stream()));
    }
}
