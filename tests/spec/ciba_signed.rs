//! CIBA Core 1.0: signed requests (§7.1.1), hints that an issuer signed, and the code that a person sets.

use serde_json::{Value, json};

use super::ciba::{ON, ask, bank, send, signed_in};
use crate::support::flow::PASSWORD;
use crate::support::jwt::Key;
use crate::support::*;

const PARTNER: &str = "https://partner.example";

pub(super) async fn signing(server: &Server, key: &Key) -> Client {
    bank(server, json!({ "backchannel_authentication_request_signing_alg": key.alg(), "jwks": key.jwks() })).await
}

pub(super) fn wish(server: &Server, client: &Client, email: &str) -> Value {
    let now = server.app.now().0 / 1000;
    json!({
        "iss": client.id, "aud": server.issuer, "iat": now, "nbf": now, "exp": now + 300, "jti": "r-1",
        "scope": "openid profile", "login_hint": email, "binding_message": "W4SCT", "requested_expiry": 60,
    })
}

#[tokio::test]
async fn ciba_7_1_1_a_signed_request_is_the_whole_request() {
    let key = Key::generate("ES256");
    both::on_both(ON, async |server: &Server| {
        let (client, alice) = (signing(server, &key).await, server.alice().await);
        let text = key.sign(&wish(server, &client, &alice.email));
        let mark = server.mark().await;
        let asked = send(server, &client, &[("request", &text)]).await;
        assert_eq!((asked.status, &asked.json()["expires_in"]), (200, &json!(60)), "{}", asked.text());
        assert_eq!(server.kinds_since(mark).await, ["BackchannelRequested"]);
        let event = server.events().await.into_iter().rfind(|own| own.kind == "BackchannelRequested").unwrap();
        assert_eq!((&event.data["object"]["alg"], event.data["object"]["digest"].is_string()), (&json!("ES256"), true));
        for name in ["scope", "login_hint", "binding_message", "user_code", "client_notification_token", "resource"] {
            let refused = send(server, &client, &[("request", &text), (name, "openid")]).await;
            assert_eq!(refused.refusal(), (400, "invalid_request".to_owned()), "{name} stands beside it");
        }
    })
    .await;
}

#[tokio::test]
async fn ciba_7_1_1_a_request_that_does_not_hold_asks_nobody() {
    let server = Server::with(&[], ON).await;
    let (key, other) = (Key::generate("ES256"), Key::generate("ES256"));
    let (client, plain, alice) = (signing(&server, &key).await, bank(&server, json!({ "jwks": key.jwks() })).await, server.alice().await);
    let good = wish(&server, &client, &alice.email);
    let changed = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        key.sign(&claims)
    };
    let now = server.app.now().0 / 1000;
    let unsigned = format!("{}.{}.", b64(&json!({ "alg": "none" })), b64(&good));
    let mark = server.mark().await;
    for (what, text) in [
        ("another key", other.sign(&good)),
        ("alg none", unsigned),
        ("alg confusion", jwt::mac("HS256", &key.jwks().to_string(), &good)),
        ("another alg", Key::generate("EdDSA").sign(&good)),
        ("an assertion's typ", key.sign_with(&json!({ "alg": "ES256", "kid": "k", "typ": "client-authentication+jwt" }), &good)),
        ("crit", key.sign_with(&json!({ "alg": "ES256", "kid": "k", "crit": ["b64"], "b64": true }), &good)),
        ("iss", changed("iss", json!(plain.id))),
        ("aud", changed("aud", json!("https://elsewhere.example"))),
        ("expired", changed("exp", json!(now - 120))),
        ("not yet", changed("nbf", json!(now + 120))),
        ("no jti", changed("jti", json!(null))),
        ("nested", changed("request", json!("x.y.z"))),
        ("an assertion", changed("sub", json!(client.id))),
        ("no JWT", "x.y.z".to_owned()),
    ] {
        assert_eq!(send(&server, &client, &[("request", &text)]).await.refusal(), (400, "invalid_request".to_owned()), "{what}");
    }
    // Who signs always signs; who does not, never.
    let fields = [("scope", "openid"), ("login_hint", alice.email.as_str())];
    assert_eq!(send(&server, &client, &fields).await.error(), "invalid_request");
    assert_eq!(send(&server, &plain, &[("request", &key.sign(&wish(&server, &plain, &alice.email)))]).await.error(), "invalid_request");
    assert_eq!(send(&server, &plain, &[&fields[..], &[("request_uri", "https://a.example/r")]].concat()).await.error(), "invalid_request");
    assert_eq!(server.mark().await, mark, "nobody was asked");
    // CIBA Core §4: asymmetric algorithms, with keys to check them.
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    let algs = discovery["backchannel_authentication_request_signing_alg_values_supported"].as_array().unwrap();
    assert!(algs.contains(&json!("ES256")) && algs.iter().all(|alg| !["none", "HS256"].contains(&alg.as_str().unwrap())));
    for bad in [
        json!({ "backchannel_authentication_request_signing_alg": "HS256", "jwks": key.jwks() }),
        json!({ "backchannel_authentication_request_signing_alg": "ES256" }),
    ] {
        let mut wanted = json!({
            "grant_types": [super::ciba::GRANT], "response_types": [], "redirect_uris": [], "backchannel_token_delivery_mode": "poll",
        });
        wanted.as_object_mut().unwrap().extend(bad.as_object().unwrap().clone());
        assert_eq!(server.post("/clients").json(&wanted).send().await.refusal(), (400, "invalid_client_metadata".to_owned()), "{bad}");
    }
}

