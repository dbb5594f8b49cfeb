//! Profiles: OAuth 2.1, FAPI 1.0 Advanced, FAPI 2.0 Security Profile and Message Signing, for the whole server and for one client.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::rfc9449::Prover;
use crate::support::call::{Answer, Call};
use crate::support::flow::{Person, Tokens};
use crate::support::jwt::{Key, verified};
use crate::support::*;

pub const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn shipped(profile: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("profiles/{profile}.toml"))
}

/// `chancery doctor` on a file, as an operator runs it: whether it is content, and what it said.
fn doctor(file: &Path, arguments: &[&str]) -> (bool, String) {
    doctor_of("https://id.example", file, arguments)
}

/// The same for a server with this issuer.
pub fn doctor_of(issuer: &str, file: &Path, arguments: &[&str]) -> (bool, String) {
    let data = tempfile::TempDir::with_prefix("chancery").unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_chancery"));
    program.arg("--config").arg(file).arg("doctor").args(arguments).env_clear();
    program.env("OIDC_ISSUER", issuer).env("CHANCERY_LISTEN", "127.0.0.1:0").env("CHANCERY_DATA_DIR", data.path().join("data"));
    program.env("OIDC_COOKIE_SECRET", "pQ3x8kL0vZr5TnYw2sHd7uJc4mBf6gAe");
    program.env("CHANCERY_MASTER_KEY", "6e3b0a9cf17d4e2285b1c7d0934fae61d8207f5b3c9e4a1602bd58f7e1c4936a");
    let output = program.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn the_shipped_profiles_are_met_and_each_fault_of_a_broken_copy_is_named() {
    let directory = tempfile::TempDir::with_prefix("chancery").unwrap();
    for profile in ["oauth21", "fapi1-advanced", "fapi-ciba", "fapi2-security", "fapi2-message-signing"] {
        let (content, said) = doctor(&shipped(profile), &[]);
        assert!(content && said.contains(&format!("meets the profile {profile}")), "{said}");
        let (same, _) = doctor(&shipped(profile), &["--profile", profile]);
        assert!(same);
    }
    let broken = r#"
        profile = "fapi2-security"
        [pkce]
        required = "public"
        [pushed_requests]
        required = false
        [response_types]
        front_channel = true
        [request_objects]
        unsigned = true
        [lifetimes]
        code = "61s"
        pushed_request = "10m"
        clock_tolerance = "5s"
        [[resource]]
        identifier = "https://api.example"
        [[client]]
        client_id = "app"
        client_secret = "a-secret-of-forty-characters-for-the-test"
        redirect_uris = ["https://app.example/cb"]
        grant_types = ["authorization_code", "refresh_token", "implicit"]
        response_types = ["code", "code id_token"]
        request_object_signing_alg = "RS256"
        userinfo_signed_response_alg = "RS256"
        authorization_signed_response_alg = "RS256"
        introspection_signed_response_alg = "RS256"
    "#;
    let copy = directory.path().join("broken.toml");
    std::fs::write(&copy, broken).unwrap();
    let (content, said) = doctor(&copy, &[]);
    assert!(!content, "{said}");
    let server = [
        "pkce.required",
        "pushed_requests.required",
        "response_types.front_channel",
        "request_objects.unsigned",
        "lifetimes.code",
        "lifetimes.pushed_request",
        "lifetimes.clock_tolerance",
        "resource https://api.example: signing_alg",
    ];
    let client = [
        "token_endpoint_auth_method",
        "dpop_bound_access_tokens",
        "response_types",
        "grant_types",
        "require_pkce",
        "require_pushed_authorization_requests",
        "request_object_signing_alg",
        "id_token_signed_response_alg",
        "userinfo_signed_response_alg",
        "authorization_signed_response_alg",
        "introspection_signed_response_alg",
        "refresh_token_rotation",
    ];
    let named = |fault: &str| said.lines().any(|line| line.contains(&format!("the profile fapi2-security: {fault}: ")));
    for fault in server {
        assert!(named(fault), "{fault}: {said}");
    }
    for fault in client {
        assert!(named(&format!("client app: {fault}")), "{fault}: {said}");
    }
    assert_eq!(said.lines().filter(|line| line.contains("the profile fapi2-security:")).count(), server.len() + client.len(), "{said}");
    // Asked of a file that says nothing of a profile.
    std::fs::write(&copy, "").unwrap();
    let (content, said) = doctor(&copy, &["--profile", "fapi2-message-signing"]);
    assert!(!content && said.contains("the profile fapi2-message-signing: pushed_requests.required"), "{said}");
    assert!(!doctor(&copy, &["--profile", "fapi9"]).0);
}

/// A client of the profile, declared with its key.
pub struct World {
    pub server: Server,
    pub key: Key,
    pub prover: Prover,
    pub client: Client,
    count: std::cell::Cell<u32>,
}

const MEMBERS: &str = r#"
token_endpoint_auth_method = "private_key_jwt"
token_endpoint_auth_signing_alg = "ES256"
id_token_signed_response_alg = "ES256"
redirect_uris = ["https://app.example/cb"]
grant_types = ["authorization_code", "refresh_token"]
dpop_bound_access_tokens = true
rotation = "never"
"#;

impl World {
    pub async fn new(head: &str, members: &str) -> Self {
        let key = Key::generate("ES256");
        let toml = format!("{head}\n[[client]]\nclient_id = \"app\"\njwks = '{}'\n{MEMBERS}{members}", key.jwks());
        let server = Server::production(&[], &toml).await;
        let client = Client { id: "app".to_owned(), secret: None, redirect_uri: "https://app.example/cb".to_owned() };
        Self { server, key, prover: Prover::new("ES256"), client, count: std::cell::Cell::new(0) }
    }

    pub fn next(&self) -> String {
        self.count.set(self.count.get() + 1);
        format!("jti-{}", self.count.get())
    }

    pub fn assertion(&self, aud: &Value) -> String {
        let now = self.server.app.now().0 / 1000;
        self.key.sign(&json!({ "iss": "app", "sub": "app", "aud": aud, "jti": self.next(), "iat": now, "exp": now + 60 }))
    }

    pub fn call(&self, path: &str, fields: &[(&str, &str)]) -> Call<'_> {
        let assertion = self.assertion(&json!(self.server.issuer));
        let own = [("client_assertion_type", KIND), ("client_assertion", assertion.as_str())];
        self.server.post(path).form(&[fields, &own].concat())
    }

    /// A pushed request; `changes` as for [`Client::request`].
    pub async fn push(&self, changes: &[(&str, &str)]) -> Answer {
        let request = self.client.request(changes);
        let body: Vec<(String, String)> = form_urlencoded::parse(request.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
        let fields: Vec<_> =
            body.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(|(name, _)| *name != "client_id").collect();
        self.call("/oidc/par", &fields).send().await
    }

    pub async fn brought(&self, browser: &mut Browser<'_>, person: &Person, pushed: &Answer) -> Answer {
        let uri = pushed.json()["request_uri"].as_str().unwrap_or_else(|| panic!("{}", pushed.text())).to_owned();
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("client_id", "app").append_pair("request_uri", &uri);
        let page = browser.open(&format!("/oidc/auth?{}", query.finish())).await;
        browser.pass(page, person).await
    }

    pub fn redemption(&self, code: &str) -> Call<'_> {
        let fields =
            [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", "https://app.example/cb"), ("code_verifier", VERIFIER)];
        self.call("/oidc/token", &fields)
    }
}

#[tokio::test]
async fn fapi2_security_5_3_2_the_whole_flow_and_what_is_refused_on_the_way() {
    let world = World::new("profile = \"fapi2-security\"", "").await;
    let (server, alice) = (&world.server, world.server.alice().await);
    let started = server.events().await.into_iter().find(|event| event.kind == "ServerStarted").unwrap();
    assert_eq!(started.data["profile"], "fapi2-security");
    let mut browser = Browser::new(server);
    // §5.3.2.2: without a push there is nothing.
    let plain = browser.open(&world.client.request(&[])).await;
    assert!(plain.sent("error").as_deref() == Some("invalid_request") || plain.status == 400, "{} {}", plain.status, plain.text());
    assert_eq!(world.push(&[("code_challenge", ""), ("code_challenge_method", "")]).await.error(), "invalid_request");
    assert_eq!(world.push(&[("redirect_uri", "http://app.example/cb")]).await.status, 400);
    let stranger = server.post("/oidc/par").form(&[("client_id", "app"), ("response_type", "code")]).send().await;
    assert_eq!(stranger.refusal(), (401, "invalid_client".to_owned()), "§5.3.2.2: a push is authenticated");
    // §5.3.2.1: the issuer as one string, and nothing else.
    for wrong in [json!(format!("{}/token", server.issuer)), json!([server.issuer]), json!([server.issuer, "https://other.example"])] {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_assertion_type", KIND)];
        let assertion = world.assertion(&wrong);
        let answer = server.post("/oidc/token").form(&[&fields[..], &[("client_assertion", &assertion)]].concat()).send().await;
        assert_eq!(answer.refusal(), (401, "invalid_client".to_owned()), "{wrong}");
    }
    let pushed = world.push(&[]).await;
    assert!(pushed.json()["expires_in"].as_i64().unwrap() < 600, "§5.3.2.2");
    let answer = world.brought(&mut browser, &alice, &pushed).await;
    assert_eq!((answer.status, answer.sent("iss")), (303, Some(server.issuer.clone())), "§5.3.2.2: iss, and no 307");
    let code = answer.code();
    assert_eq!(world.redemption(&code).send().await.error(), "invalid_dpop_proof", "§5.3.2.1: bound, or none");
    let rsa = Prover::new("RS256");
    let weak = world.redemption(&code).header("dpop", &rsa.for_token(server)).send().await;
    assert_eq!(weak.error(), "invalid_dpop_proof", "§5.4.1");
    let tokens = Tokens::of(&world.redemption(&code).header("dpop", &world.prover.for_token(server)).send().await);
    assert_eq!(tokens.whole["token_type"], "DPoP");
    let (header, _) = verified(tokens.id_token(), &server.get("/oidc/jwks").send().await.json());
    assert_eq!(header["alg"], "ES256");
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
    let again = Tokens::of(&world.call("/oidc/token", &refresh).header("dpop", &world.prover.for_token(server)).send().await);
    assert_eq!(again.refresh(), tokens.refresh(), "§5.3.2.1: no rotation");
    // A code lives for a minute.
    let late = world.brought(&mut browser, &alice, &world.push(&[]).await).await.code();
    server.advance(60_000);
    assert_eq!(world.redemption(&late).header("dpop", &world.prover.for_token(server)).send().await.error(), "invalid_grant");
}

#[tokio::test]
async fn fapi2_security_5_3_2_1_metadata_and_registration_follow_the_profile() {
    let world = World::new("profile = \"fapi2-security\"\nregistration = \"open\"", "").await;
    let server = &world.server;
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    for (member, expected) in [
        ("token_endpoint_auth_methods_supported", json!(["private_key_jwt"])),
        ("token_endpoint_auth_signing_alg_values_supported", json!(["PS256", "ES256", "EdDSA"])),
        ("id_token_signing_alg_values_supported", json!(["PS256", "ES256", "EdDSA"])),
        ("dpop_signing_alg_values_supported", json!(["PS256", "ES256", "EdDSA"])),
        ("request_object_signing_alg_values_supported", json!(["PS256", "ES256", "EdDSA"])),
        ("response_types_supported", json!(["code"])),
        ("require_pushed_authorization_requests", json!(true)),
        ("require_pkce", json!(true)),
    ] {
        let sorted = |value: &Value| {
            let mut words: Vec<_> = value.as_array().into_iter().flatten().map(ToString::to_string).collect();
            words.sort();
            words
        };
        let told = &discovery[member];
        assert!(told == &expected || (told.is_array() && sorted(told) == sorted(&expected)), "{member}: {told}");
    }
    let bare = json!({ "redirect_uris": ["https://app.example/cb"] });
    let refused = server.post("/oidc/reg").json(&bare).send().await;
    assert_eq!(refused.refusal(), (400, "invalid_client_metadata".to_owned()), "{}", refused.text());
    let key = Key::generate("PS256");
    let good = json!({
        "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks(),
        "token_endpoint_auth_signing_alg": "PS256", "id_token_signed_response_alg": "PS256", "dpop_bound_access_tokens": true,
    });
    let answer = server.post("/oidc/reg").json(&good).send().await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    for (member, value) in [
        ("token_endpoint_auth_signing_alg", json!("RS256")),
        ("id_token_signed_response_alg", json!("RS256")),
        ("dpop_bound_access_tokens", json!(false)),
        ("redirect_uris", json!(["http://localhost/cb"])),
        ("token_endpoint_auth_method", json!("none")),
    ] {
        let mut bad = good.clone();
        bad[member] = value;
        assert_eq!(server.post("/oidc/reg").json(&bad).send().await.status, 400, "{member}");
    }
}

#[tokio::test]
async fn fapi2_message_signing_5_3_1_requests_stand_in_a_signed_object_of_the_hour_and_answers_are_signed() {
    let members =
        "require_signed_request_object = true\nrequest_object_signing_alg = \"ES256\"\nauthorization_signed_response_alg = \"ES256\"\n";
    let world = World::new("profile = \"fapi2-message-signing\"", members).await;
    let (server, alice) = (&world.server, world.server.alice().await);
    let now = NOW / 1000;
    let object = |changes: Value| {
        let mut all = json!({
            "iss": "app", "aud": server.issuer, "client_id": "app", "redirect_uri": "https://app.example/cb", "response_type": "code",
            "scope": "openid", "state": "s", "nonce": "n", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
            "response_mode": "jwt", "nbf": now, "exp": now + 300,
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(all.as_object_mut().unwrap().remove(name)),
                value => all[name] = value.clone(),
            }
        }
        world.key.sign(&all)
    };
    let push = async |object: &str| world.call("/oidc/par", &[("request", object)]).send().await;
    assert_eq!(world.push(&[]).await.error(), "invalid_request", "not signed");
    for (changes, error) in [
        (json!({ "nbf": null }), "invalid_request_object"),
        (json!({ "exp": null }), "invalid_request_object"),
        (json!({ "aud": null }), "invalid_request_object"),
        (json!({ "aud": "https://other.example" }), "invalid_request_object"),
        (json!({ "nbf": now - 3_601, "exp": now - 1 }), "invalid_request_object"),
        (json!({ "exp": now + 3_601 }), "invalid_request_object"),
        (json!({ "response_mode": null }), "invalid_request"),
        (json!({ "response_mode": "query" }), "invalid_request"),
    ] {
        assert_eq!(push(&object(changes.clone())).await.refusal(), (400, error.to_owned()), "{changes}");
    }
    let pushed = push(&object(json!({ "nbf": now - 3_600, "exp": now, "aud": [server.issuer, "https://other.example"] }))).await;
    assert_eq!(pushed.status, 201, "{}", pushed.text());
    let mut browser = Browser::new(server);
    let answer = world.brought(&mut browser, &alice, &pushed).await;
    let response = answer.sent("response").unwrap_or_else(|| panic!("{} {}", answer.location(), answer.text()));
    let (header, claims) = verified(&response, &server.get("/oidc/jwks").send().await.json());
    assert_eq!((&header["alg"], &claims["iss"], &claims["aud"]), (&json!("ES256"), &json!(server.issuer), &json!("app")));
    let tokens =
        Tokens::of(&world.redemption(claims["code"].as_str().unwrap()).header("dpop", &world.prover.for_token(server)).send().await);
    // §5.5.1: introspection is signed with an algorithm of the profile, though the client names none.
    let asked = world.call("/oidc/introspection", &[("token", &tokens.access)]).header("accept", "application/token-introspection+jwt");
    let (header, _) = verified(&asked.send().await.text(), &server.get("/oidc/jwks").send().await.json());
    assert_eq!(header["alg"], "PS256");
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(discovery["require_signed_request_object"], true);
}

#[tokio::test]
async fn fapi2_security_5_3_2_1_one_client_can_be_held_to_it() {
    let world =
        World::new("", "chancery_profile = \"fapi2-security\"\nrequire_pkce = true\nrequire_pushed_authorization_requests = true\n").await;
    let (server, alice) = (&world.server, world.server.alice().await);
    let mut browser = Browser::new(server);
    let code = world.brought(&mut browser, &alice, &world.push(&[]).await).await.code();
    Tokens::of(&world.redemption(&code).header("dpop", &world.prover.for_token(server)).send().await);
    let fields = [("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_assertion_type", KIND)];
    let assertion = world.assertion(&json!(format!("{}/token", server.issuer)));
    let answer = server.post("/oidc/token").form(&[&fields[..], &[("client_assertion", &assertion)]].concat()).send().await;
    assert_eq!(answer.refusal(), (401, "invalid_client".to_owned()));
    // Others live as they did.
    let token = server.operator_token("admin").await;
    let register = async |members: Value| server.post("/clients").bearer(&token).json(&members).send().await;
    assert_eq!(register(json!({ "redirect_uris": ["https://app.example/cb"] })).await.status, 201);
    for profile in ["fapi2-security", "fapi1-advanced", "fapi2-message-signing", "nonsense"] {
        let answer = register(json!({ "redirect_uris": ["https://app.example/cb"], "chancery_profile": profile })).await;
        assert_eq!(answer.refusal(), (400, "invalid_client_metadata".to_owned()), "{profile}");
    }
    // What the server lacks, a client cannot make up for.
    let slow = Server::production(&[("CHANCERY_LIFETIMES_CODE", "5m")], "").await;
    let token = slow.operator_token("admin").await;
    let good = json!({
        "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "private_key_jwt", "jwks": world.key.jwks(),
        "token_endpoint_auth_signing_alg": "ES256", "id_token_signed_response_alg": "ES256", "dpop_bound_access_tokens": true,
        "require_pkce": true, "require_pushed_authorization_requests": true, "chancery_profile": "fapi2-security",
    });
    let refused = slow.post("/clients").bearer(&token).json(&good).send().await;
    assert!(refused.status == 400 && refused.text().contains("lifetimes.code"), "{}", refused.text());
}

#[tokio::test]
async fn fapi2_security_5_4_1_one_client_is_held_to_its_algorithms_everywhere() {
    let api = |alg: &str| format!("[[resource]]\nidentifier = \"https://{alg}.example\"\nscope = \"api\"\nsigning_alg = \"{alg}\"\n");
    let members = "chancery_profile = \"fapi2-security\"\nrequire_pkce = true\nrequire_pushed_authorization_requests = true\nscope = \"openid api\"\n";
    let world = World::new(&format!("{}{}", api("RS256"), api("PS256")), members).await;
    let (server, alice) = (&world.server, world.server.alice().await);
    let mut browser = Browser::new(server);
    let mut code = async |resource: &str| {
        let pushed = world.push(&[("scope", "openid api"), ("resource", resource)]).await;
        world.brought(&mut browser, &alice, &pushed).await.code()
    };
    // A proof is a JWT too: not with RS256, and the code is still good.
    let granted = code("https://PS256.example").await;
    let mark = server.mark().await;
    for alg in ["RS256", "ES384"] {
        let refused = world.redemption(&granted).header("dpop", &Prover::new(alg).for_token(server)).send().await;
        assert_eq!(refused.refusal(), (400, "invalid_dpop_proof".to_owned()), "{alg}");
    }
    assert_eq!(server.kinds_since(mark).await, [""; 0]);
    let tokens = Tokens::of(&world.redemption(&granted).header("dpop", &world.prover.for_token(server)).send().await);
    assert_eq!(verified(&tokens.access, &server.get("/oidc/jwks").send().await.json()).0["alg"], "PS256");
    // A resource server that wants another algorithm gets no token of this client.
    let other = code("https://RS256.example").await;
    let mark = server.mark().await;
    let refused = world.redemption(&other).header("dpop", &world.prover.for_token(server)).send().await;
    assert_eq!(refused.refusal(), (400, "invalid_target".to_owned()));
    assert!(refused.sentence().contains("RS256"), "{}", refused.sentence());
    assert_eq!(server.kinds_since(mark).await, [""; 0], "no event, no token");
}

#[tokio::test]
async fn rp_metadata_choices_4_a_profile_leaves_only_its_own() {
    let server = Server::production(&[], "").await;
    let token = server.operator_token("admin").await;
    let lists = json!({
        "redirect_uris": ["https://app.example/cb"], "jwks": Key::generate("ES256").jwks(), "dpop_bound_access_tokens": true,
        "require_pkce": true, "require_pushed_authorization_requests": true, "chancery_profile": "fapi2-security",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
        "token_endpoint_auth_signing_alg": "RS256", "token_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256"],
        "id_token_signing_alg_values_supported": ["RS256", "ES384", "EdDSA", "PS256"],
        "authorization_signing_alg_values_supported": ["RS256", "PS256"],
    });
    let answer = server.post("/clients").bearer(&token).json(&lists).send().await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let taken = answer.json();
    for (member, value) in [
        ("token_endpoint_auth_method", "private_key_jwt"),
        ("token_endpoint_auth_signing_alg", "ES256"),
        ("id_token_signed_response_alg", "EdDSA"),
        ("authorization_signed_response_alg", "PS256"),
    ] {
        assert_eq!(taken[member], value, "{member}");
    }
    let mut none = lists;
    none["id_token_signing_alg_values_supported"] = json!(["RS256", "ES384"]);
    let refused = server.post("/clients").bearer(&token).json(&none).send().await;
    assert_eq!(refused.refusal(), (400, "invalid_client_metadata".to_owned()));
    assert!(refused.sentence().contains("PS256, ES256, EdDSA"), "{}", refused.sentence());
}

