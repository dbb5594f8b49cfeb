//! OpenID for Verifiable Credential Issuance 1.0 (OpenID4VCI), with SD-JWT VCs (RFC 9901, draft-ietf-oauth-sd-jwt-vc).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use chancery_core::digest::Digest;
use serde_json::{Value, json};

use super::rfc9449::Prover;
use crate::support::call::Answer;
use crate::support::flow::{PASSWORD, Person, Tokens, page_of};
use crate::support::jwt::{self, Key};
use crate::support::*;

pub const TOML: &str = r#"
[credentials]
batch_size = 4
issuer_name = "Meadow"

[[credential]]
id = "identity"
format = "dc+sd-jwt"
vct = "https://id.example/credentials/identity"
name = "Meadow identity"
claims = ["given_name", "family_name", "birthdate", "address", "phone_number"]
scope = "identity"

[[credential]]
id = "badge"
format = "dc+sd-jwt"
vct = "urn:example:badge"
name = "Meadow badge"
claims = ["name", "email"]
lifetime = "1h"
proof_signing_algs = ["EdDSA", "ES256"]
subject = true

[[user]]
email = "ada@example.com"
password = "correct horse battery staple"
name = "Ada Lovelace"
claims = { given_name = "Ada", family_name = "Lovelace", birthdate = "1815-12-10", address = { locality = "London" } }
"#;

pub const METADATA: &str = "/.well-known/openid-credential-issuer/oidc";
pub const HERE: &str = "/oidc/credential";
const BADGE: &str = r#"[{"type":"openid_credential","credential_configuration_id":"badge"}]"#;
const BOTH: &str = r#"[{"type":"openid_credential","credential_configuration_id":"badge"},{"type":"openid_credential","credential_configuration_id":"identity","claims":[{"path":["birthdate"],"mandatory":true},{"path":["nickname"]}]}]"#;

pub fn ada() -> Person {
    Person { email: "ada@example.com".to_owned(), account: String::new() }
}

/// A wallet that is registered for everything.
pub async fn wallet(server: &Server) -> Client {
    let members = json!({ "scope": "openid identity", "authorization_details_types": ["openid_credential"] });
    server.client(members).await
}

/// A key of the wallet.
pub struct Holder(pub Key);

impl Holder {
    pub fn new(alg: &str) -> Self {
        Self(Key::generate(alg))
    }

    pub fn jwk(&self) -> Value {
        let mut jwk = self.0.jwks()["keys"][0].clone();
        jwk.as_object_mut().unwrap().retain(|name, _| !["kid", "alg"].contains(&name.as_str()));
        jwk
    }

    pub fn header(&self) -> Value {
        json!({ "typ": "openid4vci-proof+jwt", "alg": self.0.alg(), "jwk": self.jwk() })
    }

    pub fn proof(&self, server: &Server, nonce: &str) -> String {
        self.0.sign_with(&self.header(), &claims(server, nonce))
    }
}

pub fn claims(server: &Server, nonce: &str) -> Value {
    json!({ "aud": server.issuer, "iat": server.app.now().0 / 1000, "nonce": nonce })
}

pub async fn nonce(server: &Server) -> String {
    let answer = server.post("/oidc/credential/nonce").send().await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{}", answer.text());
    answer.json()["c_nonce"].as_str().unwrap().to_owned()
}

pub fn asking(which: &str, name: &str, proofs: &[String]) -> Value {
    json!({ which: name, "proofs": { "jwt": proofs } })
}

pub async fn send(server: &Server, token: &str, body: &Value) -> Answer {
    server.post(HERE).bearer(token).json(body).send().await
}

/// Asks for one credential with a fresh proof.
pub async fn ask(server: &Server, token: &str, which: &str, name: &str) -> Answer {
    let proof = Holder::new("ES256").proof(server, &nonce(server).await);
    send(server, token, &asking(which, name, &[proof])).await
}

pub fn credentials(answer: &Answer) -> Vec<String> {
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{}", answer.text());
    let all = answer.json()["credentials"].as_array().unwrap().clone();
    all.iter().map(|own| own["credential"].as_str().unwrap().to_owned()).collect()
}

/// An SD-JWT by the rules of RFC 9901 §7.1, written without our own code.
pub struct Read {
    header: Value,
    pub payload: Value,
    pub disclosed: BTreeMap<String, Value>,
    salts: Vec<Vec<u8>>,
    jwt: String,
}

