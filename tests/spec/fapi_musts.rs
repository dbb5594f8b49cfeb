//! FAPI 1.0 Part 2 (Advanced), with what it takes from Part 1 (Baseline): what these demand and no other test holds.

use serde_json::{Value, json};

use super::fapi::KIND;
use super::oidc_musts::in_fragment;
use crate::support::call::{Answer, Call};
use crate::support::flow::{Tokens, page_of};
use crate::support::jwt::{Key, left_half, verified};
use crate::support::mtls::Identity;
use crate::support::*;

const HEAD: &str = r#"
profile = "fapi1-advanced"
trusted_proxies = ["127.0.0.1/32"]
[mtls]
proxy_header = true
[response_types]
front_channel = true
[request_objects]
encrypted = true
"#;

const MEMBERS: &str = r#"
token_endpoint_auth_method = "private_key_jwt"
token_endpoint_auth_signing_alg = "ES256"
id_token_signed_response_alg = "ES256"
request_object_signing_alg = "ES256"
require_signed_request_object = true
tls_client_certificate_bound_access_tokens = true
redirect_uris = ["https://app.example/cb"]
grant_types = ["authorization_code", "implicit", "refresh_token"]
response_types = ["code", "code id_token"]
"#;

/// A client of the profile, declared with its key, which shows a certificate through the proxy.
struct World {
    server: Server,
    key: Key,
    certificate: Identity,
    client: Client,
    count: std::cell::Cell<u32>,
}

impl World {
    async fn new() -> Self {
        let key = Key::generate("ES256");
        let toml = format!("{HEAD}\n[[client]]\nclient_id = \"app\"\njwks = '{}'\n{MEMBERS}", key.jwks());
        let server = Server::production(&[], &toml).await;
        let client = Client { id: "app".to_owned(), secret: None, redirect_uri: "https://app.example/cb".to_owned() };
        Self { server, key, certificate: Identity::self_signed("app"), client, count: std::cell::Cell::new(0) }
    }

    fn now(&self) -> i64 {
        self.server.app.now().0 / 1000
    }

    /// The claims of a whole request, with these over them; `null` takes one away.
    fn claims(&self, changes: Value) -> Value {
        let mut all = json!({
            "iss": "app", "aud": self.server.issuer, "client_id": "app", "redirect_uri": "https://app.example/cb",
            "response_type": "code id_token", "scope": "openid email", "state": "inner", "nonce": "n",
            "nbf": self.now(), "exp": self.now() + 300,
        });
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        all.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        all
    }

    fn object(&self, changes: Value) -> String {
        self.key.sign(&self.claims(changes))
    }

    /// The address of a request with nothing beside its object but what RFC 9101 §5 wants there.
    fn bare(&self, object: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("client_id", &self.client.id).append_pair("request", object);
        format!("/oidc/auth?{}", query.finish())
    }

    /// The error that comes back, with a whole request of this type beside the object.
    async fn error(&self, kind: &str, object: &str) -> Option<String> {
        let answer = self.server.get(&self.client.request(&[("response_type", kind), ("request", object)])).send().await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let Some(signed) = answer.sent("response") else { return in_fragment(&answer, "error").or_else(|| answer.sent("error")) };
        let (_, claims) = verified(&signed, &self.server.get("/oidc/jwks").send().await.json());
        claims["error"].as_str().map(str::to_owned)
    }

    /// A call that is authenticated by an assertion alone.
    fn call(&self, path: &str, fields: &[(&str, &str)]) -> Call<'_> {
        self.count.set(self.count.get() + 1);
        let (jti, now) = (format!("jti-{}", self.count.get()), self.now());
        let assertion =
            self.key.sign(&json!({ "iss": "app", "sub": "app", "aud": self.server.issuer, "jti": jti, "iat": now, "exp": now + 60 }));
        self.server.post(path).form(&[fields, &[("client_assertion_type", KIND), ("client_assertion", &assertion)]].concat())
    }

    fn redemption(&self, code: &str) -> Call<'_> {
        self.call("/oidc/token", &[("grant_type", "authorization_code"), ("code", code), ("redirect_uri", "https://app.example/cb")])
    }

    async fn redeem(&self, code: &str) -> Answer {
        self.redemption(code).header("client-cert", &self.certificate.field()).send().await
    }
}

