//! RFC 9470: a resource server that wants a fresher or better sign-in, and how its client gets one.

use serde_json::json;

use crate::support::jwt::verified;
use crate::support::*;

const ACR: &str = "urn:chancery:acr:password";

#[tokio::test]
async fn rfc9470_6_a_token_says_when_and_how_well_the_person_signed_in() {
    let server = Server::with(&[], "[[resource]]\nidentifier = \"https://api.example\"\nscope = \"api\"\n").await;
    let (client, alice) = (server.client(json!({ "scope": "openid api" })).await, server.alice().await);
    let mut browser = Browser::new(&server);
    let opaque = browser.tokens(&client, &alice, &[("scope", "openid")]).await.access;
    let seen = server.introspect(&client, &opaque).await;
    assert_eq!((&seen["auth_time"], &seen["acr"]), (&json!(NOW / 1000), &json!(ACR)), "section 6.2");
    let jwt = browser.tokens(&client, &alice, &[("scope", "openid api"), ("resource", "https://api.example")]).await.access;
    let (_, claims) = verified(&jwt, &server.get("/oidc/jwks").send().await.json());
    assert_eq!((&claims["auth_time"], &claims["acr"]), (&seen["auth_time"], &seen["acr"]), "section 6.1");
    let machine =
        server.client(json!({ "grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [], "scope": "api" })).await;
    let own = flow::Tokens::of(&server.token(&machine, &[("grant_type", "client_credentials")]).await).access;
    let seen = server.introspect(&machine, &own).await;
    assert!(seen.get("acr").is_none() && seen.get("auth_time").is_none(), "nobody signed in");
}

#[tokio::test]
async fn rfc9470_4_the_client_asks_again_with_max_age_and_the_new_token_is_fresher() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let first = browser.tokens(&client, &alice, &[]).await;
    let auth_time = async |token: &str| server.introspect(&client, token).await["auth_time"].as_i64().unwrap();
    let before = auth_time(&first.access).await;
    server.advance(HOUR);
    // The resource server answered insufficient_user_authentication with max_age="300".
    let page = browser.open(&client.request(&[("max_age", "300"), ("acr_values", ACR)])).await;
    assert_eq!(flow::page_of(&page), "login", "the session is there and too old");
    let code = browser.pass(page, &alice).await.code();
    let second = flow::Tokens::of(&server.redeem(&client, &code).await);
    assert_eq!(auth_time(&second.access).await - before, HOUR / 1000);
}

#[tokio::test]
async fn rfc9470_5_a_level_that_cannot_be_reached_is_told() {
    let server = Server::start().await;
    let client = server.web_client().await;
    let claims = json!({ "id_token": { "acr": { "essential": true, "value": "urn:example:hardware" } } }).to_string();
    let answer = server.get(&client.request(&[("claims", &claims)])).send().await;
    assert_eq!(answer.sent("error").as_deref(), Some("unmet_authentication_requirements"));
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(discovery["acr_values_supported"], json!([ACR]));
}