pub fn read(credential: &str, jwks: &Value) -> Read {
    let rest = credential.strip_suffix('~').expect("no key binding, and a tilde at the end");
    let mut parts = rest.split('~');
    let jwt = parts.next().unwrap().to_owned();
    let (header, payload) = jwt::verified(&jwt, jwks);
    assert_eq!(payload["_sd_alg"], "sha-256");
    let digests: Vec<_> = payload["_sd"].as_array().unwrap().iter().map(|own| own.as_str().unwrap().to_owned()).collect();
    assert_eq!(digests.iter().collect::<BTreeSet<_>>().len(), digests.len(), "no digest twice");
    let (mut disclosed, mut salts, mut found) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
    for text in parts {
        let digest = B64.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()));
        assert!(digests.contains(&digest) && found.insert(digest), "each disclosure has its digest");
        let array: Value = serde_json::from_slice(&B64.decode(text).unwrap()).unwrap();
        let [salt, name, value] = array.as_array().unwrap().as_slice() else { panic!("{array}") };
        salts.push(B64.decode(salt.as_str().unwrap()).unwrap());
        assert!(payload.get(name.as_str().unwrap()).is_none(), "what is disclosed does not stand in clear");
        disclosed.insert(name.as_str().unwrap().to_owned(), value.clone());
    }
    assert_eq!(found.len(), digests.len(), "the holder gets every disclosure");
    assert!(salts.iter().all(|salt| salt.len() == 16), "128 bits");
    Read { header, payload, disclosed, salts, jwt }
}

pub async fn keys(server: &Server) -> Value {
    server.get("/oidc/jwks").send().await.json()
}

pub async fn tokens(server: &Server, client: &Client, changes: &[(&str, &str)]) -> Tokens {
    Browser::new(server).tokens(client, &ada(), changes).await
}

pub const IDENTITY: &[(&str, &str)] = &[("scope", "openid identity")];

#[tokio::test]
async fn openid4vci_8_a_wallet_gets_what_the_person_allowed() {
    both::on_both(TOML, async |server: &Server| {
        let metadata = server.get(METADATA).send().await;
        assert_eq!((metadata.status, metadata.header("content-type")), (200, "application/json"));
        let metadata = metadata.json();
        assert_eq!(metadata["credential_issuer"], server.issuer);
        assert_eq!(metadata["credential_endpoint"], format!("{}/credential", server.issuer));
        assert_eq!(metadata["nonce_endpoint"], format!("{}/credential/nonce", server.issuer));
        let client = wallet(server).await;
        let mut browser = Browser::new(server);
        let page = browser.open(&client.request(IDENTITY)).await;
        let page = browser.submit(&page, &[("login", "ada@example.com"), ("password", PASSWORD)]).await;
        let html = page.text();
        let line = "Put the credential \u{201c}Meadow identity\u{201d} into your wallet, with: Given name, Family name, Date of birth, Postal \
                    address, Phone number";
        assert!(html.contains(line), "{html}");
        assert!(!html.contains("Use the permission"), "the scope is told as what it brings");
        let code = browser.submit(&page, &[("decision", "allow")]).await.code();
        let tokens = Tokens::of(&server.redeem(&client, &code).await);
        assert_eq!((&tokens.whole["expires_in"], tokens.whole.get("authorization_details")), (&json!(300), None));
        let holder = Holder::new("ES256");
        let body = asking("credential_configuration_id", "identity", &[holder.proof(server, &nonce(server).await)]);
        let mark = server.mark().await;
        let answer = send(server, &tokens.access, &body).await;
        let credential = credentials(&answer).remove(0);
        assert_eq!(server.kinds_since(mark).await, ["CredentialsIssued"]);
        let read = read(&credential, &keys(server).await);
        assert_eq!((&read.header["typ"], &read.header["alg"]), (&json!("dc+sd-jwt"), &json!("ES256")));
        let payload = &read.payload;
        assert_eq!((&payload["iss"], &payload["vct"]), (&json!(server.issuer), &json!("https://id.example/credentials/identity")));
        assert_eq!(payload["cnf"], json!({ "jwk": holder.jwk() }));
        let clear: BTreeSet<_> = payload.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(clear, BTreeSet::from(["iss", "iat", "exp", "vct", "cnf", "_sd", "_sd_alg"]), "nothing else in clear, and no sub");
        let (issued, ends) = (payload["iat"].as_i64().unwrap(), payload["exp"].as_i64().unwrap());
        assert_eq!((issued % 86_400, ends - issued), (0, 14 * 86_400), "rounded to the day");
        // The phone number is not known of her, and what is not known is not there.
        let expected = [
            ("given_name", json!("Ada")),
            ("family_name", json!("Lovelace")),
            ("birthdate", json!("1815-12-10")),
            ("address", json!({ "locality": "London" })),
        ];
        assert_eq!(read.disclosed, expected.map(|(name, value)| (name.to_owned(), value)).into());
        let events = server.events().await;
        let event = events.last().unwrap();
        assert_eq!((event.actor.kind.as_str(), event.actor.id.as_str()), ("client", client.id.as_str()));
        assert_eq!((&event.data["configuration"], &event.data["count"]), (&json!("identity"), &json!(1)));
        assert_eq!(event.data["kid"], read.header["kid"]);
        assert_eq!(event.data["access"], Digest::of(tokens.access.as_bytes()).to_string());
        let leaf = serde_json::to_string(event).unwrap();
        let jkt = Digest::of(serde_json::to_string(&holder.jwk().as_object().unwrap().iter().collect::<BTreeMap<_, _>>()).unwrap().as_bytes());
        for secret in ["Lovelace", "1815", &jkt.to_string(), &Digest::of(read.jwt.as_bytes()).to_string()] {
            assert!(!leaf.contains(secret), "{secret} in {leaf}");
        }
        // Whoever may read what is personal finds key and credential, as long as the person is not erased.
        let admin = server.operator_token("admin audit:read").await;
        let shown = server.get(&format!("/audit/events/{}?personal=clear", event.position)).bearer(&admin).send().await.json();
        let sealed = shown["personal"]["credentials"]["clear"].to_string();
        assert!(sealed.contains(&jkt.to_string()) && sealed.contains(&Digest::of(read.jwt.as_bytes()).to_string()), "{sealed}");
    })
    .await;
}

