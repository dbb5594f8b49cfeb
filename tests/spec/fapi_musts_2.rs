//! FAPI 2.0 Security Profile: what it demands and no other test holds.

use std::collections::BTreeSet;
use std::sync::Arc;

use rcgen::SanType;
use rustls::crypto::CryptoProvider;
use rustls::version::TLS12;
use rustls::{CipherSuite, ClientConfig};
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::fapi::{KIND, World};
use crate::support::call::Answer;
use crate::support::flow::Tokens;
use crate::support::jwt::{Key, verified};
use crate::support::mtls::{Authority, Identity};
use crate::support::*;

const HEAD: &str = "profile = \"fapi2-security\"";

/// What every client of the profile registers, with these members over it.
fn metadata(key: &Key, members: Value) -> Value {
    let mut all = json!({
        "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks(),
        "token_endpoint_auth_signing_alg": "ES256", "id_token_signed_response_alg": "ES256", "dpop_bound_access_tokens": true,
    });
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    all
}

async fn register(server: &Server, metadata: &Value) -> Answer {
    server.post("/clients").bearer(&server.operator_token("admin").await).json(metadata).send().await
}

/// A client that authenticates with a key of its own.
struct Signing<'a> {
    world: &'a World,
    id: String,
    key: &'a Key,
}

