//! RFC 9701: introspection as a signed JWT.

use serde_json::json;

use crate::support::call::Answer;
use crate::support::jwt::verified;
use crate::support::*;

const JWT: &str = "application/token-introspection+jwt";

async fn ask(server: &Server, client: &Client, token: &str, accept: &str) -> Answer {
    server.as_client("/oidc/introspection", client, &[("token", token)]).header("accept", accept).send().await
}

#[tokio::test]
async fn rfc9701_5_the_answer_is_signed_for_whoever_asked() {
    let server = Server::start().await;
    let (client, alice) = (server.client(json!({ "introspection_signed_response_alg": "ES256" })).await, server.alice().await);
    let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
    let jwks = server.get("/oidc/jwks").send().await.json();
    let answer = ask(&server, &client, &tokens.access, JWT).await;
    assert_eq!((answer.status, answer.header("content-type"), answer.header("cache-control")), (200, JWT, "no-store"));
    let (header, claims) = verified(&answer.text(), &jwks);
    assert_eq!((&header["typ"], &header["alg"]), (&json!("token-introspection+jwt"), &json!("ES256")));
    assert_eq!((&claims["iss"], &claims["aud"], &claims["iat"]), (&json!(server.issuer), &json!(client.id), &json!(NOW / 1000)));
    assert_eq!(claims["token_introspection"], server.introspect(&client, &tokens.access).await, "the same as in JSON");
    for name in ["sub", "exp"] {
        assert!(claims.get(name).is_none(), "{name}: it would pass for another kind of token");
    }
    let dead = ask(&server, &client, "nothing", JWT).await;
    assert_eq!(verified(&dead.text(), &jwks).1["token_introspection"], json!({ "active": false }));
    let other = server.web_client().await;
    let foreign = ask(&server, &other, &tokens.access, JWT).await;
    let (header, claims) = verified(&foreign.text(), &jwks);
    assert_eq!((&header["alg"], &claims["token_introspection"]), (&json!("RS256"), &json!({ "active": false })));
}

#[tokio::test]
async fn rfc9701_4_only_who_names_the_type_gets_it() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let token = Browser::new(&server).tokens(&client, &alice, &[]).await.access;
    for accept in ["*/*", "application/json", "application/*", "application/jwt"] {
        assert_eq!(ask(&server, &client, &token, accept).await.header("content-type"), "application/json", "{accept}");
    }
    for accept in ["application/json, Application/Token-Introspection+JWT;q=0.9", JWT] {
        assert_eq!(ask(&server, &client, &token, accept).await.header("content-type"), JWT, "{accept}");
    }
    let refused = server.post("/oidc/introspection").header("accept", JWT).form(&[("token", &token)]).send().await;
    assert_eq!((refused.refusal(), refused.header("content-type")), ((400, "invalid_client".to_owned()), "application/json"));
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(discovery["introspection_signing_alg_values_supported"], json!(["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"]));
}

#[tokio::test]
async fn rfc9701_8_it_passes_for_no_other_kind_of_token() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let token = browser.tokens(&client, &alice, &[]).await.access;
    let answer = ask(&server, &client, &token, JWT).await.text();
    assert_eq!(server.userinfo(&answer).await.status, 401);
    assert_eq!(server.introspect(&client, &answer).await, json!({ "active": false }));
    let hinted = server.get(&client.request(&[("id_token_hint", &answer)])).send().await;
    assert_eq!(hinted.sent("error").as_deref(), Some("invalid_request"));
}
