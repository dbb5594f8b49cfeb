//! RFC 7523 §3: what is remembered of a client assertion, and for how long. What one must say is tested with discovery.

use chancery::app::context::Context;
use serde_json::json;

use crate::support::jwt::Key;
use crate::support::*;

pub const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[tokio::test]
async fn rfc7523_3_a_used_jti_is_forgotten_when_its_assertion_is_too_old_anyway() {
    both::on_both("", async |server: &Server| {
        let key = Key::generate("ES256");
        let client = server.client(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks() })).await;
        let assertion = |jti: &str, seconds: i64| {
            let now = server.app.now().0 / 1000;
            let claims = json!({ "iss": client.id, "sub": client.id, "aud": server.issuer, "jti": jti, "iat": now, "exp": now + seconds });
            key.sign(&claims)
        };
        let send = async |assertion: &str| {
            let fields = [("grant_type", "client_credentials"), ("client_assertion_type", KIND), ("client_assertion", assertion)];
            server.post("/oidc/token").form(&fields).send().await.status
        };
        let sweep = async || server.app.sweep(&Context::of_server("server", "x".to_owned())).await.unwrap();
        let (short, long) = (assertion("short", 60), assertion("long", 600));
        assert_eq!((send(&short).await, send(&long).await), (200, 200));
        // 60 s of life, 15 s of tolerance, 120 s for whoever is still on the way.
        for (advance, swept) in [(0, 0), (75_000, 0), (119_000, 0)] {
            server.advance(advance);
            assert_eq!(sweep().await, swept);
            assert_eq!((send(&short).await, send(&long).await), (401, 401), "replayed");
        }
        let mark = server.mark().await;
        server.advance(2_000);
        assert_eq!((sweep().await, sweep().await), (1, 0));
        let event = server.events().await.into_iter().skip(mark).find(|event| event.kind == "ExpiredSwept").unwrap();
        assert_eq!((&event.data["table"], &event.data["rows"]), (&json!("assertion_jti"), &json!(1)));
        assert_eq!((send(&short).await, send(&long).await), (401, 401), "too old, and remembered");
        // The client may use the word again; nobody can use the old assertion.
        assert_eq!(send(&assertion("short", 60)).await, 200);
        let all = [255_u8; 8];
        assert_eq!(server.app.ledger.claims_before("assertion_due", &all, 10).await.unwrap().len(), 2);
        server.advance(DAY);
        assert!(sweep().await >= 2);
        assert!(server.app.ledger.claims_before("assertion_due", &all, 10).await.unwrap().is_empty());
        assert!(server.app.ledger.claims_before("assertion_jti", &[255; 33], 10).await.unwrap().is_empty());
        assert_eq!(send(&long).await, 401);
    })
    .await;
}

/// A client credentials request with this assertion.
pub async fn asserted(server: &Server, assertion: &str) -> (u16, String) {
    let fields = [("grant_type", "client_credentials"), ("client_assertion_type", KIND), ("client_assertion", assertion)];
    server.post("/oidc/token").form(&fields).send().await.refusal()
}

pub fn claims_of(server: &Server, client: &Client, jti: &str) -> serde_json::Value {
    let now = server.app.now().0 / 1000;
    json!({ "iss": client.id, "sub": client.id, "aud": server.issuer, "jti": jti, "iat": now, "exp": now + 60 })
}

