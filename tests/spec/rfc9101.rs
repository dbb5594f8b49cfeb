//! RFC 9101 and OpenID Connect Core §6: request objects by value and by reference.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use chancery_core::digest::Digest;
use serde_json::{Value, json};

use crate::support::call::Answer;
use crate::support::documents::Documents;
use crate::support::jwt::Key;
use crate::support::mtls::Authority;
use crate::support::server::PRODUCTION;
use crate::support::*;

/// A client with a key.
async fn signing_client(server: &Server, members: Value) -> (Client, Key) {
    let key = Key::generate("ES256");
    let mut all = json!({ "jwks": key.jwks() });
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    (server.client(all).await, key)
}

/// The claims of a whole request, with these over them.
fn claims(server: &Server, client: &Client, changes: Value) -> Value {
    let mut all = json!({
        "iss": client.id, "aud": server.issuer, "client_id": client.id, "redirect_uri": client.redirect_uri, "response_type": "code",
        "scope": "openid email", "state": "inner", "nonce": "n", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        "exp": NOW / 1000 + 300,
    });
    all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    all
}

/// Nothing beside the object but what RFC 9101 §5 wants there.
fn beside(client: &Client, name: &str, value: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", &client.id).append_pair(name, value);
    format!("/oidc/auth?{}", query.finish())
}