#[tokio::test]
async fn openid4vci_6_2_details_bring_identifiers_and_nothing_else_is_used() {
    let server = Server::with(&[], TOML).await;
    let client = wallet(&server).await;
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(discovery["authorization_details_types_supported"], json!(["openid_credential"]));
    assert!(discovery["scopes_supported"].as_array().unwrap().contains(&json!("identity")));
    // OpenID4VCI section 5.1.1: its example has no scope.
    let tokens = tokens(&server, &client, &[("scope", ""), ("authorization_details", BOTH)]).await;
    assert_eq!((tokens.whole.get("scope"), tokens.whole.get("id_token")), (None, None));
    let details = tokens.whole["authorization_details"].clone();
    let name = |at: usize| details[at]["credential_identifiers"][0].as_str().unwrap().to_owned();
    assert_eq!(details[1]["claims"][0]["path"], json!(["birthdate"]));
    let answer = ask(&server, &tokens.access, "credential_identifier", &name(1)).await;
    let found = read(&credentials(&answer)[0], &keys(&server).await);
    assert_eq!(found.disclosed, BTreeMap::from([("birthdate".to_owned(), json!("1815-12-10"))]), "no more than was asked for");
    let badge = read(&credentials(&ask(&server, &tokens.access, "credential_identifier", &name(0)).await)[0], &keys(&server).await);
    assert_eq!(badge.disclosed.keys().map(String::as_str).collect::<Vec<_>>(), ["email", "name"]);
    assert!(badge.payload["sub"].is_string() && badge.payload["exp"].as_i64().unwrap() > NOW / 1000);
    for (which, id, error) in [
        ("credential_configuration_id", "badge", "invalid_credential_request"),
        ("credential_identifier", "badge", "unknown_credential_identifier"),
        ("credential_configuration_id", "other", "unknown_credential_configuration"),
    ] {
        assert_eq!(ask(&server, &tokens.access, which, id).await.refusal(), (400, error.to_owned()), "{which} {id}");
    }
    // RFC 9396 section 6: less of it, and the same identifiers after a refresh.
    let fields = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), ("authorization_details", BADGE)];
    let less = Tokens::of(&server.token(&client, &fields).await);
    assert_eq!(less.whole["authorization_details"], json!([details[0]]));
    assert_eq!(ask(&server, &less.access, "credential_identifier", &name(1)).await.refusal().1, "unknown_credential_identifier");
    assert_eq!(ask(&server, &less.access, "credential_identifier", &name(0)).await.status, 200);
}

