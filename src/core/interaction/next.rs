//! What has to happen before a request can be answered.
//!
//! | Rule | Source |
//! |---|---|
//! | `prompt=none` shows no page: `login_required`, `consent_required` | OpenID Connect Core 1.0 §3.1.2.1, §3.1.2.6 |
//! | `prompt=select_account`: the person says who answers, once per request; a password only of somebody new | OpenID Connect Core 1.0 §3.1.2.1 |
//! | several people are signed in in the browser and none of them is the one who uses it now: `account_selection_required` | OpenID Connect Core 1.0 §3.1.2.6 |
//! | `prompt=login` asks for the password even in a session, once per request | OpenID Connect Core 1.0 §3.1.2.1 |
//! | `max_age`: an older login does not count; once per request | OpenID Connect Core 1.0 §3.1.2.1 |
//! | `id_token_hint` of somebody else: that person has to sign in | OpenID Connect Core 1.0 §3.1.2.1 |
//! | `prompt=create`: the page for a new account, once per request | Initiating User Registration via OpenID Connect 1.0 §4 |
//! | consent: `prompt=consent`, or more is wanted than was allowed | OpenID Connect Core 1.0 §3.1.2.4, §11 |
//! | what a client that describes itself was allowed before it was described so does not count | CIMD §8.4 |
//! | authorization details are asked for each time: what was allowed once is no answer about another payment | RFC 9396 §3; our own |
//! | a private-use or loopback URI proves no client: consent each time, in production | RFC 8252 §8.6 |

use crate::client::Client;
use crate::client::metadata::origin_of;
use crate::consent::Consent;
use crate::error::OAuthError;
use crate::id::SessionId;
use crate::request::{Prompt, Request};
use crate::session::Session;
use crate::time::Timestamp;

/// The next step of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Who of those that are signed in, or somebody else?
    Choose,
    SignIn,
    Register,
    AskConsent,
    Grant,
    Refuse(OAuthError),
}

/// What the decision looks at.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    pub request: &'a Request,
    /// The session in which the person signed in for this very request.
    pub authenticated: Option<SessionId>,
    /// The session that the person chose for this very request.
    pub chosen: Option<SessionId>,
    /// How many others are signed in in this browser, beside `session`.
    pub beside: usize,
    /// The browser's session, if its account is active.
    pub session: Option<&'a Session>,
    /// Other providers assert something about whose session it is.
    pub has_claims_of_others: bool,
    pub consent: Option<&'a Consent>,
    pub client: &'a Client,
    pub production: bool,
    pub at: Timestamp,
}

pub fn decide(seen: &Seen<'_>) -> Next {
    let none = seen.request.prompt.contains(&Prompt::None);
    // Once per request, whoever is signed in: somebody new wants to come.
    if seen.request.prompt.contains(&Prompt::Create) && seen.authenticated.is_none() {
        return Next::Register;
    }
    let Some(session) = seen.session.filter(|session| session.is_alive(seen.at)) else {
        return match (none, seen.beside) {
            (true, 0) => Next::Refuse(OAuthError::login_required("nobody is signed in")),
            (true, _) => Next::Refuse(OAuthError::account_selection_required("several are signed in and none was chosen")),
            (false, 0) => Next::SignIn,
            (false, _) => Next::Choose,
        };
    };
    let fresh = seen.authenticated == Some(session.id);
    if seen.request.prompt.contains(&Prompt::SelectAccount) && !fresh && seen.chosen != Some(session.id) {
        return Next::Choose;
    }
    if let Some(why) = login_is_stale(seen.request, session, seen.at).filter(|_| !fresh) {
        return if none { Next::Refuse(OAuthError::login_required(why)) } else { Next::SignIn };
    }
    if seen.request.hinted_account.is_some_and(|hinted| hinted != session.account) {
        // After a fresh login or a choice somebody else is there: that is an answer, not a reason to ask again for ever.
        return if none || fresh || seen.chosen == Some(session.id) {
            Next::Refuse(OAuthError::login_required("another person than the id_token_hint names"))
        } else {
            Next::SignIn
        };
    }
    if consent_is_needed(seen) {
        return if none { Next::Refuse(OAuthError::consent_required("not allowed yet")) } else { Next::AskConsent };
    }
    Next::Grant
}

