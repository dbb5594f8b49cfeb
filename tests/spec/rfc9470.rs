//! RFC 9470: a resource server that wants a fresher or better sign-in, and how its client gets one.

use serde_json::json;

use crate::support::jwt::verified;
use crate::support::*;

const ACR: &str = "urn:chancery:acr:password";
const API: &str = "https://api.example";

fn with_api() -> String {
    format!("[[resource]]\nidentifier = \"{API}\"\nscope = \"api\"\n")
}

#[tokio::test]
async fn rfc9470_6_a_token_says_when_and_how_well_the_person_signed_in() {
    let server = Server::with(&[], &with_api()).await;
    let (client, alice) = (server.client(json!({ "scope": "openid api" })).await, server.alice().await);
    let mut browser = Browser::new(&server);
    let opaque = browser.tokens(&client, &alice, &[("scope", "openid")]).await.access;
    let seen = server.introspect(&client, &opaque).await;
    assert_eq!((&seen["auth_time"], &seen["acr"]), (&json!(NOW / 1000), &json!(ACR)), "section 6.2");
    let jwt = browser.tokens(&client, &alice, &[("scope", "openid api"), ("resource", API)]).await.access;
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

/// Requests whose tokens somebody else than our userinfo reads.
const FOR_OTHERS: [&[(&str, &str)]; 4] = [
    &[("scope", "openid api"), ("resource", API)],
    &[("scope", "openid"), ("resource", API)],
    &[("scope", "openid api")],
    &[("scope", "email")],
];
const FOR_USERINFO: &[(&str, &str)] = &[("scope", "openid email")];

/// The code of the refusal, before anybody is asked for a password.
async fn refusal(server: &Server, client: &Client, asked: &[(&str, &str)], values: &str) -> Option<String> {
    let mark = server.mark().await;
    let answer = Browser::new(server).open(&client.request(&[asked, &[("acr_values", values)]].concat())).await;
    let refusal = answer.sent("error");
    assert_eq!(refusal.is_some(), server.mark().await == mark, "what is refused is not begun");
    refusal
}

#[tokio::test]
async fn rfc9470_5_no_token_for_a_resource_server_below_the_level_that_it_wants() {
    let server = Server::with(&[], &with_api()).await;
    let (client, alice) = (server.client(json!({ "scope": "openid email api" })).await, server.alice().await);
    for asked in FOR_OTHERS {
        let refused = refusal(&server, &client, asked, "urn:example:hardware gold").await;
        assert_eq!(refused.as_deref(), Some("unmet_authentication_requirements"), "{asked:?}");
        let usual = [("redirect_uri", &*client.redirect_uri), ("response_type", "code"), ("acr_values", "gold")];
        let pushed = server.as_client("/oidc/par", &client, &[&usual, asked].concat()).send().await;
        assert_eq!((pushed.status, &pushed.json()["error"]), (400, &json!("unmet_authentication_requirements")), "{asked:?}");
        // One that can be reached is enough.
        let reachable = format!("gold {ACR}");
        let tokens = Browser::new(&server).tokens(&client, &alice, &[asked, &[("acr_values", &reachable)]].concat()).await;
        assert_eq!(server.introspect(&client, &tokens.access).await["acr"], ACR, "{asked:?}");
    }
    // OpenID Connect Core 1.0 §3.1.2.1: of nobody else's business, and a wish. The answer says what was reached.
    let tokens = Browser::new(&server).tokens(&client, &alice, &[FOR_USERINFO, &[("acr_values", "gold")]].concat()).await;
    let (_, claims) = verified(tokens.id_token(), &server.get("/oidc/jwks").send().await.json());
    assert_eq!(claims["acr"], ACR);
}

#[tokio::test]
async fn rfc9470_5_the_operator_may_make_acr_values_a_demand_or_a_wish_for_all() {
    for (setting, code) in [("always", Some("unmet_authentication_requirements")), ("never", None)] {
        let server = Server::with(&[("CHANCERY_ACR_VALUES_DEMANDED", setting)], &with_api()).await;
        let client = server.client(json!({ "scope": "openid email api" })).await;
        for asked in FOR_OTHERS.into_iter().chain([FOR_USERINFO]) {
            assert_eq!(refusal(&server, &client, asked, "gold").await.as_deref(), code, "{setting} {asked:?}");
            assert_eq!(refusal(&server, &client, asked, ACR).await, None, "{setting} {asked:?}");
        }
    }
}
