//! What can happen to a request, in which order, and from whose browser.

use super::*;
use crate::testing::*;

fn opened() -> Draft<InteractionEvent> {
    let private = Private { state: Some("s".into()), nonce: Some("n".into()), ..Private::default() };
    let cmd = Open {
        interaction: interaction_id(),
        client: client_id("app"),
        request: request("openid"),
        browser: digest("cookie"),
        key_commitment: digest("key"),
        pushed: false,
        private,
        lifetime: Seconds(3600),
        at: t(0),
    };
    open(&cmd).events.remove(0)
}

fn history<const N: usize>(rest: [InteractionEvent; N]) -> Interaction {
    fold(core::iter::once(opened().event).chain(rest))
}

fn answer() -> InteractionEvent {
    said(&granted(alice(), Some(grant_id()), t(20))).0.remove(0)
}

fn step(interaction: &Interaction, cookie: Option<&str>, at: i64) -> &'static str {
    check_step(interaction, cookie.map(digest).as_ref(), t(at)).map_or_else(|error| error.code(), |()| "ok")
}

#[test]
fn rfc9700_4_7_every_step_comes_from_the_browser_that_began() {
    let interaction = history([]);
    assert_eq!(step(&interaction, Some("cookie"), 10), "ok");
    assert_eq!(step(&interaction, Some("other"), 10), "invalid_request");
    assert_eq!(step(&interaction, None, 10), "invalid_request");
}

#[test]
fn an_answered_or_expired_request_takes_no_further_step() {
    assert_eq!(step(&history([answer()]), Some("cookie"), 30), "invalid_request");
    assert_eq!(step(&history([]), Some("cookie"), 3600), "invalid_request");
    assert_eq!(step(&history([]), Some("cookie"), 3599), "ok");
}

#[test]
fn answered_expired_and_foreign_look_the_same() {
    let sentence = |interaction: &Interaction, cookie, at| check_step(interaction, Some(&digest(cookie)), t(at)).unwrap_err().description;
    let foreign = sentence(&history([]), "other", 10);
    assert_eq!(sentence(&history([answer()]), "cookie", 30), foreign);
    assert_eq!(sentence(&history([]), "cookie", 4000), foreign);
}

#[test]
fn requested_authenticated_answered_and_never_back() {
    let signed_in: InteractionEvent = said(&authenticated(alice(), session_id(), t(10))).0.remove(0);
    let interaction = history([signed_in.clone()]);
    assert_eq!((interaction.authenticated, interaction.answered), (Some((alice(), session_id())), false));
    let picked: InteractionEvent = said(&chosen(bob(), session_id(), t(12))).0.remove(0);
    assert_eq!(history([signed_in.clone(), picked.clone()]).chosen, Some((bob(), session_id())));
    let refusal = said(&refused(&OAuthError::access_denied("Deny"), t(20))).0.remove(0);
    for end in [answer(), refusal] {
        for late in [signed_in.clone(), picked.clone(), answer(), opened().event] {
            assert!(matches!(evolve(Some(history([end.clone()])), 3, &late, &[]), Err(FoldError::OutOfOrder { .. })));
        }
    }
    assert!(matches!(evolve::<Interaction>(None, 1, &signed_in, &[]), Err(FoldError::OutOfOrder { name: "PersonAuthenticated" })));
}

#[test]
fn a_request_that_needed_nobody_is_answered_from_the_start() {
    let cmd = AnswerAtOnce {
        interaction: interaction_id(),
        client: client_id("app"),
        request: request("openid"),
        account: alice(),
        session: session_id(),
        grant: Some(grant_id()),
        pushed: false,
        private: Private::default(),
        at: t(0),
    };
    let interaction: Interaction = fold(said(&answer_at_once(&cmd)).0);
    assert_eq!(step(&interaction, Some("cookie"), 0), "invalid_request");
}

#[test]
fn state_and_nonce_are_personal_and_come_back_as_ciphertext() {
    let fields: Vec<_> = opened().personal.iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["nonce", "state"]);
    let interaction: Interaction = fold_sealed([opened().event], &["state", "nonce"]);
    assert!(interaction.state.is_some() && interaction.nonce.is_some() && interaction.login_hint.is_none());
}