pub(super) fn b64(part: &Value) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(part.to_string())
}

#[tokio::test]
async fn ciba_7_1_a_login_hint_token_is_of_an_issuer_whom_the_operator_trusts() {
    let (key, other) = (Key::generate("ES256"), Key::generate("ES256"));
    let secret = "a-secret-of-forty-characters-for-the-test";
    let jwks = key.jwks();
    let client = |id: &str| {
        format!(
            "[[client]]\nclient_id = \"{id}\"\nclient_secret = \"{secret}\"\nresponse_types = []\nscope = \"openid\"\n\
             grant_types = [\"{}\"]\nbackchannel_token_delivery_mode = \"poll\"\n",
            super::ciba::GRANT
        )
    };
    let issuer = |name: &str, subject: &str| {
        format!(
            "[[assertion_issuer]]\nissuer = \"{name}\"\njwks = '{jwks}'\nclients = [\"bank\"]\nscope = \"openid\"\nsubject = \"{subject}\"\n"
        )
    };
    let toml =
        format!("{ON}{}{}{}{}", client("bank"), client("shop"), issuer(PARTNER, "account"), issuer("https://machines.example", "client"));
    let server = Server::with(&[], &toml).await;
    let known = |id: &str| Client { id: id.to_owned(), secret: Some(secret.to_owned()), redirect_uri: String::new() };
    let (bank, shop, alice) = (known("bank"), known("shop"), server.alice().await);
    let (now, here) = (server.app.now().0 / 1000, format!("{}/backchannel", server.issuer));
    let good = json!({ "iss": PARTNER, "aud": here, "sub": alice.account, "exp": now + 300 });
    let hint = async |client: &Client, token: &str| send(&server, client, &[("scope", "openid"), ("login_hint_token", token)]).await;
    assert_eq!(hint(&bank, &key.sign(&good)).await.status, 200);
    let changed = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        key.sign(&claims)
    };
    for (client, token, error) in [
        (&shop, key.sign(&good), "invalid_request"),
        (&bank, other.sign(&good), "invalid_request"),
        (&bank, "x.y.z".to_owned(), "invalid_request"),
        (&bank, changed("iss", json!("https://nobody.example")), "invalid_request"),
        (&bank, changed("iss", json!("https://machines.example")), "invalid_request"),
        // What is an assertion at the token endpoint is no hint.
        (&bank, changed("aud", json!(server.issuer)), "invalid_request"),
        (&bank, changed("aud", json!([server.issuer, here])), "invalid_request"),
        (&bank, changed("exp", json!(null)), "invalid_request"),
        (&bank, changed("exp", json!(now - 60)), "expired_login_hint_token"),
        (&bank, changed("sub", json!(alice.email)), "unknown_user_id"),
    ] {
        assert_eq!(hint(client, &token).await.refusal(), (400, error.to_owned()));
    }
}