#[tokio::test]
async fn openid4vci_5_1_1_details_that_cannot_be_kept_are_refused_at_once() {
    let server = Server::with(&[], TOML).await;
    let client = wallet(&server).await;
    let refused = async |client: &Client, details: Value| {
        let details = details.to_string();
        let answer = server.get(&client.request(&[("authorization_details", &details)])).send().await;
        answer.sent("error")
    };
    let detail = |more: Value| {
        let mut detail = json!({ "type": "openid_credential", "credential_configuration_id": "identity" });
        detail.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([detail])
    };
    assert_eq!(refused(&client, detail(json!({ "anything": { "else": 1 } }))).await, None);
    assert_eq!(refused(&client, detail(json!({ "locations": [server.issuer] }))).await, None);
    for bad in [
        json!({ "credential_configuration_id": "other" }),
        json!({ "credential_configuration_id": 1 }),
        json!({ "locations": ["https://other.example"] }),
        json!({ "claims": [] }),
        json!({ "claims": [{ "path": ["nickname"], "mandatory": true }] }),
        json!({ "claims": [{ "path": ["birthdate"] }, { "path": ["birthdate"] }] }),
    ] {
        assert_eq!(refused(&client, detail(bad.clone())).await.as_deref(), Some("invalid_authorization_details"), "{bad}");
    }
    let plain = server.web_client().await;
    assert_eq!(refused(&plain, detail(json!({}))).await.as_deref(), Some("invalid_authorization_details"), "it is not registered for them");
    // A client speaks for nobody there.
    let fields = [("grant_type", "client_credentials"), ("authorization_details", BADGE)];
    assert_eq!(server.token(&client, &fields).await.refusal(), (400, "invalid_authorization_details".to_owned()));
}

#[tokio::test]
async fn openid4vci_8_3_1_2_what_is_wrong_with_a_request_has_its_own_code() {
    let server = Server::with(&[], TOML).await;
    let client = wallet(&server).await;
    let access = tokens(&server, &client, IDENTITY).await.access;
    let holder = Holder::new("ES256");
    let fresh = async || holder.proof(&server, &nonce(&server).await);
    let good = json!({ "credential_configuration_id": "identity", "proofs": { "jwt": [fresh().await] }, "unknown": [{}] });
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed
    };
    let mark = server.mark().await;
    for (body, error) in [
        (json!([]), "invalid_credential_request"),
        (with("credential_identifier", json!("x")), "invalid_credential_request"),
        (with("credential_configuration_id", json!(1)), "invalid_credential_request"),
        (with("credential_configuration_id", json!("other")), "unknown_credential_configuration"),
        (json!({ "credential_identifier": "x", "proofs": good["proofs"] }), "unknown_credential_identifier"),
        (json!({ "credential_configuration_id": "identity" }), "invalid_proof"),
        (with("proofs", json!({})), "invalid_proof"),
        (with("proofs", json!({ "jwt": [] })), "invalid_proof"),
        (with("proofs", json!({ "jwt": ["x"] })), "invalid_proof"),
        (with("proofs", json!({ "attestation": ["x"] })), "invalid_proof"),
        (with("proofs", json!({ "attestation": ["x", "y"] })), "invalid_proof"),
        (with("proofs", json!({ "jwt": ["x"], "attestation": ["x"] })), "invalid_proof"),
        (with("proofs", json!({ "jwt": ["a", "b", "c", "d", "e"] })), "invalid_proof"),
        (with("credential_response_encryption", json!({ "jwk": {} })), "invalid_encryption_parameters"),
    ] {
        let answer = send(&server, &access, &body).await;
        assert_eq!((answer.refusal(), answer.header("cache-control")), ((400, error.to_owned()), "no-store"), "{body}");
    }
    for (media, body, status, error) in [
        ("application/json", r#"{"proofs":{},"proofs":{}}"#, 400, "invalid_credential_request"),
        ("application/json", "{", 400, "invalid_credential_request"),
        ("application/jwt", "a.b.c.d.e", 415, "unsupported_media_type"),
    ] {
        let answer = server.post(HERE).bearer(&access).header("content-type", media).body(body).send().await;
        assert_eq!(answer.refusal(), (status, error.to_owned()), "{body}");
    }
    assert_eq!(server.mark().await, mark, "nothing of it is in the log");
    assert_eq!(send(&server, &access, &good).await.status, 200, "nothing of it has used up the nonce");
}

