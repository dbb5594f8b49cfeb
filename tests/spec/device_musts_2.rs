//! RFC 7523: what it demands and no other test holds. The whole list is `musts/rfc7523.toml`.

use aws_lc_rs::rand::SystemRandom;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::{Value, json};

use super::rfc7523::{KIND, asserted, claims_of};
use super::rfc7523_grant::{GRANT, PARTNER, bring, claims as partner_claims, client as partner_client, toml};
use crate::support::jwt::Key;
use crate::support::*;

type Sign<'a> = &'a dyn Fn(&Value) -> String;

const TOKEN: &str = "/oidc/token";

fn no_client() -> (u16, String) {
    (401, "invalid_client".to_owned())
}

/// Texts made of two tokens.
fn two_in_one(one: &str, two: &str) -> [String; 7] {
    let between = ["", " ", ",", "\n", "~", "."].map(|between| format!("{one}{between}{two}"));
    let [a, b, c, d, e, f] = between;
    [a, b, c, d, e, f, format!("[\"{one}\",\"{two}\"]")]
}

#[tokio::test]
async fn rfc7523_2_1_a_grant_is_one_jwt() {
    let key = Key::generate("ES256");
    let server = Server::with(&[], &toml(&key)).await;
    let alice = server.alice().await;
    let [one, two] = ["1", "2"].map(|jti| key.sign(&partner_claims(&server, &alice.account, jti)));
    for joined in two_in_one(&one, &two) {
        assert_eq!(bring(&server, "batch", &joined, &[]).await.refusal(), (400, "invalid_grant".to_owned()), "{joined}");
    }
    assert_eq!(bring(&server, "batch", &one, &[("assertion", &two)]).await.refusal(), (400, "invalid_request".to_owned()));
    for alone in [&one, &two] {
        assert_eq!(bring(&server, "batch", alone, &[]).await.status, 200, "nothing was taken");
    }
}

#[tokio::test]
async fn rfc7523_2_2_a_client_shows_one_jwt_and_says_what_it_is() {
    let server = Server::start().await;
    let key = Key::generate("ES256");
    let client = server.client(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks() })).await;
    let [one, two] = ["1", "2"].map(|jti| key.sign(&claims_of(&server, &client, jti)));
    for joined in two_in_one(&one, &two) {
        assert_eq!(asserted(&server, &joined).await, no_client(), "{joined}");
    }
    let usual = [("grant_type", "client_credentials"), ("client_assertion", one.as_str())];
    for more in [&[("client_assertion", two.as_str()), ("client_assertion_type", KIND)][..], &[], &[("client_assertion_type", GRANT)]] {
        let answer = server.post(TOKEN).form(&[&usual[..], more].concat()).send().await;
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{more:?}");
    }
    for alone in [&one, &two] {
        assert_eq!(asserted(&server, alone).await.0, 200, "nothing was taken");
    }
}

/// Ways to write an address that a parser of addresses takes for the same.
fn spellings(address: &str) -> Vec<String> {
    let (scheme, rest) = address.split_once("://").unwrap();
    let host = rest.split('/').next().unwrap();
    let upper = address.replacen(host, &host.to_uppercase(), 1);
    let escaped = format!("{scheme}://%{:02x}{}", rest.as_bytes()[0], &rest[1..]);
    let longer = ["/", "?", "#", " ", "/.", "\u{0}"].map(|end| format!("{address}{end}"));
    [vec![format!("{}://{rest}", scheme.to_uppercase()), upper, escaped], longer.to_vec()].concat()
}

