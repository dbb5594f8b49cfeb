//! RFC 9068: access tokens that are JWTs, and that the server still knows.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::{Value, json};

use super::encryption;
use crate::support::flow::Tokens;
use crate::support::jwt::verified;
use crate::support::*;

const API: &str = "https://api.example";

fn declared(alg: &str) -> String {
    format!(
        r#"
[[resource]]
identifier = "{API}"
scope = "api"
signing_alg = "{alg}"
introspected_by = ["backend"]

[[client]]
client_id = "backend"
client_secret = "backend-secret-backend-secret-backend"
grant_types = ["client_credentials"]
"#
    )
}

/// The same, with more said of the resource server.
fn declared_with(own: &str) -> String {
    declared("ES256").replace("introspected_by = [\"backend\"]", &format!("introspected_by = [\"backend\"]\n{own}"))
}

fn backend() -> Client {
    let secret = Some("backend-secret-backend-secret-backend".to_owned());
    Client { id: "backend".to_owned(), secret, redirect_uri: String::new() }
}

#[tokio::test]
async fn rfc9068_2_2_the_claims_of_a_persons_token() {
    for alg in ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"] {
        let server = Server::with(&[], &declared(alg)).await;
        let (client, alice) = (server.web_client().await, server.alice().await);
        let tokens = Browser::new(&server).tokens(&client, &alice, &[("resource", API), ("scope", "openid api")]).await;
        let (header, claims) = verified(&tokens.access, &server.get("/oidc/jwks").send().await.json());
        assert_eq!((&header["alg"], &header["typ"]), (&json!(alg), &json!("at+jwt")));
        let jti = claims["jti"].clone();
        assert_eq!(jti.as_str().unwrap().len(), 43);
        let now = NOW / 1000;
        let expected = json!({
            "iss": server.issuer, "aud": API, "client_id": client.id, "jti": jti, "iat": now, "exp": now + 600, "scope": "api",
            "sub": alice.account, "auth_time": now, "amr": ["pwd"], "acr": "urn:chancery:acr:password",
        });
        assert_eq!(claims, expected);
        // The log knows the key that signed, and of the token only the digest of its jti.
        let event = server.events().await.into_iter().find(|event| event.kind == "CodeRedeemed").unwrap();
        assert_eq!((&event.data["access"]["kid"], &event.data["access"]["audience"]), (&header["kid"], &json!(API)));
    }
}

#[tokio::test]
async fn rfc9068_2_2_a_client_speaks_for_itself() {
    let server = Server::with(&[], &declared("ES256")).await;
    let client = server.web_client().await;
    let answer = server.token(&client, &[("grant_type", "client_credentials"), ("resource", API)]).await.json();
    let (_, claims) = verified(answer["access_token"].as_str().unwrap(), &server.get("/oidc/jwks").send().await.json());
    assert_eq!((&claims["sub"], &claims["client_id"], &claims["amr"]), (&json!(client.id), &json!(client.id), &json!(null)));
}

#[tokio::test]
async fn rfc9068_4_a_jwt_is_introspected_and_revoked_like_any_other() {
    let server = Server::with(&[], &declared("EdDSA")).await;
    let (client, stranger, alice) = (server.web_client().await, server.web_client().await, server.alice().await);
    let tokens = Browser::new(&server).tokens(&client, &alice, &[("resource", API), ("scope", "openid api")]).await;
    for asker in [&client, &backend()] {
        let seen = server.introspect(asker, &tokens.access).await;
        assert_eq!((&seen["active"], &seen["aud"], &seen["scope"]), (&json!(true), &json!(API), &json!("api")));
    }
    assert_eq!(server.introspect(&stranger, &tokens.access).await, json!({ "active": false }));
    // One that nobody issued, one with another signature, and what the token says of itself open nothing.
    let (head, signature) = tokens.access.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    let (_, claims) = verified(&tokens.access, &server.get("/oidc/jwks").send().await.json());
    for bad in [forged.as_str(), claims["jti"].as_str().unwrap(), tokens.id_token(), head] {
        assert!(!server.is_active(&client, bad).await, "{bad}");
    }
    assert_eq!(server.userinfo(&tokens.access).await.status, 401);
    assert_eq!(server.revoke(&stranger, &tokens.access).await.status, 400);
    assert!(server.is_active(&client, &tokens.access).await);
    assert_eq!(server.revoke(&client, &tokens.access).await.status, 200);
    assert!(!server.is_active(&client, &tokens.access).await);
    let again = Tokens::of(&server.refresh(&client, tokens.refresh()).await);
    assert!(server.is_active(&backend(), &again.access).await, "the grant lives on");
    server.advance(600_000);
    assert!(!server.is_active(&client, &again.access).await, "expired");
}

