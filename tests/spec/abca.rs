//! draft-ietf-oauth-attestation-based-client-auth-10, with what is known of 12: clients whose instances somebody vouches for.

use serde_json::{Value, json};

use crate::support::call::Answer;
use crate::support::flow::{Person, Tokens};
use crate::support::jwt::{self, Key};
use crate::support::*;

pub(super) const ATTESTER: &str = "https://attester.example";
const DPOP: &str = "dpop";

/// A server that knows one attester, a client of that, and an instance of the client.
struct World {
    server: Server,
    attester: Key,
    instance: Key,
    client: Client,
    alice: Person,
}

fn attester(issuer: &str, key: &Key, client: &str) -> String {
    format!("[[client_attester_draft12]]\nissuer = \"{issuer}\"\njwks = '{}'\nclients = [\"{client}\"]\n", key.jwks())
}

fn declared(id: &str) -> String {
    format!(
        "[[client]]\nclient_id = \"{id}\"\ntoken_endpoint_auth_method = \"attest_jwt_client_auth\"\nredirect_uris = [\"https://app.example/cb\"]\n\
         grant_types = [\"authorization_code\", \"refresh_token\", \"client_credentials\"]\nscope = \"openid offline_access api\"\n"
    )
}

async fn world() -> World {
    let attester_key = Key::generate("ES256");
    let toml = format!("{}{}{}", attester(ATTESTER, &attester_key, "wallet"), declared("wallet"), declared("other"));
    let server = Server::with(&[], &toml).await;
    let client = Client { id: "wallet".to_owned(), secret: None, redirect_uri: "https://app.example/cb".to_owned() };
    let alice = server.alice().await;
    World { server, attester: attester_key, instance: Key::generate("ES256"), client, alice }
}

/// Both tokens before they are signed.
#[derive(Clone)]
struct Shown {
    header: Value,
    claims: Value,
    pop_header: Value,
    pop: Value,
}

impl World {
    fn now(&self) -> i64 {
        self.server.app.now().0 / 1000
    }

    async fn challenge(&self) -> String {
        let answer = self.server.post("/oidc/challenge").send().await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
        answer.json()["attestation_challenge"].as_str().unwrap().to_owned()
    }

    async fn shown(&self) -> Shown {
        let (now, jti) = (self.now(), chancery::app::random::uuid_v7(self.server.app.now().0).to_string());
        Shown {
            header: json!({ "typ": "oauth-client-attestation+jwt", "alg": "ES256", "kid": "k" }),
            claims: json!({ "sub": "wallet", "iat": now, "exp": now + 3600, "cnf": { "jwk": self.instance.jwks()["keys"][0] } }),
            pop_header: json!({ "typ": "oauth-client-attestation-pop+jwt", "alg": "ES256" }),
            pop: json!({ "aud": self.server.issuer, "jti": jti, "iat": now, "challenge": self.challenge().await }),
        }
    }

    fn signed(&self, shown: &Shown) -> (String, String) {
        (self.attester.sign_with(&shown.header, &shown.claims), self.instance.sign_with(&shown.pop_header, &shown.pop))
    }

    async fn send(&self, (attestation, pop): &(String, String), fields: &[(&str, &str)]) -> Answer {
        let call =
            self.server.post("/oidc/token").header("OAuth-Client-Attestation", attestation).header("OAuth-Client-Attestation-PoP", pop);
        call.form(fields).send().await
    }

    /// A token request of the client itself, after a change.
    async fn speak(&self, change: impl FnOnce(&mut Shown)) -> Answer {
        let mut shown = self.shown().await;
        change(&mut shown);
        self.send(&self.signed(&shown), &[("grant_type", "client_credentials")]).await
    }

    async fn redeem(&self) -> Tokens {
        let code = Browser::new(&self.server).authorize(&self.client, &self.alice, &[("scope", "openid")]).await.code();
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", "https://app.example/cb"),
            ("code_verifier", VERIFIER),
            ("client_id", "wallet"),
        ];
        Tokens::of(&self.send(&self.signed(&self.shown().await), &fields).await)
    }
}

