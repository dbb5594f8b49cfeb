//! Registrations: from the bytes of the body through every rule.

use chancery::http::json;
use chancery_core::client::metadata::{Asked, Metadata, Terms, choices, validate};
use chancery_core::profile::Profile;

use super::Target;

const WORDS: &[&str] = &[
    "\"redirect_uris\":[",
    "\"http://localhost/cb\"",
    "\"com.example.app:/cb\"",
    "\"javascript:alert(1)\"",
    "\"https://[::1]:9/#x\"",
    "native",
    "web",
    "\"jwks\":{\"keys\":[]}",
    "\"jwks_uri\":\"https://app.example/jwks\"",
    "none",
    "private_key_jwt",
    "client_credentials",
    "refresh_token",
    "implicit",
    "urn:ietf:params:oauth:grant-type:device_code",
    "code id_token",
    "pairwise",
    "ES256",
    "HS256",
    "\"scope\":\"openid admin\"",
    "\"default_max_age\":",
    "\"request_uris\":[",
    "\"contacts\":[\"a@b\"]",
    "\"software_statement\":\"e30.e30.\"",
    "\"allowed_origins\":[\"null\"]",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "{\"a\":1,\"a\":2}",
    "\"id_token_encrypted_response_alg\":\"dir\"",
    "\"subject_types_supported\":[\"pairwise\"]",
    "\"id_token_encryption_enc_values_supported\":[",
    "\"token_endpoint_auth_signing_alg\":\"ES256\"",
    "\"request_object_encryption_alg\":",
    ",",
    "[[[[[[[[",
];

pub fn target() -> Target {
    let seeds = [
        r#"{"redirect_uris":["https://app.example/cb","https://app.example/cb2?x=1"],"client_name":"App","logo_uri":"https://app.example/l.png","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"client_secret_basic","subject_type":"pairwise","scope":"openid email","default_max_age":60,"require_auth_time":true,"default_acr_values":["urn:chancery:acr:password"],"post_logout_redirect_uris":["https://app.example/bye"],"backchannel_logout_uri":"https://app.example/out","contacts":["ops@app.example"],"initiate_login_uri":"https://app.example/go"}"#,
        r#"{"application_type":"native","redirect_uris":["http://127.0.0.1:1234/cb","com.example.app:/cb"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"dpop_bound_access_tokens":true,"require_pushed_authorization_requests":true,"id_token_signed_response_alg":"ES256"}"#,
        r#"{"redirect_uris":[],"response_types":[],"grant_types":["client_credentials"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://app.example/jwks","request_object_signing_alg":"PS256","request_uris":["https://app.example/r#x"],"id_token_encrypted_response_alg":"ECDH-ES","id_token_encrypted_response_enc":"A128GCM"}"#,
        r#"{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_methods_supported":["private_key_jwt","client_secret_post"],"id_token_signing_alg_values_supported":["ES512","ES384"],"id_token_encrypted_response_alg":"dir","id_token_encryption_alg_values_supported":["dir","RSA-OAEP"],"id_token_encryption_enc_values_supported":["A256GCM"],"subject_types_supported":["pairwise","public"]}"#,
    ];
    Target { name: "registration", seeds: seeds.map(|own| own.as_bytes().to_vec()).into(), words: WORDS, read: Box::new(is_accepted) }
}

fn is_accepted(bytes: &[u8]) -> bool {
    let Ok(asked) = json::parse(bytes).and_then(json::typed::<Asked>) else { return false };
    let mut accepted = false;
    for (all, profile) in [(true, None), (false, None), (true, Some(Profile::Fapi2Security)), (false, Some(Profile::Fapi2Security))] {
        let terms = Terms {
            by_operator: all,
            jwks_usable: all,
            jwks_encrypts: all,
            front_channel: all,
            web_message: all,
            unsigned_request_objects: all,
            encrypted_request_objects: all,
            front_channel_logout: all,
            jwks_certified: all,
            client_certificates: all,
            client_authorities: all,
            token_exchange: all,
            assertion_issuers: all,
            ciba: all,
            attesters: all,
            https: all,
            credentials: all,
            profile,
        };
        match choices::settle(&asked, terms, &|_| all).and_then(|settled| validate(&settled, terms)) {
            Ok(metadata) => {
                let text = serde_json::to_value(&metadata).unwrap();
                assert_eq!(serde_json::from_value::<Metadata>(text).unwrap(), metadata, "it reads back as something else");
                assert!(metadata.redirect_uris.iter().all(|uri| !uri.starts_with("javascript:") && !uri.contains('#')), "{metadata:?}");
                accepted = true;
            }
            Err(problems) => assert!(!problems.is_empty(), "refused without a reason"),
        }
    }
    accepted
}
