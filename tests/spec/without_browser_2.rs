//! The rest of what a request says that no browser brings: request objects and hints of devices, what means nothing there, the context of a request on
//! the back channel, resources, and how user codes look.

use chancery_core::digest::Digest;
use serde_json::{Value, json};

use super::ciba_own_device::Phone;
use super::without_browser::{Asking, PAYMENT, TOML, WAYS, Way};
use super::{ciba, ciba_own_device, ciba_signed};
use crate::support::flow::{PASSWORD, Tokens, page_of};
use crate::support::jwt::Key;
use crate::support::*;

#[tokio::test]
async fn rfc9101_4_a_device_brings_its_request_signed() {
    let (key, stranger) = (Key::generate("ES256"), Key::generate("ES256"));
    both::on_both(TOML, async |server: &Server| {
        let asking = Asking::new(server, Way::Device, json!({ "jwks": key.jwks() })).await;
        let claims = |changes: Value| {
            let mut all = json!({
                "iss": asking.client.id, "aud": server.issuer, "client_id": asking.client.id, "exp": server.app.now().numeric_date() + 60,
                "scope": "openid profile", "max_age": 600, "authorization_details": serde_json::from_str::<Value>(PAYMENT).unwrap(),
            });
            all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            all
        };
        let object = key.sign(&claims(json!({})));
        // What stands beside it says something else, and does not count (§6.3).
        let asked = asking.asks(&[("request", &object), ("scope", "openid"), ("prompt", "none")]).await;
        let event = server.events().await.into_iter().rfind(|own| own.kind == "DeviceAuthorizationRequested").unwrap();
        let used = json!({ "alg": "ES256", "digest": Digest::of(object.as_bytes()).to_string() });
        assert_eq!((&event.data["object"], &event.data["scope"]), (&used, &json!("openid profile")));
        let tokens = asking.allowed(&mut asking.signs_in().await, &asked).await;
        assert_eq!(tokens.whole["authorization_details"], serde_json::from_str::<Value>(PAYMENT).unwrap());
        assert!(asking.id_token(&tokens).await["auth_time"].is_i64());
        let of_another = json!({ "client_id": "somebody-else" });
        for (what, object) in [
            ("another key", stranger.sign(&claims(json!({})))),
            ("unsigned", format!("{}.{}.", ciba_signed::b64(&json!({ "alg": "none" })), ciba_signed::b64(&claims(json!({}))))),
            ("another client", key.sign(&claims(of_another))),
            ("another server", key.sign(&claims(json!({ "aud": "https://elsewhere.example" })))),
            ("too late", key.sign(&claims(json!({ "exp": server.app.now().numeric_date() - 61 })))),
            ("no object", "x".to_owned()),
        ] {
            let mark = server.mark().await;
            let answer = asking.sends(&[("request", &object)]).await;
            assert_eq!(answer.refusal(), (400, "invalid_request_object".to_owned()), "{what}");
            assert_eq!(server.mark().await, mark, "{what}: no code");
        }
        let inside = asking.sends(&[("request", &key.sign(&claims(json!({ "prompt": "login" }))))]).await;
        assert_eq!(inside.refusal(), (400, "invalid_request".to_owned()));
        // RFC 9101 §10.5: who said that it signs is nobody else.
        let strict = Asking::new(server, Way::Device, json!({ "jwks": key.jwks(), "require_signed_request_object": true })).await;
        assert_eq!(strict.sends(&[]).await.refusal(), (400, "invalid_request".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn rfc8628_3_1_what_means_nothing_without_a_browser_is_refused_by_its_name() {
    let server = Server::with(&[], TOML).await;
    for way in WAYS {
        let asking = Asking::new(&server, way, json!({})).await;
        let mark = server.mark().await;
        for (name, value, error) in [
            ("request_uri", "https://app.example/r", "request_uri_not_supported"),
            ("registration", "{}", "registration_not_supported"),
            ("prompt", "login", "invalid_request"),
            ("code_challenge", CHALLENGE, "invalid_request"),
            ("code_challenge_method", "S256", "invalid_request"),
            ("dpop_jkt", "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "invalid_request"),
        ] {
            let answer = asking.sends(&[(name, value)]).await;
            // CIBA Core §13 knows no code for references.
            let error = if (way, name) == (Way::Backchannel, "request_uri") { "invalid_request" } else { error };
            assert_eq!(answer.refusal(), (400, error.to_owned()), "{way:?} {name}");
            assert!(answer.sentence().contains(name), "{way:?} {}", answer.sentence());
        }
        assert_eq!(server.mark().await, mark, "{way:?}: nobody was asked");
        // How an answer would travel says nothing where none does.
        asking.asks(&[("state", "s"), ("response_type", "code"), ("redirect_uri", "https://app.example/cb"), ("display", "touch")]).await;
    }
    let asking = Asking::new(&server, Way::Device, json!({})).await;
    let hinted = asking.sends(&[("login_hint", "alice@example.com")]).await;
    assert_eq!(hinted.refusal(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn oidc_core_3_1_2_1_an_id_token_says_who_has_to_allow_a_device() {
    both::on_both(TOML, async |server: &Server| {
        let asking = Asking::new(server, Way::Device, json!({})).await;
        let first = asking.asks(&[]).await;
        let hint = asking.allowed(&mut asking.signs_in().await, &first).await.id_token().to_owned();
        assert_eq!(asking.sends(&[("id_token_hint", "x.y.z")]).await.refusal(), (400, "invalid_request".to_owned()));
        let mallory = server.person("mallory@example.com").await;
        let mut browser = super::rfc8628::signed_in(server, &mallory).await;
        server.advance(1_000);
        let asked = asking.asks(&[("id_token_hint", &hint)]).await;
        let page = browser.open(&asking.page(&asked)).await;
        assert_eq!(page_of(&page), "login", "somebody else was signed in: {}", page.text());
        // Nobody is asked for ever.
        let page = browser.submit(&page, &[("login", &mallory.email), ("password", PASSWORD)]).await;
        assert!(page.status == 400 && page.text().contains("another person"), "{}", page.text());
        assert_eq!(asking.polls(&asked, &[]).await.error(), "authorization_pending");
        let tokens = asking.allowed(&mut asking.signs_in().await, &asked).await;
        assert_eq!(asking.id_token(&tokens).await["sub"], asking.alice.account.as_str());
    })
    .await;
}

#[tokio::test]
async fn rfc8707_2_2_a_token_that_was_polled_for_is_for_a_resource_that_was_named() {
    let toml = format!("{TOML}\n[[resource]]\nidentifier = \"https://shop.example\"\nscope = \"api read\"\n");
    both::on_both(&toml, async |server: &Server| {
        for way in WAYS {
            let asking = Asking::new(server, way, json!({ "scope": "openid offline_access api read" })).await;
            let (bank, shop) = (("resource", "https://bank.example"), ("resource", "https://shop.example"));
            let scope = ("scope", "openid api read");
            let mut browser = asking.signs_in().await;
            let allow = async |browser: &mut Browser<'_>, asked: &Value| {
                let page = browser.open(&asking.page(asked)).await;
                browser.submit(&page, &[("decision", "allow")]).await;
            };
            // The only one needs no naming.
            let asked = asking.asks(&[scope, bank]).await;
            allow(&mut browser, &asked).await;
            let tokens = Tokens::of(&asking.polls(&asked, &[]).await);
            let seen = server.introspect(&asking.client, &tokens.access).await;
            assert_eq!((&seen["aud"], &seen["scope"]), (&json!("https://bank.example"), &json!("api")), "{way:?}");
            assert_eq!(server.userinfo(&tokens.access).await.status, 401, "{way:?}: and for nothing else");
            // Of several the poll says which, and saying it wrong spends nothing.
            let asked = asking.asks(&[scope, bank, shop]).await;
            allow(&mut browser, &asked).await;
            for wrong in [&[][..], &[("resource", "https://unknown.example")], &[bank, shop]] {
                assert_eq!(asking.polls(&asked, wrong).await.refusal(), (400, "invalid_target".to_owned()), "{way:?} {wrong:?}");
            }
            let tokens = Tokens::of(&asking.polls(&asked, &[shop]).await);
            let (_, claims) = jwt::verified(&tokens.access, &server.get("/oidc/jwks").send().await.json());
            assert_eq!((&claims["aud"], &claims["scope"]), (&json!("https://shop.example"), &json!("api read")), "{way:?}");
            // The grant has both: a refresh is for the other.
            let fields = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), bank];
            let fresh = Tokens::of(&server.token(&asking.client, &fields).await);
            assert_eq!(server.introspect(&asking.client, &fresh.access).await["aud"], "https://bank.example", "{way:?}");
        }
    })
    .await;
}

const CONTEXT: &str = r#"
[ciba]
enabled = true
request_context_required = true
request_context_schema = '{"properties":{"ip":{"type":"string"}},"required":["ip"]}'
"#;

#[tokio::test]
async fn fapi_ciba_5_2_2_a_client_tells_where_its_request_comes_from() {
    let server = Server::with(&[], CONTEXT).await;
    let (client, alice) = (ciba::bank(&server, json!({})).await, server.alice().await);
    let fields = [("scope", "openid"), ("login_hint", alice.email.as_str())];
    let with = async |context: &str| ciba::send(&server, &client, &[&fields[..], &[("request_context", context)]].concat()).await;
    for wrong in ["x", "[]", "{}", r#"{"ip":7}"#] {
        let answer = with(wrong).await;
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{wrong}");
        assert!(answer.sentence().contains("request_context"), "{}", answer.sentence());
    }
    assert_eq!(ciba::send(&server, &client, &fields).await.refusal(), (400, "invalid_request".to_owned()), "it has to be there");
    assert_eq!(with(r#"{"ip":"192.0.2.77","lat":51.5}"#).await.status, 200);
    assert!(server.leaves().await.iter().all(|leaf| !String::from_utf8_lossy(&leaf.leaf).contains("192.0.2.77")), "as ciphertext");
    let wrong = "[ciba]\nenabled = true\nrequest_context_schema = '{\"pattern\":\"x\"}'\n";
    assert!(Server::try_with(wrong).await.err().unwrap().contains("ciba.request_context_schema"));
    assert!(Server::try_with("[ciba]\nrequest_context_required = true\n").await.err().unwrap().contains("ciba.enabled"));
}

#[tokio::test]
async fn ciba_8_an_application_shows_the_person_everything_that_is_asked() {
    let types = TOML.replace("[ciba]\nenabled = true\n", "");
    both::on_both(&format!("{}{types}", ciba_own_device::TOML), async |server: &Server| {
        let key = Key::generate("ES256");
        let members = json!({
            "authorization_details_types": ["payment"], "jwks": key.jwks(), "backchannel_authentication_request_signing_alg": "ES256",
        });
        let (client, alice) = (ciba::bank(server, members).await, server.alice().await);
        let phone = Phone::of(server, &ciba_own_device::phone(), &alice, &[("scope", ciba_own_device::ANSWERS)]).await;
        server.advance(60_000);
        let mut wish = ciba_signed::wish(server, &client, &alice.email);
        let changes = json!({
            "authorization_details": serde_json::from_str::<Value>(PAYMENT).unwrap(), "max_age": 3600,
            "claims": { "id_token": { "email": null } }, "request_context": { "ip": "192.0.2.7" },
        });
        wish.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let asked = ciba::send(server, &client, &[("request", &key.sign(&wish))]).await;
        assert_eq!(asked.status, 200, "{}", asked.text());
        let shown = phone.shows().await.remove(0);
        assert_eq!((&shown["scope"], &shown["details"]), (&json!("email openid profile"), &json!(["Pay Ann <b>Lee</b>"])), "{shown}");
        assert_eq!(shown["authorization_details"], serde_json::from_str::<Value>(PAYMENT).unwrap());
        assert_eq!((&shown["request_context"], shown.get("sign_in")), (&json!({ "ip": "192.0.2.7" }), None));
        assert_eq!(phone.answer(&shown, "allow").await.status, 204);
        let tokens = Tokens::of(&ciba::poll(server, &client, &asked.json()).await);
        assert_eq!(tokens.whole["authorization_details"], shown["authorization_details"]);
        let (_, claims) = jwt::verified(tokens.id_token(), &server.get("/oidc/jwks").send().await.json());
        assert_eq!(claims["email"], alice.email.as_str());
        // An old sign-in does not do there either; to say no needs none.
        (wish["max_age"], wish["jti"]) = (json!("30"), json!("r-2"));
        assert_eq!(ciba::send(server, &client, &[("request", &key.sign(&wish))]).await.status, 200);
        let shown = phone.shows().await.remove(0);
        assert_eq!(shown["sign_in"], true);
        assert_eq!(phone.answer(&shown, "allow").await.refusal(), (400, "login_required".to_owned()));
        assert_eq!(phone.answer(&shown, "deny").await.status, 204);
    })
    .await;
}

#[tokio::test]
async fn rfc8628_6_1_codes_of_digits_in_the_mask_of_the_operator() {
    let digits = |mask: &str| format!("[device]\nuser_code_charset = \"digits\"\nuser_code_mask = \"{mask}\"\n");
    let server = Server::with(&[], &digits("**** **** ****")).await;
    let asking = Asking::new(&server, Way::Device, json!({ "authorization_details_types": [] })).await;
    let asked = asking.asks(&[]).await;
    let code = asked["user_code"].as_str().unwrap().to_owned();
    assert!(code.len() == 14 && code.chars().enumerate().all(|(at, c)| if at % 5 == 4 { c == ' ' } else { c.is_ascii_digit() }), "{code}");
    assert_eq!(asked["verification_uri_complete"], format!("{}/device?user_code={}", server.origin, code.replace(' ', "%20")));
    let mut browser = asking.signs_in().await;
    for typed in [code.replace(' ', ""), code.replace(' ', "-"), code.replace(' ', "%20")] {
        let page = browser.open(&format!("/device?user_code={typed}")).await;
        assert!(page.status == 200 && page.text().contains(&code), "{typed} {}", page.text());
    }
    let page = browser.open(&format!("/device?user_code={}", code.replace(' ', ""))).await;
    browser.submit(&page, &[("decision", "allow")]).await;
    assert_eq!(asking.polls(&asked, &[]).await.status, 200);
    // RFC 8628 §5.1: where nobody counts guesses, no fewer codes than RFC 8628 shows; the limits are looked at in the tests of the configuration.
    for (wrong, why) in [
        (digits("***-***-***"), "user_code_failures is off"),
        (digits("****x****"), "mask"),
        ("[device]\nuser_code_mask = \"***-***\"\n".to_owned(), "too few"),
    ] {
        let problems = Server::try_with(&wrong).await.err().unwrap();
        assert!(problems.contains("device.user_code_mask") && problems.contains(why), "{wrong} {problems}");
    }
}