fn refused(code: &str) -> (u16, String) {
    (if code == "invalid_client" { 401 } else { 400 }, code.to_owned())
}

#[tokio::test]
async fn abca_7_5_an_attested_instance_gets_its_tokens() {
    let world = world().await;
    assert_eq!(world.speak(|_| ()).await.status, 200);
    let tokens = world.redeem().await;
    assert_eq!(world.server.userinfo(&tokens.access).await.status, 200);
    let metadata = world.server.get("/oidc/.well-known/openid-configuration").send().await.json();
    let has = |member: &str, word: &str| metadata[member].as_array().unwrap().iter().any(|own| own == word);
    assert!(has("token_endpoint_auth_methods_supported", "attest_jwt_client_auth"));
    assert!(
        has("client_attestation_signing_alg_values_supported", "ES256")
            && has("client_attestation_pop_signing_alg_values_supported", "ES256")
    );
    assert_eq!(metadata["challenge_endpoint"], format!("{}/challenge", world.server.issuer));
    // An instance without PKCE could redeem the code of another.
    let bare = Browser::new(&world.server).open(&world.client.request(&[("code_challenge", ""), ("code_challenge_method", "")])).await;
    assert_eq!(bare.sent("error").as_deref(), Some("invalid_request"));
    // This client proves itself by nothing less.
    assert_eq!(world.server.token(&world.client, &[("grant_type", "client_credentials")]).await.refusal(), refused("invalid_client"));
}