#[tokio::test]
async fn fapi1_advanced_5_2_2_1_an_id_token_beside_the_code_is_the_detached_signature() {
    let world = World::new().await;
    let (server, alice) = (&world.server, world.server.alice().await);
    let jwks = server.get("/oidc/jwks").send().await.json();
    let mut browser = Browser::new(server);
    for state in [Some("inner"), None] {
        let page = browser.open(&world.bare(&world.object(json!({ "state": state })))).await;
        let answer = browser.pass(page, &alice).await;
        let sent = |name| in_fragment(&answer, name);
        let (code, id_token) = (sent("code").unwrap(), sent("id_token").unwrap());
        assert_eq!((sent("state").as_deref(), sent("access_token")), (state, None));
        let (header, claims) = verified(&id_token, &jwks);
        assert_eq!(
            (&header["alg"], &claims["iss"], &claims["aud"], &claims["nonce"]),
            (&json!("ES256"), &json!(server.issuer), &json!("app"), &json!("n"))
        );
        assert_eq!(claims["c_hash"], left_half(&code));
        assert_eq!(claims["s_hash"], state.map_or(Value::Null, |state| json!(left_half(state))), "§5.1.2");
        assert!(claims.get("email").is_none(), "§5.2.2.1 (6): nothing of the person passes through the browser");
        let tokens = Tokens::of(&world.redeem(&code).await);
        let (header, claims) = verified(tokens.id_token(), &jwks);
        assert_eq!((&header["alg"], &claims["sub"]), (&json!("ES256"), &json!(alice.account)));
    }
}

#[tokio::test]
async fn fapi1_advanced_5_2_2_2_a_code_alone_comes_in_a_signed_answer_and_its_tokens_are_bound_to_the_certificate() {
    let world = World::new().await;
    let (server, alice) = (&world.server, world.server.alice().await);
    let mut browser = Browser::new(server);
    let page = browser.open(&world.bare(&world.object(json!({ "response_type": "code", "response_mode": "jwt" })))).await;
    let answer = browser.pass(page, &alice).await;
    assert_eq!((answer.sent("code"), answer.sent("state"), answer.sent("iss")), (None, None, None), "all of it stands inside");
    let (header, claims) = verified(&answer.sent("response").unwrap(), &server.get("/oidc/jwks").send().await.json());
    assert_eq!(header["alg"], "PS256", "§8.6, though the client names none");
    assert_eq!(
        (&claims["iss"], &claims["aud"], &claims["exp"], &claims["state"]),
        (&json!(server.issuer), &json!("app"), &json!(world.now() + 120), &json!("inner"))
    );
    let code = claims["code"].as_str().unwrap();
    // §5.2.2 (5), (6): a proof of another kind is none.
    let proof = super::rfc9449::Prover::new("ES256").for_token(server);
    for call in [world.redemption(code), world.redemption(code).header("dpop", &proof)] {
        assert_eq!(call.send().await.refusal(), (400, "invalid_request".to_owned()));
    }
    let tokens = Tokens::of(&world.redeem(code).await);
    // §5.2.2 of Part 1 (14), (15): a response of RFC 6749 §4.1.4, with the scope that was granted.
    assert_eq!((&tokens.whole["token_type"], &tokens.whole["scope"]), (&json!("Bearer"), &json!("email openid")));
    let own = ("client-cert", world.certificate.field());
    let told = world.call("/oidc/introspection", &[("token", &tokens.access)]).header(own.0, &own.1).send().await.json();
    assert_eq!(told["cnf"], json!({ "x5t#S256": world.certificate.x5t() }));
    let stranger = Identity::self_signed("app").field();
    for (certificate, status) in [(own.1.as_str(), 200), (stranger.as_str(), 401)] {
        assert_eq!(server.get("/oidc/userinfo").bearer(&tokens.access).header(own.0, certificate).send().await.status, status);
    }
    assert_eq!(world.redeem(code).await.refusal(), (400, "invalid_grant".to_owned()), "Part 1 §5.2.2 (13)");
}

