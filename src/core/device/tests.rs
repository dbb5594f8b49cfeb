//! A device's request, from its code to its tokens.

use super::*;
use crate::testing::*;

fn asked() -> DeviceEvent {
    asked_by(None)
}

fn asked_by(instance: Option<Digest>) -> DeviceEvent {
    let cmd = Ask {
        device: device_id(),
        client: client_id("app"),
        code: digest("code"),
        instance,
        user_code: "WDJBMJHT".into(),
        scope: scope("openid"),
        resources: BTreeSet::new(),
        types: BTreeSet::new(),
        wishes: Wishes::default(),
        texts: Texts::default(),
        object: None,
        lifetime: Seconds(600),
        context: None,
        at: t(0),
    };
    ask(&cmd).events.remove(0).event
}

fn approval() -> Approval {
    Approval { account: alice(), session: session_id(), auth_time: t(-10), amr: ["pwd".into()].into(), consent_epoch: 0 }
}

fn approved() -> DeviceEvent {
    said(&approve(&history([]), &approval(), Beside::default(), t(10))).0.remove(0)
}

fn denied() -> DeviceEvent {
    said(&deny(&history([]), alice(), t(10))).0.remove(0)
}

fn out() -> DeviceEvent {
    said(&redeemed(grant_id(), t(20))).0.remove(0)
}

fn history<const N: usize>(rest: [DeviceEvent; N]) -> Device {
    fold_sealed(core::iter::once(asked()).chain(rest), &["user_code", "context"])
}

fn polled(device: &Device, change: impl FnOnce(&mut Poll)) -> (Vec<DeviceEvent>, &'static str) {
    let mut cmd = Poll { code: digest("code"), client: client_id("app"), instance: None, too_fast: false, at: t(30) };
    change(&mut cmd);
    said(&poll(device, &cmd))
}

#[test]
fn rfc8628_3_5_the_four_answers_of_a_poll() {
    assert_eq!(polled(&history([]), |_| ()), (Vec::new(), "authorization_pending"));
    assert_eq!(polled(&history([denied()]), |_| ()), (Vec::new(), "access_denied"));
    assert_eq!(polled(&history([]), |cmd| cmd.at = t(600)), (Vec::new(), "expired_token"));
    assert_eq!(polled(&history([approved()]), |_| ()), (Vec::new(), "ok"));
    assert_eq!(polled(&history([approved()]), |cmd| cmd.at = t(600)).1, "expired_token", "allowed and not fetched");
}

#[test]
fn rfc8628_3_5_each_slow_down_adds_five_seconds_up_to_a_minute() {
    let mut device = history([]);
    for interval in [10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60] {
        let (events, code) = polled(&device, |cmd| cmd.too_fast = true);
        assert_eq!((events.clone(), code), ([DevicePollingSlowed { interval: Seconds(interval), at: t(30) }.into()].into(), "slow_down"));
        device = evolve(Some(device), 2, &events[0], &[]).unwrap();
    }
    assert_eq!(polled(&device, |cmd| cmd.too_fast = true), (Vec::new(), "slow_down"), "no event without end");
    assert_eq!(polled(&history([approved()]), |cmd| cmd.too_fast = true).1, "ok", "an answer waits for nobody");
}

#[test]
fn rfc8628_5_2_tokens_once_and_a_replay_is_recorded_once() {
    let over = history([approved(), out()]);
    let replay: DeviceEvent = DeviceCodeMisused { misuse: Misuse::Replayed, by: client_id("app"), at: t(30) }.into();
    assert_eq!(polled(&over, |_| ()), ([replay.clone()].into(), "invalid_grant"));
    assert_eq!(polled(&evolve(Some(over), 4, &replay, &[]).unwrap(), |_| ()), (Vec::new(), "invalid_grant"));
}

#[test]
fn rfc8628_3_4_another_client_is_refused_and_recorded() {
    let foreign: DeviceEvent = DeviceCodeMisused { misuse: Misuse::OtherClient, by: client_id("other"), at: t(30) }.into();
    for device in [history([]), history([approved()])] {
        assert_eq!(polled(&device, |cmd| cmd.client = client_id("other")), ([foreign.clone()].into(), "invalid_grant"));
    }
    assert_eq!(polled(&history([approved()]), |cmd| cmd.code = digest("guess")), (Vec::new(), "invalid_grant"));
}

#[test]
fn rfc8628_3_3_one_answer_while_it_waits() {
    for over in [history([approved()]), history([denied()]), history([approved(), out()])] {
        assert_eq!(said(&approve(&over, &approval(), Beside::default(), t(20))), (Vec::new(), "invalid_request"));
        assert_eq!(said(&deny(&over, alice(), t(20))), (Vec::new(), "invalid_request"));
    }
    assert_eq!(said(&approve(&history([]), &approval(), Beside::default(), t(600))).1, "invalid_request");
    let sentence = |device: &Device, at| check_open(device, at).unwrap_err().description;
    assert_eq!(sentence(&history([]), t(600)), sentence(&history([denied()]), t(20)), "expired and answered look the same");
}

#[test]
fn what_is_over_stays_over() {
    for late in [asked(), approved(), denied(), out()] {
        assert!(evolve(Some(history([denied()])), 3, &late, &[]).is_err());
        assert!(evolve(Some(history([approved(), out()])), 4, &late, &[]).is_err());
    }
    assert!(evolve::<Device>(None, 1, &approved(), &[]).is_err());
    assert!(evolve(Some(history([])), 2, &out(), &[]).is_err(), "nobody allowed it");
    assert_survives_the_row(&history([approved()]));
}

#[test]
fn the_user_code_stands_in_the_log_as_ciphertext_only() {
    let decision = ask(&Ask {
        types: BTreeSet::new(),
        wishes: Wishes::default(),
        texts: Texts::default(),
        object: None,
        device: device_id(),
        client: client_id("app"),
        code: digest("code"),
        instance: None,
        user_code: "WDJBMJHT".into(),
        scope: scope("openid"),
        resources: BTreeSet::new(),
        lifetime: Seconds(600),
        context: Some("{}".into()),
        at: t(0),
    });
    assert_eq!(decision.events[0].personal.iter().map(|(field, _)| field).collect::<Vec<_>>(), ["context", "user_code"]);
}

#[test]
fn abca_9_4_another_instance_of_the_same_client_is_refused_and_recorded_once() {
    let with = |rest: &[DeviceEvent]| -> Device {
        fold_sealed(core::iter::once(asked_by(Some(digest("instance")))).chain(rest.iter().cloned()), &["user_code", "context"])
    };
    let foreign: DeviceEvent = DeviceCodeMisused { misuse: Misuse::OtherInstance, by: client_id("app"), at: t(30) }.into();
    for instance in [None, Some(digest("other"))] {
        assert_eq!(polled(&with(&[approved()]), |cmd| cmd.instance = instance), ([foreign.clone()].into(), "invalid_grant"));
    }
    let again = with(&[approved(), foreign]);
    assert_eq!(polled(&again, |cmd| cmd.instance = Some(digest("other"))), (Vec::new(), "invalid_grant"));
    assert_eq!(polled(&again, |cmd| cmd.instance = Some(digest("instance"))).1, "ok");
    assert_survives_the_row(&again);
}
