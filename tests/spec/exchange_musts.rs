//! RFC 8693: what it demands and no other test holds.

use serde_json::json;

use super::rfc8693::{ACCESS, GRANT, ID, ORDERS, REFRESH, STOCK, TOML, claims, client, exchange, own_token, server, subject, tokens};
use crate::support::flow::Tokens;
use crate::support::*;

/// The token with another last letter, and with another one in the middle of what is signed.
fn altered(token: &str) -> [String; 2] {
    let changed = |at: usize| {
        let mut letters = token.as_bytes().to_vec();
        letters[at] = if letters[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(letters).unwrap()
    };
    // The last letter of a signature may have bits that count for nothing: the one before it has none.
    [changed(token.len() - 2), changed(token.find('.').unwrap() + 12)]
}

#[tokio::test]
async fn rfc8693_2_1_a_target_is_an_absolute_uri_without_a_fragment() {
    let server = server().await;
    let alice = server.alice().await;
    let first = tokens(&server, "spa", &alice, ORDERS, "openid read").await.access;
    for bad in ["stock.example", "/stock", "//stock.example", "https://stock.example#part", "https://stock.example#", "stock", " "] {
        for name in ["resource", "audience"] {
            let mark = server.mark().await;
            let answer = exchange(&server, "gateway", &[&subject(&first)[..], &[(name, bad)]].concat()).await;
            assert_eq!(answer.refusal(), (400, "invalid_target".to_owned()), "{name} {bad:?}");
            assert_eq!(server.mark().await, mark);
        }
    }
    let both = [("resource", STOCK), ("audience", STOCK)];
    let answer = exchange(&server, "gateway", &[&subject(&first)[..], &both].concat()).await;
    assert_eq!(claims(&Tokens::of(&answer).access)["aud"], STOCK, "one target, named twice");
    // Nor can an operator make one with a fragment a target.
    let wrong = TOML.replace("resources = [\"https://orders.example\"]", "resources = [\"https://orders.example#part\"]");
    assert!(Server::try_with(&wrong).await.is_err());
}

#[tokio::test]
async fn rfc8693_2_1_each_token_is_checked_as_what_it_is_said_to_be() {
    let server = server().await;
    let alice = server.alice().await;
    let mut browser = Browser::new(&server);
    let first = browser.tokens(&client("spa"), &alice, &[("scope", "openid read"), ("resource", ORDERS)]).await;
    let actor = own_token(&server, "gateway").await;
    let refused = async |subject: (&str, &str), actor: Option<&str>, why: &str| {
        let mut fields = vec![("subject_token", subject.0), ("subject_token_type", subject.1), ("resource", STOCK)];
        fields.extend(actor.into_iter().flat_map(|token| [("actor_token", token), ("actor_token_type", ACCESS)]));
        let answer = exchange(&server, "gateway", &fields).await;
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{why}: {}", answer.text());
        // RFC 6749 §5.2.
        assert!(answer.header("content-type").starts_with("application/json") && answer.header("cache-control") == "no-store", "{why}");
    };
    for wrong in altered(&first.access) {
        refused((&wrong, ACCESS), None, "an altered access token").await;
    }
    for wrong in altered(first.id_token()) {
        refused((&wrong, ID), None, "an altered id_token").await;
    }
    for (token, called) in [(first.access.as_str(), ID), (&first.access, REFRESH), (first.id_token(), ACCESS), (first.id_token(), REFRESH)]
    {
        refused((token, called), None, "a token of another type than it is called").await;
    }
    // The same of the actor, with a subject that is right.
    let good = (first.access.as_str(), ACCESS);
    let mut broken = actor.clone().into_bytes();
    broken[20] = if broken[20] == b'A' { b'B' } else { b'A' };
    refused(good, Some(std::str::from_utf8(&broken).unwrap()), "an altered actor").await;
    refused(good, Some(&own_token(&server, "stock").await), "somebody else's actor").await;
    refused(good, Some(first.id_token()), "no access token").await;
    let revoked = own_token(&server, "gateway").await;
    assert_eq!(server.revoke(&client("gateway"), &revoked).await.status, 200);
    refused(good, Some(&revoked), "a revoked actor").await;
    // Access tokens live for ten minutes: this actor dies before its subject.
    server.advance(300_000);
    let later = browser.tokens(&client("spa"), &alice, &[("scope", "openid read"), ("resource", ORDERS)]).await.access;
    let acting = |token: &str, actor: &str| {
        let fields = [("subject_token", token), ("subject_token_type", ACCESS), ("actor_token", actor), ("actor_token_type", ACCESS)];
        fields.map(|(name, value)| (name, value.to_owned()))
    };
    let send = async |token: &str, actor: &str| {
        let own = acting(token, actor);
        let fields: Vec<_> = own.iter().map(|(name, value)| (*name, value.as_str())).chain([("resource", STOCK)]).collect();
        exchange(&server, "gateway", &fields).await
    };
    assert_eq!(claims(&Tokens::of(&send(&later, &actor).await).access)["act"], json!({ "sub": "gateway" }));
    server.advance(301_000);
    refused((&later, ACCESS), Some(&actor), "an expired actor").await;
    let fresh = own_token(&server, "gateway").await;
    assert_eq!(send(&later, &fresh).await.status, 200, "it was the actor alone");
    // And a subject that was taken back, which was right a moment ago.
    assert_eq!(server.revoke(&client("spa"), &later).await.status, 200);
    refused((&later, ACCESS), Some(&fresh), "a revoked subject").await;
}

#[tokio::test]
async fn rfc8693_2_1_the_grant_is_named_and_nothing_is_repeated() {
    let server = server().await;
    let alice = server.alice().await;
    let first = tokens(&server, "spa", &alice, ORDERS, "openid read").await.access;
    let fields = [&subject(&first)[..], &[("resource", STOCK)]].concat();
    let unnamed = server.token(&client("gateway"), &fields).await;
    assert_eq!(unnamed.refusal(), (400, "invalid_request".to_owned()));
    let short = server.token(&client("gateway"), &[&[("grant_type", "token-exchange")], &fields[..]].concat()).await;
    assert_eq!(short.refusal(), (400, "unsupported_grant_type".to_owned()));
    for name in ["subject_token", "subject_token_type", "grant_type", "requested_token_type"] {
        let value = fields.iter().find(|(own, _)| *own == name).map_or(ACCESS, |(_, value)| value);
        let twice = exchange(&server, "gateway", &[&fields[..], &[(name, value), (name, value)]].concat()).await;
        assert_eq!(twice.refusal(), (400, "invalid_request".to_owned()), "{name}");
    }
    assert_eq!(server.token(&client("gateway"), &[&[("grant_type", GRANT)], &fields[..]].concat()).await.status, 200);
}

#[tokio::test]
async fn rfc8693_2_2_1_the_answer_says_what_the_token_is_and_how_little_it_may_do() {
    let server = server().await;
    let alice = server.alice().await;
    let first = tokens(&server, "spa", &alice, ORDERS, "openid read write").await.access;
    for (asked, target, given) in
        [(Some("read write"), STOCK, "read"), (Some("read write"), ORDERS, "read write"), (None, ORDERS, "read write")]
    {
        let scope = asked.map(|scope| ("scope", scope));
        let fields: Vec<_> = subject(&first).into_iter().chain([("resource", target)]).chain(scope).collect();
        let answer = exchange(&server, "gateway", &fields).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.header("content-type").starts_with("application/json"));
        let body = answer.json();
        assert_eq!((&body["issued_token_type"], &body["token_type"]), (&json!(ACCESS), &json!("Bearer")));
        assert!(body["expires_in"].is_u64() && body["access_token"].is_string());
        let mut scope: Vec<_> = body["scope"].as_str().unwrap().split(' ').collect();
        scope.sort_unstable();
        assert_eq!(scope.join(" "), given, "{asked:?} at {target}");
        // What is said is what the token has.
        assert_eq!(claims(body["access_token"].as_str().unwrap())["scope"], body["scope"]);
    }
}

