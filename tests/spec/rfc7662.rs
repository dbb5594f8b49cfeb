//! RFC 7662: introspection.

use chancery::app::operator::Command;
use serde_json::json;

use crate::support::*;

const INACTIVE: &str = r#"{"active":false}"#;

#[tokio::test]
async fn rfc7662_2_2_the_tokens_own_client_learns_all() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
    let seconds = NOW / 1000;
    let expected = json!({
        "active": true, "scope": "email openid profile", "client_id": client.id, "sub": alice.account, "iss": server.issuer,
        "iat": seconds, "exp": seconds + 600, "token_type": "Bearer",
        "auth_time": seconds, "acr": "urn:chancery:acr:password",
    });
    assert_eq!(server.introspect(&client, &tokens.access).await, expected);
    let refresh = server.introspect(&client, tokens.refresh()).await;
    assert_eq!((&refresh["active"], &refresh["exp"]), (&json!(true), &json!(seconds + 14 * 86_400)));
    assert!(refresh["token_type"].is_null());
}

#[tokio::test]
async fn rfc7662_4_others_learn_nothing_but_those_with_permission() {
    let server = Server::start().await;
    let (client, other) = (server.web_client().await, server.web_client().await);
    let resource = server.client(json!({ "introspect": true })).await;
    let (public, alice) = (server.public_client().await, server.alice().await);
    let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
    for token in [&tokens.access, tokens.refresh()] {
        let answer = server.as_client("/oidc/introspection", &other, &[("token", token)]).send().await;
        assert_eq!((answer.status, answer.text().as_str()), (200, INACTIVE));
        assert!(server.is_active(&resource, token).await);
    }
    let answer = server.as_client("/oidc/introspection", &public, &[("token", &tokens.access)]).send().await;
    assert_eq!(answer.refusal(), (400, "invalid_client".to_owned()), "public clients cannot introspect");
    let nobody = server.post("/oidc/introspection").form(&[("token", &tokens.access)]).send().await;
    assert_eq!(nobody.refusal(), (400, "invalid_client".to_owned()), "RFC 9701 section 5");
}

#[tokio::test]
async fn rfc7662_2_2_unknown_forged_and_foreign_tokens_look_the_same() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
    let swapped = tokens.access.replacen("cha_at_", "cha_rt_", 1);
    let cut = &tokens.access[..tokens.access.len() - 1];
    for token in ["x", &swapped, cut, tokens.id_token(), "cha_at_", &"\u{e9}".repeat(50), &"z".repeat(5000)] {
        let answer = server.as_client("/oidc/introspection", &client, &[("token", token)]).send().await;
        assert_eq!((answer.status, answer.text().as_str()), (200, INACTIVE), "{token}");
    }
    assert_eq!(server.as_client("/oidc/introspection", &client, &[]).send().await.refusal(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn rfc7662_2_2_a_token_dies_with_its_account() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let tokens = browser.tokens(&client, &alice, &[("scope", "openid offline_access")]).await;
    server.disable(&alice.account).await;
    assert_dead(&server, &client, &tokens).await;
    assert_eq!(flow::page_of(&browser.open(&client.request(&[])).await), "login", "the session is dead too");
    let bob = server.person("bob@example.com").await;
    let tokens = Browser::new(&server).tokens(&client, &bob, &[("scope", "openid offline_access")]).await;
    server.operate(Command::UserErase { account: bob.account }).await;
    assert_dead(&server, &client, &tokens).await;
}

#[tokio::test]
async fn oidc_core_11_a_token_dies_with_its_session_unless_it_is_offline() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let bound = browser.tokens(&client, &alice, &[]).await;
    let offline = browser.tokens(&client, &alice, &[("scope", "openid offline_access")]).await;
    let page = browser.open("/oidc/session/end").await;
    browser.submit(&page, &[("logout", "yes")]).await;
    assert_dead(&server, &client, &bound).await;
    assert!(server.is_active(&client, &offline.access).await && server.is_active(&client, offline.refresh()).await);
    assert_eq!(server.refresh(&client, offline.refresh()).await.status, 200);
}

async fn assert_dead(server: &Server, client: &Client, tokens: &flow::Tokens) {
    assert!(!server.is_active(client, &tokens.access).await);
    assert!(!server.is_active(client, tokens.refresh()).await);
    assert_eq!(server.userinfo(&tokens.access).await.refusal(), (401, "invalid_token".to_owned()));
    assert_eq!(server.refresh(client, tokens.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
}
