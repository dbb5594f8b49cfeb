//! RFC 7591 and OpenID Connect Dynamic Registration: `/oidc/reg`, and the operators' `/clients`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn rfc7591_3_2_1_the_answer_is_what_is_registered() {
    let server = Server::start().await;
    let sent = json!({ "redirect_uris": ["https://app.example/cb"], "client_name": "A & <B>", "software_id": "mine", "unheard_of": 1 });
    let answer = server.post("/oidc/reg").json(&sent).send().await;
    assert_eq!((answer.status, answer.header("cache-control")), (201, "no-store"));
    let client = answer.json();
    for (name, value) in [
        ("redirect_uris", json!(["https://app.example/cb"])),
        ("client_name", json!("A & <B>")),
        ("grant_types", json!(["authorization_code"])),
        ("response_types", json!(["code"])),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("id_token_signed_response_alg", json!("RS256")),
        ("application_type", json!("web")),
        ("subject_type", json!("public")),
        ("client_secret_expires_at", json!(0)),
        ("client_id_issued_at", json!(NOW / 1000)),
        ("software_id", json!("mine")),
        ("unheard_of", Value::Null),
    ] {
        assert_eq!(client[name], value, "{name}");
    }
    assert!(client["client_secret"].as_str().unwrap().len() >= 22, "at least 128 bits");
}

#[tokio::test]
async fn rfc7591_3_2_1_everything_that_was_registered_comes_back() {
    let server = Server::with(&[], include_str!("../../profiles/oidc-certification.toml")).await;
    let key = jwt::Key::generate("ES256").jwks();
    let address = |path: &str| format!("https://app.example/{path}");
    let common = json!({
        "redirect_uris": [address("cb"), address("cb2?x=1")], "client_name": "Caf\u{e9}", "client_uri": address(""),
        "policy_uri": address("policy"), "tos_uri": address("tos"), "logo_uri": address("logo.png"), "contacts": ["ops@app.example", "Jane"],
        "initiate_login_uri": address("start"), "software_id": "calendar", "software_version": "1.2", "application_type": "web",
        "post_logout_redirect_uris": [address("bye")], "backchannel_logout_uri": address("out"), "backchannel_logout_session_required": true,
        "frontchannel_logout_uri": address("frame"), "frontchannel_logout_session_required": true,
        "id_token_signed_response_alg": "ES256", "userinfo_signed_response_alg": "PS256", "authorization_signed_response_alg": "EdDSA",
        "introspection_signed_response_alg": "ES384", "subject_type": "pairwise", "default_max_age": 3600, "require_auth_time": true,
        "default_acr_values": ["urn:chancery:acr:password"], "request_uris": [address("request")], "id_token_claims": "all",
        "require_pushed_authorization_requests": true, "require_pkce": true, "refresh_grace_seconds": 10, "refresh_token_rotation": "always",
        "allowed_origins": ["https://spa.example"], "chancery_receipts": true,
    });
    for own in [
        json!({
            "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256", "jwks": key,
            "request_object_signing_alg": "ES256", "require_signed_request_object": true, "dpop_bound_access_tokens": true,
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"], "scope": "email openid",
        }),
        json!({
            "token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_signing_alg": "HS384", "jwks_uri": address("jwks"),
            "id_token_encrypted_response_alg": "RSA-OAEP-256", "id_token_encrypted_response_enc": "A256GCM",
            "userinfo_encrypted_response_alg": "ECDH-ES", "userinfo_encrypted_response_enc": "A128GCM",
            "request_object_encryption_alg": "RSA-OAEP", "request_object_encryption_enc": "A256CBC-HS512",
            "grant_types": ["authorization_code", "implicit"], "response_types": ["code id_token token", "id_token"], "scope": "openid",
        }),
    ] {
        let mut sent = common.clone();
        sent.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        let answer = server.post("/oidc/reg").json(&sent).send().await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let registered = answer.json();
        let path = registered["registration_client_uri"].as_str().unwrap().strip_prefix(&server.origin).unwrap().to_owned();
        let read = server.get(&path).bearer(registered["registration_access_token"].as_str().unwrap()).send().await.json();
        // Of a list of words the order says nothing.
        let sorted = |value: &Value| {
            let mut all = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            all.sort_by_key(Value::to_string);
            all
        };
        for (member, value) in sent.as_object().unwrap() {
            for (told, at) in [(&registered, "registering"), (&read, "reading")] {
                assert_eq!(sorted(&told[member]), sorted(value), "{member}, {at}");
            }
        }
    }
}