#[tokio::test]
async fn rfc9068_3_no_jwt_for_nobody_in_particular_or_for_two() {
    let other = "https://other.example";
    let toml = format!("{}\n[[resource]]\nidentifier = \"{other}\"\nscope = \"api write\"\nsigning_alg = \"RS256\"\n", declared("RS256"));
    let server = Server::with(&[], &toml).await;
    let client = server.client(json!({ "scope": "openid email api write" })).await;
    let alice = server.alice().await;
    let mut browser = Browser::new(&server);
    let plain = browser.tokens(&client, &alice, &[("scope", "openid email api")]).await;
    assert!(plain.access.starts_with("cha_at_"), "without a resource it is no JWT");
    let jwks = server.get("/oidc/jwks").send().await.json();
    let grant = ("grant_type", "client_credentials");
    let two = server.token(&client, &[grant, ("resource", API), ("resource", other)]).await;
    assert_eq!(two.refusal(), (400, "invalid_target".to_owned()));
    // RFC 9068 §2.2.3, §5: each has an audience of its own, and the words that mean something there.
    for (resource, scope) in [(API, "api"), (other, "api write")] {
        let token = Tokens::of(&server.token(&client, &[grant, ("resource", resource), ("scope", "api write")]).await);
        let (header, claims) = verified(&token.access, &jwks);
        assert_eq!((&claims["aud"], &claims["scope"], &header["typ"]), (&json!(resource), &json!(scope), &json!("at+jwt")));
    }
}

#[tokio::test]
async fn rfc9068_5_no_token_passes_for_another_kind() {
    let server = Server::with(&[], &declared("RS256")).await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let tokens = browser.tokens(&client, &alice, &[("resource", API), ("scope", "openid api")]).await;
    let answer = browser.open(&client.request(&[("id_token_hint", &tokens.access)])).await;
    assert_eq!(answer.sent("error").as_deref(), Some("invalid_request"), "an access token is no id_token");
    assert!(!server.is_active(&client, tokens.id_token()).await, "an id_token is no access token");
}

#[tokio::test]
async fn rfc9068_5_a_pairwise_person_keeps_the_pseudonym() {
    let server = Server::with(&[], &declared("ES256")).await;
    let (client, alice) = (server.client(json!({ "subject_type": "pairwise" })).await, server.alice().await);
    let tokens = Browser::new(&server).tokens(&client, &alice, &[("resource", API), ("scope", "openid api")]).await;
    let jwks = server.get("/oidc/jwks").send().await.json();
    let (access, id_token) = (verified(&tokens.access, &jwks).1, verified(tokens.id_token(), &jwks).1);
    assert!(access["sub"] == id_token["sub"] && access["sub"] != alice.account.as_str());
}

