//! RFC 9101 §6.1, OpenID Connect Core §6 and §10.2: request objects that are encrypted to this server.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use chancery::app::operator::Command;
use chancery_core::digest::Digest;
use chancery_jose::{ContentEncryption, KeyManagement, Recipient};
use serde_json::{Value, json};

use crate::support::call::Answer;
use crate::support::documents::Documents;
use crate::support::jwt::Key;
use crate::support::*;

const ENCRYPTED: &str = "[request_objects]\nencrypted = true\n";
const ASYMMETRIC: [KeyManagement; 8] = [
    KeyManagement::RsaOaep,
    KeyManagement::RsaOaep256,
    KeyManagement::RsaOaep384,
    KeyManagement::RsaOaep512,
    KeyManagement::EcdhEs,
    KeyManagement::EcdhEsA128Kw,
    KeyManagement::EcdhEsA192Kw,
    KeyManagement::EcdhEsA256Kw,
];
/// Keys that are published: RSA, P-256, P-384, P-521 and X25519.
const KINDS: usize = 5;

async fn signing_client(server: &Server, members: Value) -> (Client, Key) {
    let key = Key::generate("ES256");
    let mut all = json!({ "jwks": key.jwks() });
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    (server.client(all).await, key)
}

fn claims(server: &Server, client: &Client) -> Value {
    json!({
        "iss": client.id, "aud": server.issuer, "client_id": client.id, "redirect_uri": client.redirect_uri, "response_type": "code",
        "scope": "openid email", "state": "inner", "nonce": "n", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    })
}

async fn jwks(server: &Server) -> Value {
    server.get("/oidc/jwks").send().await.json()
}

/// The keys of a set that are for this.
fn for_use(jwks: &Value, usage: &str) -> Vec<Value> {
    jwks["keys"].as_array().unwrap().iter().filter(|key| key["use"] == usage).cloned().collect()
}

fn sealed(jwks: &Value, alg: KeyManagement, enc: ContentEncryption, cty: Option<&str>, content: &str) -> String {
    Recipient::choose(jwks, alg).expect("a key for it is published").encrypt(enc, cty, content.as_bytes()).unwrap()
}

fn beside(client: &Client, name: &str, value: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", &client.id).append_pair(name, value);
    format!("/oidc/auth?{}", query.finish())
}

/// The token with one member of its header changed.
fn with(token: &str, name: &str, value: Value) -> String {
    let (protected, rest) = token.split_once('.').unwrap();
    let mut header: Value = serde_json::from_slice(&B64.decode(protected).unwrap()).unwrap();
    header[name] = value;
    format!("{}.{rest}", B64.encode(header.to_string()))
}

fn refused(answer: &Answer) -> Option<String> {
    answer.sent("error")
}

#[tokio::test]
async fn rfc9101_6_1_an_encrypted_object_is_the_request_by_value_by_reference_and_pushed() {
    both::on_both(ENCRYPTED, async |server: &Server| {
        let documents = Documents::start().await;
        let (client, key) = signing_client(server, json!({ "request_uris": [documents.url("/r")] })).await;
        let (alice, published) = (server.alice().await, jwks(server).await);
        let signed = key.sign(&claims(server, &client));
        let object = sealed(&published, KeyManagement::RsaOaep256, ContentEncryption::A256Gcm, Some("JWT"), &signed);
        documents.put("/r", &object);
        let mut browser = Browser::new(server);
        // What stands beside it says something else, and does not count.
        let page = browser.open(&client.request(&[("request", &object), ("prompt", "none"), ("state", "outer")])).await;
        let answer = browser.pass(page, &alice).await;
        assert_eq!((answer.sent("state").as_deref(), answer.code().is_empty()), (Some("inner"), false));
        let event = server.events().await.into_iter().find(|event| event.kind == "AuthorizationRequested").unwrap();
        let used = json!({ "alg": "ES256", "digest": Digest::of(signed.as_bytes()).to_string(), "encryption": "RSA-OAEP-256" });
        assert_eq!(event.data["request"]["object"], used, "the log knows what was signed");
        let by_reference = browser.open(&beside(&client, "request_uri", &documents.url("/r"))).await;
        assert_eq!(by_reference.sent("state").as_deref(), Some("inner"));
        let pushed = server.as_client("/oidc/par", &client, &[("request", &object)]).send().await;
        assert_eq!(pushed.status, 201, "{}", pushed.text());
        let uri = pushed.json()["request_uri"].as_str().unwrap().to_owned();
        assert_eq!(browser.open(&beside(&client, "request_uri", &uri)).await.sent("state").as_deref(), Some("inner"));
    })
    .await;
}

