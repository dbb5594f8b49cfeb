//! A request on the back channel, from its arrival to its tokens.

use super::*;
use crate::testing::*;

fn id() -> BackchannelId {
    BackchannelId(uuid::Uuid::from_u128(0xcba))
}

pub(super) fn wish() -> Ask {
    Ask {
        backchannel: id(),
        account: alice(),
        client: client_id("app"),
        code: digest("code"),
        instance: None,
        scope: scope("openid"),
        resources: BTreeSet::new(),
        binding_message: Some("W4SCT".into()),
        request_context: None,
        types: BTreeSet::new(),
        wishes: Wishes::default(),
        texts: Texts::default(),
        user_code: UserCode::NotWanted,
        needs_message: false,
        wants_acr: false,
        object: None,
        delivery_mode: DeliveryMode::Poll,
        auth_req_id: "cha_rq_x".into(),
        client_notification_token: None,
        requested: None,
        lifetime: Seconds(600),
        waiting: 0,
        context: None,
        at: t(0),
    }
}

fn asked() -> BackchannelEvent {
    ask(&wish()).events.remove(0).event
}

pub(super) fn approval() -> Approval {
    Approval { account: alice(), session: session_id(), auth_time: t(-10), amr: ["pwd".into()].into(), consent_epoch: 0 }
}

pub(super) fn approved() -> BackchannelEvent {
    said(&approve(&history([]), &approval(), Beside::default(), t(10))).0.remove(0)
}

pub(super) fn denied() -> BackchannelEvent {
    said(&deny(&history([]), alice(), t(10))).0.remove(0)
}

pub(super) fn out() -> BackchannelEvent {
    said(&redeemed(grant_id(), t(20))).0.remove(0)
}

pub(super) fn history<const N: usize>(rest: [BackchannelEvent; N]) -> Backchannel {
    fold_sealed(core::iter::once(asked()).chain(rest), &["binding_message", "context"])
}

fn polled(own: &Backchannel, change: impl FnOnce(&mut Poll)) -> (Vec<BackchannelEvent>, &'static str) {
    let mut cmd = Poll { code: digest("code"), client: client_id("app"), instance: None, too_fast: false, at: t(30) };
    change(&mut cmd);
    said(&poll(own, &cmd))
}

#[test]
fn ciba_11_the_answers_of_a_poll() {
    assert_eq!(polled(&history([]), |_| ()), (Vec::new(), "authorization_pending"));
    assert_eq!(polled(&history([denied()]), |_| ()), (Vec::new(), "access_denied"));
    assert_eq!(polled(&history([]), |cmd| cmd.at = t(600)), (Vec::new(), "expired_token"));
    assert_eq!(polled(&history([approved()]), |_| ()), (Vec::new(), "ok"));
    assert_eq!(polled(&history([approved()]), |cmd| cmd.at = t(600)).1, "expired_token", "allowed and not fetched");
    assert_eq!(polled(&history([]), |cmd| cmd.code = digest("guess")), (Vec::new(), "invalid_grant"));
}

#[test]
fn ciba_11_a_client_that_gets_its_tokens_pushed_does_not_poll() {
    let own = Backchannel { delivery_mode: DeliveryMode::Push, ..history([approved()]) };
    assert_eq!(polled(&own, |_| ()), (Vec::new(), "unauthorized_client"));
    let (events, code) = polled(&own, |cmd| cmd.client = client_id("other"));
    assert_eq!((events.len(), code), (1, "invalid_grant"), "another client learns nothing of it");
}

#[test]
fn ciba_11_each_slow_down_adds_five_seconds_up_to_a_minute() {
    let mut own = history([]);
    for interval in [10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60] {
        let (events, code) = polled(&own, |cmd| cmd.too_fast = true);
        assert_eq!(
            (events.as_slice(), code),
            (&[BackchannelPollingSlowed { at: t(30), interval: Seconds(interval) }.into()][..], "slow_down")
        );
        own = evolve(Some(own), 2, &events[0], &[]).unwrap();
    }
    assert_eq!(polled(&own, |cmd| cmd.too_fast = true), (Vec::new(), "slow_down"));
    assert_survives_the_row(&own);
}

#[test]
fn ciba_11_another_client_and_a_replay_are_recorded_once() {
    let spent = history([approved(), out()]);
    for (own, by, misuse) in [(&history([approved()]), "other", Misuse::OtherClient), (&spent, "app", Misuse::Replayed)] {
        let (events, code) = polled(own, |cmd| cmd.client = client_id(by));
        assert_eq!((events.len(), code), (1, "invalid_grant"));
        assert!(matches!(&events[0], BackchannelEvent::BackchannelMisused(event) if event.misuse == misuse));
        let after = evolve(Some(own.clone()), 4, &events[0], &[]).unwrap();
        assert_eq!(polled(&after, |cmd| cmd.client = client_id(by)), (Vec::new(), "invalid_grant"));
    }
}

