//! What modules of the certification plans ask for and no other test holds.

use serde_json::json;

use crate::support::flow::{Tokens, page_of};
use crate::support::jwt::verified;
use crate::support::*;

#[tokio::test]
async fn oidc_core_3_1_2_1_display_and_claims_locales_break_nothing() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let plain = browser.tokens(&client, &alice, &[]).await;
    let plain = server.userinfo(&plain.access).await.json();
    for asked in [
        [("display", "page"), ("claims_locales", "de en")],
        [("display", "popup"), ("claims_locales", "se")],
        [("display", "touch"), ("claims_locales", "x-nobody-speaks-this")],
        [("display", "wap"), ("claims_locales", "")],
        [("display", "a wall"), ("claims_locales", "*")],
    ] {
        let page = Browser::new(&server).open(&client.request(&asked)).await;
        assert_eq!((page.status, page_of(&page)), (200, "login"), "{asked:?}");
        let code = browser.open(&client.request(&asked)).await.code();
        let tokens = Tokens::of(&server.redeem(&client, &code).await);
        assert_eq!(server.userinfo(&tokens.access).await.json(), plain, "{asked:?}");
    }
}

#[tokio::test]
async fn rfc6749_3_1_2_a_query_of_the_redirect_uri_is_kept_and_matched_byte_for_byte() {
    let server = Server::start().await;
    let client = server.client(json!({ "redirect_uris": ["https://app.example/cb?foo=bar"] })).await;
    let alice = server.alice().await;
    let answer = Browser::new(&server).authorize(&client, &alice, &[]).await;
    assert!(answer.location().starts_with("https://app.example/cb?foo=bar&"), "{}", answer.location());
    for other in
        ["https://app.example/cb", "https://app.example/cb?foo=baz", "https://app.example/cb?foo=bar&a=b", "https://app.example/cb?"]
    {
        let page = Browser::new(&server).get(&client.request(&[("redirect_uri", other)])).await;
        assert_eq!((page.status, page.location()), (400, ""), "{other}");
    }
    let fragment = json!({ "redirect_uris": ["https://app.example/cb#foobar"] });
    assert_eq!(server.post("/oidc/reg").json(&fragment).send().await.refusal().0, 400);
}

#[tokio::test]
async fn oidc_rp_logout_2_without_parameters_or_with_state_alone_the_person_is_asked_and_stays_here() {
    let server = Server::start().await;
    let client = server.client(json!({ "post_logout_redirect_uris": ["https://app.example/bye"] })).await;
    let alice = server.alice().await;
    let mut browser = Browser::new(&server);
    let hint = browser.tokens(&client, &alice, &[]).await.id_token().to_owned();
    let (one, many) = ("https%3A%2F%2Fapp.example%2Fbye", "https%3A%2F%2Fapp.example%2Fbye%3Fx%3D1");
    for refused in [
        format!("?id_token_hint={hint}x&post_logout_redirect_uri={one}"),
        format!("?id_token_hint={hint}&post_logout_redirect_uri={many}&state=s"),
    ] {
        let answer = browser.open(&format!("/oidc/session/end{refused}")).await;
        assert_eq!((answer.status, answer.location()), (400, ""), "{refused}");
    }
    for asked in [String::new(), "?state=s".to_owned(), format!("?id_token_hint={hint}"), format!("?id_token_hint={hint}&state=s")] {
        let mut other = Browser::new(&server);
        other.authorize(&client, &alice, &[]).await.code();
        let page = other.open(&format!("/oidc/session/end{asked}")).await;
        assert_eq!(page_of(&page), "logout", "{asked}");
        let left = other.submit(&page, &[("logout", "yes")]).await;
        assert_eq!((left.status, left.location()), (200, ""), "nobody is sent anywhere: {asked}");
        assert_eq!(other.open(&client.request(&[("prompt", "none")])).await.sent("error").as_deref(), Some("login_required"));
    }
    let back = browser.open(&format!("/oidc/session/end?id_token_hint={hint}&post_logout_redirect_uri={one}")).await;
    let left = browser.submit(&back, &[("logout", "yes")]).await;
    assert_eq!(left.location(), "https://app.example/bye", "without a state none is made up");
}

#[tokio::test]
async fn oidc_core_3_1_2_1_an_id_token_of_before_a_rotation_is_still_a_hint() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let tokens = browser.tokens(&client, &alice, &[]).await;
    server.operate(chancery::app::operator::Command::KeysRotate { alg: "RS256".to_owned(), now: true }).await;
    let silent = client.request(&[("prompt", "none"), ("id_token_hint", tokens.id_token())]);
    let fresh = Tokens::of(&server.redeem(&client, &browser.open(&silent).await.code()).await);
    let jwks = server.get("/oidc/jwks").send().await.json();
    let (old, new) = (verified(tokens.id_token(), &jwks), verified(fresh.id_token(), &jwks));
    assert_ne!(old.0["kid"], new.0["kid"]);
    assert_eq!(old.1["sub"], new.1["sub"]);
}