#[tokio::test]
async fn rfc9068_4_a_token_is_encrypted_to_its_resource_server_and_stays_ours() {
    let (private, jwks) = encryption::pair();
    let own = format!("encryption_alg = \"ECDH-ES\"\nencryption_enc = \"A256GCM\"\njwks = '{jwks}'\n");
    let toml = declared_with(&own);
    both::on_both(&toml, async |server: &Server| {
        let (client, alice) = (server.web_client().await, server.alice().await);
        let tokens = Browser::new(server).tokens(&client, &alice, &[("resource", API), ("scope", "openid api")]).await;
        let ours = server.get("/oidc/jwks").send().await.json();
        let (header, inner) = encryption::open(&tokens.access, &private);
        // RFC 7519 §5.2, §5.3: what is inside, whose it is, and for whom; nothing of the person.
        assert_eq!((&header["cty"], &header["iss"], &header["aud"]), (&json!("JWT"), &json!(server.issuer), &json!(API)));
        let outside = header.to_string();
        assert!(!outside.contains(&alice.account) && !outside.contains(&client.id), "{outside}");
        let (signed, claims) = verified(&inner, &ours);
        assert_eq!((&signed["typ"], &claims["sub"], &claims["aud"]), (&json!("at+jwt"), &json!(alice.account), &json!(API)));
        // In both forms it is known, to whom it concerns.
        let seen = server.introspect(&client, &tokens.access).await;
        assert_eq!((&seen["active"], &seen["scope"], &seen["aud"]), (&json!(true), &json!("api"), &json!(API)));
        assert_eq!(server.introspect(&client, &inner).await, seen);
        assert_eq!(server.userinfo(&tokens.access).await.status, 401);
        // Its jti before something else is nothing, and neither is a mark that is not ours.
        let [protected, rest] = tokens.access.splitn(2, '.').collect::<Vec<_>>()[..] else { panic!() };
        let mut forged: Value = serde_json::from_slice(&B64.decode(protected).unwrap()).unwrap();
        for mark in [claims["jti"].clone(), json!(format!("{}.{}", claims["jti"].as_str().unwrap(), "A".repeat(43))), json!(7)] {
            forged["chancery_mark"] = mark;
            let token = format!("{}.{rest}", B64.encode(forged.to_string()));
            assert_eq!(server.introspect(&client, &token).await, json!({ "active": false }));
        }
        let other = server.client(json!({ "introspect": false })).await;
        assert_eq!(server.introspect(&other, &tokens.access).await, json!({ "active": false }));
        assert_eq!(server.revoke(&client, &tokens.access).await.status, 200);
        for token in [&tokens.access, &inner] {
            assert_eq!(server.introspect(&client, token).await, json!({ "active": false }));
        }
        // A token of a client alone, and one after a refresh.
        let alone = server.token(&client, &[("grant_type", "client_credentials"), ("resource", API)]).await.json();
        assert_eq!(encryption::open(alone["access_token"].as_str().unwrap(), &private).0["aud"], API);
    })
    .await;
}

#[tokio::test]
async fn rfc9068_4_an_encryption_that_cannot_be_is_refused_at_the_start() {
    let (_, jwks) = encryption::pair();
    let key = format!("jwks = '{jwks}'\n");
    for (own, word) in [
        ("encryption_alg = \"ECDH-ES\"\n".to_owned(), "jwks"),
        (key.clone(), "encryption_alg"),
        (format!("encryption_enc = \"A256GCM\"\n{key}"), "encryption_alg"),
        (format!("encryption_alg = \"dir\"\n{key}"), "encryption_alg"),
        (format!("encryption_alg = \"RSA1_5\"\n{key}"), "encryption_alg"),
        (format!("encryption_alg = \"ECDH-ES\"\nencryption_enc = \"A129GCM\"\n{key}"), "encryption_enc"),
        (format!("encryption_alg = \"RSA-OAEP\"\n{key}"), "jwks"),
        (format!("encryption_alg = \"ECDH-ES\"\ntoken_format = \"opaque\"\n{key}"), "encryption_alg"),
    ] {
        let why = Server::try_with(&declared_with(&own)).await.err().unwrap_or_else(|| panic!("{own}"));
        assert!(why.contains(word), "{own}: {why}");
    }
}