#[tokio::test]
async fn oauth21_4_1_1_pkce_is_for_everybody_and_older_clients_are_told() {
    let mut server = Server::with(&[], "[response_types]\nfront_channel = true\n").await;
    let hybrid =
        server.client(json!({ "grant_types": ["authorization_code", "implicit"], "response_types": ["code", "code id_token"] })).await;
    let web = server.web_client().await;
    server.given_toml("profile = \"oauth21\"\n");
    let server = server.restart().await;
    let alice = server.alice().await;
    let mut browser = Browser::new(&server);
    assert_eq!(
        browser.open(&web.request(&[("code_challenge", ""), ("code_challenge_method", "")])).await.sent("error").as_deref(),
        Some("invalid_request")
    );
    browser.tokens(&web, &alice, &[]).await;
    // It was registered before.
    let answer = browser.open(&hybrid.request(&[])).await;
    assert_eq!(answer.sent("error").as_deref(), Some("unauthorized_client"), "{}", answer.text());
    assert_eq!(
        server.token(&hybrid, &[("grant_type", "authorization_code"), ("code", "x")]).await.refusal(),
        (401, "invalid_client".to_owned())
    );
    // What contradicts it does not start.
    let refused = Server::try_with("profile = \"oauth21\"\n[pkce]\nrequired = \"public\"\n").await.err().unwrap();
    assert!(refused.contains("pkce.required") && refused.contains("oauth21"), "{refused}");
}

