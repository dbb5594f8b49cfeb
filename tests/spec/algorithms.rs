//! The closed matrix of algorithms, from outside: what discovery publishes for a use is made or taken there, and nothing else is.
//! RFC 7518 §3.1, RFC 8725 §3.1; OpenID Connect Discovery 1.0 §3.

use serde_json::{Value, json};

use super::rfc7523::{asserted, claims_of};
use super::rfc9449::Prover;
use super::{ciba, ciba_signed};
use crate::support::flow::Tokens;
use crate::support::jwt::{Key, verified};
use crate::support::*;

/// Names of the registry of RFC 7518 §7.1.1 that a key of ours or of a client could be for.
const WITH_A_KEY: &[&str] = &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"];
/// And those that no key here is for, or none should be.
const WITHOUT: &[&str] = &["none", "HS256", "ES256K", "Ed448", "ML-DSA-44", "RSA-OAEP", "A128KW", "dir", "es256", ""];

async fn published(server: &Server, what: &str) -> Vec<String> {
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    let list = discovery[what].as_array().unwrap_or_else(|| panic!("{what}"));
    list.iter().map(|alg| alg.as_str().unwrap().to_owned()).collect()
}

fn is_one(list: &[String], alg: &str) -> bool {
    list.iter().any(|own| own == alg)
}

/// What a registration says to this.
async fn registers(server: &Server, members: &Value) -> bool {
    let mut all = json!({ "redirect_uris": ["https://app.example/cb"] });
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let answer = server.post("/clients").json(&all).send().await;
    match answer.status {
        201 => true,
        _ => {
            assert_eq!(answer.refusal(), (400, "invalid_client_metadata".to_owned()), "{members}");
            false
        }
    }
}

#[tokio::test]
async fn discovery_3_every_answer_is_signed_with_each_algorithm_that_is_published_and_no_other() {
    let server = Server::start().await;
    let alice = server.alice().await;
    let mut browser = Browser::new(&server);
    let uses = ["id_token", "userinfo", "authorization", "introspection"];
    let mut lists = Vec::new();
    for what in uses {
        lists.push(published(&server, &format!("{what}_signing_alg_values_supported")).await);
    }
    assert!(lists.iter().all(|list| *list == lists[0]), "one list: {lists:?}");
    for alg in ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"] {
        assert!(is_one(&lists[0], alg), "{alg}");
    }
    for alg in WITH_A_KEY.iter().chain(WITHOUT) {
        for (what, list) in uses.iter().zip(&lists) {
            let members = json!({ format!("{what}_signed_response_alg"): alg });
            assert_eq!(registers(&server, &members).await, is_one(list, alg), "{members}");
        }
    }
    for alg in &lists[0] {
        let members: serde_json::Map<_, _> = uses.iter().map(|what| (format!("{what}_signed_response_alg"), json!(alg))).collect();
        let client = server.client(Value::Object(members)).await;
        let answer = browser.authorize(&client, &alice, &[("response_mode", "jwt")]).await;
        let response = answer.sent("response").unwrap();
        let code = verified(&response, &server.get("/oidc/jwks").send().await.json()).1["code"].as_str().unwrap().to_owned();
        let tokens = Tokens::of(&server.redeem(&client, &code).await);
        let userinfo = server.userinfo(&tokens.access).await.text();
        let introspection = server.as_client("/oidc/introspection", &client, &[("token", &tokens.access)]);
        let introspection = introspection.header("accept", "application/token-introspection+jwt").send().await.text();
        let jwks = server.get("/oidc/jwks").send().await.json();
        for (what, token) in
            [("response", &*response), ("id_token", tokens.id_token()), ("userinfo", &*userinfo), ("introspection", &*introspection)]
        {
            let (header, _) = verified(token, &jwks);
            assert_eq!(header["alg"], json!(alg), "{what}");
            // RFC 8725 §3.1: one key, one algorithm.
            let key = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
            assert_eq!((&key["alg"], &key["use"]), (&json!(alg), &json!("sig")), "{what}");
        }
    }
}

