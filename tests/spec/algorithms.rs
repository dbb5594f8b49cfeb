//! The closed matrix of algorithms, from outside: what discovery publishes for a use is made or taken there, and nothing else is.
//! RFC 7518 §3.1, RFC 8725 §3.1; OpenID Connect Discovery 1.0 §3.

use chancery_jose::{ContentEncryption, KeyKind, KeyManagement, OpeningKey, Recipient, opening};
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

/// Names of the registry that are for encrypting keys, those that must not be used among them.
const ENCRYPTING: &[&str] = &[
    "RSA1_5",
    "RSA-OAEP",
    "RSA-OAEP-256",
    "RSA-OAEP-384",
    "RSA-OAEP-512",
    "ECDH-ES",
    "ECDH-ES+A128KW",
    "ECDH-ES+A192KW",
    "ECDH-ES+A256KW",
    "A128KW",
    "A192KW",
    "A256KW",
    "A128GCMKW",
    "A192GCMKW",
    "A256GCMKW",
    "dir",
    "PBES2-HS256+A128KW",
    "PBES2-HS512+A256KW",
    "none",
    "RS256",
    "",
];
const CONTENTS: &[&str] =
    &["A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512", "A128GCM", "A192GCM", "A256GCM", "A128CBC", "C20P", "none", ""];

/// OpenID Connect Core 1.0 §10.2.
fn derived(secret: &str, length: usize) -> Vec<u8> {
    use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
    let hash = match length {
        0..=32 => &SHA256,
        33..=48 => &SHA384,
        _ => &SHA512,
    };
    digest(hash, secret.as_bytes()).as_ref()[..length].to_vec()
}

/// Keys of a client to which everything can be encrypted.
struct Keys(Vec<OpeningKey>);

impl Keys {
    fn generate() -> Self {
        let kinds = [KeyKind::Rsa, KeyKind::P256, KeyKind::P384, KeyKind::P521, KeyKind::X25519];
        Self(kinds.map(|kind| OpeningKey::generate(kind).unwrap().0).into())
    }

    fn jwks(&self) -> Value {
        json!({ "keys": self.0.iter().map(OpeningKey::public_jwk).collect::<Vec<_>>() })
    }

    /// Header and content, opened by the key that the header names, or by the secret.
    fn open(&self, token: &str, secret: &str) -> (String, String, Vec<u8>) {
        let read = opening::parse(token).unwrap();
        let content = match read.alg().shared_len(read.enc()) {
            Some(length) => read.open_shared(&derived(secret, length)).unwrap(),
            None => read.open(self.0.iter().find(|key| Some(key.kid()) == read.kid()).unwrap()).unwrap(),
        };
        (read.alg().as_str().to_owned(), read.enc().as_str().to_owned(), content.to_vec())
    }
}

#[tokio::test]
async fn rfc7518_4_1_every_answer_is_encrypted_with_each_algorithm_that_is_published_and_no_other() {
    let server = Server::start().await;
    let (alice, keys) = (server.alice().await, Keys::generate());
    let mut browser = Browser::new(&server);
    for what in ["id_token", "userinfo", "authorization", "introspection"] {
        let algs = published(&server, &format!("{what}_encryption_alg_values_supported")).await;
        let encs = published(&server, &format!("{what}_encryption_enc_values_supported")).await;
        let (alg_member, enc_member) = (format!("{what}_encrypted_response_alg"), format!("{what}_encrypted_response_enc"));
        for alg in ENCRYPTING {
            let members = json!({ alg_member.clone(): alg, "jwks": keys.jwks() });
            assert_eq!(registers(&server, &members).await, is_one(&algs, alg), "{what} {alg}");
        }
        for enc in CONTENTS {
            let members = json!({ alg_member.clone(): "dir", enc_member.clone(): enc });
            assert_eq!(registers(&server, &members).await, is_one(&encs, enc), "{what} {enc}");
        }
        assert!(algs.iter().all(|alg| ENCRYPTING.contains(&alg.as_str())) && encs.iter().all(|enc| CONTENTS.contains(&enc.as_str())));
        assert_eq!((algs.len(), encs.len()), (15, 6), "{what}");
    }
    let subject = server.web_client().await;
    let token = browser.tokens(&subject, &alice, &[]).await.access;
    let algs = published(&server, "introspection_encryption_alg_values_supported").await;
    let encs = published(&server, "introspection_encryption_enc_values_supported").await;
    for (alg, enc) in algs.iter().flat_map(|alg| encs.iter().map(move |enc| (alg, enc))) {
        let members =
            json!({ "jwks": keys.jwks(), "introspection_encrypted_response_alg": alg, "introspection_encrypted_response_enc": enc });
        let client = server.client(members).await;
        let asked = server.as_client("/oidc/introspection", &client, &[("token", &token)]);
        let answer = asked.header("accept", "application/token-introspection+jwt").send().await.text();
        let (own_alg, own_enc, content) = keys.open(&answer, client.secret.as_deref().unwrap());
        assert_eq!((&own_alg, &own_enc), (alg, enc));
        assert!(content.starts_with(b"eyJ"), "{alg} {enc}: a JWT is inside");
    }
    // A key of each curve, where it is the only one that fits.
    for (own, crv) in keys.0.iter().skip(1).zip(["P-256", "P-384", "P-521", "X25519"]) {
        let jwks = json!({ "keys": [own.public_jwk()] });
        let client = server.client(json!({ "jwks": jwks, "id_token_encrypted_response_alg": "ECDH-ES+A192KW" })).await;
        let tokens = browser.tokens(&client, &alice, &[]).await;
        let (_, enc, content) = keys.open(tokens.id_token(), "");
        let signed = String::from_utf8(content).unwrap();
        let (_, claims) = verified(&signed, &server.get("/oidc/jwks").send().await.json());
        assert_eq!((enc.as_str(), &claims["sub"]), ("A128CBC-HS256", &json!(alice.account)), "{crv}");
    }
}

