use alloc::string::ToString;
use alloc::vec::Vec;

use super::*;
use crate::testing::*;

fn app() -> ClientId {
    ClientId::parse("app").unwrap()
}

fn created(seconds: i64) -> SignalsEvent {
    SignalStreamCreated { client: app(), stream_id: "one".into(), wishes: Wishes::default(), at: t(seconds) }.into()
}

fn turned(status: Status, seconds: i64) -> SignalsEvent {
    SignalStreamStatusChanged { status, reason: None, at: t(seconds) }.into()
}

fn deleted(seconds: i64) -> SignalsEvent {
    SignalStreamDeleted { at: t(seconds) }.into()
}

#[test]
fn ssf_8_1_1_1_a_client_has_one_stream() {
    let own = fold::<Signals>([created(0)]);
    let again = create(Some(&own), &app(), "two".into(), &Asked::default(), t(1));
    assert_eq!(again.outcome.unwrap_err().code(), "conflict");
    let gone = fold::<Signals>([created(0), deleted(1)]);
    assert!(create(Some(&gone), &app(), "two".into(), &Asked::default(), t(2)).outcome.is_ok());
    assert_eq!(fold::<Signals>([created(0), deleted(1), created(2)]).since, t(2));
    assert!(evolve(Some(own), 2, &created(1), &[]).is_err());
}

#[test]
fn nothing_follows_the_end_of_a_stream() {
    let gone = fold::<Signals>([created(0), deleted(1)]);
    for event in [turned(Status::Paused, 2), deleted(2)] {
        assert!(evolve(Some(gone.clone()), 3, &event, &[]).is_err());
    }
}

#[test]
fn ssf_8_1_2_1_what_happened_while_disabled_is_not_told_and_while_paused_it_is() {
    let own = |status| fold::<Signals>([created(0), turned(status, 10), turned(Status::Enabled, 20)]).since;
    assert_eq!((own(Status::Disabled), own(Status::Paused)), (t(20), t(0)));
    let enabled = fold::<Signals>([created(0)]);
    assert_eq!(said(&set_status(&enabled, Status::Enabled, None, t(1))), ([].into(), "ok"));
}

#[test]
fn ssf_8_1_4_2_verifications_have_their_distance() {
    let own = fold::<Signals>([created(0)]);
    let asked = verify(&own, Some("s".into()), t(1));
    let event: Vec<_> = asked.events.into_iter().map(|draft| draft.event).collect();
    let own = evolve(Some(own), 2, &event[0], &[]).unwrap();
    assert_eq!(verify(&own, None, t(60)).outcome.unwrap_err().code(), "slow_down");
    assert!(verify(&own, None, t(61)).outcome.is_ok());
    assert_eq!(verify(&own, Some("s".repeat(LONGEST_TEXT + 1)), t(61)).outcome.unwrap_err().code(), "invalid_request");
}

#[test]
fn what_a_receiver_sends_is_bounded() {
    let of = |wishes: Wishes, header: Option<&str>| Asked { wishes, authorization: header.map(Into::into) }.check().is_ok();
    let push = || Wishes { push_to: Some("https://app.example/in".into()), ..Wishes::default() };
    assert!(of(Wishes::default(), None) && of(push(), Some("Bearer a b")));
    assert!(!of(Wishes::default(), Some("Bearer a")), "a header without an endpoint");
    for bad in ["", "a\r\nHost: b", "\u{e9}", "a".repeat(LONGEST_HEADER + 1).as_str()] {
        assert!(!of(push(), Some(bad)), "{bad}");
    }
    let many = (0..=MOST_REQUESTED).map(|number| number.to_string()).collect();
    assert!(!of(Wishes { requested: Some(many), ..Wishes::default() }, None));
    assert!(!of(Wishes { requested: Some([String::new()].into()), ..Wishes::default() }, None));
    assert!(!of(Wishes { description: Some("a".repeat(LONGEST_TEXT + 1)), ..Wishes::default() }, None));
    assert!(!of(Wishes { push_to: Some("a".repeat(LONGEST_URI + 1)), ..Wishes::default() }, None));
}