#[test]
fn ciba_8_one_answer_by_the_person_who_was_asked() {
    for own in [history([approved()]), history([denied()]), history([approved(), out()])] {
        assert_eq!(said(&approve(&own, &approval(), Beside::default(), t(20))), (Vec::new(), "invalid_request"));
        assert_eq!(said(&deny(&own, alice(), t(20))), (Vec::new(), "invalid_request"));
    }
    assert_eq!(said(&deny(&history([]), bob(), t(20))), (Vec::new(), "invalid_request"));
    let other = Approval { account: bob(), ..approval() };
    assert_eq!(said(&approve(&history([]), &other, Beside::default(), t(20))), (Vec::new(), "invalid_request"));
    assert_eq!(said(&approve(&history([]), &approval(), Beside::default(), t(600))).1, "invalid_request", "too late");
}

#[test]
fn ciba_7_1_exactly_one_hint() {
    let of = |sent: &[(&'static str, &'static str)]| {
        hint(|name| sent.iter().find(|(own, _)| *own == name).map(|(_, value)| *value)).map_err(|error| error.code())
    };
    assert_eq!(of(&[("login_hint", "a@b")]), Ok(Hint::Login("a@b")));
    assert_eq!(of(&[("id_token_hint", "x.y.z")]), Ok(Hint::IdToken("x.y.z")));
    assert_eq!(of(&[("login_hint_token", "x.y.z")]), Ok(Hint::Token("x.y.z")));
    for wrong in [
        &[][..],
        &[("id_token_hint", "a"), ("login_hint_token", "b")],
        &[("login_hint", "a"), ("id_token_hint", "b")],
        &[("login_hint", "a"), ("login_hint_token", "b")],
    ] {
        assert_eq!(of(wrong), Err("invalid_request"));
    }
}

#[test]
fn ciba_7_1_a_message_is_short_and_plain_and_the_wish_for_an_end_is_bounded() {
    let said_of = |text: &str| said(&ask(&Ask { binding_message: Some(text.into()), ..wish() })).1;
    assert_eq!(said_of("Pay <b>5</b> EUR"), "ok", "it is shown as it is, not as markup");
    for wrong in ["a\nb", "\u{7}", "Pay \u{202e}5", "x".repeat(129).as_str()] {
        assert_eq!(said_of(wrong), "invalid_binding_message");
    }
    let ends = |requested| ask(&Ask { requested, ..wish() }).outcome.unwrap();
    assert_eq!((ends(None), ends(Some(Seconds(30))), ends(Some(Seconds(9_000)))), (t(600), t(30), t(600)));
}

#[test]
fn fapi_ciba_5_2_2_where_it_is_demanded_a_request_says_what_it_is_about() {
    assert_eq!(said(&ask(&Ask { needs_message: true, ..wish() })).1, "ok");
    assert_eq!(said(&ask(&Ask { needs_message: true, binding_message: None, ..wish() })), (Vec::new(), "invalid_binding_message"));
}

#[test]
fn ciba_13_where_the_person_set_a_code_only_who_knows_it_may_ask() {
    let said_of = |user_code| said(&ask(&Ask { user_code, ..wish() })).1;
    assert_eq!((said_of(UserCode::NotWanted), said_of(UserCode::Right)), ("ok", "ok"));
    assert_eq!((said_of(UserCode::Missing), said_of(UserCode::Wrong)), ("missing_user_code", "invalid_user_code"));
}

#[test]
fn nobody_is_asked_more_than_five_times_at_once() {
    assert_eq!(said(&ask(&Ask { waiting: MOST_WAITING - 1, ..wish() })).1, "ok");
    assert_eq!(said(&ask(&Ask { waiting: MOST_WAITING, ..wish() })), (Vec::new(), "access_denied"));
}

#[test]
fn abca_9_4_another_instance_of_the_same_client_is_refused_and_recorded_once() {
    let with = |rest: &[BackchannelEvent]| -> Backchannel {
        let own = ask(&Ask { instance: Some(digest("instance")), ..wish() }).events.remove(0).event;
        fold_sealed(core::iter::once(own).chain(rest.iter().cloned()), &["binding_message", "context"])
    };
    let foreign: BackchannelEvent = BackchannelMisused { misuse: Misuse::OtherInstance, by: client_id("app"), at: t(30) }.into();
    for instance in [None, Some(digest("other"))] {
        assert_eq!(polled(&with(&[approved()]), |cmd| cmd.instance = instance), ([foreign.clone()].into(), "invalid_grant"));
    }
    let again = with(&[approved(), foreign]);
    assert_eq!(polled(&again, |cmd| cmd.instance = Some(digest("other"))), (Vec::new(), "invalid_grant"));
    assert_eq!(polled(&again, |cmd| cmd.instance = Some(digest("instance"))).1, "ok");
}