#[tokio::test]
async fn rfc7518_3_3_a_client_with_a_short_rsa_key_has_no_key() {
    let server = Server::start().await;
    let register = async |bytes: usize| {
        let mut modulus = vec![0xc1_u8; bytes];
        modulus[bytes - 1] = 0xc3;
        let key = json!({ "kty": "RSA", "use": "sig", "n": URL_SAFE_NO_PAD.encode(&modulus), "e": "AQAB" });
        let sent = json!({ "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [key] } });
        server.post("/oidc/reg").json(&sent).send().await
    };
    assert_eq!(register(128).await.refusal(), (400, "invalid_client_metadata".to_owned()), "1,024 bits");
    assert_eq!(register(256).await.status, 201, "2,048 bits");
}

#[tokio::test]
async fn rfc7591_3_2_2_every_bad_field_is_listed() {
    let server = Server::start().await;
    let uris = server.post("/oidc/reg").json(&json!({ "redirect_uris": ["http://evil.example/cb", "https://a#b"] })).send().await;
    assert_eq!(uris.refusal(), (400, "invalid_redirect_uri".to_owned()));
    let bad = json!({
        "redirect_uris": ["ftp://x"], "grant_types": ["password"], "response_types": ["token"], "scope": "openid admin",
        "token_endpoint_auth_method": "magic", "id_token_signed_response_alg": "none", "subject_type": "ephemeral", "introspect": true,
        "client_name": "a\u{7}", "client_uri": "javascript:alert(1)", "refresh_grace_seconds": 61, "allowed_origins": ["*"],
        "jwks_uri": "http://a.example", "logo_uri": "data:image/png,x", "initiate_login_uri": "http://a.example",
        "sector_identifier_uri": "x", "request_uris": ["x"], "request_object_signing_alg": "none", "software_id": "",
    });
    for path in ["/oidc/reg", "/clients"] {
        let answer = server.post(path).json(&bad).send().await;
        assert_eq!(answer.refusal(), (400, "invalid_client_metadata".to_owned()));
        let sentence = answer.sentence();
        for field in bad.as_object().unwrap().keys().filter(|field| path == "/oidc/reg" || *field != "introspect") {
            assert!(sentence.contains(&format!("{field}: ")), "{path} {field}: {sentence}");
        }
    }
    assert!(!server.kinds_since(0).await.contains(&"ClientRegistered".to_owned()));
}

#[tokio::test]
async fn rfc7591_3_2_2_an_error_is_json_in_ascii_whatever_was_sent() {
    let server = Server::start().await;
    for (members, code) in [
        (json!({ "redirect_uris": ["https://b\u{fc}cher.example/cb"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["ftp://a\"b\\c"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["https://app.example/cb"], "grant_types": ["\u{441}\u{43e}\u{434}\"\n"] }), "invalid_client_metadata"),
        (json!({ "redirect_uris": ["https://app.example/cb"], "client_name": "\u{7}" }), "invalid_client_metadata"),
        (json!({ "redirect_uris": ["https://app.example/cb"], "software_statement": "\u{e9}" }), "invalid_software_statement"),
    ] {
        for path in ["/oidc/reg", "/clients"] {
            let answer = server.post(path).json(&members).send().await;
            assert_eq!((answer.refusal(), answer.header("content-type")), ((400, code.to_owned()), "application/json"), "{path} {members}");
            // RFC 6749 §5.2: what a description may hold.
            let plain = |letter: char| matches!(letter, '\x20'..='\x21' | '\x23'..='\x5b' | '\x5d'..='\x7e');
            assert!(!answer.sentence().is_empty() && answer.sentence().chars().all(plain), "{}", answer.sentence());
            assert_eq!(answer.header("cache-control"), "no-store");
        }
    }
}

#[tokio::test]
async fn rfc7591_5_a_client_of_redirects_registers_where_to_and_each_is_one_of_three_kinds() {
    let server = Server::start().await;
    for application in ["web", "native"] {
        for (uri, web, native) in [
            ("https://app.example/cb", true, true),
            ("http://localhost:8080/cb", true, true),
            ("http://127.0.0.1/cb", true, true),
            ("com.example.app:/cb", false, true),
            ("http://app.example/cb", false, false),
            ("ftp://app.example/cb", false, false),
            ("javascript:alert(1)", false, false),
            ("data:text/html,x", false, false),
        ] {
            let fine = if application == "web" { web } else { native };
            let asked = json!({ "redirect_uris": [uri], "application_type": application });
            let answer = server.post("/oidc/reg").json(&asked).send().await;
            assert_eq!(answer.status, if fine { 201 } else { 400 }, "{application} {uri}: {}", answer.text());
        }
        let none = json!({ "grant_types": ["authorization_code"], "application_type": application });
        assert_eq!(server.post("/oidc/reg").json(&none).send().await.refusal().1, "invalid_redirect_uri");
    }
    // Whoever is redirected nowhere needs none.
    let machine = json!({ "grant_types": ["client_credentials"], "scope": "api" });
    assert_eq!(server.post("/oidc/reg").json(&machine).send().await.status, 201);
}

#[tokio::test]
async fn rfc7591_2_management_scopes_are_nobodys_and_introspection_is_the_operators_to_give() {
    let server = Server::start().await;
    for scope in ["admin", "openid audit:read", "metrics:read"] {
        let sent = json!({ "redirect_uris": ["https://app.example/cb"], "scope": scope });
        for path in ["/oidc/reg", "/clients"] {
            assert_eq!(server.post(path).json(&sent).send().await.refusal(), (400, "invalid_client_metadata".to_owned()), "{path}");
        }
    }
    let asker = json!({ "redirect_uris": ["https://app.example/cb"], "introspect": true });
    assert_eq!(server.post("/oidc/reg").json(&asker).send().await.status, 400);
    assert_eq!(server.post("/clients").json(&asker).send().await.status, 201);
}

#[tokio::test]
async fn rfc7591_3_1_the_body_is_strict_json_of_bounded_size() {
    let server = Server::start().await;
    let deep = format!("{{\"jwks\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    let large = format!("{{\"client_name\":\"{}\"}}", "a".repeat(24 * 1024));
    for (body, status) in [
        ("", 400),
        ("[]", 400),
        ("null", 400),
        ("{\"redirect_uris\":\"x\"}", 400),
        ("{\"client_name\":\"a\",\"client_name\":\"b\"}", 400),
        ("{\"client_name\":\"\\u0000\"}", 400),
        ("{} {}", 400),
        (&deep, 400),
        (&large, 413),
    ] {
        let answer = server.post("/oidc/reg").header("content-type", "application/json").body(body).send().await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(!answer.error().is_empty());
    }
    assert_eq!(server.post("/oidc/reg").form(&[("client_name", "a")]).send().await.status, 415);
}

#[tokio::test]
async fn rfc7591_3_production_wants_an_operators_token_and_never_a_clients() {
    let server = Server::production(&[], "").await;
    let sent = json!({ "redirect_uris": ["https://app.example/cb"], "grant_types": ["authorization_code", "client_credentials"] });
    for path in ["/oidc/reg", "/clients"] {
        assert_eq!(server.post(path).json(&sent).send().await.status, 401, "{path}");
        assert_eq!(server.post(path).bearer("x").json(&sent).send().await.refusal(), (401, "invalid_token".to_owned()), "{path}");
        let auditor = server.operator_token("audit:read").await;
        assert_eq!(server.post(path).bearer(&auditor).json(&sent).send().await.refusal(), (403, "insufficient_scope".to_owned()), "{path}");
        let admin = server.operator_token("admin").await;
        let answer = server.post(path).bearer(&admin).json(&sent).send().await;
        assert_eq!(answer.status, 201, "{path}: {}", answer.text());
        let own = flow::Tokens::of(&server.token(&Client::of(&answer.json()), &[("grant_type", "client_credentials")]).await);
        let refused = server.post(path).bearer(&own.access).json(&sent).send().await;
        assert_eq!(refused.refusal(), (403, "insufficient_scope".to_owned()));
    }
}

#[tokio::test]
async fn a_client_is_shown_without_its_secret() {
    let server = Server::start().await;
    let client = server.web_client().await;
    let answer = server.get(&format!("/clients/{}", client.id)).send().await;
    assert_eq!((answer.status, &answer.json()["client_id"]), (200, &json!(client.id)));
    assert!(answer.json()["client_secret"].is_null() && !answer.text().contains(client.secret.as_deref().unwrap()));
    for unknown in ["nobody", "%00", "a%2fb", "a%20b", &"a".repeat(300)] {
        assert_eq!(server.get(&format!("/clients/{unknown}")).send().await.refusal(), (404, "not_found".to_owned()), "{unknown}");
    }
    let production = Server::production(&[], "").await;
    assert_eq!(production.get(&format!("/clients/{}", client.id)).send().await.status, 401);
}
