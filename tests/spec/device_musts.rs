//! RFC 8628, RFC 9470: what these demand and no other test holds. The whole lists are `musts/rfc8628.toml` and `musts/rfc9470.toml`.

use serde_json::{Value, json};

use super::oidc_musts::claims;
use super::rfc7523::{KIND, claims_of};
use super::rfc8628::{GRANT, ask, decide, poll, signed_in, text, tv};
use crate::support::call::Answer;
use crate::support::flow::{PASSWORD, Tokens, page_of};
use crate::support::jwt::Key;
use crate::support::*;

const ASK: &str = "/oidc/device/auth";
const TOKEN: &str = "/oidc/token";
const ACR: &str = "urn:chancery:acr:password";
const API: &str = "https://api.example";

fn no_client() -> (u16, String) {
    (401, "invalid_client".to_owned())
}

/// No member of an answer comes twice.
fn assert_members_once(answer: &Answer) {
    let text = answer.text();
    for name in answer.json().as_object().unwrap().keys() {
        assert_eq!(text.matches(&format!("\"{name}\":")).count(), 1, "{name}: {text}");
    }
}

#[tokio::test]
async fn rfc8628_3_1_everything_of_it_is_https_in_production() {
    let refused = Server::try_with("issuer = \"http://id.example\"\n").await.err().unwrap();
    assert!(refused.contains("is plain http"), "{refused}");
    let server = Server::production(&[], "").await;
    let admin = server.operator_token("admin").await;
    let metadata = json!({
        "grant_types": [GRANT], "response_types": [], "redirect_uris": [], "token_endpoint_auth_method": "none", "scope": "openid",
    });
    let client = Client::of(&server.post("/clients").bearer(&admin).json(&metadata).send().await.json());
    let answer = server.as_client(ASK, &client, &[("scope", "openid")]).send().await;
    let codes = answer.json();
    assert_eq!((answer.status, text(&codes, "verification_uri")), (200, "https://id.example/device"), "{codes}");
    assert!(text(&codes, "verification_uri_complete").starts_with("https://id.example/device?"), "{codes}");
    assert!(answer.header("strict-transport-security").contains("max-age="));
    let document = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    for name in ["device_authorization_endpoint", "token_endpoint"] {
        assert!(document[name].as_str().unwrap().starts_with("https://id.example/"), "{name}");
    }
}

#[tokio::test]
async fn rfc8628_3_1_who_names_nobody_gets_no_codes() {
    let server = Server::start().await;
    let (public, secret) =
        (tv(&server, json!({})).await, tv(&server, json!({ "token_endpoint_auth_method": "client_secret_basic" })).await);
    let mark = server.mark().await;
    for fields in [&[("scope", "openid")][..], &[("scope", "openid"), ("client_id", "")]] {
        assert_eq!(server.post(ASK).form(fields).send().await.refusal(), no_client(), "{fields:?}");
    }
    assert!(server.kinds_since(mark).await.is_empty());
    assert_eq!(server.post(ASK).form(&[("scope", "openid"), ("client_id", &public.id)]).send().await.status, 200);
    // Credentials name the client.
    let with = |fields| server.post(ASK).basic(&secret.id, secret.secret.as_deref().unwrap()).form(fields);
    for fields in [&[("scope", "openid")][..], &[("scope", "openid"), ("client_id", "")]] {
        assert_eq!(with(fields).send().await.status, 200, "{fields:?}");
    }
}

