//! Logs whose hashes are right and whose story is not: each rule is broken once, and the position named.

use chancery_verify::Finding;
use chancery_verify::export::{Asked, Export, verify};
use serde_json::json;

use crate::story::{self, HOUR, Story, Visit};

fn check(story: &Story) -> Result<chancery_verify::export::Whole, Finding> {
    let folder = tempfile::tempdir().unwrap();
    story::write(folder.path(), &story.leaves());
    let asked = Asked { keys: vec![story::key()], with_schemas: true, only_bytes: false, threads: 2, since: None };
    verify(&Export::new(folder.path()), &asked, |_, _| {})
}

fn with_a_visit(scope: &str) -> (Story, String, Visit) {
    let (mut story, account) = Story::begin();
    let visit = story.visit(&account, scope);
    (story, account, visit)
}

/// The last event of the story is the bad one.
#[track_caller]
fn refused(story: &Story, why: &str) {
    let finding = check(story).unwrap_err();
    assert!(finding.what.contains(why), "{why}: {finding}");
    assert_eq!(finding.position, Some(story.events.len() as u64 - 1), "{finding}");
}

#[test]
fn an_honest_log_is_whole() {
    for size in [1, 255, 600] {
        let story = story::honest(size);
        let whole = check(&story).unwrap();
        assert_eq!((whole.size, whole.passes, whole.own_key), (story.events.len() as u64, 1, false));
    }
}

#[test]
fn rfc6749_4_1_2_a_code_is_redeemed_once() {
    let (mut story, _, visit) = with_a_visit("openid");
    story.redeem(&visit);
    refused(&story, "a second time");
}

#[test]
fn rfc6749_4_1_2_an_expired_code_is_not_redeemed() {
    let (mut story, _, visit) = with_a_visit("openid");
    story.events.pop();
    story.now += HOUR;
    story.redeem(&visit);
    refused(&story, "after it had expired");
}

#[test]
fn rfc9700_4_14_2_nothing_is_issued_after_the_end_of_a_grant() {
    let (mut story, _, visit) = with_a_visit("openid");
    story.end(&visit);
    story.say(&format!("grant-{}", visit.grant), "MisuseRefused", json!({"by": "app", "misuse": "refresh_token_by_other_client"}));
    assert!(check(&story).is_ok());
    story.refresh(&visit, 1);
    refused(&story, "follows the end of its grant");
}

#[test]
fn rfc9700_4_14_2_generations_follow_one_another() {
    let (mut story, _, visit) = with_a_visit("openid");
    story.refresh(&visit, 1);
    story.refresh(&visit, 3);
    refused(&story, "generation");
}

#[test]
fn a_token_needs_a_living_account() {
    let (mut story, account, visit) = with_a_visit("openid offline_access");
    story.say(&format!("account-{account}"), "AccountDisabled", json!({}));
    story.refresh(&visit, 1);
    refused(&story, "disabled");
}

#[test]
fn a_token_needs_a_living_client() {
    let (mut story, _, visit) = with_a_visit("openid offline_access");
    story.say("client-app", "ClientDisabled", json!({}));
    story.refresh(&visit, 1);
    refused(&story, "client that was disabled");
}

#[test]
fn a_token_needs_its_session_unless_it_survives_logout() {
    for (scope, dies) in [("openid", true), ("offline_access openid", false)] {
        let (mut story, _, visit) = with_a_visit(scope);
        story.say(&format!("session-{}", visit.session), "SessionEnded", json!({"reason": "signed_out"}));
        story.refresh(&visit, 1);
        if dies {
            refused(&story, "after its session had ended");
        } else {
            assert!(check(&story).is_ok());
        }
    }
}

#[test]
fn a_token_needs_its_consent() {
    let (mut story, account, visit) = with_a_visit("openid offline_access");
    story.say(&format!("consent-{account}-app"), "ConsentWithdrawn", json!({}));
    story.refresh(&visit, 1);
    refused(&story, "consent had been withdrawn");
}

