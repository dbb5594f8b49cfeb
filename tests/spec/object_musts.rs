//! RFC 9101: what it demands and no other test holds.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use chancery_jose::{ContentEncryption, KeyManagement, Recipient};
use rcgen::{OtherNameValue, SanType};
use serde_json::{Value, json};

use crate::support::documents::Documents;
use crate::support::flow::PASSWORD;
use crate::support::jwt::{Key, mac};
use crate::support::mtls::Authority;
use crate::support::*;

/// The claims of a whole request, with these over them; null leaves one out.
fn claims(server: &Server, client: &Client, changes: Value) -> Value {
    let mut all = json!({
        "iss": client.id, "aud": server.issuer, "client_id": client.id, "redirect_uri": client.redirect_uri, "response_type": "code",
        "scope": "openid email", "state": "inner", "nonce": "n", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        "exp": NOW / 1000 + 300,
    });
    all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    all.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    all
}

async fn signing_client(server: &Server, members: Value) -> (Client, Key) {
    let key = Key::generate("ES256");
    let mut all = json!({ "jwks": key.jwks() });
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    (server.client(all).await, key)
}

/// An authorization request with these parameters alone.
fn request(parameters: &[(&str, &str)]) -> String {
    format!("/oidc/auth?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish())
}

/// What the client is told; a request that is taken goes on to a page of ours.
async fn told(server: &Server, path: &str) -> Option<String> {
    let answer = server.get(path).send().await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.sent("error")
}

fn invalid() -> Option<String> {
    Some("invalid_request_object".to_owned())
}

fn unsigned(claims: &Value) -> String {
    format!("{}.{}.", B64.encode(r#"{"alg":"none"}"#), B64.encode(claims.to_string()))
}

fn sign_bytes(key: &Key, payload: &[u8]) -> String {
    let Key::Ec(alg, pair) = key else { panic!("another key") };
    let message = format!("{}.{}", B64.encode(json!({ "alg": alg, "kid": "k" }).to_string()), B64.encode(payload));
    let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    format!("{message}.{}", B64.encode(signature))
}

#[tokio::test]
async fn rfc9101_4_texts_are_utf_8_and_numbers_are_numbers() {
    let server = Server::start().await;
    let (client, key) = signing_client(&server, json!({})).await;
    let whole = claims(&server, &client, json!({ "prompt": "none", "state": "grün", "max_age": 60 })).to_string();
    let sent = async |payload: &[u8]| server.get(&client.request(&[("request", &sign_bytes(&key, payload))])).send().await;
    let answer = sent(whole.as_bytes()).await;
    assert_eq!((answer.sent("error").as_deref(), answer.sent("state").as_deref()), (Some("login_required"), Some("grün")));
    let latin_1: Vec<u8> = whole.chars().map(|own| u8::try_from(own).unwrap()).collect();
    assert_eq!(sent(&latin_1).await.sent("error"), invalid());
    for wrong in [json!({ "state": 1 }), json!({ "scope": ["openid"] }), json!({ "max_age": -1 }), json!({ "max_age": 1.5 })] {
        let object = key.sign(&claims(&server, &client, wrong.clone()));
        assert_eq!(told(&server, &client.request(&[("request", &object)])).await, invalid(), "{wrong}");
    }
}

#[tokio::test]
async fn rfc9101_5_the_client_is_named_beside_the_object_and_in_it() {
    let server = Server::start().await;
    let documents = Documents::start().await;
    let (client, key) = signing_client(&server, json!({ "request_uris": [documents.url("/r")] })).await;
    let whole = key.sign(&claims(&server, &client, json!({})));
    documents.put("/r", &whole);
    for (name, value) in [("request", whole.as_str()), ("request_uri", &documents.url("/r"))] {
        let bare = server.get(&request(&[(name, value), ("redirect_uri", &client.redirect_uri)])).send().await;
        assert_eq!((bare.status, bare.location()), (400, ""), "{name}");
        assert_eq!(told(&server, &request(&[(name, value), ("client_id", &client.id)])).await, None, "{name}");
    }
    // Section 6.3: identical, and what is not there is not identical.
    for inside in [Value::Null, json!("other"), json!(""), json!(client.id.to_uppercase())] {
        let object = key.sign(&claims(&server, &client, json!({ "client_id": inside })));
        documents.put("/r", &object);
        for (name, value) in [("request", object.as_str()), ("request_uri", &documents.url("/r"))] {
            assert_eq!(told(&server, &client.request(&[(name, value)])).await, invalid(), "{inside} {name}");
        }
        let pushed = server.as_client("/oidc/par", &client, &[("request", &object)]).send().await;
        assert_eq!(pushed.refusal(), (400, "invalid_request_object".to_owned()), "{inside}");
    }
}

#[tokio::test]
async fn rfc9101_6_2_the_key_is_the_one_that_is_named_and_the_algorithm_is_its_own() {
    let server = Server::start().await;
    let (one, two) = (Key::generate("ES256"), Key::generate("ES256"));
    let named = |key: &Key, kid: &str| {
        let mut jwk = key.jwks()["keys"][0].clone();
        jwk["kid"] = json!(kid);
        jwk
    };
    let client = server.client(json!({ "jwks": { "keys": [named(&one, "one"), named(&two, "two")] } })).await;
    let whole = claims(&server, &client, json!({}));
    let secret = client.secret.clone().unwrap();
    for (object, expected) in [
        (one.sign_with(&json!({ "alg": "ES256", "kid": "one" }), &whole), None),
        (two.sign_with(&json!({ "alg": "ES256", "kid": "two" }), &whole), None),
        (two.sign_with(&json!({ "alg": "ES256" }), &whole), None),
        // The other one's, nobody's, and a key that comes along.
        (two.sign_with(&json!({ "alg": "ES256", "kid": "one" }), &whole), invalid()),
        (one.sign_with(&json!({ "alg": "ES256", "kid": "three" }), &whole), invalid()),
        (Key::generate("ES256").sign_with(&json!({ "alg": "ES256", "kid": "one" }), &whole), invalid()),
        // RFC 8725 section 3.1, 3.2.
        (one.sign_with(&json!({ "alg": "ES384", "kid": "one" }), &whole), invalid()),
        (one.sign_with(&json!({ "alg": "none", "kid": "one" }), &whole), invalid()),
        (one.sign_with(&json!({ "kid": "one" }), &whole), invalid()),
        (mac("HS256", &secret, &whole), invalid()),
        (mac("HS256", &named(&one, "one").to_string(), &whole), invalid()),
    ] {
        assert_eq!(told(&server, &client.request(&[("request", &object)])).await, expected, "{object}");
    }
    let stranger = Key::generate("ES256");
    let brought = stranger.sign_with(&json!({ "alg": "ES256", "jwk": stranger.jwks()["keys"][0] }), &whole);
    assert_eq!(told(&server, &client.request(&[("request", &brought)])).await, invalid(), "a key that comes along is nobody's");
    // A name that no key has stands for no key.
    let mut anonymous = one.jwks();
    anonymous["keys"][0].as_object_mut().unwrap().remove("kid");
    let client = server.client(json!({ "jwks": anonymous })).await;
    let whole = claims(&server, &client, json!({}));
    for (header, expected) in [(json!({ "alg": "ES256" }), None), (json!({ "alg": "ES256", "kid": "k" }), invalid())] {
        let object = one.sign_with(&header, &whole);
        assert_eq!(told(&server, &client.request(&[("request", &object)])).await, expected, "{header}");
    }
}

#[tokio::test]
async fn rfc9101_6_3_what_stands_beside_the_object_completes_nothing_and_errors_go_where_it_says() {
    let server = Server::start().await;
    let addresses = ["https://app.example/cb", "https://app.example/inner"];
    let (client, key) = signing_client(&server, json!({ "redirect_uris": addresses })).await;
    let ask = async |changes: Value| {
        let mut all = json!({ "redirect_uri": addresses[1] });
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let object = key.sign(&claims(&server, &client, all));
        server.get(&client.request(&[("request", &object), ("prompt", "none")])).send().await
    };
    for (changes, code) in [
        (json!({ "prompt": "dance" }), "invalid_request"),
        (json!({ "scope": "unknown" }), "invalid_scope"),
        (json!({ "scope": null }), "invalid_scope"),
        (json!({ "response_type": null }), "invalid_request"),
        (json!({ "max_age": 1, "prompt": "none" }), "login_required"),
    ] {
        let answer = ask(changes.clone()).await;
        assert!(answer.location().starts_with("https://app.example/inner?"), "{changes}: {}", answer.location());
        assert_eq!((answer.sent("error").as_deref(), answer.sent("state").as_deref()), (Some(code), Some("inner")), "{changes}");
    }
    // prompt=none beside it would have been an error; and the address beside it is none of the request.
    let fine = ask(json!({})).await;
    assert_eq!((fine.status, fine.sent("error")), (303, None), "{}", fine.location());
    let nowhere = ask(json!({ "redirect_uri": null })).await;
    assert_eq!((nowhere.status, nowhere.location()), (400, ""));
}

#[tokio::test]
async fn rfc9101_8_a_reference_is_fetched_from_whom_the_certificate_names_alone() {
    let (trusted, other) = (Arc::new(Authority::new("Trusted")), Authority::new("Other"));
    let server = Server::fetching(&trusted, &[], "").await;
    let dns = |name: &str| vec![SanType::DnsName(name.try_into().unwrap())];
    // RFC 4985 section 2: id-on-dnsSRV.
    let srv = SanType::OtherName((vec![1, 3, 6, 1, 5, 5, 7, 8, 7], OtherNameValue::Utf8String("_https.localhost".to_owned())));
    for (what, identity, reached) in [
        ("its name", trusted.issue("documents", dns("localhost")), 1),
        ("of an authority that nobody knows", other.issue("documents", dns("localhost")), 0),
        ("another name, and its own as CN", trusted.issue("localhost", dns("elsewhere.example")), 0),
        ("its own as CN alone", trusted.issue("localhost", Vec::new()), 0),
        ("as SRV-ID", trusted.issue("documents", vec![srv]), 0),
        ("as URI-ID", trusted.issue("documents", vec![SanType::URI("https://localhost".try_into().unwrap())]), 0),
    ] {
        let documents = Documents::start_as(&identity).await;
        let (client, key) = signing_client(&server, json!({ "request_uris": [documents.url("/r")] })).await;
        documents.put("/r", key.sign(&claims(&server, &client, json!({}))));
        let error = told(&server, &client.request(&[("request_uri", &documents.url("/r"))])).await;
        let expected = (reached == 0).then(|| "invalid_request_uri".to_owned());
        assert_eq!((error, documents.asked("/r")), (expected, reached), "{what}");
    }
}

#[tokio::test]
async fn rfc9101_10_2_what_is_pushed_is_signed_by_the_client_that_authenticates_and_its_name_is_not_guessed() {
    let server = Server::start().await;
    let (client, key) = signing_client(&server, json!({})).await;
    let (other, foreign) = signing_client(&server, json!({})).await;
    let push = async |client: &Client, object: &str| server.as_client("/oidc/par", client, &[("request", object)]).send().await;
    let object = key.sign(&claims(&server, &client, json!({})));
    for (who, sent) in [
        (&client, foreign.sign(&claims(&server, &client, json!({})))),
        (&client, unsigned(&claims(&server, &client, json!({})))),
        (&client, foreign.sign(&claims(&server, &other, json!({})))),
        (&other, object.clone()),
    ] {
        assert_eq!(push(who, &sent).await.refusal(), (400, "invalid_request_object".to_owned()), "{sent}");
    }
    let mut names = Vec::new();
    for _ in 0..20 {
        let answer = push(&client, &object).await;
        assert_eq!((answer.status, &answer.json()["expires_in"]), (201, &json!(60)), "{}", answer.text());
        names.push(answer.json()["request_uri"].as_str().unwrap().to_owned());
    }
    // Of its text at least 22 characters, which hold 128 bits and more, are drawn anew each time.
    let shortest = names.iter().map(String::len).min().unwrap();
    let drawn = (0..shortest).filter(|at| names.iter().any(|name| name.as_bytes()[*at] != names[0].as_bytes()[*at])).count();
    assert!(drawn >= 22, "{names:?}");
    let bound = told(&server, &request(&[("client_id", &client.id), ("request_uri", &names[0])])).await;
    assert_eq!(bound, None);
    let stolen = server.get(&request(&[("client_id", &other.id), ("request_uri", &names[1])])).send().await;
    assert_eq!((stolen.status, stolen.location()), (400, ""));
}

#[tokio::test]
async fn rfc9101_10_5_who_demands_signed_objects_gets_no_other_request_by_any_way() {
    let server = Server::with(&[], "[request_objects]\nunsigned = true\nencrypted = true\n").await;
    let documents = Documents::start().await;
    let address = documents.url("/r");
    let published = server.get("/oidc/jwks").send().await.json();
    let seal = |content: &str| {
        let recipient = Recipient::choose(&published, KeyManagement::EcdhEs).unwrap();
        recipient.encrypt(ContentEncryption::A128Gcm, Some("JWT"), content.as_bytes()).unwrap()
    };
    for demands in [true, false] {
        let members = json!({ "require_signed_request_object": demands, "request_uris": [address] });
        let (client, key) = signing_client(&server, members).await;
        let whole = claims(&server, &client, json!({}));
        let expected = |code: &str| demands.then(|| code.to_owned());
        assert_eq!(told(&server, &client.request(&[])).await, expected("invalid_request"));
        for object in [unsigned(&whole), seal(&unsigned(&whole))] {
            documents.put("/r", &object);
            for (name, value) in [("request", &object), ("request_uri", &address)] {
                assert_eq!(told(&server, &client.request(&[(name, value)])).await, expected("invalid_request_object"), "{name} {object}");
            }
        }
        let plain = client.request(&[]);
        let fields: Vec<_> = form_urlencoded::parse(plain.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let push = async |fields: &[(&str, &str)]| server.as_client("/oidc/par", &client, fields).send().await.status;
        let refused = if demands { 400 } else { 201 };
        assert_eq!([push(&fields).await, push(&[("request", &unsigned(&whole))]).await], [refused; 2], "pushed");
        for object in [key.sign(&whole), seal(&key.sign(&whole))] {
            assert_eq!(told(&server, &client.request(&[("request", &object)])).await, None);
        }
    }
}

#[tokio::test]
async fn rfc9101_10_5_a_server_that_demands_signed_objects_gets_no_other_request_from_anybody() {
    let server = Server::production(
        &[("CHANCERY_MTLS_PROXY_HEADER", "true"), ("CHANCERY_TRUSTED_PROXIES", "127.0.0.1/32")],
        "profile = \"fapi1-advanced\"\n[response_types]\nfront_channel = true\n",
    )
    .await;
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(discovery["require_signed_request_object"], true);
    let (key, admin) = (Key::generate("ES256"), server.operator_token("admin").await);
    let members = json!({
        "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks(),
        "grant_types": ["authorization_code", "implicit"], "response_types": ["code id_token"], "token_endpoint_auth_signing_alg": "ES256",
        "id_token_signed_response_alg": "ES256", "require_signed_request_object": true, "request_object_signing_alg": "ES256",
        "tls_client_certificate_bound_access_tokens": true,
    });
    let registered = server.post("/clients").bearer(&admin).json(&members).send().await;
    assert_eq!(registered.status, 201, "{}", registered.text());
    let client = Client::of(&registered.json());
    let whole = claims(&server, &client, json!({ "response_type": "code id_token", "nbf": NOW / 1000 }));
    let kind = ("response_type", "code id_token");
    for (object, code) in [("", "invalid_request"), (&unsigned(&whole), "invalid_request_object"), (&key.sign(&whole), "")] {
        let answer = server.get(&client.request(&[kind, ("request", object)])).send().await;
        let (_, fragment) = answer.location().split_once('#').unwrap_or_default();
        let error = form_urlencoded::parse(fragment.as_bytes()).find(|(name, _)| name == "error").map(|(_, value)| value.into_owned());
        assert_eq!((answer.status, error.unwrap_or_default()), (303, code.to_owned()), "{}", answer.location());
    }
    // Not even for a client that would like to be asked for less.
    let mut lax = members;
    lax["require_signed_request_object"] = json!(false);
    assert_eq!(server.post("/clients").bearer(&admin).json(&lax).send().await.error(), "invalid_client_metadata");
}

#[tokio::test]
async fn rfc9101_11_1_the_consent_page_names_the_client_and_not_what_the_object_calls_it() {
    let server = Server::start().await;
    let documents = Documents::start().await;
    let members = json!({ "client_name": "Meadow", "request_uris": [documents.url("/r")] });
    let (client, key) = signing_client(&server, members).await;
    let alice = server.alice().await;
    let object = key.sign(&claims(&server, &client, json!({ "client_name": "Your Bank" })));
    documents.put("/r", &object);
    for (name, value) in [("request", object.as_str()), ("request_uri", &documents.url("/r"))] {
        let mut browser = Browser::new(&server);
        let login = browser.open(&request(&[("client_id", &client.id), (name, value), ("client_name", "Your Bank")])).await;
        let page = browser.submit(&login, &[("login", &alice.email), ("password", PASSWORD)]).await;
        assert_eq!(flow::page_of(&page), "consent", "{}", page.text());
        assert!(page.text().contains("Meadow") && !page.text().contains("Your Bank"), "{}", page.text());
    }
}