#[tokio::test]
async fn abca_6_1_without_attesters_there_is_nothing_of_it() {
    let server = Server::start().await;
    let metadata = server.get("/oidc/.well-known/openid-configuration").send().await.text();
    assert!(!metadata.contains("attest") && !metadata.contains("challenge_endpoint"));
    assert_eq!(server.post("/oidc/challenge").send().await.status, 404);
    let asked = json!({ "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "attest_jwt_client_auth" });
    assert_eq!(server.post("/clients").json(&asked).send().await.status, 400);
}

#[tokio::test]
async fn abca_7_1_what_an_attestation_has_to_say() {
    let world = world().await;
    let now = world.now();
    let named = |shown: &mut Shown| {
        (shown.claims["iss"], shown.claims["aud"], shown.claims["more"]) = (json!(ATTESTER), shown.pop["aud"].clone(), json!({ "x": 1 }));
    };
    assert_eq!(world.speak(named).await.status, 200, "what nobody here knows is passed over");
    assert_eq!(world.speak(|shown| shown.claims["iat"] = Value::Null).await.refusal(), refused("invalid_client"), "no number");
    // Optional in draft 10, required in 12.
    let without = |shown: &mut Shown| drop(shown.claims.as_object_mut().unwrap().remove("iat"));
    assert_eq!(world.speak(without).await.refusal(), refused("invalid_client"), "no iat");
    let mut secret = world.instance.jwks()["keys"][0].clone();
    secret["d"] = json!("AAAA");
    let changes: [(&str, Value, &str); 11] = [
        ("aud", json!("https://other.example"), "invalid_client"),
        ("iat", json!(now + 100), "use_fresh_attestation"),
        ("sub", json!("other"), "invalid_client"),
        ("sub", json!(""), "invalid_client"),
        ("exp", json!(now - 16), "use_fresh_attestation"),
        ("exp", Value::Null, "invalid_client"),
        ("nbf", json!(now + 100), "use_fresh_attestation"),
        ("iss", json!("https://evil.example"), "invalid_client"),
        ("cnf", json!({}), "invalid_client"),
        ("cnf", json!({ "jwk": secret }), "invalid_client"),
        ("cnf", json!({ "jkt": "x" }), "invalid_client"),
    ];
    for (claim, value, code) in changes {
        assert_eq!(world.speak(|shown| shown.claims[claim] = value.clone()).await.refusal(), refused(code), "{claim} {value}");
    }
    for typ in [json!("JWT"), json!("oauth-client-attestation-pop+jwt"), Value::Null] {
        assert_eq!(world.speak(|shown| shown.header["typ"] = typ.clone()).await.refusal(), refused("invalid_client"), "{typ}");
    }
    // Another's signature, none at all, and a MAC under the attester's public key.
    let shown = world.shown().await;
    let (right, pop) = world.signed(&shown);
    let body = right.split('.').nth(1).unwrap();
    for forged in [
        Key::generate("ES256").sign_with(&shown.header, &shown.claims),
        format!("eyJhbGciOiJub25lIiwidHlwIjoib2F1dGgtY2xpZW50LWF0dGVzdGF0aW9uK2p3dCJ9.{body}."),
        jwt::mac("HS256", &world.attester.jwks().to_string(), &shown.claims),
        "x".repeat(9000),
        String::new(),
    ] {
        let answer = world.send(&(forged, pop.clone()), &[("grant_type", "client_credentials"), ("client_id", "wallet")]).await;
        assert_eq!(answer.refusal(), refused("invalid_client"));
    }
}

#[tokio::test]
async fn abca_7_1_an_attester_speaks_for_its_clients_alone() {
    let world = world().await;
    let mut shown = world.shown().await;
    shown.claims["sub"] = json!("other");
    let fields = [("grant_type", "client_credentials"), ("client_id", "other")];
    assert_eq!(world.send(&world.signed(&shown), &fields).await.refusal(), refused("invalid_client"));
    // A client_id beside it is the same one (ABCA §7.5).
    let answer = world.send(&world.signed(&world.shown().await), &fields).await;
    assert_eq!(answer.refusal(), refused("invalid_client"));
    // Two of one header field are none.
    let (attestation, pop) = world.signed(&world.shown().await);
    for twice in [("OAuth-Client-Attestation", &attestation), ("OAuth-Client-Attestation-PoP", &pop)] {
        let call =
            world.server.post("/oidc/token").header("OAuth-Client-Attestation", &attestation).header("OAuth-Client-Attestation-PoP", &pop);
        let own = [("grant_type", "client_credentials"), ("client_id", "wallet")];
        assert_eq!(call.header(twice.0, twice.1).form(&own).send().await.refusal(), refused("invalid_client"));
    }
    let secret = [("grant_type", "client_credentials"), ("client_id", "wallet"), ("client_secret", "x")];
    assert_eq!(world.send(&world.signed(&world.shown().await), &secret).await.refusal(), refused("invalid_request"));
}

#[tokio::test]
async fn abca_7_2_what_a_proof_has_to_say() {
    let world = world().await;
    let now = world.now();
    let changes: [(&str, Value, &str); 12] = [
        ("exp", json!(now - 16), "invalid_client"),
        ("nbf", json!(now + 60), "invalid_client"),
        ("aud", json!("https://other.example"), "invalid_client"),
        ("aud", json!(format!("{}/token", world.server.issuer)), "invalid_client"),
        ("aud", json!([world.server.issuer, "https://other.example"]), "invalid_client"),
        ("aud", Value::Null, "invalid_client"),
        ("jti", Value::Null, "invalid_client"),
        ("jti", json!(""), "invalid_client"),
        ("iat", json!(now - 400), "invalid_client"),
        ("iat", json!(now + 60), "invalid_client"),
        ("challenge", json!(7), "invalid_client"),
        ("challenge", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "use_attestation_challenge"),
    ];
    for (claim, value, code) in changes {
        assert_eq!(world.speak(|shown| shown.pop[claim] = value.clone()).await.refusal(), refused(code), "{claim} {value}");
    }
    assert_eq!(world.speak(|shown| shown.pop_header["typ"] = json!("JWT")).await.refusal(), refused("invalid_client"));
    // The key of the proof is that of the attestation and no other (ABCA §5.1).
    let shown = world.shown().await;
    let (attestation, _) = world.signed(&shown);
    let other = Key::generate("ES256").sign_with(&shown.pop_header, &shown.pop);
    let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoib2F1dGgtY2xpZW50LWF0dGVzdGF0aW9uLXBvcCtqd3QifQ";
    let none = format!("{unsigned}.{}.", other.split('.').nth(1).unwrap());
    for forged in [other, none] {
        let answer = world.send(&(attestation.clone(), forged), &[("grant_type", "client_credentials")]).await;
        assert_eq!(answer.refusal(), refused("invalid_client"));
    }
}

#[tokio::test]
async fn abca_7_4_a_missing_or_old_challenge_is_answered_with_a_new_one() {
    let world = world().await;
    let answer = world.speak(|shown| drop(shown.pop.as_object_mut().unwrap().remove("challenge"))).await;
    assert_eq!(answer.refusal(), refused("use_attestation_challenge"));
    let told = answer.header("oauth-client-attestation-challenge").to_owned();
    assert_eq!(world.speak(|shown| shown.pop["challenge"] = json!(told)).await.status, 200);
    let old = world.challenge().await;
    world.server.advance(11 * 60_000);
    assert_eq!(world.speak(|shown| shown.pop["challenge"] = json!(old)).await.refusal(), refused("use_attestation_challenge"));
    // A nonce for DPoP is no challenge.
    let nonce = world.server.app.newest_nonce();
    assert_eq!(world.speak(|shown| shown.pop["challenge"] = json!(nonce)).await.refusal(), refused("use_attestation_challenge"));
}

#[tokio::test]
async fn abca_9_7_of_twenty_uses_of_one_proof_one_counts() {
    let world = world().await;
    let sent = world.signed(&world.shown().await);
    let answers = at_once::all(20, || async { world.send(&sent, &[("grant_type", "client_credentials")]).await.status }).await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|status| **status == 401).count(), 19);
    // The attestation itself may be shown again with another proof (ABCA §9.2).
    let mut next = world.shown().await;
    next.pop["jti"] = json!("another");
    assert_eq!(world.send(&(sent.0, world.signed(&next).1), &[("grant_type", "client_credentials")]).await.status, 200);
}