#[tokio::test]
async fn rfc7523_3_issuer_and_audience_are_compared_letter_by_letter() {
    let key = Key::generate("ES256");
    let server = Server::with(&[], &toml(&key)).await;
    let alice = server.alice().await;
    let client = server.client(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks() })).await;
    let changed = |mut claims: Value, name: &str, value: &str| {
        claims[name] = json!(value);
        key.sign(&claims)
    };
    let partner = partner_claims(&server, &alice.account, "j");
    let token_endpoint = format!("{}/token", server.issuer);
    for (name, address) in [("iss", PARTNER), ("aud", server.issuer.as_str()), ("aud", token_endpoint.as_str())] {
        for other in spellings(address) {
            let answer = bring(&server, "batch", &changed(partner.clone(), name, &other), &[]).await;
            assert_eq!(answer.refusal(), (400, "invalid_grant".to_owned()), "{name} {other}");
            if name == "aud" {
                assert_eq!(asserted(&server, &changed(claims_of(&server, &client, "j"), name, &other)).await, no_client(), "{other}");
            }
        }
    }
    for name in ["iss", "sub"] {
        for other in [client.id.to_uppercase(), format!("{}/", client.id), format!(" {}", client.id), format!("{}.", client.id)] {
            if other != client.id {
                assert_eq!(
                    asserted(&server, &changed(claims_of(&server, &client, "j"), name, &other)).await,
                    no_client(),
                    "{name} {other}"
                );
            }
        }
    }
    assert_eq!(bring(&server, "batch", &key.sign(&partner), &[]).await.status, 200);
    assert_eq!(asserted(&server, &key.sign(&claims_of(&server, &client, "j"))).await.0, 200);
}