#[tokio::test]
async fn ciba_13_nobody_tries_a_list_of_addresses_without_a_trace_and_without_an_end() {
    let toml = format!("{ON}[rate_limits]\nbackchannel_unknown_hints_per_client = \"3/15m\"\n");
    let server = Server::with(&[], &toml).await;
    let (client, other, alice) = (bank(&server, json!({})).await, bank(&server, json!({})).await, server.alice().await);
    let mark = server.mark().await;
    let try_one = async |client: &Client, email: &str| send(&server, client, &[("scope", "openid"), ("login_hint", email)]).await;
    for n in 0..3 {
        assert_eq!(try_one(&client, &format!("n{n}@example.com")).await.refusal(), (400, "unknown_user_id".to_owned()));
    }
    assert_eq!(server.kinds_since(mark).await, ["UnknownPersonHinted"; 3]);
    assert_eq!(try_one(&client, "n4@example.com").await.refusal(), (429, "slow_down".to_owned()));
    assert_eq!(try_one(&client, &alice.email).await.status, 429, "what is there and what is not look the same from here on");
    ask(&server, &other, &alice, &[]).await;
    assert_eq!(server.kinds_since(mark).await.len(), 4, "refusals beyond the limit leave nothing");
}

#[tokio::test]
async fn fapi_ciba_5_2_2_what_a_client_registers_and_sends() {
    let environment = [("CHANCERY_MTLS_PROXY_HEADER", "true"), ("CHANCERY_TRUSTED_PROXIES", "127.0.0.1/32")];
    let server = Server::production(&environment, "profile = \"fapi-ciba\"\n").await;
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(discovery["backchannel_token_delivery_modes_supported"], json!(["poll", "ping"]));
    assert_eq!(discovery["backchannel_authentication_request_signing_alg_values_supported"], json!(["PS256", "ES256"]));
    let key = Key::generate("ES256");
    let good = json!({
        "grant_types": [super::ciba::GRANT], "response_types": [], "redirect_uris": [], "backchannel_token_delivery_mode": "poll",
        "backchannel_client_notification_endpoint": "https://app.example/told", "backchannel_authentication_request_signing_alg": "ES256",
        "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256", "jwks": key.jwks(),
        "id_token_signed_response_alg": "ES256", "tls_client_certificate_bound_access_tokens": true,
        "require_signed_request_object": true,
    });
    let token = server.operator_token("admin").await;
    let register = async |name: &str, value: Value| {
        let mut members = good.clone();
        members[name] = value;
        server.post("/clients").bearer(&token).json(&members).send().await
    };
    for (name, bad) in [
        ("backchannel_token_delivery_mode", json!("push")),
        ("backchannel_authentication_request_signing_alg", json!(null)),
        ("backchannel_authentication_request_signing_alg", json!("RS256")),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("tls_client_certificate_bound_access_tokens", json!(false)),
    ] {
        let refused = register(name, bad.clone()).await;
        assert!(
            refused.refusal() == (400, "invalid_client_metadata".to_owned()) && refused.text().contains(name),
            "{name} {bad} {}",
            refused.text()
        );
    }
    assert_eq!(register("backchannel_token_delivery_mode", json!("ping")).await.status, 201);
    let registered = register("client_name", json!("Meadow Bank")).await;
    assert_eq!(registered.status, 201, "{}", registered.text());
    let (client, alice) = (Client::of(&registered.json()), server.alice().await);
    let now = server.app.now().0 / 1000;
    let mut made = 0;
    let mut sent = async |name: &str, value: Value| {
        let mut claims = wish(&server, &client, &alice.email);
        claims[name] = value;
        made += 1;
        let proof = json!({ "iss": client.id, "sub": client.id, "aud": server.issuer, "exp": now + 60, "jti": format!("a-{made}") });
        let (request, assertion) = (key.sign(&claims), key.sign(&proof));
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let fields = [("request", request.as_str()), ("client_assertion", &assertion), ("client_assertion_type", kind)];
        server.post("/oidc/backchannel").form(&fields).send().await
    };
    assert_eq!(sent("jti", json!("r-2")).await.status, 200);
    assert_eq!(sent("binding_message", json!("")).await.refusal(), (400, "invalid_binding_message".to_owned()));
    assert_eq!(sent("exp", json!(now + 3601)).await.refusal(), (400, "invalid_request".to_owned()));
    assert_eq!(sent("nbf", json!(now - 3601)).await.refusal(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn ciba_7_1_who_does_not_know_the_code_of_a_person_does_not_ask_them() {
    both::on_both(ON, async |server: &Server| {
        let (knows, other) = (bank(server, json!({ "backchannel_user_code_parameter": true })).await, bank(server, json!({})).await);
        let (alice, bob) = (server.alice().await, server.person("bob@example.com").await);
        let try_one = async |client: &Client, email: &str, code: Option<&str>| {
            let fields: Vec<_> =
                [("scope", "openid"), ("login_hint", email)].into_iter().chain(code.map(|code| ("user_code", code))).collect();
            let answer = send(server, client, &fields).await;
            if answer.status == 200 { "asked".to_owned() } else { answer.error() }
        };
        assert_eq!(try_one(&knows, &alice.email, Some("whatever")).await, "asked", "nobody set one");
        let mut browser = signed_in(server, &alice).await;
        let form = async |browser: &mut Browser<'_>, fields: &[(&str, &str)]| {
            let page = browser.open("/account/requests/code").await;
            browser.submit(&page, fields).await
        };
        for (password, code, status) in [("wrong password", "blue whale", 400), (PASSWORD, "short", 400), (PASSWORD, "blue whale", 200)] {
            assert_eq!(form(&mut browser, &[("current", password), ("user_code", code), ("action", "set")]).await.status, status, "{code}");
        }
        assert_eq!(browser.at, "/account/requests/code?done=set");
        assert!(server.leaves().await.iter().all(|leaf| !String::from_utf8_lossy(&leaf.leaf).contains("blue whale")));
        assert_eq!(try_one(&other, &alice.email, None).await, "missing_user_code");
        assert_eq!(try_one(&other, &alice.email, Some("blue whale")).await, "missing_user_code", "it is not registered to send one");
        assert_eq!(try_one(&knows, &alice.email, None).await, "missing_user_code");
        assert_eq!(try_one(&knows, &alice.email, Some("blue whale")).await, "asked");
        assert_eq!(try_one(&other, &bob.email, None).await, "asked", "another person's code is another person's");
        let mark = server.mark().await;
        for n in 0..5 {
            assert_eq!(try_one(&knows, &alice.email, Some(&format!("guess {n}"))).await, "invalid_user_code");
        }
        assert_eq!(server.kinds_since(mark).await, ["RequestCodeRefused"; 5]);
        assert_eq!(try_one(&knows, &alice.email, Some("blue whale")).await, "invalid_user_code", "the right one is not looked at any more");
        assert_eq!(server.kinds_since(mark).await.len(), 5);
        server.advance(900_000);
        assert_eq!(try_one(&knows, &alice.email, Some("blue whale")).await, "asked");
        form(&mut browser, &[("current", PASSWORD), ("user_code", ""), ("action", "remove")]).await;
        assert_eq!(browser.at, "/account/requests/code?done=removed");
        assert_eq!(try_one(&other, &alice.email, None).await, "asked");
    })
    .await;
}
