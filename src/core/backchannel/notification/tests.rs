//! What a client is told, when, and for how long.

use super::*;
use crate::backchannel::tests::{approved, denied, out, wish};
use crate::backchannel::{Ask, BackchannelApproved, ask};
use crate::testing::*;

const FIELDS: &[&str] = &["auth_req_id", "client_notification_token"];
const TOKEN: &str = "8d67dc78-7faa-4d41-aabd-67707b374255";

fn told(mode: DeliveryMode) -> Ask {
    Ask { delivery_mode: mode, client_notification_token: Some(TOKEN.into()), ..wish() }
}

fn after<const N: usize>(mode: DeliveryMode, rest: [BackchannelEvent; N]) -> Backchannel {
    let asked = ask(&told(mode)).events.remove(0).event;
    fold_sealed(core::iter::once(asked).chain(rest), FIELDS)
}

fn go_on(own: Backchannel, event: &BackchannelEvent) -> Backchannel {
    evolve(Some(own), 9, event, &[]).unwrap()
}

#[test]
fn ciba_7_1_a_client_that_is_told_brings_a_bearer_token_of_128_bits() {
    let said_of = |mode, token: Option<&str>| said(&ask(&Ask { client_notification_token: token.map(Into::into), ..told(mode) })).1;
    let (short, long) = ("x".repeat(21), "x".repeat(1025));
    for mode in [DeliveryMode::Ping, DeliveryMode::Push] {
        for bad in [
            None,
            Some(short.as_str()),
            Some(long.as_str()),
            Some("8d67dc78 7faa 4d41 aabd 67707b374255"),
            Some("8d67dc78-7faa\r\nX: 4d41-aabd-6770"),
        ] {
            assert_eq!(said_of(mode, bad), "invalid_request", "{bad:?}");
        }
        assert_eq!(said_of(mode, Some(&"=".repeat(30))), "invalid_request");
        assert_eq!((said_of(mode, Some(TOKEN)), said_of(mode, Some("abcDEF0123-._~+/456789=="))), ("ok", "ok"));
    }
    assert_eq!(said_of(DeliveryMode::Poll, None), "ok");
}

#[test]
fn ciba_7_3_what_the_client_is_told_with_is_kept_for_one_that_is_told_alone() {
    for (mode, kept) in [(DeliveryMode::Poll, false), (DeliveryMode::Ping, true)] {
        let decision = ask(&told(mode));
        let fields: Vec<_> = decision.events[0].personal.iter().map(|(field, _)| field).collect();
        assert_eq!((fields.contains(&"auth_req_id"), fields.contains(&"client_notification_token")), (kept, kept));
        assert_eq!(after(mode, []).notice.is_some(), kept);
    }
    assert_survives_the_row(&after(DeliveryMode::Push, []));
}

#[test]
fn ciba_12_what_is_said_when() {
    let say = |mode, rest: Option<BackchannelEvent>, at| {
        let own = match rest {
            Some(event) => after(mode, [event]),
            None => after(mode, []),
        };
        next(&own, t(at))
    };
    let (ping, push) = (DeliveryMode::Ping, DeliveryMode::Push);
    for mode in [ping, push] {
        assert_eq!(say(mode, None, 599), Next::Nothing, "nobody has answered");
        assert_eq!(say(mode, Some(approved()), 9), Next::Nothing, "before the answer");
        assert_eq!(say(mode, Some(denied()), 900), Next::GiveUp(Abandoned::TooLate));
    }
    assert_eq!((say(ping, None, 600), say(push, None, 600)), (Next::Say(Message::Ping), Next::Say(Message::ExpiredToken)));
    assert_eq!(
        (say(ping, Some(denied()), 10), say(push, Some(denied()), 10)),
        (Next::Say(Message::Ping), Next::Say(Message::AccessDenied))
    );
    assert_eq!((say(ping, Some(approved()), 10), say(push, Some(approved()), 599)), (Next::Say(Message::Ping), Next::Say(Message::Tokens)));
    assert_eq!(say(push, Some(approved()), 600), Next::Say(Message::ExpiredToken), "allowed, and never taken");
    assert_eq!(next(&after(ping, [approved(), out()]), t(30)), Next::Nothing, "it came by itself");
    assert_eq!(next(&fold_sealed([ask(&wish()).events.remove(0).event, approved()], FIELDS), t(30)), Next::Nothing, "it polls");
}