#[tokio::test]
async fn rfc9101_10_5_every_encryption_that_discovery_names_is_opened() {
    let server = Server::with(&[], ENCRYPTED).await;
    let document = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    let words = |member: &str| document[member].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let (algs, encs) = (words("request_object_encryption_alg_values_supported"), words("request_object_encryption_enc_values_supported"));
    assert!(ASYMMETRIC.iter().all(|alg| algs.contains(&alg.as_str().to_owned())));
    let published = jwks(&server).await;
    // OpenID Connect Discovery 1.0 §3: where there are both, every key says what it is for.
    assert_eq!(for_use(&published, "enc").len() + for_use(&published, "sig").len(), published["keys"].as_array().unwrap().len());
    assert_eq!(for_use(&published, "enc").len(), KINDS);
    for (alg, enc) in ASYMMETRIC.iter().flat_map(|alg| encs.iter().map(move |enc| (*alg, enc))) {
        let members = json!({ "request_object_encryption_alg": alg.as_str(), "request_object_encryption_enc": enc });
        let (client, key) = signing_client(&server, members).await;
        let object = sealed(&published, alg, ContentEncryption::parse(enc).unwrap(), Some("JWT"), &key.sign(&claims(&server, &client)));
        let page = Browser::new(&server).open(&beside(&client, "request", &object)).await;
        assert_eq!(flow::page_of(&page), "login", "{alg:?} {enc}");
    }
    // OpenID Connect Registration 1.0 §2: whoever says that it may encrypt may leave it.
    let (client, key) = signing_client(&server, json!({ "request_object_encryption_alg": "ECDH-ES" })).await;
    let page = Browser::new(&server).open(&beside(&client, "request", &key.sign(&claims(&server, &client)))).await;
    assert_eq!(flow::page_of(&page), "login");
}

