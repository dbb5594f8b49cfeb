//! OpenID Connect Front-Channel Logout 1.0 and Session Management 1.0, where they are switched on.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chancery_core::digest::Digest;
use serde_json::json;

use crate::support::jwt::verified;
use crate::support::*;

const ON: &str = "[logout]\nfront_channel = true\nsession_management = true\n";

#[tokio::test]
async fn frontchannel_3_every_client_of_the_session_is_loaded_in_a_frame_with_iss_and_sid() {
    both::on_both(ON, async |server: &Server| {
        let members = |path: &str| {
            json!({ "frontchannel_logout_uri": format!("https://app.example{path}"), "frontchannel_logout_session_required": true,
            "post_logout_redirect_uris": ["https://app.example/bye"] })
        };
        let (first, second) = (server.client(members("/out?x=1")).await, server.client(members("/out2")).await);
        let (stranger, plain, alice) = (server.client(members("/out3")).await, server.web_client().await, server.alice().await);
        let mut browser = Browser::new(server);
        let mut sids = Vec::new();
        for client in [&first, &second, &plain] {
            let tokens = browser.tokens(client, &alice, &[]).await;
            let jwks = server.get("/oidc/jwks").send().await.json();
            sids.push(verified(tokens.id_token(), &jwks).1["sid"].as_str().unwrap().to_owned());
        }
        browser.tokens(&first, &alice, &[]).await;
        assert_eq!(
            server.events().await.iter().filter(|event| event.kind == "SessionJoined").count(),
            2,
            "each joins once, the others never"
        );
        let path = format!("/oidc/session/end?client_id={}&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fbye&state=s%26s", first.id);
        let page = browser.open(&path).await;
        let left = browser.submit(&page, &[("logout", "yes")]).await;
        assert_eq!(left.status, 200);
        let html = left.text();
        let iss: String = form_urlencoded::byte_serialize(server.issuer.as_bytes()).collect();
        for address in [
            format!("https://app.example/out?x=1&#38;iss={iss}&#38;sid={}", sids[0]),
            format!("https://app.example/out2?iss={iss}&#38;sid={}", sids[1]),
        ] {
            assert!(html.contains(&format!("src=\"{address}\"")), "{address}: {html}");
        }
        assert!(!html.contains("/out3") && html.matches("<iframe").count() == 2, "{}", stranger.id);
        assert!(left.header("content-security-policy").contains("; frame-src https://app.example https://app.example; "));
        // §3: afterwards the person is where the client wanted them.
        assert!(html.contains("content=\"3;url=https://app.example/bye?state=s%26s\""), "{html}");
        assert!(browser.open("/account").await.text().contains("name=\"password\""), "signed out");
    })
    .await;
}

#[tokio::test]
async fn frontchannel_2_off_by_default_and_then_nobody_registers_it() {
    let server = Server::start().await;
    let asked = json!({ "redirect_uris": ["https://app.example/cb"], "frontchannel_logout_uri": "https://app.example/out" });
    assert_eq!(server.post("/oidc/reg").json(&asked).send().await.refusal(), (400, "invalid_client_metadata".to_owned()));
    assert_eq!(server.get("/oidc/session/check").send().await.status, 404);
    for (toml, on) in [("", false), (ON, true)] {
        let server = Server::with(&[], toml).await;
        let document = server.get("/oidc/.well-known/openid-configuration").send().await.json();
        assert_eq!(
            (&document["frontchannel_logout_supported"], &document["frontchannel_logout_session_supported"]),
            (&json!(on), &json!(on))
        );
        assert_eq!(document["check_session_iframe"].is_string(), on);
    }
}

#[tokio::test]
async fn frontchannel_2_the_address_is_of_the_origin_of_a_redirect_uri_and_has_no_fragment() {
    let server = Server::with(&[], ON).await;
    let register = async |uri: &str| {
        let asked = json!({ "redirect_uris": ["https://app.example/cb", "https://two.example:8443/cb"], "frontchannel_logout_uri": uri });
        server.post("/oidc/reg").json(&asked).send().await
    };
    for uri in ["https://app.example/out", "https://app.example/out?a=b&c", "https://two.example:8443/"] {
        assert_eq!(register(uri).await.json()["frontchannel_logout_uri"], uri);
    }
    for uri in [
        "https://evil.example/out",
        "https://app.example:8443/out",
        "https://two.example/out",
        "http://app.example/out",
        "https://app.example.evil.example/out",
        "https://app.example@evil.example/out",
        "https://app.example/out#x",
        "/out",
        "//app.example/out",
        "javascript:alert(1)",
    ] {
        assert_eq!(register(uri).await.refusal(), (400, "invalid_client_metadata".to_owned()), "{uri}");
    }
}

#[tokio::test]
async fn session_management_4_2_the_state_binds_client_origin_and_browser() {
    let server = Server::with(&[], ON).await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let answer = browser.authorize(&client, &alice, &[]).await;
    let state = answer.sent("session_state").unwrap();
    assert!(!state.contains(' '), "OpenID Connect Session Management 1.0 §2");
    let (digest, salt) = state.split_once('.').unwrap();
    let kept = browser.cookies["chancery_state"].clone();
    let text = format!("{} https://app.example {kept} {salt}", client.id);
    assert_eq!(URL_SAFE_NO_PAD.decode(digest).unwrap(), Digest::of(text.as_bytes()).0);
    // Another salt each time, the same browser; prompt=none brings one too.
    let again = browser.get(&client.request(&[("prompt", "none")])).await;
    assert_ne!(again.sent("session_state").unwrap(), state);
    assert_eq!(browser.cookies["chancery_state"], kept);
    let other = browser.get(&client.request(&[("prompt", "none"), ("scope", "profile")])).await;
    assert_eq!(other.sent("session_state"), None, "nobody asked for a login");
    // Signing out changes it, and somebody else is somebody else.
    let page = browser.open("/oidc/session/end").await;
    browser.submit(&page, &[("logout", "yes")]).await;
    assert!(!browser.cookies.contains_key("chancery_state"));
    browser.authorize(&client, &alice, &[]).await;
    assert_ne!(browser.cookies["chancery_state"], kept);
}

#[tokio::test]
async fn session_management_3_2_the_watching_frame_may_stand_anywhere_and_runs_one_script() {
    let server = Server::with(&[], ON).await;
    let answer = server.get("/oidc/session/check").send().await;
    assert_eq!((answer.status, answer.header("x-frame-options")), (200, ""));
    let policy = answer.header("content-security-policy").to_owned();
    let html = answer.text();
    let script = html.split_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
    assert!(policy.contains(&format!("script-src 'sha256-{}';", STANDARD.encode(Digest::of(script.as_bytes()).0))), "{policy}");
    assert!(policy.ends_with("frame-ancestors *") && policy.contains("default-src 'none'"), "{policy}");
    assert!(html.contains("data-cookie=\"chancery_state\""));
    // No other page.
    assert_eq!(server.get("/").send().await.header("x-frame-options"), "DENY");
}