#[test]
fn an_erasure_is_ordered_and_final() {
    let (story, account, _) = with_a_visit("openid");
    let stream = format!("account-{account}");
    let mut unordered = story.clone();
    unordered.say(&stream, "DataKeyDestroyed", json!({}));
    refused(&unordered, "without an order");
    let mut erased = story;
    erased.say(&stream, "ErasureOrdered", json!({}));
    erased.say(&stream, "DataKeyDestroyed", json!({}));
    assert!(check(&erased).is_ok());
    let mut sealed = erased.clone();
    sealed.say("evidence-anonymous", "LoginFailed", json!({}));
    sealed.events.last_mut().unwrap()["personal"] = json!({"context": "AAAA", "key": format!("account/{account}")});
    refused(&sealed, "destroyed before");
    erased.say(&stream, "AccountEnabled", json!({}));
    refused(&erased, "follows the erasure");
}

#[test]
fn a_key_signs_between_its_announcement_and_its_end() {
    let (mut story, _, visit) = with_a_visit("openid");
    story.say("key-k1", "SigningKeyRetired", json!({}));
    story.say("key-k1", "SigningKeyRemoved", json!({}));
    story.refresh(&visit, 1);
    story.events.last_mut().unwrap()["data"]["id_token_kid"] = json!("k1");
    refused(&story, "after it was removed");
}

#[test]
fn versions_positions_and_times_are_in_order() {
    let (story, ..) = with_a_visit("openid");
    let change = |member: &str, value: serde_json::Value| {
        let mut changed = story.clone();
        changed.events.last_mut().unwrap()[member] = value;
        changed
    };
    refused(&change("version", json!(9)), "version 9");
    refused(&change("position", json!(0)), "position 0");
    refused(&change("recorded_at", json!(5)), "the time goes back");
    refused(&change("type", json!("CodeGuessed")), "does not know");
    refused(&change("stream", json!("log")), "cannot stand on the stream");
    refused(&change("data", json!({"at": "now"})), "schema");
}

/// Credentials are no tokens, and rest on the same; the key that signed them lived.
#[test]
fn openid4vci_8_credentials_leave_while_everything_lives_that_their_token_rests_on() {
    let issued = |story: &mut Story, visit: &Visit, kid: &str| {
        let example = include_str!("../../../../schema/events/grant/CredentialsIssued.v1.example.json");
        let mut data: serde_json::Value = serde_json::from_str(example).unwrap();
        (data["at"], data["kid"]) = (json!(story.now), json!(kid));
        story.say(&format!("grant-{}", visit.grant), "CredentialsIssued", data);
    };
    let (story, account, visit) = with_a_visit("openid offline_access");
    let mut honest = story.clone();
    issued(&mut honest, &visit, "k1");
    assert!(check(&honest).is_ok());
    for (stream, kind, why) in [
        (format!("account-{account}"), "AccountDisabled", "disabled"),
        ("client-app".to_owned(), "ClientDisabled", "client that was disabled"),
        (format!("consent-{account}-app"), "ConsentWithdrawn", "consent had been withdrawn"),
    ] {
        let mut changed = story.clone();
        changed.say(&stream, kind, json!({}));
        issued(&mut changed, &visit, "k1");
        refused(&changed, why);
    }
    let mut ended = story.clone();
    ended.end(&visit);
    issued(&mut ended, &visit, "k1");
    refused(&ended, "follows the end of its grant");
    let mut unsigned = story.clone();
    unsigned.say("key-k1", "SigningKeyRetired", json!({}));
    unsigned.say("key-k1", "SigningKeyRemoved", json!({}));
    issued(&mut unsigned, &visit, "k1");
    refused(&unsigned, "after it was removed");
}

#[test]
fn openid4vci_4_1_1_an_offer_is_redeemed_once_and_in_time() {
    let (mut open, account) = Story::begin();
    let offer = open.offer(&account);
    let (stream, redeemed) = (offer.stream(), json!({"by": "app", "grant": offer.grant}));
    for (kind, data) in [("CredentialOfferRedeemed", redeemed.clone()), ("TransactionCodeRefused", json!({"by": "app"}))] {
        let mut late = open.clone();
        late.now += HOUR;
        late.say(&stream, kind, data);
        refused(&late, "expired");
    }
    open.guess(&offer);
    open.take(&offer, &account);
    open.say(&stream, "CredentialOfferReplayed", json!({"by": "app"}));
    assert!(check(&open).is_ok());
    let mut twice = open.clone();
    twice.say(&stream, "CredentialOfferRedeemed", redeemed);
    refused(&twice, "follows the end");
    let mut guessed = open;
    guessed.say(&stream, "TransactionCodeRefused", json!({"by": "app"}));
    refused(&guessed, "follows the end");
}

