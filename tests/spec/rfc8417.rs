//! Shared signals: security event tokens (RFC 8417) with the events of CAEP and RISC, pushed one by one (RFC 8935).

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery::app::feeds::{Deliver, Message, status};
use chancery::app::operator::Command;
use chancery::cli::feeding;
use chancery::config::Feed;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::*;

const FEED: &str = r#"
[[client]]
client_id = "hears"
client_name = "Hears"
client_secret = "a-secret-that-is-long-enough-to-be-taken-0123456789"
redirect_uris = ["https://app.example/callback"]

[[feed]]
name = "signals"
format = "ssf"
to = "https://receiver.example/events"
client = "hears"
bearer = "of-the-receiver"
from = "beginning"
"#;

fn hears() -> Client {
    let secret = "a-secret-that-is-long-enough-to-be-taken-0123456789".to_owned();
    Client { id: "hears".to_owned(), secret: Some(secret), redirect_uri: "https://app.example/callback".to_owned() }
}

fn parts(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let (header, claims) = (parts.next().unwrap(), parts.next().unwrap());
    (serde_json::from_slice(&header).unwrap(), serde_json::from_slice(&claims).unwrap())
}

/// Runs the feed until it has seen the whole log; what it sent.
async fn drained(server: &Server) -> Vec<Message> {
    let got = Arc::<Mutex<Vec<Message>>>::default();
    let taken = got.clone();
    let deliver: Deliver = Arc::new(move |messages| {
        taken.lock().unwrap().extend(messages);
        Box::pin(async { Ok(()) })
    });
    let feed: Feed = server.app.config.feeds[0].clone();
    let running = tokio::spawn(server.app.clone().run_feed(feed.clone(), deliver, "one".to_owned()));
    loop {
        let own = &status::of(&server.app.ledger, std::slice::from_ref(&feed)).await.unwrap()[0];
        assert_eq!(own.failing, None);
        if own.checkpoint == Some(server.app.ledger.known_head().size) {
            break;
        }
        tokio::task::yield_now().await;
    }
    running.abort();
    std::mem::take(&mut *got.lock().unwrap())
}

fn named(tokens: &[Message], event: &str) -> Vec<(Value, Value)> {
    let all = tokens.iter().map(|message| parts(&message.body).1);
    all.filter_map(|claims| {
        let (name, own) = claims["events"].as_object().unwrap().iter().next().unwrap();
        name.ends_with(event).then(|| (claims.clone(), own.clone()))
    })
    .collect()
}

#[tokio::test]
async fn rfc8417_2_2_a_receiver_hears_what_happened_to_its_people_and_to_nobody_else() {
    let server = Server::with(&[], FEED).await;
    let hears = hears();
    let (other, alice, bob) = (server.web_client().await, server.alice().await, server.person("bob@example.com").await);
    let mut browser = Browser::new(&server);
    let code = browser.authorize(&hears, &alice, &[]).await.code();
    let redeemed = server.redeem(&hears, &code).await;
    let id_token = parts(redeemed.json()["id_token"].as_str().unwrap()).1;
    Browser::new(&server).tokens(&other, &bob, &[]).await;
    let page = browser.open("/oidc/session/end").await;
    browser.submit(&page, &[("logout", "yes")]).await;
    for who in [&alice, &bob] {
        server
            .operate(
                serde_json::from_value(json!({ "command": "user_update", "account": who.account, "claims": { "given_name": "Al" } }))
                    .unwrap(),
            )
            .await;
        server.operate(Command::UserDisable { account: who.account.clone() }).await;
        server.operate(Command::UserEnable { account: who.account.clone() }).await;
    }
    server.operate(Command::UserErase { account: alice.account.clone() }).await;
    server.operate(Command::UserErase { account: bob.account.clone() }).await;

    let tokens = drained(&server).await;
    for (message, event) in tokens.iter().map(|message| (message, parts(&message.body))) {
        let (header, claims) = event;
        assert_eq!(header["typ"], "secevent+jwt");
        assert_eq!((&claims["iss"], &claims["aud"], &claims["jti"]), (&json!(server.issuer), &json!("hears"), &json!(message.id)));
        assert!(claims.get("exp").is_none() && claims.get("sub").is_none() && claims["iat"].is_i64(), "{claims}");
        assert_eq!(claims["events"].as_object().unwrap().len(), 1);
        let person = if claims["sub_id"]["format"] == "complex" { &claims["sub_id"]["user"] } else { &claims["sub_id"] };
        assert_eq!(person, &json!({ "format": "iss_sub", "iss": server.issuer, "sub": id_token["sub"] }), "alice alone allowed it");
        assert!(!claims.to_string().contains("Al\""), "no values: {claims}");
    }
    let kinds: Vec<_> = tokens.iter().map(|message| message.kind.as_str()).collect();
    assert_eq!(kinds, ["SessionEnded", "ProfileChanged", "AccountDisabled", "AccountEnabled", "DataKeyDestroyed"]);
    let (claims, event) = named(&tokens, "caep/event-type/session-revoked").remove(0);
    assert_eq!(claims["sub_id"]["session"], json!({ "format": "opaque", "id": id_token["sid"] }), "the sid of its id_tokens");
    assert_eq!(event["initiating_entity"], "user");
    let (_, event) = named(&tokens, "caep/event-type/token-claims-change").remove(0);
    assert!(event["claims"]["updated_at"].is_i64() && event["initiating_entity"] == "admin", "{event}");
    for name in ["risc/event-type/account-disabled", "risc/event-type/account-enabled", "risc/event-type/account-purged"] {
        assert_eq!(named(&tokens, name).len(), 1, "{name}");
    }
    // The keys are those of the JWKS.
    let jwks = server.get("/oidc/jwks").send().await.json();
    let kid = parts(&tokens[0].body).0["kid"].clone();
    assert!(jwks["keys"].as_array().unwrap().iter().any(|key| key["kid"] == kid));
}