#[tokio::test]
async fn rfc7518_3_1_clients_sign_with_each_algorithm_that_is_published_and_no_other() {
    let server = Server::with(&[], ciba::ON).await;
    let assertions = published(&server, "token_endpoint_auth_signing_alg_values_supported").await;
    let objects = published(&server, "request_object_signing_alg_values_supported").await;
    let requests = published(&server, "backchannel_authentication_request_signing_alg_values_supported").await;
    let proofs = published(&server, "dpop_signing_alg_values_supported").await;
    for list in [&assertions, &objects, &requests, &proofs] {
        assert!(is_one(list, "ES512"), "{list:?}");
    }
    for alg in WITH_A_KEY {
        let key = Key::generate(alg);
        // By what was registered, and by what is sent without having been registered.
        let named = |member: &str| json!({ member: alg, "jwks": key.jwks() });
        assert_eq!(registers(&server, &named("token_endpoint_auth_signing_alg")).await, is_one(&assertions, alg), "{alg}");
        assert_eq!(registers(&server, &named("request_object_signing_alg")).await, is_one(&objects, alg), "{alg}");
        let mut back = named("backchannel_authentication_request_signing_alg");
        for (name, value) in [("grant_types", json!([ciba::GRANT])), ("response_types", json!([])), ("redirect_uris", json!([]))] {
            back[name] = value;
        }
        back["backchannel_token_delivery_mode"] = json!("poll");
        assert_eq!(registers(&server, &back).await, is_one(&requests, alg), "{alg}");

        // The key says nothing of its algorithm, so that only the lists of the server decide.
        let mut silent = key.jwks();
        silent["keys"][0].as_object_mut().unwrap().remove("alg");
        let members = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": silent });
        let client = server.client(members).await;
        let (status, _) = asserted(&server, &key.sign(&claims_of(&server, &client, alg))).await;
        assert_eq!(status == 200, is_one(&assertions, alg), "an assertion: {alg}");

        let client = server.client(json!({ "jwks": silent })).await;
        let claims = json!({
            "iss": client.id, "aud": server.issuer, "client_id": client.id, "redirect_uri": client.redirect_uri, "response_type": "code",
            "scope": "openid", "state": "inner", "code_challenge": CHALLENGE, "code_challenge_method": "S256", "exp": NOW / 1000 + 300,
        });
        let answer = server.get(&client.request(&[("request", &key.sign(&claims))])).send().await;
        assert_eq!(answer.sent("error").as_deref() != Some("invalid_request_object"), is_one(&objects, alg), "an object: {alg}");

        if is_one(&requests, alg) {
            // Of one person five requests may wait.
            let person = server.person(&format!("{}@example.com", alg.to_lowercase())).await;
            let client = ciba_signed::signing(&server, &key).await;
            let mut wish = ciba_signed::wish(&server, &client, &person.email);
            wish["jti"] = json!(alg);
            let answer = ciba::send(&server, &client, &[("request", &key.sign(&wish))]).await;
            assert_eq!(answer.status, 200, "a request on the back channel: {alg}: {}", answer.text());
        }

        let machine = server.client(json!({ "grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [] })).await;
        let prover = Prover::new(alg);
        let call = server.as_client("/oidc/token", &machine, &[("grant_type", "client_credentials")]);
        let answer = call.header("dpop", &prover.for_token(&server)).send().await;
        assert_eq!(answer.status == 200, is_one(&proofs, alg), "a proof: {alg}: {}", answer.text());
    }
    for alg in WITHOUT {
        let mac = alg.starts_with("HS");
        let members = json!({ "token_endpoint_auth_signing_alg": alg, "token_endpoint_auth_method": "client_secret_jwt" });
        assert_eq!(registers(&server, &members).await, mac && is_one(&assertions, alg), "{alg}");
        assert_eq!(registers(&server, &json!({ "request_object_signing_alg": alg })).await, is_one(&objects, alg), "{alg}");
    }
}