#[tokio::test]
async fn abca_9_3_a_refresh_token_is_bound_to_the_instance() {
    let mut world = world().await;
    let tokens = world.redeem().await;
    let fields = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
    let first = std::mem::replace(&mut world.instance, Key::generate("ES256"));
    // Another instance of the same client, as well attested.
    assert_eq!(world.send(&world.signed(&world.shown().await), &fields).await.refusal(), refused("invalid_grant"));
    assert_eq!(world.server.token(&world.client, &fields).await.refusal(), refused("invalid_client"));
    world.instance = first;
    let again = Tokens::of(&world.send(&world.signed(&world.shown().await), &fields).await);
    assert_ne!(again.refresh(), tokens.refresh());
}

#[tokio::test]
async fn abca_5_2_dpop_beside_it_is_judged_by_itself() {
    let world = world().await;
    let key = Key::generate("ES256");
    let proof = |jti: &str| {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": key.jwks()["keys"][0] });
        let uri = format!("{}/token", world.server.issuer);
        key.sign_with(&header, &json!({ "htm": "POST", "htu": uri, "iat": world.now(), "jti": jti }))
    };
    let (attestation, pop) = world.signed(&world.shown().await);
    let call =
        world.server.post("/oidc/token").header("oauth-client-attestation", &attestation).header("oauth-client-attestation-pop", &pop);
    let answer = call.header(DPOP, &proof("a")).form(&[("grant_type", "client_credentials")]).send().await;
    assert_eq!((answer.status, answer.json()["token_type"].as_str()), (200, Some("DPoP")));
    // This client is registered for proofs of its own: a DPoP proof alone is no proof of its instance.
    let call = world.server.post("/oidc/token").header("oauth-client-attestation", &attestation).header(DPOP, &proof("b"));
    assert_eq!(call.form(&[("grant_type", "client_credentials")]).send().await.refusal(), refused("invalid_client"));
}