#[tokio::test]
async fn rfc9101_6_2_what_does_not_open_or_is_not_signed_inside_is_refused() {
    let server = Server::with(&[], ENCRYPTED).await;
    let (client, key) = signing_client(&server, json!({})).await;
    let published = jwks(&server).await;
    let all = claims(&server, &client);
    let seal = |content: &str| sealed(&published, KeyManagement::EcdhEsA128Kw, ContentEncryption::A128CbcHs256, Some("JWT"), content);
    let good = seal(&key.sign(&all));
    let mut others: Vec<_> = for_use(&published, "enc");
    let ours = others.iter().find(|own| own["kty"] == "EC").unwrap().clone();
    let stranger = Key::generate("ES256").jwks()["keys"][0].clone();
    for own in &mut others {
        *own = stranger.clone();
        own.as_object_mut().unwrap().remove("alg");
        own["kid"] = ours["kid"].clone();
    }
    let others = json!({ "keys": others });
    let unsigned = format!("{}.{}.", B64.encode(r#"{"alg":"none"}"#), B64.encode(all.to_string()));
    let mark = server.mark().await;
    let mut sentences = std::collections::BTreeSet::new();
    for (why, object) in [
        ("another key", sealed(&others, KeyManagement::EcdhEsA128Kw, ContentEncryption::A128CbcHs256, Some("JWT"), &key.sign(&all))),
        ("an unknown kid", with(&good, "kid", json!("other"))),
        ("compressed", with(&good, "zip", json!("DEF"))),
        ("an extension", with(&good, "crit", json!(["exp"]))),
        ("a broken algorithm", with(&good, "alg", json!("RSA1_5"))),
        ("a password", with(&good, "alg", json!("PBES2-HS256+A128KW"))),
        ("a shared key", with(&good, "alg", json!("dir"))),
        ("another content encryption", with(&good, "enc", json!("A256GCM"))),
        ("changed", format!("{}AAAA", &good[..good.len() - 4])),
        ("too long", format!("{good}{}", "A".repeat(17 * 1024))),
    ] {
        let answer = server.get(&client.request(&[("request", &object)])).send().await;
        assert_eq!(refused(&answer).as_deref(), Some("invalid_request_object"), "{why}: {}", answer.text());
        sentences.insert(answer.sent("error_description"));
    }
    assert_eq!(sentences.len(), 1, "nobody learns why it did not open: {sentences:?}");
    for (why, object) in [
        ("claims alone", seal(&all.to_string())),
        ("unsigned", seal(&unsigned)),
        ("another signature", seal(&Key::generate("ES256").sign(&all))),
        ("twice", seal(&good)),
        ("another type", sealed(&published, KeyManagement::EcdhEs, ContentEncryption::A128Gcm, Some("text"), &key.sign(&all))),
        ("no text", sealed(&published, KeyManagement::EcdhEs, ContentEncryption::A128Gcm, None, "")),
    ] {
        let answer = server.get(&client.request(&[("request", &object)])).send().await;
        assert_eq!(refused(&answer).as_deref(), Some("invalid_request_object"), "{why}: {}", answer.text());
        // Nowhere to send it: a page.
        let page = server.get(&beside(&client, "request", &object)).send().await;
        assert_eq!((page.status, page.location()), (400, ""), "{why}");
    }
    assert_eq!(server.kinds_since(mark).await, [""; 0]);
    // RFC 7516 §5.2: without a kid it is for the published key that fits; the type may be left out, or be the one of RFC 9101 §10.8.
    let anonymous = {
        let mut own = ours;
        own.as_object_mut().unwrap().remove("kid");
        json!({ "keys": [own] })
    };
    for cty in [None, Some("application/oauth-authz-req+jwt"), Some("jwt")] {
        let object = sealed(&anonymous, KeyManagement::EcdhEs, ContentEncryption::A256CbcHs512, cty, &key.sign(&all));
        let page = Browser::new(&server).open(&beside(&client, "request", &object)).await;
        assert_eq!(flow::page_of(&page), "login", "{cty:?}");
    }
}

#[tokio::test]
async fn oidc_core_6_1_unsigned_and_encrypted_where_unsigned_ones_are_switched_on() {
    let server = Server::with(&[], "[request_objects]\nencrypted = true\nunsigned = true\n").await;
    let client = server.web_client().await;
    let unsigned = format!("{}.{}.", B64.encode(r#"{"alg":"none"}"#), B64.encode(claims(&server, &client).to_string()));
    let object = sealed(&jwks(&server).await, KeyManagement::RsaOaep, ContentEncryption::A128CbcHs256, Some("JWT"), &unsigned);
    let page = Browser::new(&server).open(&beside(&client, "request", &object)).await;
    assert_eq!(flow::page_of(&page), "login", "{}", page.text());
    let page = Browser::new(&server).open(&client.request(&[("request", &object)])).await;
    assert_eq!(flow::page_of(&page), "login");
    let event = server.events().await.into_iter().rfind(|event| event.kind == "AuthorizationRequested").unwrap();
    assert_eq!(event.data["request"]["object"], json!({ "encryption": "RSA-OAEP" }), "no digest of what can be guessed");
}

#[tokio::test]
async fn oidc_core_10_2_1_keys_for_encryption_follow_each_other_while_serving() {
    both::on_both(ENCRYPTED, async |server: &Server| {
        let (client, key) = signing_client(server, json!({})).await;
        let context = chancery::app::context::Context::of_server("server", "tidy".to_owned());
        let object = |jwks: &Value, alg| sealed(jwks, alg, ContentEncryption::A128Gcm, Some("JWT"), &key.sign(&claims(server, &client)));
        let opens = async |object: &str| refused(&server.get(&client.request(&[("request", object)])).send().await).is_none();
        let kids = |jwks: &Value| for_use(jwks, "enc").iter().map(|key| key["kid"].to_string()).collect::<std::collections::BTreeSet<_>>();
        let before = jwks(server).await;
        let old = [object(&before, KeyManagement::RsaOaep256), object(&before, KeyManagement::EcdhEs)];
        let mark = server.mark().await;
        let rotated = server.operate(Command::EncryptionKeysRotate).await;
        assert_eq!(server.kinds_since(mark).await, ["EncryptionKeyWithdrawn", "EncryptionKeyPublished"].repeat(KINDS));
        let after = jwks(server).await;
        let said: std::collections::BTreeSet<_> = rotated["kids"].as_array().unwrap().iter().map(Value::to_string).collect();
        assert!(kids(&after) == said && kids(&after).is_disjoint(&kids(&before)), "the old ones are not published any more");
        assert_eq!(for_use(&after, "sig"), for_use(&before, "sig"));
        // OpenID Connect Core 1.0 §10.2.1: what is on its way is still opened.
        server.advance(24 * 60 * 60 * 1000 - 1);
        server.app.tidy(&context).await;
        for one in &old {
            assert!(opens(one).await);
        }
        server.advance(1);
        let mark = server.mark().await;
        server.app.tidy(&context).await;
        let kinds = server.kinds_since(mark).await;
        assert_eq!(kinds.iter().filter(|kind| *kind == "EncryptionKeyDestroyed").count(), KINDS, "{kinds:?}");
        server.app.refresh_keys().await.unwrap();
        for one in &old {
            assert!(!opens(one).await, "the private half is gone");
        }
        assert!(opens(&object(&after, KeyManagement::RsaOaep)).await);
        for kid in for_use(&before, "enc").iter().map(|key| key["kid"].as_str().unwrap().to_owned()) {
            assert!(server.app.vault.opening_key(&kid).await.unwrap().is_none());
        }
        // By schedule, with the keys that sign.
        server.advance(90 * 24 * 60 * 60 * 1000);
        server.app.tidy(&context).await;
        assert!(kids(&jwks(server).await).is_disjoint(&kids(&after)));
        assert!(opens(&object(&after, KeyManagement::EcdhEs)).await);
        let listed = server.operate(Command::KeysList).await;
        let phases = |alg: &str| {
            listed["keys"].as_array().unwrap().iter().filter(|key| key["alg"] == alg).map(|key| key["phase"].clone()).collect::<Vec<_>>()
        };
        let mut phases: Vec<_> = phases("ECDH-ES").iter().map(ToString::to_string).collect();
        phases.sort();
        let elliptic = KINDS - 1;
        assert_eq!(phases, ["\"active\"", "\"gone\"", "\"retired\""].map(|phase| vec![phase; elliptic]).concat());
    })
    .await;
}

#[tokio::test]
async fn oidc_discovery_3_no_key_for_encryption_and_no_promise_unless_switched_on() {
    let server = Server::start().await;
    let document = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert!(document.as_object().unwrap().keys().all(|member| !member.starts_with("request_object_encryption")));
    assert_eq!(for_use(&jwks(&server).await, "enc"), [] as [Value; 0]);
    let refused_metadata = json!({ "redirect_uris": ["https://app.example/cb"], "request_object_encryption_alg": "RSA-OAEP" });
    assert_eq!(server.post("/clients").json(&refused_metadata).send().await.error(), "invalid_client_metadata");
    let (client, _) = signing_client(&server, json!({})).await;
    let answer = server.get(&client.request(&[("request", "a.b.c.d.e")])).send().await;
    assert_eq!(refused(&answer).as_deref(), Some("invalid_request_object"));
    assert!(answer.sent("error_description").unwrap().contains("switched off"));
    let context = chancery::app::context::Context::of_server("server", "x".to_owned());
    assert_eq!(server.app.operate(&context, Command::EncryptionKeysRotate).await.unwrap_err().code(), "invalid_request");
}