#[test]
fn ciba_10_2_what_fails_is_tried_later_and_later_and_not_for_ever() {
    let mut own = after(DeliveryMode::Ping, [approved()]);
    let (mut at, mut waits) = (10, Vec::new());
    while let Next::Say(message) = next(&own, t(at)) {
        let event = said(&attempt(&own, message, None, t(at))).0.remove(0);
        own = go_on(own, &event);
        assert_eq!(next(&own, t(at)), Next::Nothing, "two nodes never make the same attempt");
        let number = own.notice.as_ref().unwrap().attempts;
        let failed = said(&answered(&own, number, Ok(503), t(at))).0.remove(0);
        own = go_on(own, &failed);
        let due = own.notice.as_ref().unwrap().due_at.unwrap();
        waits.push((due.0 - t(at).0) / 1000);
        at = (due.0 - t(0).0) / 1000;
    }
    assert_eq!(waits[..5], [10, 30, 60, 120, 120]);
    assert!((900..1020).contains(&at), "{at}");
    let over = go_on(own.clone(), &said(&abandon(Abandoned::TooLate, t(at))).0[0]);
    assert_eq!((next(&over, t(at)), over.is_to_be_told()), (Next::Nothing, false));
}

#[test]
fn ciba_10_3_1_only_200_and_204_are_a_yes_and_what_was_not_taken_is_dead() {
    let own = after(DeliveryMode::Push, [approved()]);
    let attempted = said(&attempt(&own, Message::Tokens, Some(grant_id()), t(10))).0.remove(0);
    let own = go_on(own, &attempted);
    for bad in [Ok(202), Ok(302), Ok(401), Ok(500), Err("the connection failed".into())] {
        let decision = answered(&own, 1, bad, t(11));
        assert_eq!(decision.outcome, Ok(Some(grant_id())));
        let failed = go_on(own.clone(), &said(&decision).0[0]);
        assert_eq!((failed.answer == Answer::Redeemed, failed.notice.unwrap().unanswered), (false, None));
    }
    for good in [200, 204] {
        let decision = answered(&own, 1, Ok(good), t(11));
        assert_eq!(decision.outcome, Ok(None));
        let over = go_on(own.clone(), &said(&decision).0[0]);
        assert_eq!((&over.answer, over.is_to_be_told()), (&Answer::Redeemed, false));
        assert_eq!(said(&answered(&over, 1, Ok(500), t(12))), (Vec::new(), "ok"), "an answer that comes late changes nothing");
        assert_survives_the_row(&over);
    }
    let again = said(&attempt(&own, Message::Tokens, Some(grant_id()), t(20))).0.remove(0);
    assert_eq!(said(&answered(&go_on(own, &again), 1, Ok(200), t(21))), (Vec::new(), "ok"), "its tokens are dead already");
}

#[test]
fn nobody_is_told_where_nobody_asked_for_it() {
    let polls = fold_sealed([ask(&wish()).events.remove(0).event], FIELDS);
    let attempted = said(&attempt(&polls, Message::Ping, None, t(1))).0.remove(0);
    assert!(evolve(Some(polls), 2, &attempted, &[]).is_err());
    assert!(evolve::<Backchannel>(None, 1, &attempted, &[]).is_err());
    let event =
        BackchannelApproved { account: alice(), amr: Vec::new(), at: t(30), auth_time: t(0), consent_epoch: 0, session: session_id() };
    assert!(evolve(Some(after(DeliveryMode::Ping, [approved()])), 3, &event.into(), &[]).is_err());
}