#[tokio::test]
async fn openid4vci_f_1_what_a_proof_has_to_say() {
    let server = Server::with(&[], TOML).await;
    let client = wallet(&server).await;
    let (access, now) = (tokens(&server, &client, IDENTITY).await.access, server.app.now().0 / 1000);
    let holder = Holder::new("ES256");
    let try_with = async |change: &dyn Fn(&mut Value, &mut Value)| {
        let (mut header, mut own) = (holder.header(), claims(&server, &nonce(&server).await));
        change(&mut header, &mut own);
        let proof = holder.0.sign_with(&header, &own);
        send(&server, &access, &asking("credential_configuration_id", "identity", &[proof])).await
    };
    assert_eq!(try_with(&|_, own| (own["iss"], own["jti"]) = (json!(client.id), json!("x"))).await.status, 200);
    let mut secret = holder.jwk();
    secret["d"] = json!("AAAA");
    for (name, value) in [
        ("typ", json!("JWT")),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("kid", json!("k")),
        ("x5c", json!(["AAAA"])),
        ("jwk", Value::Null),
        ("jwk", secret),
        ("jwk", Holder::new("ES256").jwk()),
        ("jwk", json!({ "kty": "oct", "k": "AAAA" })),
    ] {
        let answer = try_with(&|header, _| header[name] = value.clone()).await;
        assert_eq!(answer.refusal(), (400, "invalid_proof".to_owned()), "{name} {value}");
    }
    for (name, value, error) in [
        ("iat", json!(now - 316), "invalid_proof"),
        ("iat", json!(now + 16), "invalid_proof"),
        ("iat", Value::Null, "invalid_proof"),
        ("exp", json!(now - 15), "invalid_proof"),
        ("aud", json!([server.issuer]), "invalid_proof"),
        ("nonce", Value::Null, "invalid_proof"),
        ("nonce", json!("x"), "invalid_nonce"),
        ("nonce", json!(B64.encode([0; 40])), "invalid_nonce"),
    ] {
        let answer = try_with(&|_, own| own[name] = value.clone()).await;
        assert_eq!(answer.refusal(), (400, error.to_owned()), "{name} {value}");
    }
    let without = try_with(&|_, own| drop(own.as_object_mut().unwrap().remove("nonce"))).await;
    assert_eq!(without.refusal(), (400, "invalid_proof".to_owned()), "OpenID4VCI section 8.3.1.2: no nonce is no proof");
    // An algorithm that this credential does not take.
    let other = Holder::new("EdDSA").proof(&server, &nonce(&server).await);
    let answer = send(&server, &access, &asking("credential_configuration_id", "identity", &[other])).await;
    assert_eq!(answer.refusal(), (400, "invalid_proof".to_owned()));
    // Nonces of other kinds are none of these.
    assert_eq!(try_with(&|_, own| own["nonce"] = json!(server.app.newest_nonce())).await.refusal().1, "invalid_nonce");
    assert_eq!(try_with(&|_, own| own["nonce"] = json!(server.app.attestation_challenge())).await.refusal().1, "invalid_nonce");
    // Somebody else's proof is evidence, once.
    let mark = server.mark().await;
    for (name, value) in [("aud", "https://other.example"), ("iss", "other")] {
        let answer = try_with(&|_, own| own[name] = json!(value)).await;
        assert_eq!(answer.refusal(), (400, "invalid_proof".to_owned()), "{name}");
    }
    assert_eq!(server.kinds_since(mark).await, ["MisuseRefused"]);
    let events = server.events().await;
    assert_eq!(events.last().unwrap().data["misuse"], "credential_proof_of_other");
    // It is good for as long as nonces of DPoP are.
    let old = nonce(&server).await;
    server.advance(10 * 60 * 1000);
    let access = tokens(&server, &client, IDENTITY).await.access;
    let late = send(&server, &access, &asking("credential_configuration_id", "identity", &[holder.proof(&server, &old)])).await;
    assert_eq!(late.refusal(), (400, "invalid_nonce".to_owned()));
}