#[tokio::test]
async fn rfc8628_3_1_clients_authenticate_as_at_the_token_endpoint() {
    let server = Server::start().await;
    let own = format!("{}/device/auth", server.issuer);
    for (index, method) in ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"].into_iter().enumerate() {
        let key = Key::generate("ES256");
        let jwks = if method == "private_key_jwt" { key.jwks() } else { Value::Null };
        let client = tv(&server, json!({ "token_endpoint_auth_method": method, "jwks": jwks })).await;
        let bare = [("scope", "openid"), ("client_id", client.id.as_str())];
        assert_eq!(server.post(ASK).form(&bare).send().await.refusal(), no_client(), "{method}");
        for (turn, audience) in [&server.issuer, &own].into_iter().enumerate() {
            let mut claims = claims_of(&server, &client, &format!("{index}-{turn}"));
            claims["aud"] = json!(audience);
            let secret = client.secret.as_deref().unwrap_or_default();
            let assertion = if method == "private_key_jwt" { key.sign(&claims) } else { jwt::mac("HS256", secret, &claims) };
            let call = match method {
                "client_secret_basic" => server.post(ASK).basic(&client.id, secret).form(&bare),
                "client_secret_post" => server.post(ASK).form(&[&bare[..], &[("client_secret", secret)]].concat()),
                _ => server.post(ASK).form(&[&bare[..], &[("client_assertion_type", KIND), ("client_assertion", &assertion)]].concat()),
            };
            let answer = call.send().await;
            assert_eq!(answer.status, 200, "{method} {audience}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn rfc8628_3_1_empty_parameters_are_absent_unknown_ones_pass_and_none_comes_twice() {
    let server = Server::start().await;
    let client = tv(&server, json!({})).await;
    let send = async |path: &str, fields: &[(&str, &str)]| server.as_client(path, &client, fields).send().await;
    let (none, empty) = (send(ASK, &[]).await, send(ASK, &[("scope", "")]).await);
    assert_eq!(
        (none.refusal(), &none.body),
        ((400, "invalid_scope".to_owned()), &empty.body),
        "no scope is left, and no default is promised"
    );
    let scope = ("scope", "openid");
    let empty = ["resource", "authorization_details", "client_secret", "client_assertion", "client_assertion_type", "unknown"];
    let empty: Vec<_> = [scope].into_iter().chain(empty.map(|name| (name, ""))).collect();
    let unknown = [scope, ("unknown", "x"), ("response_type", "code"), ("redirect_uri", "x"), ("state", "x"), ("display", "x")];
    let mut codes = json!(null);
    for fields in [&[scope][..], &empty[..], &unknown[..]] {
        let answer = send(ASK, fields).await;
        assert_eq!(answer.status, 200, "{fields:?}: {}", answer.text());
        assert_members_once(&answer);
        codes = answer.json();
        let names: Vec<_> = codes.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names.len(), 6, "{names:?}");
    }
    let mark = server.mark().await;
    let device_code = text(&codes, "device_code");
    for (path, names) in [
        (ASK, &["client_id", "scope", "authorization_details", "client_secret", "unknown"][..]),
        (TOKEN, &["client_id", "grant_type", "device_code", "client_secret", "unknown"]),
    ] {
        for name in names.iter().copied() {
            for second in ["a", ""] {
                let mut fields = vec![("client_id", client.id.as_str()), scope, ("grant_type", GRANT), ("device_code", device_code)];
                fields.retain(|(own, _)| *own != name);
                let answer = server.post(path).form(&[&fields[..], &[(name, "a"), (name, second)]].concat()).send().await;
                assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{path} {name}");
                assert_eq!(answer.sentence(), format!("The parameter {name} is repeated."));
                assert_members_once(&answer);
            }
        }
    }
    assert!(server.kinds_since(mark).await.is_empty(), "nobody asked and nobody polled");
    let absent = send(TOKEN, &[("grant_type", GRANT), ("device_code", "")]).await;
    assert_eq!(
        (absent.refusal(), absent.sentence()),
        ((400, "invalid_request".to_owned()), "The parameter device_code is missing.".to_owned())
    );
    for more in [("scope", ""), ("authorization_details", ""), ("resource", ""), ("unknown", "x"), ("code", "x"), ("redirect_uri", "x")] {
        assert_eq!(
            send(TOKEN, &[("grant_type", GRANT), ("device_code", device_code), more]).await.error(),
            "authorization_pending",
            "{more:?}"
        );
        server.advance(5_000);
    }
}

#[tokio::test]
async fn rfc8628_3_2_both_codes_live_as_long_as_expires_in_says() {
    let server = Server::with(&[("CHANCERY_LIFETIMES_DEVICE_CODE", "2m")], "").await;
    let (client, alice) = (tv(&server, json!({})).await, server.alice().await);
    let mut browser = signed_in(&server, &alice).await;
    let codes = ask(&server, &client).await;
    assert_eq!(codes["expires_in"], 120);
    let page = format!("/device?user_code={}", text(&codes, "user_code"));
    for (ms, error, status) in [(119_999, "authorization_pending", 200), (1, "expired_token", 400)] {
        server.advance(ms);
        assert_eq!(poll(&server, &client, &codes).await.refusal(), (400, error.to_owned()));
        assert_eq!(browser.open(&page).await.status, status, "{error}");
    }
}

#[tokio::test]
async fn rfc8628_3_3_somebody_opens_the_address_types_the_code_and_answers() {
    let server = Server::start().await;
    let (client, alice) = (tv(&server, json!({})).await, server.alice().await);
    let codes = ask(&server, &client).await;
    let (uri, code, device_code) = (text(&codes, "verification_uri"), text(&codes, "user_code"), text(&codes, "device_code"));
    assert!(!uri.contains(code) && !uri.contains('?'), "short enough to be typed: {uri}");
    let mut browser = Browser::new(&server);
    let page = browser.open(uri.strip_prefix(&server.origin).unwrap()).await;
    assert_eq!(page_of(&page), "login");
    let page = browser.submit(&page, &[("login", &alice.email), ("password", PASSWORD)]).await;
    let (shown, form) = (page.text(), browser::form_of(&page.text()));
    assert!(shown.contains("method=\"get\"") && shown.contains("name=\"user_code\"") && !shown.contains(code), "{shown}");
    let page = browser.open(&format!("{}?user_code={}", form.action, code.to_lowercase())).await;
    assert!(page_of(&page) == "consent" && page.text().contains(code), "{}", page.text());
    assert_eq!(poll(&server, &client, &codes).await.error(), "authorization_pending");
    let done = browser.submit(&page, &[("decision", "allow")]).await;
    assert!(done.text().contains("The device is connected"), "{}", done.text());
    for page in [&page, &done] {
        assert!(!page.text().contains(device_code), "the device's own code is for nobody's eyes");
    }
    let answer = poll(&server, &client, &codes).await;
    assert_members_once(&answer);
    assert_eq!(server.userinfo(&Tokens::of(&answer).access).await.json()["sub"], alice.account.as_str());
}

#[tokio::test]
async fn rfc8628_3_4_a_poll_names_the_grant_and_its_client_which_proves_itself() {
    let server = Server::start().await;
    let alice = server.alice().await;
    let mut browser = signed_in(&server, &alice).await;
    for method in ["none", "client_secret_basic"] {
        let client = tv(&server, json!({ "token_endpoint_auth_method": method })).await;
        let codes = ask(&server, &client).await;
        decide(&mut browser, text(&codes, "user_code"), "allow").await;
        let code = ("device_code", text(&codes, "device_code"));
        let grant = ("grant_type", GRANT);
        let mark = server.mark().await;
        assert_eq!(server.post(TOKEN).form(&[grant, code]).send().await.refusal(), no_client(), "{method}: nobody is named");
        if method != "none" {
            let bare = server.post(TOKEN).form(&[grant, code, ("client_id", &client.id)]).send().await;
            assert_eq!(bare.refusal(), no_client(), "named, and not proven");
        }
        let wrong = server.post(TOKEN).basic(&client.id, "wrong").form(&[grant, code]).send().await;
        assert_eq!(wrong.refusal(), no_client(), "{method}: a secret that is none");
        for named in ["device_code", "urn:ietf:params:oauth:grant-type:DEVICE_CODE", "urn:ietf:params:oauth:grant-type:device_code "] {
            let answer = server.token(&client, &[("grant_type", named), code]).await;
            assert_eq!(answer.refusal(), (400, "unsupported_grant_type".to_owned()), "{named}");
        }
        assert_eq!(server.token(&client, &[code]).await.refusal(), (400, "invalid_request".to_owned()), "no grant_type");
        let kinds = server.kinds_since(mark).await;
        assert!(kinds.iter().all(|kind| kind == "ClientAuthenticationFailed"), "{kinds:?}");
        assert_eq!(poll(&server, &client, &codes).await.status, 200, "{method}: nothing of it used the code");
    }
}

fn with_api() -> String {
    format!("[[resource]]\nidentifier = \"{API}\"\nscope = \"api\"\n")
}

#[tokio::test]
async fn rfc9470_5_what_was_asked_for_stands_in_id_token_and_access_token() {
    let server = Server::with(&[], &with_api()).await;
    let (client, alice) = (server.client(json!({ "scope": "openid api" })).await, server.alice().await);
    let mut browser = Browser::new(&server);
    let asked = [("scope", "openid api"), ("resource", API)];
    browser.tokens(&client, &alice, &asked).await;
    server.advance(HOUR);
    let step_up = [("max_age", "300"), ("acr_values", ACR)];
    let tokens = browser.tokens(&client, &alice, &[&asked[..], &step_up].concat()).await;
    for token in [tokens.id_token(), &tokens.access] {
        let claims = claims(&server, token).await;
        assert_eq!((&claims["auth_time"], &claims["acr"]), (&json!((NOW + HOUR) / 1000), &json!(ACR)), "{claims}");
    }
}

#[tokio::test]
async fn rfc9470_6_1_a_renewed_token_tells_of_the_same_sign_in() {
    let server = Server::with(&[], &with_api()).await;
    let (client, alice) = (server.client(json!({ "scope": "openid api" })).await, server.alice().await);
    let first = Browser::new(&server).tokens(&client, &alice, &[("scope", "openid api"), ("resource", API)]).await;
    let opaque = Browser::new(&server).tokens(&client, &alice, &[("scope", "openid")]).await;
    server.advance(HOUR);
    // The person has signed in again since, elsewhere.
    Browser::new(&server).tokens(&client, &alice, &[("scope", "openid")]).await;
    let fields = [("grant_type", "refresh_token"), ("refresh_token", first.refresh()), ("resource", API)];
    let renewed = Tokens::of(&server.token(&client, &fields).await);
    let told = claims(&server, &renewed.access).await;
    assert_eq!((&told["iat"], &told["auth_time"], &told["acr"]), (&json!((NOW + HOUR) / 1000), &json!(NOW / 1000), &json!(ACR)));
    let renewed = Tokens::of(&server.refresh(&client, opaque.refresh()).await);
    let told = server.introspect(&client, &renewed.access).await;
    assert_eq!((&told["auth_time"], &told["acr"]), (&json!(NOW / 1000), &json!(ACR)));
}
