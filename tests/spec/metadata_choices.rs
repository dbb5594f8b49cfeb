//! OpenID Connect Relying Party Metadata Choices 1.0: registrations that list what the client can do.

use serde_json::{Value, json};

use crate::support::jwt::Key;
use crate::support::*;

async fn registered(server: &Server, members: Value) -> Result<Value, (String, String)> {
    let mut all = json!({ "redirect_uris": ["https://app.example/cb"] });
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let answer = server.post("/oidc/reg").json(&all).send().await;
    if answer.status == 201 { Ok(answer.json()) } else { Err((answer.error(), answer.sentence())) }
}

#[tokio::test]
async fn rp_metadata_choices_2_the_answer_has_the_single_value_and_no_list() {
    let server = Server::with(&[], "registration = \"open\"\n").await;
    let key = Key::generate("ES256");
    let lists = json!({
        "subject_types_supported": ["pairwise", "public"],
        "id_token_signing_alg_values_supported": ["ES256K", "ES384", "RS256"],
        "id_token_signed_response_alg": "ES256K",
        "token_endpoint_auth_methods_supported": ["magic_jwt", "private_key_jwt", "client_secret_basic"],
        "token_endpoint_auth_signing_alg_values_supported": ["HS256", "ES256"],
        "userinfo_signing_alg_values_supported": ["HS512", "EdDSA"],
        "userinfo_signed_response_alg": "HS512",
        "authorization_signing_alg_values_supported": ["PS256"],
        "introspection_signing_alg_values_supported": ["ES256"],
        "id_token_encryption_alg_values_supported": ["RSA-OAEP"],
        "request_object_signing_alg_values_supported": ["ES256"],
        "backchannel_authentication_request_signing_alg_values_supported": ["ES256"],
        "jwks": key.jwks(),
    });
    let answer = registered(&server, lists).await.unwrap();
    for (member, taken) in [
        ("subject_type", json!("pairwise")),
        ("id_token_signed_response_alg", json!("ES384")),
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("token_endpoint_auth_signing_alg", Value::Null),
        ("userinfo_signed_response_alg", json!("EdDSA")),
        ("authorization_signed_response_alg", json!("PS256")),
        ("introspection_signed_response_alg", json!("ES256")),
        ("id_token_encrypted_response_alg", Value::Null),
        ("request_object_signing_alg", Value::Null),
    ] {
        assert_eq!(answer[member], taken, "{member}");
    }
    assert!(answer.as_object().unwrap().keys().all(|member| !member.ends_with("_supported")), "{answer}");
    let uri = answer["registration_client_uri"].as_str().unwrap();
    let read = server.get(uri.strip_prefix(&server.origin).unwrap()).bearer(answer["registration_access_token"].as_str().unwrap());
    assert!(read.send().await.json().as_object().unwrap().keys().all(|member| !member.ends_with("_supported")));
    // What was taken is what is done.
    let plain = registered(&server, json!({ "id_token_signing_alg_values_supported": ["ES384"] })).await.unwrap();
    let (client, alice) = (Client::of(&plain), server.alice().await);
    let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
    assert_eq!(jwt::verified(tokens.id_token(), &server.get("/oidc/jwks").send().await.json()).0["alg"], "ES384");
}

#[tokio::test]
async fn rp_metadata_choices_4_nothing_that_is_supported_is_invalid_client_metadata() {
    let server = Server::with(&[], "registration = \"open\"\n").await;
    for (list, values) in [
        ("subject_types_supported", json!(["ephemeral"])),
        ("id_token_signing_alg_values_supported", json!(["HS256", "none"])),
        ("token_endpoint_auth_methods_supported", json!(["tls_client_auth", "private_key_jwt"])),
        ("authorization_signing_alg_values_supported", json!([])),
    ] {
        let (code, sentence) = registered(&server, json!({ list: values })).await.unwrap_err();
        assert_eq!(code, "invalid_client_metadata");
        assert!(sentence.contains(list), "{sentence}");
    }
    let contradiction = json!({ "subject_type": "public", "subject_types_supported": ["pairwise"] });
    assert_eq!(registered(&server, contradiction).await.unwrap_err().0, "invalid_client_metadata");
    assert!(registered(&server, json!({ "subject_types_supported": "pairwise" })).await.is_err());
}

#[tokio::test]
async fn oidc_registration_2_an_assertion_is_signed_with_the_registered_algorithm() {
    let server = Server::start().await;
    let (one, other) = (Key::generate("ES256"), Key::generate("RS256"));
    let mut keys = one.jwks();
    keys["keys"].as_array_mut().unwrap().push(other.jwks()["keys"][0].clone());
    let members = json!({ "jwks": keys, "token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"],
        "response_types": [], "redirect_uris": [], "token_endpoint_auth_signing_alg": "ES256" });
    let registered = server.register(members).await;
    assert_eq!(registered["token_endpoint_auth_signing_alg"], "ES256");
    for (key, expected) in [(&other, 401), (&one, 200)] {
        let now = NOW / 1000;
        let assertion = key.sign(&json!({ "iss": registered["client_id"], "sub": registered["client_id"], "aud": server.issuer,
            "jti": key.alg(), "iat": now, "exp": now + 60 }));
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        let answer = server.post("/oidc/token").form(&fields).send().await;
        assert_eq!(answer.status, expected, "{}: {}", key.alg(), answer.text());
    }
    let refused = json!({ "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_signing_alg": "ES256K" });
    assert_eq!(server.post("/clients").json(&refused).send().await.error(), "invalid_client_metadata");
}