fn login_is_stale(request: &Request, session: &Session, at: Timestamp) -> Option<&'static str> {
    if request.prompt.contains(&Prompt::Login) {
        return Some("a fresh login was asked for");
    }
    let max_age = request.max_age?;
    (at >= session.auth_time.plus(max_age)).then_some("the login is older than max_age")
}

fn consent_is_needed(seen: &Seen<'_>) -> bool {
    let unproven = seen.production && (!seen.request.redirect_uri.starts_with("https:") || origin_of(&seen.request.redirect_uri).is_none());
    seen.request.prompt.contains(&Prompt::Consent)
        // RFC 9396 §3: what is particular is allowed once, for this request.
        || !seen.request.authorization_details.is_empty()
        || unproven
        || !seen.consent.is_some_and(|own| own.covers_of(seen.client, &seen.request.consent_scope(seen.has_claims_of_others)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::{ConsentGiven, ConsentWithdrawn};
    use crate::id::{AccountId, SessionId};
    use crate::session::{SessionEnd, SessionStarted};
    use crate::testing::*;
    use crate::time::Seconds;

    #[test]
    fn rfc9396_3_details_are_asked_for_each_time() {
        let about = |world: &mut World| world.request.authorization_details = ["payment".into()].into();
        assert_eq!(next(&[], about), Ok(Next::AskConsent));
        assert_eq!(next(&[Prompt::None], about), Err("consent_required"));
        assert_eq!(next(&[], |_| ()), Ok(Next::Grant));
    }

    /// Alice signed in at 0 and allowed `openid email`; the request comes at 100.
    struct World {
        request: Request,
        authenticated: Option<SessionId>,
        chosen: Option<SessionId>,
        beside: usize,
        session: Option<Session>,
        consent: Option<Consent>,
        client: Client,
        production: bool,
        has_claims_of_others: bool,
    }

    fn signed_in(account: AccountId) -> Option<Session> {
        let (session, cookie, idle) = (session_id(), digest("cookie"), Seconds(DAY as u32));
        Some(fold([SessionStarted { session, account, cookie, amr: [].into(), at: t(0), idle, ends_at: t(DAY) }.into()]))
    }

    fn allowed(scopes: &str) -> crate::consent::ConsentEvent {
        ConsentGiven { account: alice(), chosen: [].into(), client: client_id("app"), scope: scope(scopes), text: digest("text"), at: t(1) }
            .into()
    }

    fn world() -> World {
        let consent = Some(fold([allowed("openid email")]));
        World {
            request: request("openid"),
            authenticated: None,
            chosen: None,
            beside: 0,
            session: signed_in(alice()),
            consent,
            client: client(),
            production: true,
            has_claims_of_others: false,
        }
    }

    /// The answer, a refusal by its code, after a change to the world and with these prompts.
    fn next(prompts: &[Prompt], change: impl Fn(&mut World)) -> Result<Next, &'static str> {
        let mut world = world();
        world.request.prompt = prompts.iter().copied().collect();
        change(&mut world);
        let World { request, authenticated, chosen, beside, session, consent, client, production, has_claims_of_others } = &world;
        let (session, consent) = (session.as_ref(), consent.as_ref());
        let (authenticated, chosen, beside, production) = (*authenticated, *chosen, *beside, *production);
        let (has_claims_of_others, at) = (*has_claims_of_others, t(100));
        match decide(&Seen { request, authenticated, chosen, beside, session, has_claims_of_others, consent, client, production, at }) {
            Next::Refuse(error) => Err(error.code()),
            next => Ok(next),
        }
    }

    /// The same with and without `prompt=none`.
    fn both(change: impl Fn(&mut World)) -> [Result<Next, &'static str>; 2] {
        [next(&[], &change), next(&[Prompt::None], &change)]
    }

    #[test]
    fn oidc_core_5_5_a_claim_that_nobody_asserts_is_asked_of_nobody() {
        let wish = |world: &mut World| world.request.claims.userinfo = ["credit_score".into()].into();
        assert_eq!(both(wish), [Ok(Next::Grant), Ok(Next::Grant)]);
        let known = |world: &mut World| {
            wish(world);
            world.has_claims_of_others = true;
        };
        assert_eq!(both(known), [Ok(Next::AskConsent), Err("consent_required")]);
    }

    #[test]
    fn oidc_core_3_1_2_3_a_session_and_a_consent_suffice() {
        assert_eq!(both(|_| ()), [Ok(Next::Grant), Ok(Next::Grant)]);
    }

    #[test]
    fn oidc_core_3_1_2_6_login_required_when_nobody_is_signed_in() {
        assert_eq!(both(|world| world.session = None), [Ok(Next::SignIn), Err("login_required")]);
        let over = |world: &mut World| world.session.as_mut().unwrap().ended = Some(SessionEnd::SignedOut);
        assert_eq!(both(over), [Ok(Next::SignIn), Err("login_required")]);
        assert_eq!(both(|world| world.session.as_mut().unwrap().ends_at = t(100)), [Ok(Next::SignIn), Err("login_required")]);
    }

    #[test]
    fn oidc_core_3_1_2_1_prompt_login_and_select_account_ask_once() {
        for (prompt, first) in [(Prompt::Login, Next::SignIn), (Prompt::SelectAccount, Next::Choose)] {
            assert_eq!(next(&[prompt], |_| ()), Ok(first));
            assert_eq!(next(&[prompt], |world| world.authenticated = Some(session_id())), Ok(Next::Grant));
        }
        // A login for this request in a session that is gone since does not count.
        let gone = |world: &mut World| world.authenticated = Some(SessionId(uuid::Uuid::nil()));
        assert_eq!(next(&[Prompt::Login], gone), Ok(Next::SignIn));
        assert_eq!(next(&[Prompt::SelectAccount], gone), Ok(Next::Choose));
    }

    #[test]
    fn oidc_core_3_1_2_1_select_account_is_a_choice_and_no_login() {
        let chose = |world: &mut World| world.chosen = Some(session_id());
        assert_eq!(next(&[Prompt::SelectAccount], chose), Ok(Next::Grant));
        assert_eq!(next(&[Prompt::SelectAccount], |world| world.chosen = Some(SessionId(uuid::Uuid::nil()))), Ok(Next::Choose));
        // Who was chosen still has to satisfy the rest.
        assert_eq!(next(&[Prompt::SelectAccount, Prompt::Login], chose), Ok(Next::SignIn));
        let old = |world: &mut World| (world.chosen, world.request.max_age) = (Some(session_id()), Some(Seconds(10)));
        assert_eq!(next(&[Prompt::SelectAccount], old), Ok(Next::SignIn));
        // Nobody is signed in: there is nobody to choose.
        assert_eq!(next(&[Prompt::SelectAccount], |world| world.session = None), Ok(Next::SignIn));
    }

    #[test]
    fn oidc_core_3_1_2_6_account_selection_required_when_only_others_are_signed_in() {
        let beside = |world: &mut World| (world.session, world.beside) = (None, 2);
        assert_eq!(both(beside), [Ok(Next::Choose), Err("account_selection_required")]);
        // Whoever uses the browser now needs no choice.
        assert_eq!(both(|world| world.beside = 2), [Ok(Next::Grant), Ok(Next::Grant)]);
    }

    #[test]
    fn oidc_core_3_1_2_1_an_older_login_than_max_age_does_not_count() {
        let max_age = |seconds| move |world: &mut World| world.request.max_age = Some(Seconds(seconds));
        assert_eq!(both(max_age(101)), [Ok(Next::Grant), Ok(Next::Grant)]);
        assert_eq!(both(max_age(100)), [Ok(Next::SignIn), Err("login_required")]);
        assert_eq!(both(max_age(0)), [Ok(Next::SignIn), Err("login_required")]);
        assert_eq!(both(max_age(u32::MAX)), [Ok(Next::Grant), Ok(Next::Grant)]);
    }

    #[test]
    fn oidc_core_3_1_2_1_max_age_0_is_satisfied_once_per_request() {
        let fresh = |world: &mut World| (world.request.max_age, world.authenticated) = (Some(Seconds(0)), Some(session_id()));
        assert_eq!(next(&[], fresh), Ok(Next::Grant));
    }

    #[test]
    fn oidc_core_3_1_2_1_an_id_token_hint_names_who_has_to_be_there() {
        assert_eq!(both(|world| world.request.hinted_account = Some(alice())), [Ok(Next::Grant), Ok(Next::Grant)]);
        assert_eq!(both(|world| world.request.hinted_account = Some(bob())), [Ok(Next::SignIn), Err("login_required")]);
        // Alice signed in although bob was asked for: an answer, not a loop.
        let fresh = |world: &mut World| (world.request.hinted_account, world.authenticated) = (Some(bob()), Some(session_id()));
        assert_eq!(next(&[], fresh), Err("login_required"));
        // Bob came.
        let bob_came = |world: &mut World| (world.request.hinted_account, world.session) = (Some(bob()), signed_in(bob()));
        assert_eq!(next(&[], bob_came), Ok(Next::Grant));
    }

    #[test]
    fn oidc_core_3_1_2_4_consent_when_more_is_wanted_than_was_allowed() {
        let ask = [Ok(Next::AskConsent), Err("consent_required")];
        assert_eq!(both(|world| world.consent = None), ask);
        assert_eq!(both(|world| world.request.scope = scope("openid phone")), ask);
        assert_eq!(both(|world| world.consent = Some(fold([allowed("openid"), ConsentWithdrawn { at: t(2) }.into()]))), ask);
        assert_eq!(next(&[Prompt::Consent], |_| ()), Ok(Next::AskConsent));
    }

    #[test]
    fn cimd_8_4_consent_when_the_client_is_described_otherwise_since() {
        let told_at = |at: i64| {
            move |world: &mut World| {
                world.client.document = Some(crate::client::document::Document { digest: digest("document"), at: t(9), told_at: t(at) });
            }
        };
        // Alice allowed it at 1.
        assert_eq!(both(told_at(1)), [Ok(Next::Grant), Ok(Next::Grant)]);
        assert_eq!(both(told_at(2)), [Ok(Next::AskConsent), Err("consent_required")]);
    }

    #[test]
    fn oidc_core_11_offline_access_needs_a_consent_that_names_it() {
        let offline = |world: &mut World| world.request.scope = scope("openid offline_access");
        assert_eq!(both(offline), [Ok(Next::AskConsent), Err("consent_required")]);
        let named = |world: &mut World| {
            offline(world);
            world.consent = Some(fold([allowed("openid offline_access")]));
        };
        assert_eq!(both(named), [Ok(Next::Grant), Ok(Next::Grant)]);
    }

    #[test]
    fn initiating_registration_4_create_asks_for_a_new_account_once() {
        assert_eq!(next(&[Prompt::Create], |_| ()), Ok(Next::Register));
        assert_eq!(next(&[Prompt::Create], |world| world.session = None), Ok(Next::Register));
        assert_eq!(next(&[Prompt::Create], |world| world.authenticated = Some(session_id())), Ok(Next::Grant));
    }

    #[test]
    fn oidc_core_5_5_claims_asked_for_one_by_one_need_consent_like_their_scope() {
        let claim = |name: &'static str| move |world: &mut World| world.request.claims.userinfo = [name.into()].into();
        assert_eq!(both(claim("email")), [Ok(Next::Grant), Ok(Next::Grant)]);
        assert_eq!(both(claim("name")), [Ok(Next::AskConsent), Err("consent_required")]);
    }

    #[test]
    fn rfc8252_8_6_a_uri_that_proves_no_client_asks_each_time_in_production() {
        for uri in ["com.example.app:/cb", "http://127.0.0.1:5101/cb", "http://localhost:3000/cb"] {
            let to = |production| move |world: &mut World| (world.request.redirect_uri, world.production) = (uri.into(), production);
            assert_eq!(both(to(true)), [Ok(Next::AskConsent), Err("consent_required")], "{uri}");
            assert_eq!(both(to(false)), [Ok(Next::Grant), Ok(Next::Grant)], "{uri}");
        }
    }

    #[test]
    fn oidc_core_3_1_2_3_the_login_comes_before_the_consent() {
        assert_eq!(next(&[Prompt::Login, Prompt::Consent], |_| ()), Ok(Next::SignIn));
        assert_eq!(next(&[Prompt::Login, Prompt::Consent], |world| world.authenticated = Some(session_id())), Ok(Next::AskConsent));
    }
}