#[tokio::test]
async fn fapi1_advanced_5_2_2_what_a_client_registers() {
    let server = Server::production(
        &[("CHANCERY_MTLS_PROXY_HEADER", "true"), ("CHANCERY_TRUSTED_PROXIES", "127.0.0.1/32")],
        "profile = \"fapi1-advanced\"\n[response_types]\nfront_channel = true\n",
    )
    .await;
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(discovery["require_signed_request_object"], true);
    assert_eq!(discovery["tls_client_certificate_bound_access_tokens"], true);
    let types: Vec<_> = discovery["response_types_supported"].as_array().unwrap().iter().map(|own| own.as_str().unwrap()).collect();
    assert_eq!(types.iter().filter(|own| !["code", "code id_token"].contains(own)).count(), 0, "{types:?}");
    let key = Key::generate("ES256");
    let good = json!({
        "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks(),
        "grant_types": ["authorization_code", "implicit"], "response_types": ["code id_token"], "token_endpoint_auth_signing_alg": "ES256",
        "id_token_signed_response_alg": "ES256", "require_signed_request_object": true, "request_object_signing_alg": "ES256",
        "tls_client_certificate_bound_access_tokens": true,
    });
    let token = server.operator_token("admin").await;
    let register = async |members: &Value| server.post("/clients").bearer(&token).json(members).send().await;
    let answer = register(&good).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let client = Client::of(&answer.json());
    for (member, value) in [
        ("token_endpoint_auth_method", json!("none")),
        ("tls_client_certificate_bound_access_tokens", json!(false)),
        ("require_signed_request_object", json!(false)),
        ("request_object_signing_alg", json!("EdDSA")),
        ("id_token_signed_response_alg", json!("RS256")),
        ("redirect_uris", json!(["https://app.example/cb", "http://127.0.0.1/cb"])),
    ] {
        let mut bad = good.clone();
        bad[member] = value;
        assert_eq!(register(&bad).await.status, 400, "{member}");
    }
    // The code alone comes in a signed answer.
    let now = NOW / 1000;
    let object = |kind: &str, mode: Value| {
        let claims = json!({
            "iss": client.id, "aud": server.issuer, "client_id": client.id, "redirect_uri": client.redirect_uri, "response_type": kind, "scope": "openid",
            "nonce": "n", "nbf": now, "exp": now + 300, "response_mode": mode,
        });
        key.sign(&claims)
    };
    let mut browser = Browser::new(&server);
    let mut first = async |kind: &str, mode: Value| {
        let object = object(kind, mode);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("client_id", &client.id).append_pair("request", &object);
        browser.open(&format!("/oidc/auth?{}", query.finish())).await
    };
    assert_eq!(flow::page_of(&first("code id_token", json!("fragment")).await), "login");
    let unsigned = server.get(&client.request(&[("response_type", "code id_token")])).send().await;
    assert!(unsigned.location().contains("error=invalid_request") || unsigned.status == 400, "{} {}", unsigned.status, unsigned.location());
}