/// Who can guess on is let in at last: the log shows that nobody could.
#[test]
fn openid4vci_13_6_3_five_wrong_transaction_codes_end_an_offer() {
    let (mut story, account) = Story::begin();
    let offer = story.offer(&account);
    (0..4).for_each(|_| story.guess(&offer));
    let mut lucky = story.clone();
    lucky.take(&offer, &account);
    assert!(check(&lucky).is_ok(), "the fifth was right");
    story.guess(&offer);
    assert!(check(&story).is_ok());
    let mut sixth = story.clone();
    sixth.guess(&offer);
    refused(&sixth, "follows 5 wrong transaction codes");
    story.say(&offer.stream(), "CredentialOfferRedeemed", json!({"by": "app", "grant": offer.grant}));
    refused(&story, "follows 5 wrong transaction codes");
}

/// A grant that was over for days is forgotten; when its stream comes up again, a second pass judges it.
#[test]
fn a_stream_that_was_forgotten_is_judged_in_a_second_pass() {
    let (mut story, account, visit) = with_a_visit("openid");
    story.end(&visit);
    let mut seals = 0;
    while seals < 17_000 {
        story.now += HOUR;
        story.events.reserve(1);
        let (position, now) = (story.events.len(), story.now);
        seals += 1;
        story.events.push(json!({
            "actor": {"id": "", "kind": "server"}, "correlation": "c", "data": {"account": account, "at": now}, "id": story::id(now, seals),
            "position": position, "recorded_at": now, "schema": 1, "stream": "evidence-anonymous", "type": "LoginFailed", "version": seals,
        }));
    }
    let stream = format!("grant-{}", visit.grant);
    story.say(&stream, "MisuseRefused", json!({"by": "app", "misuse": "refresh_token_by_other_client"}));
    let whole = check(&story).unwrap();
    assert_eq!((whole.passes, whole.held < 20), (2, true), "{whole:?}");
    let mut again = story.clone();
    again.say(&stream, "GrantEnded", json!({"reason": "revoked"}));
    refused(&again, "follows the end");
    // An old grant begun anew under its old name.
    let access = json!({"digest": "Gs7cQ5aHRrDprDne1_0xLMy2ySAWHsa8_qMPVzdQmoU", "expires_at": story.now + HOUR});
    story.say(&stream, "ClientCredentialsGranted", json!({"access": access, "client": "app", "grant": visit.grant, "scope": ""}));
    story.events.last_mut().unwrap()["version"] = json!(1);
    refused(&story, "version 1 follows version");
}

/// A segment that was archived, and a log that moved, name a root: that of what is here.
#[test]
fn a_root_that_an_event_names_is_that_of_the_events_before_it() {
    let root = |story: &Story, size: usize| {
        let mut tree = chancery_tree::Frontier::default();
        story.leaves()[..size].iter().for_each(|leaf| tree.push(chancery_tree::leaf_hash(leaf), &mut Vec::new()));
        chancery_verify::hex(&tree.root())
    };
    let honest = story::honest(700);
    let archived = |until: usize, root: String| {
        let mut story = honest.clone();
        story.say("log", "SegmentArchived", json!({"from": 0, "until": until, "root": root}));
        story
    };
    let moved = |size: usize, root: String| {
        let mut story = honest.clone();
        story.say("log", "LogMoved", json!({"from": "sqlite", "to": "postgres", "size": size, "root": root}));
        story
    };
    for size in [256, 512] {
        assert!(check(&archived(size, root(&honest, size))).is_ok());
        refused(&archived(size, root(&honest, size - 1)), "have the root");
    }
    for size in [1, 255, 256, 257, 600, honest.events.len()] {
        assert!(check(&moved(size, root(&honest, size))).is_ok(), "{size}");
        refused(&moved(size, root(&honest, size - 1)), "have the root");
    }
    refused(&moved(honest.events.len() + 1, root(&honest, 3)), "did not stand before it");
    refused(&archived(256, "00".into()), "is none");
    refused(&archived(honest.events.len() + 1, root(&honest, 3)), "cannot follow");
}