#[tokio::test]
async fn openid4vci_13_8_a_nonce_counts_once() {
    both::on_both(TOML, async |server: &Server| {
        let client = wallet(server).await;
        let access = tokens(server, &client, IDENTITY).await.access;
        let holder = Holder::new("ES256");
        let body = asking("credential_configuration_id", "identity", &[holder.proof(server, &nonce(server).await)]);
        let mark = server.mark().await;
        let answers = at_once::all(20, || send(server, &access, &body)).await;
        let count = |wanted: u16| answers.iter().filter(|answer| answer.status == wanted).count();
        assert_eq!((count(200), count(400)), (1, 19));
        assert!(answers.iter().filter(|answer| answer.status == 400).all(|answer| answer.error() == "invalid_nonce"));
        assert_eq!(server.kinds_since(mark).await, ["CredentialsIssued"]);
        // Nor does a new key make it new.
        let used = B64.decode(body["proofs"]["jwt"][0].as_str().unwrap().split('.').nth(1).unwrap()).unwrap();
        let used: Value = serde_json::from_slice(&used).unwrap();
        let again = Holder::new("ES256").proof(server, used["nonce"].as_str().unwrap());
        let answer = send(server, &access, &asking("credential_configuration_id", "identity", &[again])).await;
        assert_eq!(answer.refusal(), (400, "invalid_nonce".to_owned()));
        // What was used up is forgotten when it is too old anyway.
        server.advance(15 * 60 * 1000);
        let context = chancery::app::context::Context::of_server("server", "tidy".to_owned());
        server.app.sweep(&context).await.unwrap();
        let swept = server.events().await;
        assert!(swept.iter().any(|event| event.kind == "ExpiredSwept" && event.data["table"] == "credential_nonce"));
    })
    .await;
}

#[tokio::test]
async fn openid4vci_8_3_each_key_gets_a_credential_and_they_share_nothing_but_the_person() {
    let server = Server::with(&[], TOML).await;
    let client = wallet(&server).await;
    assert_eq!(server.get(METADATA).send().await.json()["batch_credential_issuance"], json!({ "batch_size": 4 }));
    let access = tokens(&server, &client, IDENTITY).await.access;
    let holders = [(); 4].map(|()| Holder::new("ES256"));
    let one = nonce(&server).await;
    let proofs: Vec<_> = holders.iter().map(|holder| holder.proof(&server, &one)).collect();
    let all = credentials(&send(&server, &access, &asking("credential_configuration_id", "identity", &proofs)).await);
    let jwks = keys(&server).await;
    let found: Vec<_> = all.iter().map(|own| read(own, &jwks)).collect();
    assert_eq!(
        found.iter().map(|own| &own.payload["cnf"]["jwk"]).collect::<Vec<_>>(),
        holders.each_ref().map(Holder::jwk).iter().collect::<Vec<_>>()
    );
    let digests: BTreeSet<_> = found.iter().flat_map(|own| own.payload["_sd"].as_array().unwrap()).map(Value::to_string).collect();
    let salts: BTreeSet<_> = found.iter().flat_map(|own| own.salts.clone()).collect();
    assert_eq!((found.len(), digests.len(), salts.len()), (4, 16, 16));
    assert_eq!(server.events().await.last().unwrap().data["count"], 4);
    // A key is bound to at most one of them.
    let two = nonce(&server).await;
    let same = [holders[0].proof(&server, &two), holders[0].proof(&server, &two)];
    let answer = send(&server, &access, &asking("credential_configuration_id", "identity", &same)).await;
    assert_eq!(answer.refusal(), (400, "invalid_proof".to_owned()));
}

