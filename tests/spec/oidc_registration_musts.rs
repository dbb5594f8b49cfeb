//! What OpenID Connect Dynamic Client Registration 1.0 demands of a provider and no other file holds; the whole list is
//! `musts/oidc_registration.toml`.

use serde_json::{Value, json};

use crate::support::call::Answer;
use crate::support::*;

async fn register(server: &Server, members: &Value) -> Answer {
    let mut all = json!({ "redirect_uris": ["https://app.example/cb"] });
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    server.post("/oidc/reg").json(&all).send().await
}

#[tokio::test]
async fn oidc_registration_2_the_implicit_flow_of_a_web_client_has_no_http_and_no_localhost() {
    let server = Server::with(&[], "[response_types]\nfront_channel = true\n").await;
    for kind in ["id_token", "id_token token", "code id_token"] {
        let grants = if kind.starts_with("code") { json!(["authorization_code", "implicit"]) } else { json!(["implicit"]) };
        let asked = |uri: &str, application: &str| json!({ "response_types": [kind], "grant_types": grants, "redirect_uris": [uri], "application_type": application });
        for uri in [
            "http://app.example/cb",
            "http://localhost/cb",
            "http://127.0.0.1:8080/cb",
            "https://localhost/cb",
            "https://LocalHost:8443/cb",
        ] {
            let answer = register(&server, &asked(uri, "web")).await;
            assert_eq!(answer.refusal(), (400, "invalid_redirect_uri".to_owned()), "{kind} {uri}");
        }
        assert_eq!(register(&server, &asked("https://app.example/cb", "web")).await.status, 201, "{kind}");
        // A native client may have a loopback address, and plain http nowhere else.
        assert_eq!(register(&server, &asked("http://127.0.0.1/cb", "native")).await.status, 201, "{kind}");
        assert_eq!(register(&server, &asked("http://app.example/cb", "native")).await.refusal().1, "invalid_redirect_uri", "{kind}");
    }
}

#[tokio::test]
async fn oidc_registration_2_response_types_and_grant_types_agree() {
    let server = Server::with(&[], "[response_types]\nfront_channel = true\n").await;
    for (kind, needed) in [
        ("code", &["authorization_code"][..]),
        ("id_token", &["implicit"]),
        ("id_token token", &["implicit"]),
        ("code id_token", &["authorization_code", "implicit"]),
        ("code token", &["authorization_code", "implicit"]),
        ("code id_token token", &["authorization_code", "implicit"]),
    ] {
        let fine = register(&server, &json!({ "response_types": [kind], "grant_types": needed })).await;
        assert_eq!(fine.status, 201, "{kind}: {}", fine.text());
        for missing in needed {
            let others: Vec<_> = ["authorization_code", "implicit"].iter().filter(|own| *own != missing).collect();
            let answer = register(&server, &json!({ "response_types": [kind], "grant_types": others })).await;
            assert_eq!(answer.refusal(), (400, "invalid_client_metadata".to_owned()), "{kind} without {missing}");
        }
    }
}

#[tokio::test]
async fn oidc_registration_2_a_content_encryption_comes_with_its_algorithm() {
    let server = Server::with(&[], "[request_objects]\nencrypted = true\n").await;
    for kind in ["id_token_encrypted_response", "userinfo_encrypted_response", "request_object_encryption"] {
        let (alg, enc) = (format!("{kind}_alg"), format!("{kind}_enc"));
        let alone = register(&server, &json!({ enc.as_str(): "A256GCM" })).await;
        assert_eq!(alone.refusal(), (400, "invalid_client_metadata".to_owned()), "{kind}");
        assert!(alone.sentence().contains(&alg), "{}", alone.sentence());
        // dir needs a secret alone, and the algorithm has a default for the content.
        let fine = register(&server, &json!({ alg.as_str(): "dir" })).await;
        assert_eq!((fine.status, &fine.json()[&enc]), (201, &json!("A128CBC-HS256")), "{kind}");
    }
}

