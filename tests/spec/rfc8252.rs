//! RFC 8252: native applications.

use serde_json::{Value, json};

use crate::support::*;

fn native(uri: &str) -> Value {
    json!({
        "application_type": "native", "redirect_uris": [uri], "token_endpoint_auth_method": "none", "scope": "openid",
        "grant_types": ["authorization_code", "refresh_token"],
    })
}

#[tokio::test]
async fn rfc8252_7_3_any_port_of_a_loopback_address_and_the_code_is_bound_to_the_one_used() {
    let server = Server::start().await;
    let alice = server.alice().await;
    for (registered, used) in [("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"), ("http://[::1]:9/cb", "http://[::1]:61023/cb")] {
        let client = server.client(native(registered)).await;
        let used = Client { redirect_uri: used.to_owned(), ..client.clone() };
        let answer = Browser::new(&server).authorize(&used, &alice, &[]).await;
        assert!(answer.location().starts_with(&format!("{}?code=", used.redirect_uri)), "{}", answer.location());
        let code = answer.code();
        assert_eq!(server.redeem(&client, &code).await.refusal(), (400, "invalid_grant".to_owned()));
        assert_eq!(server.redeem(&used, &code).await.status, 200);
    }
}

#[tokio::test]
async fn rfc8252_7_3_everything_else_is_compared_byte_for_byte() {
    let server = Server::start().await;
    let client = server.client(native("http://127.0.0.1/cb")).await;
    for uri in [
        "http://127.0.0.1:1/cb2",
        "http://127.0.0.1:1@evil.example/cb",
        "https://127.0.0.1:1/cb",
        "http://127.0.0.1:x/cb",
        "http://127.0.0.2/cb",
    ] {
        let answer = server.get(&client.request(&[("redirect_uri", uri)])).send().await;
        assert_eq!((answer.status, answer.location()), (400, ""), "{uri}");
    }
    let web = server.client(json!({ "redirect_uris": ["http://127.0.0.1/cb"] })).await;
    assert_eq!(server.get(&web.request(&[("redirect_uri", "http://127.0.0.1:1/cb")])).send().await.status, 400);
}

#[tokio::test]
async fn rfc8252_8_3_any_port_of_localhost_in_development_only() {
    let server = Server::start().await;
    let alice = server.alice().await;
    let client = server.client(native("http://localhost/cb")).await;
    let used = Client { redirect_uri: "http://localhost:51004/cb".to_owned(), ..client.clone() };
    let answer = Browser::new(&server).authorize(&used, &alice, &[]).await;
    assert_eq!(server.redeem(&used, &answer.code()).await.status, 200);
    for uri in ["http://127.0.0.1:51004/cb", "http://localhost:51004/other"] {
        assert_eq!(server.get(&client.request(&[("redirect_uri", uri)])).send().await.status, 400, "{uri}");
    }
    let server = Server::production(&[], "").await;
    let admin = server.operator_token("admin").await;
    let client = Client::of(&server.post("/clients").bearer(&admin).json(&native("http://localhost/cb")).send().await.json());
    assert_eq!(server.get(&client.request(&[("redirect_uri", "http://localhost:51004/cb")])).send().await.status, 400);
    assert_eq!(server.get(&client.request(&[])).send().await.status, 303);
}

#[tokio::test]
async fn rfc8252_7_1_private_use_schemes() {
    let server = Server::start().await;
    let alice = server.alice().await;
    let client = server.client(native("com.example.app:/cb")).await;
    let answer = Browser::new(&server).authorize(&client, &alice, &[]).await;
    assert!(answer.location().starts_with("com.example.app:/cb?code="), "{}", answer.location());
    assert_eq!(server.redeem(&client, &answer.code()).await.status, 200);
    for (kind, uri) in [
        ("native", "app:/cb"),
        ("native", "javascript:alert(1)"),
        ("native", "data:text/html,x"),
        ("web", "com.example.app:/cb"),
        ("native", "http://evil.example/cb"),
    ] {
        let sent = json!({ "application_type": kind, "redirect_uris": [uri] });
        assert_eq!(server.post("/oidc/reg").json(&sent).send().await.refusal(), (400, "invalid_redirect_uri".to_owned()), "{kind} {uri}");
    }
}

#[tokio::test]
async fn rfc8252_8_6_in_production_a_native_client_is_consented_to_each_time() {
    let server = Server::production(&[], "").await;
    let admin = server.operator_token("admin").await;
    let alice = server.alice().await;
    let mut browser = Browser::new(&server);
    for (uri, again) in [("com.example.app:/cb", "consent"), ("http://127.0.0.1/cb", "consent"), ("https://app.example/cb", "redirect")] {
        let client = Client::of(&server.post("/clients").bearer(&admin).json(&native(uri)).send().await.json());
        browser.authorize(&client, &alice, &[("scope", "openid")]).await.code();
        assert_eq!(flow::page_of(&browser.open(&client.request(&[("scope", "openid")])).await), again, "{uri}");
    }
}
