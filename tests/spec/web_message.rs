//! The answer as a message between windows, where the operator switched that on.

use serde_json::{Value, json};

use crate::support::call::Answer;
use crate::support::jwt::verified;
use crate::support::*;

const ON: &str = "[response_modes]\nweb_message = true\n";

/// The message on the page, and whose window may read it.
fn message(answer: &Answer) -> (Value, String) {
    assert_eq!((answer.status, answer.location()), (200, ""), "{}", answer.text());
    let html = answer.text();
    let attribute = |name: &str| {
        let rest = html.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("{name}: {html}")).1;
        rest.split_once('"')
            .unwrap()
            .0
            .replace("&quot;", "\"")
            .replace("&#34;", "\"")
            .replace("&#39;", "'")
            .replace("&#60;", "<")
            .replace("&#62;", ">")
            .replace("&#38;", "&")
    };
    (serde_json::from_str(&attribute("data-response")).unwrap(), attribute("data-origin"))
}

#[tokio::test]
async fn web_message_4_1_the_answer_goes_to_the_origin_of_the_redirect_uri_alone() {
    let server = Server::with(&[], ON).await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let state = "<\"'&>";
    let mut browser = Browser::new(&server);
    let answer = browser.authorize(&client, &alice, &[("response_mode", "web_message"), ("state", state)]).await;
    let (sent, origin) = message(&answer);
    assert!(client.redirect_uri.starts_with(&format!("{origin}/")) && !origin.ends_with('/'), "{origin} of {}", client.redirect_uri);
    assert_eq!((&sent["state"], &sent["iss"]), (&json!(state), &json!(server.issuer)));
    assert_eq!(server.redeem(&client, sent["code"].as_str().unwrap()).await.status, 200);
    // The client may frame this page and nobody else; nothing but the one script runs.
    let policy = answer.header("content-security-policy");
    assert!(policy.ends_with(&format!("frame-ancestors {origin}")) && policy.contains("script-src 'sha256-"), "{policy}");
    assert!(policy.contains("form-action 'self';"), "{policy}");
    assert_eq!((answer.header("x-frame-options"), answer.header("cache-control")), ("", "no-store"));
    // A window that was opened by another origin has to keep its opener.
    assert_eq!(answer.header("cross-origin-opener-policy"), "");
    // Without a question, as in a frame that asks whether somebody is signed in.
    let (sent, _) = message(&browser.open(&client.request(&[("response_mode", "web_message"), ("prompt", "none")])).await);
    assert!(sent["code"].is_string(), "{sent}");
}

#[tokio::test]
async fn web_message_4_1_errors_are_messages_too() {
    let server = Server::with(&[], ON).await;
    let client = server.web_client().await;
    for (change, error) in [
        (("prompt", "none"), "login_required"),
        (("scope", "unknown"), "invalid_scope"),
        (("response_type", "token"), "unsupported_response_type"),
    ] {
        let (sent, _) = message(&server.get(&client.request(&[("response_mode", "web_message"), change])).send().await);
        assert_eq!((&sent["error"], &sent["state"]), (&json!(error), &json!("af0ifjsldkj")));
    }
    let relay = server.get(&client.request(&[("response_mode", "web_message"), ("web_message_uri", "https://evil.example/")])).send().await;
    let (sent, origin) = message(&relay);
    assert!(sent["error"] == "invalid_request" && client.redirect_uri.starts_with(&origin));
    assert!(!relay.text().contains("evil.example"));
}

#[tokio::test]
async fn web_message_4_1_a_signed_answer_is_one_member_of_the_message() {
    let server = Server::with(&[], ON).await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let (sent, _) = message(&Browser::new(&server).authorize(&client, &alice, &[("response_mode", "web_message.jwt")]).await);
    assert_eq!(sent.as_object().unwrap().len(), 1, "{sent}");
    let (_, claims) = verified(sent["response"].as_str().unwrap(), &server.get("/oidc/jwks").send().await.json());
    assert_eq!((&claims["aud"], &claims["state"]), (&json!(client.id), &json!("af0ifjsldkj")));
    assert_eq!(server.redeem(&client, claims["code"].as_str().unwrap()).await.status, 200);
}

#[tokio::test]
async fn web_message_4_1_discovery_names_it_exactly_when_it_is_on() {
    for (toml, is_on) in [("", false), (ON, true)] {
        let server = Server::with(&[], toml).await;
        let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
        for mode in ["web_message", "web_message.jwt"] {
            assert_eq!(discovery["response_modes_supported"].as_array().unwrap().contains(&json!(mode)), is_on, "{mode}");
        }
    }
}
