//! RFC 6750: bearer tokens at userinfo; which scripts may read the answers.

use serde_json::json;

use crate::support::flow::Tokens;
use crate::support::*;

#[tokio::test]
async fn rfc6750_3_1_without_a_token_there_is_a_challenge_and_no_error() {
    let server = Server::start().await;
    let answer = server.get("/oidc/userinfo").send().await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer realm=\"chancery\""));
}

#[tokio::test]
async fn rfc6750_3_1_a_token_that_is_not_alive_is_invalid_token() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
    let cut = &tokens.access[..tokens.access.len() - 1];
    for token in ["x", cut, tokens.refresh(), tokens.id_token(), &"a".repeat(4000)] {
        let answer = server.userinfo(token).await;
        assert_eq!(answer.refusal(), (401, "invalid_token".to_owned()));
        assert!(answer.header("www-authenticate").starts_with("Bearer realm=\"chancery\", error=\"invalid_token\""));
    }
    server.advance(599_999);
    assert_eq!(server.userinfo(&tokens.access).await.status, 200);
    server.advance(1);
    assert_eq!(server.userinfo(&tokens.access).await.refusal(), (401, "invalid_token".to_owned()));
}

#[tokio::test]
async fn rfc6750_3_1_a_token_without_openid_is_insufficient_scope() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let machine = Tokens::of(&server.token(&client, &[("grant_type", "client_credentials")]).await);
    let plain = Browser::new(&server).tokens(&client, &alice, &[("scope", "profile api")]).await;
    for token in [&machine.access, &plain.access] {
        let answer = server.userinfo(token).await;
        assert_eq!(answer.refusal(), (403, "insufficient_scope".to_owned()));
        assert!(answer.header("www-authenticate").ends_with("scope=\"openid\""), "{}", answer.header("www-authenticate"));
    }
    assert_eq!(plain.id_token, None, "without openid there is no id_token");
}

#[tokio::test]
async fn rfc6750_2_a_token_comes_in_one_place_and_never_in_the_query() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let token = Browser::new(&server).tokens(&client, &alice, &[]).await.access;
    let in_query = server.get(&format!("/oidc/userinfo?access_token={token}")).send().await;
    assert_eq!((in_query.status, in_query.header("www-authenticate")), (401, "Bearer realm=\"chancery\""));
    assert_eq!(server.post("/oidc/userinfo").form(&[("access_token", &token)]).send().await.status, 200);
    let in_both = server.post("/oidc/userinfo").bearer(&token).form(&[("access_token", &token)]).send().await;
    assert_eq!(in_both.refusal(), (400, "invalid_request".to_owned()));
    let twice = server.get("/oidc/userinfo").bearer(&token).bearer(&token).send().await;
    assert_eq!(twice.refusal(), (400, "invalid_request".to_owned()));
    let lower = server.get("/oidc/userinfo").header("authorization", &format!("bearer {token}")).send().await;
    assert_eq!(lower.status, 200);
    assert_eq!(server.get("/oidc/userinfo").basic("a", "b").send().await.status, 400);
}

#[tokio::test]
async fn oidc_core_5_3_userinfo_by_get_and_post_with_the_claims_of_the_scopes() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let whole = browser.tokens(&client, &alice, &[]).await;
    let (get, post) = (server.userinfo(&whole.access).await, server.post("/oidc/userinfo").bearer(&whole.access).send().await);
    assert_eq!((get.json(), get.header("content-type")), (post.json(), "application/json"));
    let expected = json!({
        "sub": alice.account, "name": "Alice Liddell", "updated_at": NOW / 1000, "email": "alice@example.com", "email_verified": false,
    });
    assert_eq!(get.json(), expected);
    let narrow = browser.tokens(&client, &alice, &[("scope", "openid")]).await;
    assert_eq!(server.userinfo(&narrow.access).await.json(), json!({ "sub": alice.account }));
}

#[tokio::test]
async fn cors_lets_the_clients_origins_read_and_nobody_else() {
    let server = Server::with(&[("ALLOWED_ORIGINS", "https://console.example")], "").await;
    let client = server.client(json!({ "allowed_origins": ["https://spa.example"] })).await;
    for (origin, allowed) in [
        ("https://app.example", "https://app.example"),
        ("https://spa.example", "https://spa.example"),
        ("https://console.example", "https://console.example"),
        ("https://evil.example", ""),
        ("null", ""),
    ] {
        for (grant, status) in [("client_credentials", 200), ("password", 400)] {
            let answer = server.as_client("/oidc/token", &client, &[("grant_type", grant)]).header("origin", origin).send().await;
            assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, allowed), "{origin}");
            assert_eq!(answer.header("access-control-allow-credentials"), "");
        }
    }
    for path in ["/oidc/token", "/oidc/userinfo", "/oidc/revocation", "/oidc/jwks", "/oidc/.well-known/openid-configuration"] {
        let preflight = server.call("OPTIONS", path).header("origin", "https://any.example");
        let preflight = preflight.header("access-control-request-method", "POST").send().await;
        assert!(preflight.status < 300, "{path}: {}", preflight.status);
        assert!(!preflight.header("access-control-allow-methods").is_empty(), "{path}");
    }
    let keys = server.get("/oidc/jwks").header("origin", "https://any.example").send().await;
    assert_eq!(keys.header("access-control-allow-origin"), "*");
    for path in ["/auth/login", "/oidc/auth", "/clients"] {
        let answer = server.post(path).header("origin", "https://app.example").json(&json!({})).send().await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
}

#[tokio::test]
async fn oidc_core_5_3_1_scripts_of_the_clients_origins_read_userinfo_and_no_others() {
    let server = Server::start().await;
    let (client, alice) = (server.client(serde_json::json!({ "allowed_origins": ["https://spa.example"] })).await, server.alice().await);
    let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
    for (origin, allowed) in [
        ("https://app.example", "https://app.example"),
        ("https://spa.example", "https://spa.example"),
        ("https://evil.example", ""),
        ("null", ""),
    ] {
        for method in ["GET", "POST"] {
            let answer = server.call(method, "/oidc/userinfo").bearer(&tokens.access).header("origin", origin).send().await;
            assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, allowed), "{method} {origin}");
        }
    }
}
