//! OpenID Connect RP-Initiated Logout 1.0.

use serde_json::json;

use crate::support::flow::page_of;
use crate::support::*;

const AFTER: &str = "https://app.example/bye?x=1";

fn query(pairs: &[(&str, &str)]) -> String {
    format!("/oidc/session/end?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
}

#[tokio::test]
async fn oidc_rp_logout_2_the_person_is_asked_and_comes_back_with_the_state() {
    let server = Server::start().await;
    let (client, alice) = (server.client(json!({ "post_logout_redirect_uris": [AFTER] })).await, server.alice().await);
    let mut browser = Browser::new(&server);
    let tokens = browser.tokens(&client, &alice, &[]).await;
    server.advance(2 * HOUR);
    let request = query(&[("id_token_hint", tokens.id_token()), ("post_logout_redirect_uri", AFTER), ("state", "s&1")]);
    let page = browser.open(&request).await;
    assert_eq!((page.status, page_of(&page)), (200, "logout"));
    let mark = server.mark().await;
    let stays = browser.clone().submit(&page, &[("logout", "no")]).await;
    assert_eq!((stays.status, server.kinds_since(mark).await.len()), (200, 0));
    let answer = browser.submit(&page, &[("logout", "yes")]).await;
    assert_eq!((answer.status, answer.location()), (303, "https://app.example/bye?x=1&state=s%261"));
    assert_eq!(server.kinds_since(mark).await, ["SessionEnded"]);
    assert!(!browser.cookies.contains_key("chancery_session"));
    assert_eq!(browser.open(&client.request(&[("prompt", "none")])).await.sent("error").as_deref(), Some("login_required"));
    let again = browser.open(&request).await;
    assert_eq!(
        (again.status, again.location()),
        (303, "https://app.example/bye?x=1&state=s%261"),
        "nobody is signed in: nothing to confirm"
    );
}

#[tokio::test]
async fn oidc_rp_logout_3_no_address_that_is_not_registered_for_a_known_client() {
    let server = Server::start().await;
    let (client, alice) = (server.client(json!({ "post_logout_redirect_uris": [AFTER] })).await, server.alice().await);
    let other = server.web_client().await;
    let mut browser = Browser::new(&server);
    let tokens = browser.tokens(&client, &alice, &[]).await;
    let hint = tokens.id_token();
    for pairs in [
        vec![("post_logout_redirect_uri", AFTER)],
        vec![("post_logout_redirect_uri", AFTER), ("client_id", "nobody")],
        vec![("post_logout_redirect_uri", "https://evil.example"), ("client_id", client.id.as_str())],
        vec![("post_logout_redirect_uri", "https://app.example/bye"), ("client_id", client.id.as_str())],
        vec![("post_logout_redirect_uri", AFTER), ("client_id", other.id.as_str())],
        vec![("post_logout_redirect_uri", AFTER), ("client_id", other.id.as_str()), ("id_token_hint", hint)],
        vec![("post_logout_redirect_uri", AFTER), ("id_token_hint", "e30.e30.e30")],
        vec![("id_token_hint", tokens.access.as_str())],
    ] {
        for signed_in in [true, false] {
            let mut browser = if signed_in { browser.clone() } else { Browser::new(&server) };
            let answer = browser.get(&query(&pairs)).await;
            assert_eq!((answer.status, answer.location()), (400, ""), "{pairs:?}");
        }
    }
    assert_eq!(Browser::new(&server).get("/oidc/session/end").await.status, 200);
}

#[tokio::test]
async fn oidc_rp_logout_2_a_hint_that_is_not_of_this_session_ends_nothing_unasked() {
    let server = Server::start().await;
    let members = json!({ "post_logout_redirect_uris": [AFTER] });
    let (client, other) = (server.client(members.clone()).await, server.client(members).await);
    let (alice, bob) = (server.alice().await, server.person("bob@example.com").await);
    let foreign = Browser::new(&server).tokens(&client, &bob, &[]).await.id_token().to_owned();
    let elsewhere = Browser::new(&server).tokens(&client, &alice, &[]).await.id_token().to_owned();
    let mut browser = Browser::new(&server);
    browser.authorize(&client, &alice, &[]).await.code();
    let of_another_client = Browser::new(&server).tokens(&other, &alice, &[]).await.id_token().to_owned();
    // Of another person, of another session of this one, of a client that this session never met.
    for hint in [&foreign, &elsewhere, &of_another_client] {
        for pairs in [vec![("id_token_hint", hint.as_str())], vec![("id_token_hint", hint), ("post_logout_redirect_uri", AFTER)]] {
            let mark = server.mark().await;
            let page = browser.open(&query(&pairs)).await;
            assert_eq!((page.status, page_of(&page)), (200, "logout"), "{pairs:?}");
            let still = browser.clone().open(&client.request(&[("prompt", "none")])).await;
            assert!(still.sent("code").is_some(), "asked, and not signed out");
            assert!(!server.kinds_since(mark).await.contains(&"SessionEnded".to_owned()));
        }
    }
    let page = browser.open(&query(&[("id_token_hint", &elsewhere)])).await;
    browser.submit(&page, &[("logout", "yes")]).await;
    let gone = browser.open(&client.request(&[("prompt", "none")])).await;
    assert_eq!(gone.sent("error").as_deref(), Some("login_required"), "yes is yes");
}

#[tokio::test]
async fn rfc6749_10_12_nobody_else_can_sign_a_person_out() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    browser.authorize(&client, &alice, &[]).await.code();
    let page = browser.open("/oidc/session/end").await;
    let csrf = browser::form_of(&page.text()).hidden[0].1.clone();
    let mark = server.mark().await;
    for (origin, csrf) in [("https://evil.example", csrf.as_str()), (server.origin.as_str(), "x"), (server.origin.as_str(), "")] {
        let fields = [("logout", "yes"), ("csrf", csrf)];
        let answer =
            server.post("/oidc/session/end").header("origin", origin).header("cookie", &browser.cookie()).form(&fields).send().await;
        assert_eq!(answer.status, 403, "{origin} {csrf}");
    }
    let foreign = server.post("/oidc/session/end").header("origin", "https://app.example").form(&[("client_id", &client.id)]).send().await;
    assert_eq!(foreign.status, 303, "a client's own POST comes back as a GET that asks");
    assert_eq!(server.kinds_since(mark).await, [""; 0]);
}