#[tokio::test]
async fn rfc8693_4_1_an_actor_before_the_last_has_no_say() {
    // The gateway answers for no resource here: what it may bring is of the spa, or its own.
    let server = Server::with(&[], &TOML.replace("introspected_by = [\"gateway\"]", "")).await;
    let alice = server.alice().await;
    let first = tokens(&server, "spa", &alice, ORDERS, "openid read").await.access;
    let (gateway, stock) = (own_token(&server, "gateway").await, own_token(&server, "stock").await);
    let fields = |token: &str, actor: &str, at: &str| {
        let own = [("subject_token", token), ("actor_token", actor), ("resource", at)].map(|(name, value)| (name, value.to_owned()));
        own.into_iter().chain([("subject_token_type", ACCESS.to_owned()), ("actor_token_type", ACCESS.to_owned())]).collect::<Vec<_>>()
    };
    let send = async |by: &str, own: Vec<(&str, String)>| {
        let fields: Vec<_> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
        exchange(&server, by, &fields).await
    };
    let second = Tokens::of(&send("gateway", fields(&first, &gateway, STOCK)).await).access;
    let third = Tokens::of(&send("stock", fields(&second, &stock, ORDERS)).await).access;
    let told = claims(&third);
    assert_eq!(told["act"], json!({ "sub": "stock", "act": { "sub": "gateway" } }));
    // Nothing in an `act` speaks of the token itself.
    let mut actor = &told["act"];
    while !actor.is_null() {
        assert!(actor.as_object().unwrap().keys().all(|name| ["sub", "act", "client_id"].contains(&name.as_str())), "{actor}");
        actor = &actor["act"];
    }
    // The gateway stands in the chain, and the token is not its own for that: neither to exchange nor to end.
    let mark = server.mark().await;
    assert_eq!(send("gateway", fields(&third, &gateway, STOCK)).await.refusal(), (400, "invalid_request".to_owned()));
    assert_eq!(server.kinds_since(mark).await, ["MisuseRefused"]);
    let event = server.events().await.pop().unwrap();
    assert_eq!((&event.data["by"], &event.data["misuse"]), (&json!("gateway"), &json!("exchange_by_other_client")));
    server.revoke(&client("gateway"), &third).await;
    assert!(server.is_active(&client("stock"), &third).await);
}