#[tokio::test]
async fn rfc7523_3_a_client_leaves_no_claim_out() {
    let key = Key::generate("ES256");
    let server = Server::start().await;
    let client = server.client(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks() })).await;
    let secret = server.client(json!({ "token_endpoint_auth_method": "client_secret_jwt" })).await;
    let signed = |claims: &Value| key.sign(claims);
    let under_secret = |claims: &Value| jwt::mac("HS256", secret.secret.as_deref().unwrap(), claims);
    let signers: [(&Client, Sign<'_>); 2] = [(&client, &signed), (&secret, &under_secret)];
    for (own, sign) in signers {
        let whole = claims_of(&server, own, "j");
        for (name, may_lack) in [("iss", false), ("sub", false), ("aud", false), ("exp", false), ("iat", true)] {
            let expected = if may_lack { (200, String::new()) } else { no_client() };
            let mut claims = whole.clone();
            claims.as_object_mut().unwrap().remove(name);
            claims["jti"] = json!(name);
            assert_eq!(asserted(&server, &sign(&claims)).await, expected, "{name}");
        }
        // Whatever else is in it changes nothing.
        let mut more = whole;
        more["https://example.com/more"] = json!({ "a": [1, null] });
        assert_eq!(asserted(&server, &sign(&more)).await.0, 200);
    }
}

/// Of claims that are right: what is no valid JWT about them (RFC 7519, RFC 7515).
fn invalid_forms(key: &Key, claims: &Value) -> Vec<(&'static str, String)> {
    let Key::Ec(_, pair) = key else { panic!("a key of another kind") };
    let raw = |header: &str, payload: &str| {
        let message = [header, payload].map(|part| B64.encode(part)).join(".");
        format!("{message}.{}", B64.encode(pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap()))
    };
    let header = |name: &str, value: Value| key.sign_with(&json!({ "alg": "ES256", "kid": "k", name: value }), claims);
    let claim = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        key.sign(&claims)
    };
    let (good, other) = (key.sign(claims), claim("jti", json!("other")));
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (mine, its) = (parts(&good), parts(&other));
    let plain = r#"{"alg":"ES256","kid":"k"}"#;
    let (text, iss) = (claims.to_string(), claims["iss"].clone());
    let twice = format!("{{\"iss\":{iss},{}", &text[1..]);
    vec![
        ("an extension that has to be understood", header("crit", json!(["x"]))),
        ("an unencoded payload", header("b64", json!(false))),
        ("an algorithm that is no text", key.sign_with(&json!({ "alg": 256, "kid": "k" }), claims)),
        ("another algorithm than the key's", key.sign_with(&json!({ "alg": "RS256", "kid": "k" }), claims)),
        ("a header that is no object", raw("[]", &text)),
        ("a member of the header twice", raw(r#"{"alg":"ES256","kid":"k","kid":"k"}"#, &text)),
        ("claims that are no object", raw(plain, &format!("[{text}]"))),
        ("claims that are no JSON", raw(plain, &text[..text.len() - 1])),
        ("a claim twice", raw(plain, &twice)),
        ("iss as a list", claim("iss", json!([iss]))),
        ("sub as a number", claim("sub", json!(1))),
        ("aud as a number", claim("aud", json!(1))),
        ("a number among aud", claim("aud", json!([claims["aud"], 1]))),
        ("exp as a text", claim("exp", json!(claims["exp"].to_string()))),
        ("nbf as a text", claim("nbf", json!("0"))),
        ("iat as a list", claim("iat", json!([0]))),
        ("jti as a number", claim("jti", json!(1))),
        ("no signature", format!("{}.{}.", B64.encode(r#"{"alg":"none"}"#), mine[1])),
        ("the signature left out", format!("{}.{}.", mine[0], mine[1])),
        ("two parts", format!("{}.{}", mine[0], mine[1])),
        ("the signature of other claims", format!("{}.{}.{}", mine[0], mine[1], its[2])),
        ("padding", format!("{good}=")),
        ("white space", format!(" {good}")),
    ]
}

#[tokio::test]
async fn rfc7523_3_what_is_no_valid_jwt_is_refused_and_takes_nothing() {
    let key = Key::generate("ES256");
    let server = Server::with(&[], &toml(&key)).await;
    let alice = server.alice().await;
    let good = partner_claims(&server, &alice.account, "j");
    let mark = server.mark().await;
    for (what, assertion) in invalid_forms(&key, &good) {
        assert_eq!(bring(&server, "batch", &assertion, &[]).await.refusal(), (400, "invalid_grant".to_owned()), "{what}");
    }
    assert_eq!(server.mark().await, mark);
    assert_eq!(bring(&server, "batch", &key.sign(&good), &[]).await.status, 200);
    let client = server.client(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks() })).await;
    let good = claims_of(&server, &client, "j");
    for (what, assertion) in invalid_forms(&key, &good) {
        assert_eq!(asserted(&server, &assertion).await, no_client(), "{what}");
    }
    assert_eq!(asserted(&server, &key.sign(&good)).await.0, 200);
}

#[tokio::test]
async fn rfc7523_3_1_credentials_beside_a_grant_are_looked_at_before_it() {
    let key = Key::generate("ES256");
    let server = Server::with(&[], &toml(&key)).await;
    let alice = server.alice().await;
    let assertion = key.sign(&partner_claims(&server, &alice.account, "j"));
    let grant = [("grant_type", GRANT), ("assertion", assertion.as_str())];
    let wrong = Client { secret: Some("wrong".to_owned()), ..partner_client("batch") };
    assert_eq!(server.token(&wrong, &grant).await.refusal(), no_client());
    let unproven = Client { secret: None, ..partner_client("batch") };
    assert_eq!(server.token(&unproven, &grant).await.refusal(), no_client(), "our own: nobody brings one without proof");
    assert_eq!(server.post(TOKEN).form(&grant).send().await.refusal(), no_client());
    assert_eq!(server.token(&partner_client("batch"), &grant).await.status, 200, "nothing was taken");
}

#[tokio::test]
async fn rfc7523_5_rs256_is_taken_from_issuers_and_from_clients() {
    let key = Key::generate("RS256");
    let server = Server::with(&[], &toml(&key)).await;
    let alice = server.alice().await;
    assert_eq!(bring(&server, "batch", &key.sign(&partner_claims(&server, &alice.account, "j")), &[]).await.status, 200);
    let client = server.client(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks() })).await;
    assert_eq!(asserted(&server, &key.sign(&claims_of(&server, &client, "j"))).await.0, 200);
    let document = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert!(document["token_endpoint_auth_signing_alg_values_supported"].as_array().unwrap().contains(&json!("RS256")));
}