fn unsigned(claims: &Value) -> String {
    format!("{}.{}.", B64.encode(r#"{"alg":"none"}"#), B64.encode(claims.to_string()))
}

fn error(answer: &Answer) -> Option<String> {
    answer.sent("error")
}

const CERTIFICATION: &str = "[request_objects]\nunsigned = true\n";

#[tokio::test]
async fn rfc9101_6_3_a_signed_object_is_the_whole_request_and_the_log_knows_which() {
    both::on_both("", async |server: &Server| {
        let (client, key) = signing_client(server, json!({})).await;
        let alice = server.alice().await;
        let object = key.sign(&claims(server, &client, json!({ "max_age": 60, "claims": { "id_token": { "auth_time": null } } })));
        let mut browser = Browser::new(server);
        // What stands beside it says something else, and does not count.
        let page =
            browser.open(&client.request(&[("request", &object), ("prompt", "none"), ("redirect_uri", "https://evil.example/")])).await;
        let answer = browser.pass(page, &alice).await;
        assert_eq!(answer.sent("state").as_deref(), Some("inner"));
        let tokens = flow::Tokens::of(&server.redeem(&client, &answer.code()).await);
        assert_eq!(tokens.whole["scope"], "email openid");
        let event = server.events().await.into_iter().find(|event| event.kind == "AuthorizationRequested").unwrap();
        let used = json!({ "alg": "ES256", "digest": Digest::of(object.as_bytes()).to_string() });
        assert_eq!(event.data["request"]["object"], used);
    })
    .await;
}

#[tokio::test]
async fn rfc9101_6_2_a_signature_that_does_not_hold_is_invalid_request_object() {
    let server = Server::start().await;
    let (client, key) = signing_client(&server, json!({})).await;
    let good = claims(&server, &client, json!({}));
    let stranger = Key::generate("ES256");
    let past = claims(&server, &client, json!({ "exp": NOW / 1000 - 61 }));
    let mark = server.mark().await;
    let broken = key.sign(&good).replace('.', ".e30");
    for (why, object) in [
        ("another key", stranger.sign(&good)),
        ("another algorithm", Key::generate("RS256").sign(&good)),
        ("unsigned", unsigned(&good)),
        ("no token", "x".to_owned()),
        ("changed", broken),
        ("too long", "a".repeat(17 * 1024)),
        ("expired", key.sign(&past)),
        ("another server", key.sign(&claims(&server, &client, json!({ "aud": "https://other.example" })))),
        ("another client", key.sign(&claims(&server, &client, json!({ "iss": "other" })))),
        ("an assertion", key.sign(&claims(&server, &client, json!({ "sub": client.id })))),
        ("nested", key.sign(&claims(&server, &client, json!({ "request": "x" })))),
        ("another client_id", key.sign(&claims(&server, &client, json!({ "client_id": "other" })))),
        ("a wrong type", key.sign(&claims(&server, &client, json!({ "scope": ["openid"] })))),
    ] {
        let answer = server.get(&client.request(&[("request", &object)])).send().await;
        assert_eq!(error(&answer).as_deref(), Some("invalid_request_object"), "{why}: {}", answer.text());
        assert_eq!(answer.sent("state").as_deref(), Some("af0ifjsldkj"), "to the address beside it");
        // Nowhere to send it: a page.
        let page = server.get(&beside(&client, "request", &object)).send().await;
        assert_eq!((page.status, page.location()), (400, ""), "{why}");
    }
    assert_eq!(server.kinds_since(mark).await, [""; 0]);
}

#[tokio::test]
async fn rfc9101_5_one_of_request_and_request_uri() {
    let server = Server::start().await;
    let (client, key) = signing_client(&server, json!({})).await;
    let object = key.sign(&claims(&server, &client, json!({})));
    let both = server.get(&client.request(&[("request", &object), ("request_uri", "https://app.example/r")])).send().await;
    assert_eq!(error(&both).as_deref(), Some("invalid_request"));
    let other = server.get(&client.request(&[("request", &object), ("response_type", "none")])).send().await;
    assert_eq!(error(&other).as_deref(), Some("invalid_request"));
    // OpenID Connect Core 1.0 §6.1: everything inside, client_id outside.
    let page = Browser::new(&server).open(&beside(&client, "request", &object)).await;
    assert_eq!(flow::page_of(&page), "login");
}

#[tokio::test]
async fn rfc9101_10_5_a_client_that_demands_signed_objects_gets_no_other_request() {
    let server = Server::with(&[], CERTIFICATION).await;
    let (client, key) =
        signing_client(&server, json!({ "require_signed_request_object": true, "request_object_signing_alg": "ES256" })).await;
    let whole = claims(&server, &client, json!({}));
    let plain = server.get(&client.request(&[])).send().await;
    assert_eq!(error(&plain).as_deref(), Some("invalid_request"));
    let without = server.get(&client.request(&[("request", &unsigned(&whole))])).send().await;
    assert_eq!(error(&without).as_deref(), Some("invalid_request_object"));
    let page = Browser::new(&server).open(&beside(&client, "request", &key.sign(&whole))).await;
    assert_eq!(flow::page_of(&page), "login");
}

#[tokio::test]
async fn oidc_core_6_1_unsigned_objects_only_where_they_are_switched_on() {
    let refused = json!({ "redirect_uris": ["https://app.example/cb"], "request_object_signing_alg": "none" });
    let strict = Server::start().await;
    assert_eq!(strict.post("/clients").json(&refused).send().await.error(), "invalid_client_metadata");
    let server = Server::with(&[], CERTIFICATION).await;
    assert_eq!(server.post("/clients").json(&refused).send().await.status, 201);
    let (client, alice) = (server.web_client().await, server.alice().await);
    // It goes before what stands beside it; what it leaves out is taken from there.
    let object = unsigned(&json!({ "state": "inner", "redirect_uri": client.redirect_uri }));
    let mut browser = Browser::new(&server);
    let page = browser.open(&client.request(&[("request", &object), ("redirect_uri", "https://evil.example/")])).await;
    let answer = browser.pass(page, &alice).await;
    assert_eq!((answer.sent("state").as_deref(), answer.code().is_empty()), (Some("inner"), false));
    let event = server.events().await.into_iter().find(|event| event.kind == "AuthorizationRequested").unwrap();
    assert_eq!(event.data["request"]["object"], json!({}), "no digest of what can be guessed");
    // For a client that registered an algorithm it is still nothing.
    let (signing, _) = signing_client(&server, json!({ "request_object_signing_alg": "ES256" })).await;
    let answer = server.get(&signing.request(&[("request", &object)])).send().await;
    assert_eq!(error(&answer).as_deref(), Some("invalid_request_object"));
}

#[tokio::test]
async fn oidc_core_6_2_a_reference_is_fetched_from_a_registered_address() {
    let server = Server::start().await;
    let documents = Documents::start().await;
    let addresses =
        json!([documents.url("/r"), documents.url("/gone"), documents.url("/long"), "http://10.0.0.1/r", documents.url("/moved")]);
    let (client, key) = signing_client(&server, json!({ "request_uris": addresses })).await;
    let alice = server.alice().await;
    let object = key.sign(&claims(&server, &client, json!({})));
    documents.put("/r", &object);
    documents.put("/long", "a".repeat(17 * 1024));
    documents.answer("/moved", 302, &format!("Location: {}\r\n", documents.url("/r")), "");
    let mut browser = Browser::new(&server);
    let pinned = format!("{}#{}", documents.url("/r"), Digest::of(object.as_bytes()));
    for reference in [documents.url("/r"), pinned.clone()] {
        let page = browser.open(&beside(&client, "request_uri", &reference)).await;
        let answer = browser.pass(page, &alice).await;
        assert_eq!((answer.sent("state").as_deref(), answer.code().is_empty()), (Some("inner"), false));
    }
    let event = server.events().await.into_iter().rfind(|event| event.kind.starts_with("AuthorizationAnswered")).unwrap();
    assert_eq!(event.data["request"]["object"]["request_uri"], json!(pinned));
    assert_eq!(documents.asked("/r"), 2);
    let wrong = format!("{}#{}", documents.url("/r"), Digest::of(b"another"));
    let asked = documents.asked("/moved");
    for (reference, code) in [
        (wrong, "invalid_request_uri"),
        (documents.url("/unregistered"), "invalid_request_uri"),
        (documents.url("/gone"), "invalid_request_uri"),
        (documents.url("/long"), "invalid_request_uri"),
        (documents.url("/moved"), "invalid_request_uri"),
        // The guard: an address of a private network.
        ("http://10.0.0.1/r".to_owned(), "invalid_request_uri"),
    ] {
        let answer = server.get(&client.request(&[("request_uri", &reference)])).send().await;
        assert_eq!(error(&answer).as_deref(), Some(code), "{reference}");
    }
    assert_eq!((documents.asked("/unregistered"), documents.asked("/moved"), documents.asked("/r")), (0, asked + 1, 3), "no redirect");
}

#[tokio::test]
async fn rfc9101_10_5_a_server_can_demand_signed_objects_of_everybody() {
    let server = Server::with(&[], "[request_objects]\nrequired = true\nunsigned = true\n").await;
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(discovery["require_signed_request_object"], true);
    assert!(!discovery["request_object_signing_alg_values_supported"].as_array().unwrap().contains(&json!("none")));
    let plain = Server::start().await.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(plain["require_signed_request_object"], false);
    let (client, key) = signing_client(&server, json!({})).await;
    let all = claims(&server, &client, json!({}));
    let bare = server.get(&client.request(&[])).send().await;
    assert_eq!(error(&bare).as_deref(), Some("invalid_request"));
    let open = server.get(&beside(&client, "request", &unsigned(&all))).send().await;
    assert_eq!(error(&open).as_deref().unwrap_or("invalid_request_object"), "invalid_request_object");
    assert_ne!(flow::page_of(&Browser::new(&server).open(&beside(&client, "request", &unsigned(&all))).await), "login");
    // RFC 9126 §3: the same where it is pushed.
    let fields = [("response_type", "code"), ("redirect_uri", client.redirect_uri.as_str()), ("scope", "openid")];
    assert_eq!(server.as_client("/oidc/par", &client, &fields).send().await.refusal(), (400, "invalid_request".to_owned()));
    let object = key.sign(&all);
    let pushed = server.as_client("/oidc/par", &client, &[("request", object.as_str())]).send().await;
    assert_eq!(pushed.status, 201, "{}", pushed.text());
    let page = Browser::new(&server).open(&beside(&client, "request_uri", pushed.json()["request_uri"].as_str().unwrap())).await;
    assert_eq!(flow::page_of(&page), "login");
    assert_eq!(flow::page_of(&Browser::new(&server).open(&beside(&client, "request", &object)).await), "login");
}

#[tokio::test]
async fn oidc_core_6_1_no_object_inside_an_object() {
    let server = Server::start().await;
    let documents = Documents::start().await;
    let (client, key) = signing_client(&server, json!({ "request_uris": [documents.url("/r")] })).await;
    let whole = key.sign(&claims(&server, &client, json!({})));
    let by_value = async |object: &str| error(&server.get(&client.request(&[("request", object)])).send().await);
    let by_reference = async |object: &str| {
        documents.put("/r", object);
        error(&server.get(&client.request(&[("request_uri", &documents.url("/r"))])).send().await)
    };
    for (inside, code) in [
        (json!({ "request": whole }), "invalid_request_object"),
        (json!({ "request_uri": documents.url("/r") }), "invalid_request_object"),
        (json!({ "request": null }), "invalid_request_object"),
        // And it says of the client and of the answer what stands beside it.
        (json!({ "client_id": "other" }), "invalid_request_object"),
        (json!({ "response_type": "none" }), "invalid_request"),
    ] {
        let object = key.sign(&claims(&server, &client, inside.clone()));
        assert_eq!((by_value(&object).await.as_deref(), by_reference(&object).await.as_deref()), (Some(code), Some(code)), "{inside}");
    }
    assert_eq!((by_value(&whole).await, by_reference(&whole).await), (None, None));
}

#[tokio::test]
async fn oidc_core_6_2_plain_http_is_never_asked_in_production() {
    let documents = Documents::start().await;
    for (toml, networks, reached) in [("", "", 0), (CERTIFICATION, "", 0), (CERTIFICATION, "127.0.0.0/8", 1)] {
        let server = Server::production(&[("CHANCERY_OUTGOING_ALLOWED_NETWORKS", networks)], toml).await;
        let admin = server.operator_token("admin").await;
        let metadata = json!({ "redirect_uris": ["https://app.example/cb"], "scope": "openid", "request_uris": [documents.url("/r")] });
        let client = Client::of(&server.post("/clients").bearer(&admin).json(&metadata).send().await.json());
        let (asked, answer) = (documents.asked("/r"), server.get(&client.request(&[("request_uri", &documents.url("/r"))])).send().await);
        assert_eq!((error(&answer).as_deref(), documents.asked("/r") - asked), (Some("invalid_request_uri"), reached), "{networks}");
    }
}

#[tokio::test]
async fn oidc_core_6_2_nor_is_a_private_address_over_https() {
    let authority = Arc::new(Authority::new("Test Root"));
    let documents = Documents::start_tls(&authority).await;
    // Each names a private address, or a name that resolves to one; the last two are the same server in both ways.
    let addresses: Vec<_> = ["https://10.0.0.1/r", "https://169.254.169.254/r", "https://[fc00::1]/r", "https://[::ffff:127.0.0.1]/r"]
        .map(str::to_owned)
        .into_iter()
        .chain([documents.url("/r"), documents.url("/r").replace("localhost", "127.0.0.1")])
        .collect();
    for (networks, reached) in [("", 0), ("127.0.0.0/8,::1/128", 2)] {
        let server =
            Server::fetching(&authority, &[&PRODUCTION[..], &[("CHANCERY_OUTGOING_ALLOWED_NETWORKS", networks)]].concat(), "").await;
        let (admin, key) = (server.operator_token("admin").await, Key::generate("ES256"));
        let metadata =
            json!({ "redirect_uris": ["https://app.example/cb"], "scope": "openid email", "request_uris": addresses, "jwks": key.jwks() });
        let client = Client::of(&server.post("/clients").bearer(&admin).json(&metadata).send().await.json());
        documents.put("/r", key.sign(&claims(&server, &client, json!({}))));
        let mut good = 0;
        for address in &addresses {
            let answer = server.get(&beside(&client, "request_uri", address)).send().await;
            match error(&answer) {
                None if answer.status == 303 => good += 1,
                other => assert!(answer.status == 400 || other.as_deref() == Some("invalid_request_uri"), "{address}: {}", answer.text()),
            }
        }
        assert_eq!((good, documents.asked("/r")), (reached, reached), "{networks}");
    }
}

#[tokio::test]
async fn oidc_core_6_3_2_only_the_registered_algorithm_and_only_the_clients_keys() {
    let server = Server::start().await;
    let documents = Documents::start().await;
    let (one, other) = (Key::generate("ES256"), Key::generate("PS256"));
    let mut jwks = one.jwks();
    jwks["keys"].as_array_mut().unwrap().push(other.jwks()["keys"][0].clone());
    let address = json!([documents.url("/r")]);
    let strict = server.client(json!({ "jwks": jwks, "request_object_signing_alg": "ES256", "request_uris": address })).await;
    let free = server.client(json!({ "jwks": jwks, "request_uris": address })).await;
    let stranger = server.client(json!({ "jwks": Key::generate("ES256").jwks(), "request_uris": address })).await;
    let refused = Some("invalid_request_object".to_owned());
    for (client, key, expected) in
        [(&strict, &one, None), (&strict, &other, refused.clone()), (&free, &one, None), (&free, &other, None), (&stranger, &one, refused)]
    {
        let object = key.sign(&claims(&server, client, json!({})));
        documents.put("/r", &object);
        for (name, value) in [("request", &object), ("request_uri", &documents.url("/r"))] {
            assert_eq!(error(&server.get(&client.request(&[(name, value)])).send().await), expected, "{} {name}", key.alg());
        }
    }
}

#[tokio::test]
async fn rfc9101_10_5_discovery_names_what_objects_may_be_signed_with() {
    for (toml, has_none) in [("", false), (CERTIFICATION, true)] {
        let document = Server::with(&[], toml).await.get("/oidc/.well-known/openid-configuration").send().await.json();
        let algs = document["request_object_signing_alg_values_supported"].as_array().unwrap().clone();
        assert_eq!(algs.contains(&json!("none")), has_none);
        for member in ["request_parameter_supported", "request_uri_parameter_supported", "require_request_uri_registration"] {
            assert_eq!(document[member], true, "{member}");
        }
        let server = Server::with(&[], toml).await;
        for alg in algs.iter().filter_map(Value::as_str).filter(|alg| *alg != "none") {
            let key = Key::generate(alg);
            let client = server.client(json!({ "jwks": key.jwks(), "request_object_signing_alg": alg })).await;
            let object = key.sign(&claims(&server, &client, json!({})));
            let page = Browser::new(&server).open(&beside(&client, "request", &object)).await;
            assert_eq!(flow::page_of(&page), "login", "{alg}");
        }
    }
}

#[tokio::test]
async fn rfc9101_10_4_1_nobody_has_us_fetch_without_end() {
    let server = Server::with(&[], "[rate_limits]\nrequest_uri_fetches_per_client = \"3/1m\"\nrequest_uri_fetches = \"5/1m\"\n").await;
    let documents = Documents::start().await;
    let members = json!({ "request_uris": [documents.url("/r")] });
    let (first, second) = (signing_client(&server, members.clone()).await.0, signing_client(&server, members).await.0);
    let ask = async |client: &Client| error(&server.get(&client.request(&[("request_uri", &documents.url("/r"))])).send().await);
    let refusals = |code: &str, count: usize| vec![Some(code.to_owned()); count];
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(ask(&first).await);
    }
    // There is nothing behind the address, which was asked for three times.
    assert_eq!(answers, [refusals("invalid_request_uri", 3), refusals("temporarily_unavailable", 1)].concat());
    assert_eq!(documents.asked("/r"), 3);
    // An address that is not registered costs nobody anything.
    let foreign = server.get(&second.request(&[("request_uri", &documents.url("/other"))])).send().await;
    assert_eq!(error(&foreign).as_deref(), Some("invalid_request_uri"));
    let answers = [ask(&second).await, ask(&second).await, ask(&second).await];
    assert_eq!(answers.to_vec(), [refusals("invalid_request_uri", 2), refusals("temporarily_unavailable", 1)].concat(), "all together");
    server.advance(20_000);
    assert_eq!(ask(&first).await.as_deref(), Some("invalid_request_uri"), "a third of the minute later there is one more");
    assert_eq!((ask(&first).await.as_deref(), documents.asked("/r")), (Some("temporarily_unavailable"), 6));
}