#[tokio::test]
async fn oidc_registration_2_1_a_name_without_a_language_is_shown_as_it_is() {
    let server = Server::start().await;
    let alice = server.alice().await;
    // Letters of several scripts, from both directions, composed and not: nothing is guessed of it, in any language of the page.
    let name = "Caf\u{e9} cafe\u{301} \u{645}\u{642}\u{647}\u{649} \u{4e2d}\u{6587} & <b>";
    let client = server.client(json!({ "client_name": name, "client_name#de": "Anders" })).await;
    let shown = name.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;");
    for locale in ["en", "de"] {
        let mut browser = Browser::new(&server);
        let page = browser.open(&client.request(&[("ui_locales", locale)])).await;
        let consent = browser.submit(&page, &[("login", &alice.email), ("password", flow::PASSWORD)]).await;
        assert_eq!(flow::page_of(&consent), "consent");
        assert!(consent.text().contains(&format!("<bdi>{shown}</bdi>")), "{}", consent.text());
        browser.submit(&consent, &[("decision", "deny")]).await;
    }
}

#[tokio::test]
async fn oidc_registration_2_addresses_that_carry_secrets_are_https() {
    let server = Server::start().await;
    for member in ["jwks_uri", "initiate_login_uri", "sector_identifier_uri", "backchannel_logout_uri"] {
        for uri in ["http://app.example/x", "ftp://app.example/x", "//app.example/x", "/x", "https:///x", "https://app.example/x#y"] {
            let answer = register(&server, &json!({ member: uri })).await;
            assert_eq!(answer.refusal(), (400, "invalid_client_metadata".to_owned()), "{member} {uri}");
            assert!(answer.sentence().contains(&format!("{member}: ")), "{}", answer.sentence());
        }
    }
    for uri in ["ftp://app.example/r", "//app.example/r", "/r", "data:,x"] {
        assert_eq!(register(&server, &json!({ "request_uris": [uri] })).await.refusal().1, "invalid_client_metadata", "{uri}");
    }
}

#[tokio::test]
async fn oidc_registration_3_2_where_it_is_managed_and_the_token_for_it_come_together() {
    let server = Server::production(&[("CHANCERY_REGISTRATION", "open")], "").await;
    let (uri, token) = ("registration_client_uri", "registration_access_token");
    let by_itself = register(&server, &json!({ "scope": "openid" })).await;
    let own = by_itself.json();
    assert_eq!(by_itself.status, 201);
    assert!(own[uri].as_str().unwrap().starts_with("https://id.example/oidc/reg/") && own[token].is_string(), "{own}");
    let admin = server.operator_token("admin").await;
    let asked = json!({ "redirect_uris": ["https://app.example/cb"] });
    for path in ["/oidc/reg", "/clients"] {
        let made = server.post(path).bearer(&admin).json(&asked).send().await.json();
        assert_eq!(made[uri].is_string(), made[token].is_string(), "{path}: {made}");
    }
    // A token for it is of this client alone, and nobody learns by a 404 which clients there are.
    for (path, bearer) in
        [("/oidc/reg/nobody".to_owned(), own[token].as_str().unwrap()), (format!("/oidc/reg/{}", own["client_id"].as_str().unwrap()), "x")]
    {
        let answer = server.get(&path).bearer(bearer).send().await;
        assert_eq!(answer.refusal(), (401, "invalid_token".to_owned()), "{path}");
        assert!(answer.header("www-authenticate").starts_with("Bearer "));
    }
}

#[tokio::test]
async fn oidc_registration_3_2_a_secret_comes_with_its_end_and_no_two_are_the_same() {
    let server = Server::start().await;
    let keys = jwt::Key::generate("ES256").jwks();
    let mut secrets = std::collections::BTreeSet::new();
    for (method, has_secret) in [
        ("client_secret_basic", true),
        ("client_secret_post", true),
        ("client_secret_jwt", true),
        ("private_key_jwt", false),
        ("none", false),
    ] {
        for _ in 0..2 {
            let jwks = if method == "private_key_jwt" { keys.clone() } else { Value::Null };
            let client = register(&server, &json!({ "token_endpoint_auth_method": method, "jwks": jwks })).await.json();
            assert_eq!(
                (client["client_secret"].is_string(), client["client_secret_expires_at"].is_u64()),
                (has_secret, has_secret),
                "{method}"
            );
            assert!(client["client_secret"].as_str().is_none_or(|secret| secrets.insert(secret.to_owned())));
        }
    }
    assert_eq!(secrets.len(), 6);
}