#[tokio::test]
async fn openid4vci_8_3_1_1_without_a_token_for_it_there_is_no_credential() {
    let server = Server::with(&[], TOML).await;
    let client = wallet(&server).await;
    let bare = server.post(HERE).json(&json!({})).send().await;
    assert_eq!(bare.status, 401);
    assert!(!bare.header("www-authenticate").contains("error"), "RFC 6750 section 3.1: nothing was tried");
    let ask = async |token: &str| ask(&server, token, "credential_configuration_id", "identity").await;
    assert_eq!(ask("cha_at_nonsense").await.refusal(), (401, "invalid_token".to_owned()));
    let plain = tokens(&server, &client, &[("scope", "openid")]).await;
    let answer = ask(&plain.access).await;
    assert_eq!(answer.refusal(), (403, "insufficient_scope".to_owned()));
    assert!(answer.header("www-authenticate").contains("error=\"insufficient_scope\""), "{}", answer.header("www-authenticate"));
    let alone = Tokens::of(&server.token(&client, &[("grant_type", "client_credentials"), ("scope", "identity")]).await);
    assert_eq!(ask(&alone.access).await.refusal(), (403, "insufficient_scope".to_owned()), "nobody's");
    // It ends with everything that it rests on.
    let own = tokens(&server, &client, IDENTITY).await;
    assert_eq!(ask(&own.access).await.status, 200);
    server.revoke(&client, &own.access).await;
    assert_eq!(ask(&own.access).await.refusal(), (401, "invalid_token".to_owned()));
    let own = tokens(&server, &client, IDENTITY).await;
    let account = server.events().await.iter().rev().find_map(|event| event.subject.clone()).unwrap();
    server.disable(&account).await;
    assert_eq!(ask(&own.access).await.refusal(), (401, "invalid_token".to_owned()));
}

#[tokio::test]
async fn openid4vci_13_10_a_token_without_a_key_lives_five_minutes_and_one_with_a_key_is_shown_with_it() {
    let server = Server::with(&[], TOML).await;
    let client = wallet(&server).await;
    let bare = tokens(&server, &client, IDENTITY).await;
    assert_eq!(bare.whole["expires_in"], 300);
    let prover = Prover::new("ES256");
    let code = Browser::new(&server).authorize(&client, &ada(), IDENTITY).await.code();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", &client.redirect_uri),
        ("code_verifier", VERIFIER),
    ];
    let call = server.as_client("/oidc/token", &client, &fields).header("dpop", &prover.for_token(&server));
    let bound = Tokens::of(&call.send().await);
    assert_eq!((&bound.whole["expires_in"], &bound.whole["token_type"]), (&json!(600), &json!("DPoP")));
    server.advance(5 * 60 * 1000);
    assert_eq!(ask(&server, &bare.access, "credential_configuration_id", "identity").await.refusal(), (401, "invalid_token".to_owned()));
    let body = asking("credential_configuration_id", "identity", &[Holder::new("ES256").proof(&server, &nonce(&server).await)]);
    let shown = async |proof: &str| {
        let call = server.post(HERE).header("authorization", &format!("DPoP {}", bound.access)).header("dpop", proof);
        call.json(&body).send().await
    };
    let stolen = send(&server, &bound.access, &body).await;
    assert_eq!(stolen.refusal(), (401, "invalid_token".to_owned()), "without its key");
    assert_eq!(shown(&Prover::new("ES256").for_use(&server, ("POST", HERE), &bound.access)).await.refusal().0, 401, "with another key");
    let proof = prover.for_use(&server, ("POST", HERE), &bound.access);
    assert_eq!(shown(&proof).await.status, 200);
    assert_eq!(shown(&proof).await.refusal().1, "invalid_dpop_proof", "a DPoP proof counts once");
}

#[tokio::test]
async fn openid4vci_15_1_a_credential_is_asked_for_each_time() {
    let server = Server::with(&[], TOML).await;
    let client = wallet(&server).await;
    let mut browser = Browser::new(&server);
    let mut page = browser.open(&client.request(IDENTITY)).await;
    page = browser.submit(&page, &[("login", "ada@example.com"), ("password", PASSWORD)]).await;
    assert_eq!(page_of(&page), "consent");
    assert!(browser.submit(&page, &[("decision", "allow")]).await.sent("code").is_some());
    assert_eq!(page_of(&browser.open(&client.request(IDENTITY)).await), "consent", "once is not always");
    let silent = browser.open(&client.request(&[IDENTITY[0], ("prompt", "none")])).await;
    assert_eq!(silent.sent("error").as_deref(), Some("consent_required"));
    let german = browser.open(&client.request(&[IDENTITY[0], ("ui_locales", "de")])).await.text();
    assert!(german.contains("Den Nachweis \u{201e}Meadow identity\u{201c}") && german.contains("Geburtsdatum"), "{german}");
}