#[tokio::test]
async fn fapi1_advanced_5_2_2_a_request_is_a_signed_object_of_the_hour_for_this_server() {
    let world = World::new().await;
    let now = world.now();
    for (changes, error) in [
        (json!({}), None),
        (json!({ "nbf": now - 3_600, "exp": now, "aud": [world.server.issuer, "https://other.example"] }), None),
        (json!({ "nbf": null }), Some("invalid_request_object")),
        (json!({ "exp": null }), Some("invalid_request_object")),
        (json!({ "aud": null }), Some("invalid_request_object")),
        (json!({ "aud": "https://other.example" }), Some("invalid_request_object")),
        (json!({ "aud": format!("{}/token", world.server.issuer) }), Some("invalid_request_object")),
        (json!({ "nbf": now - 3_601, "exp": now - 1 }), Some("invalid_request_object")),
        (json!({ "exp": now + 3_601 }), Some("invalid_request_object")),
    ] {
        assert_eq!(world.error("code id_token", &world.object(changes.clone())).await.as_deref(), error, "{changes}");
    }
    // §8.6: signed by the client, and with nothing but PS256 and ES256.
    let whole = world.claims(json!({}));
    let unsigned = Key::generate("ES256").sign_with(&json!({ "alg": "none" }), &whole);
    let unsigned = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
    for object in [unsigned, Key::generate("ES256").sign(&whole), Key::generate("RS256").sign(&whole)] {
        assert_eq!(world.error("code id_token", &object).await.as_deref(), Some("invalid_request_object"));
    }
    assert_eq!(world.error("code id_token", "").await.as_deref(), Some("invalid_request"), "no object");
    // §5.2.2 (2): code with id_token, or code in a signed answer.
    for (kind, mode, error) in [
        ("code", None, Some("invalid_request")),
        ("code", Some("query"), Some("invalid_request")),
        ("code", Some("jwt"), None),
        ("code id_token", Some("jwt"), None),
        ("code token", None, Some("unsupported_response_type")),
        ("code id_token token", None, Some("unsupported_response_type")),
        ("id_token", None, Some("unsupported_response_type")),
        ("none", Some("jwt"), Some("unsupported_response_type")),
    ] {
        let object = world.object(json!({ "response_type": kind, "response_mode": mode }));
        assert_eq!(world.error(kind, &object).await.as_deref(), error, "{kind} {mode:?}");
    }
}

#[tokio::test]
async fn fapi1_advanced_5_2_2_only_what_stands_in_the_object_counts_and_nonce_or_state_does() {
    let world = World::new().await;
    let jarm = |changes: Value| {
        let mut all = json!({ "response_type": "code", "response_mode": "jwt" });
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        world.object(all)
    };
    // A whole request stands beside each of them. Part 1 §5.2.2.2, §5.2.2.3.
    for (changes, error) in [
        (json!({ "nonce": null }), Some("invalid_request")),
        (json!({ "state": null }), None),
        (json!({ "scope": "email", "state": null }), Some("invalid_request")),
        (json!({ "scope": "email", "nonce": null }), None),
    ] {
        assert_eq!(world.error("code", &jarm(changes.clone())).await.as_deref(), error, "{changes}");
    }
    // Part 1 §5.2.2 (9), (10).
    for uri in [None, Some("https://app.example/cb/"), Some("https://app.example:443/cb"), Some("https://evil.example/")] {
        for scope in ["openid", "email"] {
            let object = jarm(json!({ "redirect_uri": uri, "scope": scope }));
            let page = world.server.get(&world.client.request(&[("request", &object)])).send().await;
            assert_eq!((page.status, page.location()), (400, ""), "{uri:?} {scope}");
        }
    }
}