impl Signing<'_> {
    /// An assertion with these claims over the usual ones.
    fn assertion(&self, changes: &Value) -> String {
        let now = self.world.server.app.now().0 / 1000;
        let (iss, aud, jti) = (&self.id, &self.world.server.issuer, self.world.next());
        let mut all = json!({ "iss": iss, "sub": iss, "aud": aud, "jti": jti, "iat": now, "exp": now + 60 });
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        self.key.sign(&all)
    }

    async fn send(&self, path: &str, fields: &[(&str, &str)], assertion: &str, proof: Option<&str>) -> Answer {
        let own = [("client_assertion_type", KIND), ("client_assertion", assertion)];
        let call = self.world.server.post(path).form(&[fields, &own].concat());
        proof.into_iter().fold(call, |call, proof| call.header("dpop", proof)).send().await
    }

    async fn push(&self, fields: &[(&str, &str)], assertion: &Value, proof: Option<&str>) -> Answer {
        self.send("/oidc/par", fields, &self.assertion(assertion), proof).await
    }

    /// A request object with these claims over the usual ones; `null` takes one away.
    fn claims(&self, changes: &Value) -> Value {
        let mut all = json!({
            "iss": self.id, "aud": self.world.server.issuer, "client_id": self.id, "redirect_uri": "https://app.example/cb",
            "response_type": "code", "scope": "openid", "state": "s", "nonce": "n", "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        });
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        all.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        all
    }
}

const PARAMETERS: &[(&str, &str)] = &[
    ("redirect_uri", "https://app.example/cb"),
    ("response_type", "code"),
    ("scope", "openid"),
    ("code_challenge", CHALLENGE),
    ("code_challenge_method", "S256"),
];

/// A proof of this key for a POST, made so many seconds from now.
fn proof(world: &World, key: &Key, path: &str, ahead: i64) -> String {
    let mut jwk = key.jwks()["keys"][0].clone();
    jwk.as_object_mut().unwrap().retain(|name, _| !["kid", "alg"].contains(&name.as_str()));
    let (uri, iat) = (format!("{}{path}", world.server.origin), world.server.app.now().0 / 1000 + ahead);
    key.sign_with(
        &json!({ "typ": "dpop+jwt", "alg": key.alg(), "jwk": jwk }),
        &json!({ "jti": world.next(), "htm": "POST", "htu": uri, "iat": iat }),
    )
}

#[tokio::test]
async fn fapi2_security_5_2_2_tls_1_2_and_later_and_of_1_2_the_recommended_suites_alone() {
    let (web, files) = (Authority::new("web"), TempDir::with_prefix("tls").unwrap());
    let (cert, key) = web.issue("mtls", vec![SanType::DnsName("mtls.localhost".try_into().unwrap())]).write(&files, "server");
    let url = "https://mtls.localhost:8443";
    let environment =
        [("CHANCERY_MTLS_LISTEN", "127.0.0.1:0"), ("CHANCERY_MTLS_URL", url), ("CHANCERY_MTLS_CERT", &cert), ("CHANCERY_MTLS_KEY", &key)];
    for profile in ["fapi1-advanced", "fapi2-security"] {
        let server = Server::production(&environment, &format!("profile = \"{profile}\"\n")).await;
        let connect = || async { TcpStream::connect(server.mtls.unwrap()).await.unwrap() };
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let mut spoken = Vec::new();
        for suite in provider.cipher_suites.iter().filter(|own| own.tls13().is_none()) {
            let own = Arc::new(CryptoProvider { cipher_suites: vec![*suite], ..provider.clone() });
            let config = ClientConfig::builder_with_provider(own).with_protocol_versions(&[&TLS12]).unwrap();
            let config = Arc::new(config.with_root_certificates(web.roots()).with_no_client_auth());
            let name = ServerName::try_from("mtls.localhost").unwrap();
            if TlsConnector::from(config).connect(name, connect().await).await.is_ok() {
                spoken.push(suite.suite());
            }
        }
        // The certificate has a key on a curve.
        let recommended = [CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];
        assert!(spoken.len() == 2 && recommended.iter().all(|own| spoken.contains(own)), "{profile}: {spoken:?}");
        // Whoever speaks TLS 1.1 at most: one suite, and one algorithm of signatures.
        let body = [&[3, 2][..], &[7; 32], &[0, 0, 2, 0xc0, 0x09, 1, 0], &[0, 8, 0, 13, 0, 4, 0, 2, 4, 3]].concat();
        let length = u8::try_from(body.len()).unwrap();
        let hello = [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &body].concat();
        let mut socket = connect().await;
        socket.write_all(&hello).await.unwrap();
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        assert_eq!((answer.first(), answer.get(5..7)), (Some(&21), Some(&[2, 70][..])), "protocol_version: {answer:?}");
    }
}

#[tokio::test]
async fn fapi2_security_5_2_3_no_script_of_another_origin_reads_the_authorization_endpoint() {
    let world = World::new(HEAD, "allowed_origins = [\"https://app.example\"]\n").await;
    let from = |method: &str, path: &str| {
        let call = world.server.call(method, path).header("origin", "https://app.example");
        call.header("access-control-request-method", "POST")
    };
    for (method, path) in [("OPTIONS", "/oidc/auth"), ("GET", "/oidc/auth?client_id=app"), ("GET", "/oidc/auth")] {
        let answer = from(method, path).send().await;
        let told: Vec<_> = answer.headers.keys().filter(|name| name.as_str().starts_with("access-control-")).collect();
        assert!(told.is_empty(), "{method} {path}: {told:?}");
        assert!(method == "OPTIONS" || answer.header("strict-transport-security").contains("max-age="), "§5.2.3 (1): {path}");
    }
    let token = from("OPTIONS", "/oidc/token").send().await;
    assert_eq!(token.header("access-control-allow-origin"), "https://app.example", "where scripts belong they are let in");
}

#[tokio::test]
async fn fapi2_security_5_3_2_1_every_grant_of_a_machine_too_gives_bound_tokens() {
    let world = World::new(HEAD, "").await;
    let members = json!({ "grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [], "scope": "api" });
    let answer = register(&world.server, &metadata(&world.key, members)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let machine = Signing { world: &world, id: Client::of(&answer.json()).id, key: &world.key };
    let grant = async |grant: &str, proof: Option<&str>| {
        let fields = [("grant_type", grant), ("username", "alice@example.com"), ("password", flow::PASSWORD)];
        machine.send("/oidc/token", &fields, &machine.assertion(&json!({})), proof).await
    };
    assert_eq!(grant("client_credentials", None).await.refusal(), (400, "invalid_dpop_proof".to_owned()));
    let bound = grant("client_credentials", Some(&world.prover.for_token(&world.server))).await;
    assert_eq!(Tokens::of(&bound).whole["token_type"], "DPoP");
    assert_eq!(grant("password", Some(&world.prover.for_token(&world.server))).await.refusal(), (400, "unsupported_grant_type".to_owned()));
}

#[tokio::test]
async fn fapi2_security_5_3_2_1_clients_of_before_that_fall_short_are_no_clients() {
    for profile in ["fapi1-advanced", "fapi2-security", "fapi2-message-signing"] {
        let mut server = Server::production(&[], "").await;
        let mut known = Vec::new();
        for method in ["none", "client_secret_basic", "client_secret_post"] {
            let all = json!({ "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": method });
            known.push(Client::of(&register(&server, &all).await.json()));
        }
        // FAPI 1.0 needs certificates to come in.
        server.given_toml(&format!("profile = \"{profile}\"\ntrusted_proxies = [\"127.0.0.1/32\"]\n[mtls]\nproxy_header = true\n"));
        let server = server.restart().await;
        for (index, client) in known.iter().enumerate() {
            for path in ["/oidc/token", "/oidc/par"] {
                let fields = [("grant_type", "authorization_code"), ("code", "x"), ("redirect_uri", client.redirect_uri.as_str())];
                let answer = server.as_client(path, client, &fields).send().await;
                assert_eq!(answer.refusal(), (401, "invalid_client".to_owned()), "{profile} {index} {path}");
            }
            let answer = server.get(&client.request(&[])).send().await;
            assert!(answer.sent("code").is_none() && answer.sent("error").is_some(), "{profile} {index}: {}", answer.location());
        }
    }
}

#[tokio::test]
async fn fapi2_security_5_3_2_1_certificates_do_instead_of_assertions_and_proofs() {
    let own = Identity::self_signed("app");
    let toml = format!(
        "{HEAD}\ntrusted_proxies = [\"127.0.0.1/32\"]\n[mtls]\nproxy_header = true\n[[client]]\nclient_id = \"app\"\njwks = '{}'\n\
         token_endpoint_auth_method = \"self_signed_tls_client_auth\"\nid_token_signed_response_alg = \"ES256\"\n\
         redirect_uris = [\"https://app.example/cb\"]\ntls_client_certificate_bound_access_tokens = true\n",
        own.jwks()
    );
    let server = Server::production(&[], &toml).await;
    let (alice, stranger) = (server.alice().await, Identity::self_signed("app"));
    let call = |path: &str, fields: &[(&str, &str)], shown: Option<&Identity>| {
        let call = server.post(path).form(&[fields, &[("client_id", "app")]].concat());
        shown.into_iter().fold(call, |call, shown| call.header("client-cert", &shown.field())).send()
    };
    for shown in [None, Some(&stranger)] {
        assert_eq!(call("/oidc/par", PARAMETERS, shown).await.refusal(), (401, "invalid_client".to_owned()));
    }
    let pushed = call("/oidc/par", PARAMETERS, Some(&own)).await;
    assert_eq!(pushed.status, 201, "{}", pushed.text());
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", "app").append_pair("request_uri", pushed.json()["request_uri"].as_str().unwrap());
    let mut browser = Browser::new(&server);
    let page = browser.open(&format!("/oidc/auth?{}", query.finish())).await;
    let code = browser.pass(page, &alice).await.code();
    let redemption =
        [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", "https://app.example/cb"), ("code_verifier", VERIFIER)];
    assert_eq!(call("/oidc/token", &redemption, None).await.refusal(), (401, "invalid_client".to_owned()));
    let tokens = Tokens::of(&call("/oidc/token", &redemption, Some(&own)).await);
    let told = call("/oidc/introspection", &[("token", &tokens.access)], Some(&own)).await.json();
    assert_eq!(told["cnf"], json!({ "x5t#S256": own.x5t() }));
    for (shown, status) in [(&own, 200), (&stranger, 401)] {
        let answer = server.get("/oidc/userinfo").bearer(&tokens.access).header("client-cert", &shown.field()).send().await;
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn fapi2_security_5_3_2_1_clocks_may_be_ahead_by_ten_seconds_and_not_by_more_than_sixty() {
    let world = World::new(HEAD, "request_object_signing_alg = \"ES256\"\n").await;
    let app = Signing { world: &world, id: "app".to_owned(), key: &world.key };
    let now = world.server.app.now().0 / 1000;
    let holder = Key::generate("ES256");
    for (ahead, holds) in [(0, true), (10, true), (61, false)] {
        let expected = |status: u16, error: &str| if holds { (201, String::new()) } else { (status, error.to_owned()) };
        for name in ["iat", "nbf"] {
            let answer = app.push(PARAMETERS, &json!({ name: now + ahead, "exp": now + ahead + 60 }), None).await;
            assert_eq!(answer.refusal(), expected(401, "invalid_client"), "assertion, {name} {ahead}");
            let object = world.key.sign(&app.claims(&json!({ name: now + ahead, "exp": now + ahead + 60 })));
            let answer = app.push(&[("request", &object)], &json!({}), None).await;
            assert_eq!(answer.refusal(), expected(400, "invalid_request_object"), "request object, {name} {ahead}");
        }
        let answer = app.push(PARAMETERS, &json!({}), Some(&proof(&world, &holder, "/oidc/par", ahead))).await;
        assert_eq!(answer.refusal(), expected(400, "invalid_dpop_proof"), "proof, {ahead}");
    }
}

#[tokio::test]
async fn fapi2_security_5_3_2_1_a_code_is_bound_to_the_key_that_was_proven_with_the_push() {
    let world = World::new(HEAD, "").await;
    let alice = world.server.alice().await;
    let app = Signing { world: &world, id: "app".to_owned(), key: &world.key };
    let (holder, other) = (Key::generate("ES256"), Key::generate("ES256"));
    let pushed = app.push(PARAMETERS, &json!({}), Some(&proof(&world, &holder, "/oidc/par", 0))).await;
    let code = world.brought(&mut Browser::new(&world.server), &alice, &pushed).await.code();
    let redeem = async |key: &Key| world.redemption(&code).header("dpop", &proof(&world, key, "/oidc/token", 0)).send().await;
    assert_eq!(redeem(&other).await.refusal(), (400, "invalid_grant".to_owned()));
    assert_eq!(redeem(&holder).await.status, 200);
    // §5.3.2.2 (9).
    assert_eq!(redeem(&holder).await.refusal(), (400, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn fapi2_security_5_3_2_2_what_a_pushed_request_needs() {
    let world = World::new(HEAD, "").await;
    for (changes, error) in [
        (&[("code_challenge", ""), ("code_challenge_method", "")][..], "invalid_request"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("code_challenge_method", "")], "invalid_request"),
        (&[("redirect_uri", "")], "invalid_request"),
        (&[("redirect_uri", ""), ("scope", "email")], "invalid_request"),
        (&[("response_type", "")], "invalid_request"),
        (&[("response_type", "none")], "unsupported_response_type"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("response_type", "code id_token")], "unsupported_response_type"),
    ] {
        assert_eq!(world.push(changes).await.refusal(), (400, error.to_owned()), "{changes:?}");
    }
    let without = world.server.post("/oidc/par").form(&[PARAMETERS, &[("client_id", "app")]].concat()).send().await;
    assert_eq!(without.refusal(), (401, "invalid_client".to_owned()));
    // §5.3.2.2 (12), (14), and a state as long as clients make them.
    let (nonce, state) = ("n".repeat(64), "s".repeat(1_200));
    let pushed = world.push(&[("nonce", &nonce), ("state", &state)]).await;
    assert!(pushed.json()["expires_in"].as_u64().unwrap() < 600, "{}", pushed.text());
    let alice = world.server.alice().await;
    let answer = world.brought(&mut Browser::new(&world.server), &alice, &pushed).await;
    assert_eq!((answer.status, answer.sent("state")), (303, Some(state)));
    let redeemed = world.redemption(&answer.code()).header("dpop", &world.prover.for_token(&world.server)).send().await;
    let (_, claims) = verified(Tokens::of(&redeemed).id_token(), &world.server.get("/oidc/jwks").send().await.json());
    assert_eq!((&claims["nonce"], &claims["sub"]), (&json!(nonce), &json!(alice.account)), "§5.3.2.3");
    // The profile of one client alone takes response types away too.
    let members = "chancery_profile = \"fapi2-security\"\nrequire_pkce = true\nrequire_pushed_authorization_requests = true\n";
    let one = World::new("", members).await;
    assert_eq!(one.push(&[("response_type", "none")]).await.refusal(), (400, "unsupported_response_type".to_owned()));
    assert_eq!(one.push(&[("redirect_uri", ""), ("scope", "email")]).await.refusal(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn fapi2_security_5_3_2_2_plain_http_goes_to_the_loopback_address_of_a_native_client_alone() {
    let world = World::new(HEAD, "").await;
    for (kind, uri, status) in [
        ("native", "http://127.0.0.1/cb", 201),
        ("native", "http://[::1]:3000/cb", 201),
        ("native", "http://localhost/cb", 400),
        ("native", "http://app.example/cb", 400),
        ("web", "http://127.0.0.1/cb", 400),
        ("web", "http://app.example/cb", 400),
    ] {
        let answer = register(&world.server, &metadata(&world.key, json!({ "redirect_uris": [uri], "application_type": kind }))).await;
        assert_eq!(answer.status, status, "{kind} {uri}: {}", answer.text());
    }
}

#[tokio::test]
async fn fapi2_security_5_4_1_requests_and_assertions_are_signed_with_algorithms_of_the_profile() {
    let world = World::new(HEAD, "").await;
    // §5.4.3: several keys of one name, of which the one that fits is found. No algorithm is registered for request objects.
    let keys = ["RS256", "ES256", "PS256", "EdDSA", "ES384", "ES512", "ES256"].map(Key::generate);
    let jwks: Vec<_> = keys.iter().map(|key| key.jwks()["keys"][0].clone()).collect();
    assert!(jwks.iter().all(|key| key["kid"] == jwks[0]["kid"]));
    let answer = register(&world.server, &metadata(&world.key, json!({ "jwks": { "keys": jwks } }))).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let id = Client::of(&answer.json()).id;
    for key in &keys {
        let (own, last) = (Signing { world: &world, id: id.clone(), key }, Signing { world: &world, id: id.clone(), key: &keys[6] });
        let is_allowed = ["PS256", "ES256", "EdDSA"].contains(&key.alg());
        let object = key.sign(&own.claims(&json!({})));
        let answer = last.push(&[("request", &object)], &json!({}), None).await;
        let expected = if is_allowed { (201, String::new()) } else { (400, "invalid_request_object".to_owned()) };
        assert_eq!(answer.refusal(), expected, "request object, {}", key.alg());
        // Registered for ES256.
        let answer = own.push(PARAMETERS, &json!({}), None).await;
        assert_eq!(answer.status, if key.alg() == "ES256" { 201 } else { 401 }, "assertion, {}", key.alg());
    }
    let last = Signing { world: &world, id, key: &keys[6] };
    let unsigned = |claims: &Value| {
        let signed = keys[6].sign_with(&json!({ "alg": "none" }), claims);
        format!("{}.", signed.rsplit_once('.').unwrap().0)
    };
    let object = unsigned(&last.claims(&json!({})));
    let answer = last.push(&[("request", &object)], &json!({}), None).await;
    assert_eq!(answer.refusal(), (400, "invalid_request_object".to_owned()));
    let now = world.server.app.now().0 / 1000;
    let claims = json!({ "iss": last.id, "sub": last.id, "aud": world.server.issuer, "jti": "j", "iat": now, "exp": now + 60 });
    let answer = last.send("/oidc/par", PARAMETERS, &unsigned(&claims), None).await;
    assert_eq!(answer.refusal(), (401, "invalid_client".to_owned()));
}

#[tokio::test]
async fn fapi2_security_5_4_1_short_keys_are_no_keys() {
    use base64::Engine as _;
    let modulus = |bytes: usize| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode([&[0xc1][..], &vec![0x55; bytes - 1]].concat());
    let world = World::new(HEAD, "").await;
    for (jwk, status) in [
        (json!({ "kty": "RSA", "e": "AQAB", "n": modulus(256) }), 201),
        (json!({ "kty": "RSA", "e": "AQAB", "n": modulus(255) }), 400),
        (json!({ "kty": "RSA", "e": "AQAB", "n": modulus(128) }), 400),
        (json!({ "kty": "EC", "crv": "P-192", "x": modulus(24), "y": modulus(24) }), 400),
        (json!({ "kty": "OKP", "crv": "Ed448", "x": modulus(57) }), 400),
    ] {
        let members = json!({ "jwks": { "keys": [jwk] }, "token_endpoint_auth_signing_alg": "PS256" });
        let answer = register(&world.server, &metadata(&world.key, members)).await;
        assert_eq!(answer.status, status, "{jwk}: {}", answer.text());
    }
    for key in world.server.get("/oidc/jwks").send().await.json()["keys"].as_array().unwrap() {
        let is_long = match key["kty"].as_str().unwrap() {
            // 256 bytes are 342 letters.
            "RSA" => key["n"].as_str().unwrap().len() >= 342,
            "EC" => ["P-256", "P-384", "P-521"].contains(&key["crv"].as_str().unwrap()),
            _ => key["crv"] == "Ed25519",
        };
        assert!(is_long, "{key}");
    }
}

#[tokio::test]
async fn fapi2_security_5_4_1_what_opens_something_has_128_bits_that_nobody_can_guess() {
    let world = World::new(HEAD, "").await;
    let alice = world.server.alice().await;
    let mut browser = Browser::new(&world.server);
    let mut drawn: Vec<Vec<String>> = Vec::new();
    for _ in 0..2 {
        let pushed = world.push(&[]).await;
        let code = world.brought(&mut browser, &alice, &pushed).await.code();
        let tokens = Tokens::of(&world.redemption(&code).header("dpop", &world.prover.for_token(&world.server)).send().await);
        let request_uri = pushed.json()["request_uri"].as_str().unwrap().to_owned();
        drawn.push(vec![request_uri, code, tokens.access.clone(), tokens.refresh().to_owned()]);
    }
    for (one, another) in drawn[0].iter().zip(&drawn[1]) {
        // 62 letters: less than six bits each.
        let differing = one.chars().zip(another.chars()).filter(|(one, another)| one != another).count();
        assert!(differing >= 22, "{one} {another}");
    }
    let all: BTreeSet<_> = drawn.iter().flatten().collect();
    assert_eq!(all.len(), 8);
}