#[tokio::test]
async fn openid4vci_12_2_without_credentials_there_is_nothing_of_it() {
    let server = Server::start().await;
    for path in [METADATA, "/.well-known/jwt-vc-issuer/oidc"] {
        assert_eq!(server.get(path).send().await.status, 404, "{path}");
    }
    assert_eq!(server.post("/oidc/credential/nonce").send().await.status, 404);
    assert_eq!(server.post(HERE).json(&json!({})).send().await.status, 404);
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.text();
    assert!(!discovery.contains("credential_") && !discovery.contains("openid_credential") && !discovery.contains("pre-authorized"));
    let client = wallet(&server).await;
    let asked = server.get(&client.request(&[("authorization_details", BADGE)])).send().await;
    assert_eq!(asked.sent("error").as_deref(), Some("invalid_authorization_details"));
}

#[tokio::test]
async fn openid4vci_12_2_4_a_credential_that_cannot_be_issued_keeps_the_server_from_starting() {
    let server = Server::with(&[], TOML).await;
    let document = server.get("/.well-known/jwt-vc-issuer/oidc").send().await.json();
    assert_eq!(document, json!({ "issuer": server.issuer, "jwks_uri": format!("{}/jwks", server.issuer) }), "SD-JWT VC section 4");
    let one = |fields: &str| {
        format!("[[credential]]\nid = \"a\"\nformat = \"dc+sd-jwt\"\nvct = \"urn:x:a\"\nname = \"A\"\nclaims = [\"name\"]\n{fields}\n")
    };
    assert!(Server::try_with(&one("")).await.is_ok());
    for (toml, said) in [
        (one("scope = \"openid\""), "credential a is not acceptable"),
        (one("proof_signing_algs = [\"HS256\"]"), "credential a is not acceptable"),
        (one("").replace("[\"name\"]", "[\"cnf\"]"), "credential a is not acceptable"),
        (one("").replace("urn:x:a", "a"), "credential a is not acceptable"),
        (one("").replace("dc+sd-jwt", "mso_mdoc"), "is not one of dc+sd-jwt"),
        (format!("{}{}", one(""), one("")), "is declared twice"),
        (
            format!("{}[[authorization_details_type]]\nname = \"openid_credential\"\nschema = '{{}}'\nwords = \"x\"\n", one("")),
            "give it another name",
        ),
    ] {
        let why = Server::try_with(&toml).await.err().unwrap();
        assert!(why.contains(said), "{toml}: {why}");
    }
}

#[tokio::test]
async fn openid4vci_5_1_2_a_scope_of_a_credential_needs_a_code() {
    let server = Server::with(&[("CHANCERY_RESPONSE_TYPES_FRONT_CHANNEL", "true")], TOML).await;
    let members =
        json!({ "scope": "openid identity", "response_types": ["code", "code token"], "grant_types": ["authorization_code", "implicit"] });
    let client = server.client(members).await;
    let changes = [("response_type", "code token"), ("scope", "openid identity")];
    let answer = server.get(&client.request(&changes)).send().await;
    assert!(answer.location().contains("error=invalid_request"), "{}", answer.location());
}

#[tokio::test]
async fn openid4vci_5_1_2_a_wallet_may_name_the_issuer_as_the_resource() {
    let server = Server::with(&[], TOML).await;
    let client = wallet(&server).await;
    let mut browser = Browser::new(&server);
    let page = browser.open(&client.request(&[("scope", "openid identity"), ("resource", &server.issuer)])).await;
    let code = browser.pass(page, &ada()).await.code();
    let fields = [("redirect_uri", client.redirect_uri.as_str()), ("code_verifier", VERIFIER), ("resource", &server.issuer)];
    let asked = [&fields[..], &[("grant_type", "authorization_code"), ("code", &code)]].concat();
    let tokens = Tokens::of(&server.token(&client, &asked).await);
    assert_eq!(ask(&server, &tokens.access, "credential_configuration_id", "identity").await.status, 200);
    let refreshing = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), ("resource", &server.issuer)];
    let fresh = Tokens::of(&server.token(&client, &refreshing).await);
    assert_eq!(ask(&server, &fresh.access, "credential_configuration_id", "identity").await.status, 200);
    // Another one is not there, and where nothing is issued this one is none.
    let other = format!("{}/other", server.issuer);
    let answer = Browser::new(&server).open(&client.request(&[("scope", "openid identity"), ("resource", &other)])).await;
    assert_eq!(answer.sent("error").as_deref(), Some("invalid_target"));
    let without = Server::with(&[], "").await;
    let client = without.client(json!({})).await;
    let answer = Browser::new(&without).open(&client.request(&[("resource", &without.issuer)])).await;
    assert_eq!(answer.sent("error").as_deref(), Some("invalid_target"));
}