#[tokio::test]
async fn fapi1_advanced_5_2_2_what_is_pushed_is_a_signed_object_with_pkce() {
    let world = World::new().await;
    let push = async |changes: Value| world.call("/oidc/par", &[("request", &world.object(changes))]).send().await;
    for (challenge, method) in [(None, None), (Some(CHALLENGE), None), (Some(CHALLENGE), Some("plain")), (None, Some("S256"))] {
        let answer = push(json!({ "code_challenge": challenge, "code_challenge_method": method })).await;
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{challenge:?} {method:?}");
    }
    let kept = push(json!({ "code_challenge": CHALLENGE, "code_challenge_method": "S256" })).await;
    assert_eq!(kept.status, 201, "{}", kept.text());
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", "app").append_pair("request_uri", kept.json()["request_uri"].as_str().unwrap());
    assert_eq!(page_of(&Browser::new(&world.server).open(&format!("/oidc/auth?{}", query.finish())).await), "login");
    let request = world.client.request(&[("response_mode", "jwt"), ("client_id", "")]);
    let fields: Vec<_> = form_urlencoded::parse(request.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(world.call("/oidc/par", &fields).send().await.refusal(), (400, "invalid_request".to_owned()), "not signed");
}

#[tokio::test]
async fn fapi1_advanced_5_2_2_names_that_differ_are_no_client() {
    let world = World::new().await;
    for path in ["/oidc/token", "/oidc/par", "/oidc/introspection", "/oidc/revocation"] {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", "x"), ("token", "x"), ("client_id", "other")];
        assert_eq!(world.call(path, &fields).send().await.refusal(), (401, "invalid_client".to_owned()), "{path}");
        let same = world.call(path, &[&fields[..3], &[("client_id", "app")]].concat()).send().await;
        assert_ne!(same.status, 401, "{path}: {}", same.text());
    }
}

#[tokio::test]
async fn fapi1_advanced_5_2_2_redirect_uris_are_https_also_of_native_clients() {
    let world = World::new().await;
    let token = world.server.operator_token("admin").await;
    for (kind, uri, status) in [
        ("web", "https://app.example/cb", 201),
        ("native", "https://app.example/cb", 201),
        ("web", "http://app.example/cb", 400),
        ("native", "http://127.0.0.1/cb", 400),
        ("native", "http://[::1]/cb", 400),
        ("native", "com.example.app:/cb", 400),
    ] {
        let metadata = json!({
            "redirect_uris": [uri], "application_type": kind, "token_endpoint_auth_method": "private_key_jwt", "jwks": world.key.jwks(),
            "token_endpoint_auth_signing_alg": "ES256", "id_token_signed_response_alg": "ES256", "require_signed_request_object": true,
            "request_object_signing_alg": "ES256", "tls_client_certificate_bound_access_tokens": true,
        });
        let answer = world.server.post("/clients").bearer(&token).json(&metadata).send().await;
        assert_eq!(answer.status, status, "{kind} {uri}: {}", answer.text());
    }
}

#[tokio::test]
async fn fapi1_advanced_8_6_discovery_names_what_the_profile_allows_and_nothing_else() {
    let world = World::new().await;
    let document = world.server.get("/oidc/.well-known/openid-configuration").send().await.json();
    let words = |name: &str| document[name].as_array().unwrap_or_else(|| panic!("{name}")).clone();
    let mut lists = 0;
    for name in document.as_object().unwrap().keys().filter(|name| name.contains("_signing_alg_values")) {
        assert!(words(name).iter().all(|alg| ["PS256", "ES256"].contains(&alg.as_str().unwrap())), "{name}: {document}");
        lists += usize::from(!words(name).is_empty());
    }
    assert!(lists >= 8, "{lists}");
    // §8.6.1.
    for what in ["id_token", "userinfo", "request_object"] {
        let algs = words(&format!("{what}_encryption_alg_values_supported"));
        assert!(!algs.is_empty() && !algs.contains(&json!("RSA1_5")), "{what}: {algs:?}");
    }
    let methods = words("token_endpoint_auth_methods_supported");
    assert!(methods.len() == 2 && ["private_key_jwt", "self_signed_tls_client_auth"].iter().all(|own| methods.contains(&json!(own))));
    assert_eq!(document["tls_client_certificate_bound_access_tokens"], true);
    let token = world.server.operator_token("admin").await;
    let good = json!({
        "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "private_key_jwt", "jwks": world.key.jwks(),
        "token_endpoint_auth_signing_alg": "ES256", "id_token_signed_response_alg": "ES256", "require_signed_request_object": true,
        "request_object_signing_alg": "ES256", "tls_client_certificate_bound_access_tokens": true,
    });
    let register = async |members: &Value| world.server.post("/clients").bearer(&token).json(members).send().await;
    assert_eq!(register(&good).await.status, 201);
    for (member, value) in [
        ("token_endpoint_auth_signing_alg", "RS256"),
        ("request_object_signing_alg", "RS256"),
        ("userinfo_signed_response_alg", "RS256"),
        ("authorization_signed_response_alg", "RS256"),
        ("introspection_signed_response_alg", "RS256"),
        ("id_token_signed_response_alg", "none"),
        ("id_token_encrypted_response_alg", "RSA1_5"),
    ] {
        let mut bad = good.clone();
        bad[member] = json!(value);
        assert_eq!(register(&bad).await.refusal(), (400, "invalid_client_metadata".to_owned()), "{member}");
    }
}