#[tokio::test]
async fn rfc8935_2_each_token_is_posted_alone_and_comes_again_until_it_is_taken() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let toml = FEED.replace("https://receiver.example", &format!("http://127.0.0.1:{}", socket.local_addr().unwrap().port()));
    let server = Server::with(&[], &toml).await;
    let hears = hears();
    let alice = server.alice().await;
    Browser::new(&server).authorize(&hears, &alice, &[]).await.code();
    server.operate(Command::UserDisable { account: alice.account.clone() }).await;
    server.operate(Command::UserEnable { account: alice.account.clone() }).await;
    feeding::feed(&server.app);
    let mut took = Vec::new();
    for status in ["400 Bad Request", "202 Accepted", "202 Accepted"] {
        let (mut peer, _) = socket.accept().await.unwrap();
        let (mut text, mut buffer) = (String::new(), [0; 4096]);
        let whole = |text: &str| {
            let (head, body) = text.split_once("\r\n\r\n")?;
            let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok())?;
            (body.len() == length).then(|| (head.to_lowercase(), body.to_owned()))
        };
        while whole(&text).is_none() {
            let read = peer.read(&mut buffer).await.unwrap();
            assert!(read > 0, "{text}");
            text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        took.extend(whole(&text));
        peer.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    }
    for (head, _) in &took {
        for line in ["content-type: application/secevent+jwt", "accept: application/json", "authorization: bearer of-the-receiver"] {
            assert!(head.contains(line), "{head}");
        }
    }
    let ids: Vec<_> = took.iter().map(|(_, body)| parts(body).1["jti"].clone()).collect();
    assert_eq!(ids[0], ids[1], "what was not taken comes again");
    assert_ne!(ids[1], ids[2]);
}

#[tokio::test]
async fn ssf_1_0_the_transmitter_says_how_it_sends_where_it_sends() {
    let server = Server::with(&[], FEED).await;
    let said = server.get("/.well-known/ssf-configuration/oidc").send().await.json();
    let jwks_uri = format!("{}/jwks", server.issuer);
    assert_eq!(
        said,
        json!({ "spec_version": "1_0", "issuer": server.issuer, "jwks_uri": jwks_uri, "delivery_methods_supported": ["urn:ietf:rfc:8935"],
            "default_subjects": "ALL" })
    );
    assert_eq!(Server::start().await.get("/.well-known/ssf-configuration/oidc").send().await.status, 404);
}

#[tokio::test]
async fn a_feed_of_signals_needs_a_client_and_a_webhook() {
    for (from, to, field) in [
        ("client = \"hears\"\n", "", "client"),
        ("https://receiver.example/events", "file:/tmp/signals", "to"),
        ("from = ", "personal = \"clear\"\nfrom = ", "personal"),
        ("format = \"ssf\"", "format = \"ocsf\"", "client"),
    ] {
        let refused = Server::try_with(&FEED.replace(from, to)).await.err().unwrap();
        assert!(refused.contains(field), "{field}: {refused}");
    }
}