#[tokio::test]
async fn rfc9101_6_1_each_published_kind_of_key_and_each_key_of_a_secret_opens_request_objects() {
    let server = Server::with(&[], "[request_objects]\nencrypted = true\n").await;
    let jwks = server.get("/oidc/jwks").send().await.json();
    let ours: Vec<_> = jwks["keys"].as_array().unwrap().iter().filter(|key| key["use"] == "enc").cloned().collect();
    let algs = published(&server, "request_object_encryption_alg_values_supported").await;
    let encs = published(&server, "request_object_encryption_enc_values_supported").await;
    let key = Key::generate("ES512");
    let claims = |client: &Client| {
        key.sign(&json!({
            "iss": client.id, "aud": server.issuer, "client_id": client.id, "redirect_uri": client.redirect_uri, "response_type": "code",
            "scope": "openid", "state": "inner", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        }))
    };
    let opens = async |client: &Client, recipient: &Recipient, enc: ContentEncryption| {
        let object = recipient.encrypt(enc, Some("JWT"), claims(client).as_bytes()).unwrap();
        let page = Browser::new(&server).open(&client.request(&[("request", &object)])).await;
        page.sent("error").as_deref() != Some("invalid_request_object")
    };
    let plain = server.client(json!({ "jwks": key.jwks() })).await;
    let mut used = 0;
    for (alg, enc) in algs.iter().flat_map(|alg| encs.iter().map(move |enc| (alg, enc))) {
        let (management, enc) = (KeyManagement::parse(alg).unwrap(), ContentEncryption::parse(enc).unwrap());
        if let Some(length) = management.shared_len(enc) {
            let client = server.client(json!({ "jwks": key.jwks(), "request_object_encryption_alg": alg })).await;
            let sharing = |secret: &str| Recipient::sharing(management, derived(secret, length).into());
            assert!(opens(&client, &sharing(client.secret.as_deref().unwrap()), enc).await, "{alg} {enc:?}");
            assert!(!opens(&client, &sharing("another"), enc).await, "{alg} {enc:?}");
            // Of a secret that is not kept the log has the digest: no key comes of that.
            assert!(!opens(&plain, &sharing(plain.secret.as_deref().unwrap()), enc).await, "{alg} {enc:?}");
            used += 1;
            continue;
        }
        for own in &ours {
            let mut silent = own.clone();
            silent.as_object_mut().unwrap().remove("kid");
            // By its kid, and without one by what fits.
            for own in [own, &silent] {
                let Some(recipient) = Recipient::choose(&json!({ "keys": [own] }), management) else { continue };
                assert!(opens(&plain, &recipient, enc).await, "{alg} {enc:?} {}", own["crv"]);
                used += 1;
            }
        }
    }
    // Seven with a secret; RSA for four, four curves for four: each twice, all with each content encryption.
    assert_eq!(used, (7 + 2 * 4 + 2 * 4 * 4) * 6);
}