#[tokio::test]
async fn rfc7523_3_of_twenty_uses_of_a_client_assertion_one_counts() {
    both::on_both("", async |server: &Server| {
        let key = Key::generate("ES256");
        let client = server.client(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks() })).await;
        for round in 0..5 {
            let assertion = key.sign(&claims_of(server, &client, &format!("once-{round}")));
            let answers = at_once::all(20, || asserted(server, &assertion)).await;
            let refused = answers.iter().filter(|answer| **answer == (401, "invalid_client".to_owned())).count();
            assert_eq!((answers.len() - refused, refused), (1, 19), "{answers:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn oidc_core_9_client_secret_jwt_proves_the_secret_and_never_sends_it() {
    both::on_both("", async |server: &Server| {
        let client = server.client(json!({ "token_endpoint_auth_method": "client_secret_jwt" })).await;
        let secret = client.secret.clone().unwrap();
        let refused = (401, "invalid_client".to_owned());
        for (number, alg) in ["HS256", "HS384", "HS512"].iter().enumerate() {
            let assertion = jwt::mac(alg, &secret, &claims_of(server, &client, &format!("jti-{number}")));
            assert_eq!(asserted(server, &assertion).await.0, 200, "{alg}");
            assert_eq!(asserted(server, &assertion).await, refused, "its jti counts once");
        }
        let own = Key::generate("ES256");
        let mut elsewhere = claims_of(server, &client, "elsewhere");
        elsewhere["aud"] = json!("https://other.example");
        let unsigned = {
            let signed = jwt::mac("HS256", &secret, &claims_of(server, &client, "unsigned"));
            let payload = signed.split('.').nth(1).unwrap().to_owned();
            format!("eyJhbGciOiJub25lIn0.{payload}.")
        };
        for wrong in [
            jwt::mac("HS256", "another-secret-that-is-as-long-as-the-hash", &claims_of(server, &client, "wrong")),
            jwt::mac("HS256", &secret, &elsewhere),
            own.sign(&claims_of(server, &client, "key")),
            unsigned,
        ] {
            assert_eq!(asserted(server, &wrong).await, refused);
        }
        // The secret itself is no proof: it was not to travel.
        assert_eq!(server.token(&client, &[("grant_type", "client_credentials")]).await.refusal(), refused);
        let plain = String::from_utf8(server.leaves().await.iter().flat_map(|leaf| leaf.leaf.to_vec()).collect()).unwrap();
        assert!(!plain.contains(&secret) && !plain.contains(&chancery_core::digest::Digest::of(secret.as_bytes()).to_string()));
    })
    .await;
}

#[tokio::test]
async fn rfc8725_3_1_a_secret_and_a_key_never_stand_for_each_other() {
    let server = Server::start().await;
    let key = Key::generate("ES256");
    let client = server.client(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks() })).await;
    // An HMAC under the public key, which everybody has.
    let public = key.jwks()["keys"][0].to_string();
    let confused = jwt::mac("HS256", &public, &claims_of(&server, &client, "confused"));
    assert_eq!(asserted(&server, &confused).await, (401, "invalid_client".to_owned()));
    assert_eq!(asserted(&server, &key.sign(&claims_of(&server, &client, "right"))).await.0, 200);
    for (method, alg) in [("private_key_jwt", "HS256"), ("client_secret_jwt", "ES256"), ("client_secret_jwt", "none")] {
        let metadata = json!({
            "redirect_uris": ["https://app.example/cb"], "jwks": key.jwks(), "token_endpoint_auth_method": method, "token_endpoint_auth_signing_alg": alg,
        });
        assert_eq!(
            server.post("/clients").json(&metadata).send().await.refusal(),
            (400, "invalid_client_metadata".to_owned()),
            "{method} {alg}"
        );
    }
}

#[tokio::test]
async fn oidc_registration_2_the_registered_algorithm_is_the_only_one() {
    let server = Server::start().await;
    let members = json!({ "token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_signing_alg": "HS384" });
    let client = server.client(members).await;
    let secret = client.secret.clone().unwrap();
    let other = jwt::mac("HS256", &secret, &claims_of(&server, &client, "a"));
    assert_eq!(asserted(&server, &other).await, (401, "invalid_client".to_owned()));
    assert_eq!(asserted(&server, &jwt::mac("HS384", &secret, &claims_of(&server, &client, "b"))).await.0, 200);
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    let listed = |member: &str, word: &str| discovery[member].as_array().unwrap().contains(&json!(word));
    assert!(listed("token_endpoint_auth_methods_supported", "client_secret_jwt"));
    assert!(listed("token_endpoint_auth_signing_alg_values_supported", "HS384"));
}

#[tokio::test]
async fn rfc7518_3_2_a_declared_secret_is_as_long_as_the_hash() {
    let toml = |secret: &str| {
        format!(
            "[[client]]\nclient_id = \"app\"\nclient_secret = \"{secret}\"\ntoken_endpoint_auth_method = \"client_secret_jwt\"\nredirect_uris = [\"https://app.example/cb\"]\ngrant_types = [\"authorization_code\", \"client_credentials\"]\n"
        )
    };
    assert!(Server::try_with(&toml("short")).await.is_err());
    let secret = "thirty-two-bytes-are-long-enough";
    let server = Server::try_with(&toml(secret)).await.map_err(|why| panic!("{why}")).unwrap();
    let client = Client { id: "app".to_owned(), secret: None, redirect_uri: String::new() };
    assert_eq!(asserted(&server, &jwt::mac("HS256", secret, &claims_of(&server, &client, "a"))).await.0, 200);
    assert_eq!(asserted(&server, &jwt::mac("HS512", secret, &claims_of(&server, &client, "b"))).await.0, 401);
}
