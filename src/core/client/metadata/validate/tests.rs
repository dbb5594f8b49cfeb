//! What a registration may say, one test for each rule.

use super::*;
use serde_json::json;

const TERMS: Terms = Terms {
    by_operator: false,
    jwks_usable: false,
    jwks_encrypts: false,
    front_channel: false,
    web_message: false,
    unsigned_request_objects: false,
    encrypted_request_objects: false,
    front_channel_logout: false,
    jwks_certified: false,
    client_certificates: false,
    client_authorities: false,
    token_exchange: false,
    assertion_issuers: false,
    ciba: false,
    attesters: false,
    https: true,
    credentials: false,
    profile: None,
};
const KEYS: Terms = Terms { jwks_usable: true, ..TERMS };
const ALL_FLOWS: Terms = Terms { front_channel: true, ..TERMS };

fn fields(asked: &Asked, terms: Terms) -> Vec<&'static str> {
    validate(asked, terms).err().unwrap_or_default().into_iter().map(|e| e.field).collect()
}

fn asked(uris: &[&str]) -> Asked {
    Asked { redirect_uris: Some(uris.iter().map(ToString::to_string).collect()), ..Asked::default() }
}

/// A good registration with these members besides.
fn with(members: serde_json::Value) -> Asked {
    let mut all = json!({"redirect_uris": ["https://app.example.com/cb"]});
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

#[test]
fn oidc_registration_2_defaults() {
    let metadata = validate(&asked(&["https://app.example.com/cb"]), TERMS).unwrap();
    assert_eq!(metadata.grant_types, BTreeSet::from([GrantType::AuthorizationCode]));
    assert_eq!(metadata.token_endpoint_auth_method, AuthMethod::Basic);
    assert_eq!(metadata.id_token_signed_response_alg, SigningAlg::Rs256);
    assert!(metadata.scope.has("openid") && metadata.scope.has("offline_access"));
}

#[test]
fn every_bad_field_is_named_at_once() {
    let bad = Asked {
        grant_types: Some(["password".to_string()].into()),
        token_endpoint_auth_method: Some("magic".into()),
        scope: Some("admin".into()),
        introspect: Some(true),
        ..asked(&["http://evil.example/cb", "https://a#b"])
    };
    assert_eq!(fields(&bad, TERMS), ["grant_types", "token_endpoint_auth_method", "scope", "redirect_uris", "redirect_uris", "introspect"]);
}

#[test]
fn rfc7591_2_unknown_members_are_ignored() {
    assert_eq!(fields(&with(json!({"unheard_of": 1, "logo": {"x": []}})), TERMS), [""; 0]);
}

#[test]
fn rfc7591_2_1_grant_types_and_response_types_agree() {
    let machine = with(json!({"redirect_uris": [], "grant_types": ["client_credentials"]}));
    assert!(validate(&machine, TERMS).unwrap().response_types.is_empty());
    assert_eq!(fields(&with(json!({"grant_types": ["client_credentials"], "response_types": ["code"]})), TERMS), ["response_types"]);
    assert_eq!(fields(&with(json!({"grant_types": ["client_credentials"], "response_types": ["none"]})), TERMS), ["response_types"]);
    assert_eq!(fields(&with(json!({"grant_types": ["client_credentials", "refresh_token"]})), TERMS), ["grant_types"]);
    assert_eq!(fields(&with(json!({"redirect_uris": []})), TERMS), ["redirect_uris"]);
    assert_eq!(fields(&with(json!({"response_types": ["token"]})), TERMS), ["response_types"]);
}

#[test]
fn rfc9700_2_1_2_the_implicit_flow_is_off_unless_it_is_switched_on() {
    for kind in ["id_token", "id_token token", "token id_token", "code id_token", "code token", "code id_token token"] {
        let asked = with(json!({"response_types": [kind]}));
        assert!(fields(&asked, TERMS).contains(&"response_types"), "{kind}");
        assert!(validate(&asked, ALL_FLOWS).unwrap().grant_types.contains(&GrantType::Implicit), "{kind}");
    }
    assert_eq!(
        fields(&with(json!({"grant_types": ["implicit"], "response_types": ["id_token"]})), TERMS),
        ["response_types", "grant_types"]
    );
    assert_eq!(fields(&with(json!({"response_types": ["code", "none"]})), TERMS), [""; 0]);
}

#[test]
fn oidc_registration_2_response_types_and_grant_types_agree() {
    let only_code = json!({"grant_types": ["authorization_code"], "response_types": ["code id_token"]});
    assert_eq!(fields(&with(only_code), ALL_FLOWS), ["response_types"]);
    let only_implicit = json!({"grant_types": ["implicit"], "response_types": ["code id_token"]});
    assert_eq!(fields(&with(only_implicit), ALL_FLOWS), ["response_types"]);
    let both = json!({"grant_types": ["implicit", "authorization_code"], "response_types": ["id_token token code"]});
    assert_eq!(fields(&with(both), ALL_FLOWS), [""; 0]);
}

#[test]
fn oidc_registration_2_tokens_in_a_redirect_pass_over_https_only() {
    for uri in ["http://localhost:3000/cb", "https://localhost/cb", "http://127.0.0.1/cb"] {
        let asked = with(json!({"redirect_uris": [uri], "response_types": ["id_token"]}));
        assert_eq!(fields(&asked, ALL_FLOWS), ["redirect_uris"], "{uri}");
    }
}

#[test]
fn oidc_registration_2_default_acr_values_are_levels_that_exist() {
    assert_eq!(fields(&with(json!({"default_acr_values": ["urn:chancery:acr:password"]})), TERMS), [""; 0]);
    assert_eq!(fields(&with(json!({"default_acr_values": ["gold"]})), TERMS), ["default_acr_values"]);
}

#[test]
fn rfc6749_4_4_client_credentials_need_authentication() {
    let public = json!({"grant_types": ["authorization_code", "client_credentials"], "token_endpoint_auth_method": "none"});
    assert_eq!(fields(&with(public), TERMS), ["grant_types"]);
}

#[test]
fn rfc9700_2_2_2_a_public_client_rotates() {
    let never = |method| with(json!({"refresh_token_rotation": "never", "token_endpoint_auth_method": method}));
    assert_eq!(fields(&never("none"), TERMS), ["refresh_token_rotation"]);
    assert_eq!(fields(&never("client_secret_basic"), TERMS), [""; 0]);
    assert_eq!(fields(&with(json!({"refresh_grace_seconds": 61})), TERMS), ["refresh_grace_seconds"]);
}

#[test]
fn oidc_registration_2_private_key_jwt_needs_usable_keys() {
    let method = "private_key_jwt";
    assert_eq!(fields(&with(json!({"token_endpoint_auth_method": method})), TERMS), ["jwks"]);
    assert_eq!(fields(&with(json!({"token_endpoint_auth_method": method, "jwks": {"keys": []}})), TERMS), ["jwks"]);
    assert_eq!(fields(&with(json!({"token_endpoint_auth_method": method, "jwks": {"keys": []}})), KEYS), [""; 0]);
    let uri = "https://app.example.com/jwks";
    assert_eq!(fields(&with(json!({"token_endpoint_auth_method": method, "jwks_uri": uri})), TERMS), [""; 0]);
    assert_eq!(fields(&with(json!({"jwks_uri": "http://app.example.com/jwks"})), TERMS), ["jwks_uri"]);
    // RFC 7591 §2: one of the two.
    assert_eq!(fields(&with(json!({"jwks_uri": uri, "jwks": {"keys": []}})), KEYS), ["jwks_uri"]);
}

#[test]
fn oidc_core_8_1_a_sector_document_stands_for_several_hosts() {
    let hosts = json!(["https://a.example/cb", "https://b.example/cb"]);
    let sector = "https://sector.example/uris.json";
    assert_eq!(fields(&with(json!({"subject_type": "pairwise", "redirect_uris": hosts})), TERMS), ["subject_type"]);
    let asked = with(json!({"subject_type": "pairwise", "redirect_uris": hosts, "sector_identifier_uri": sector}));
    let metadata = validate(&asked, TERMS).unwrap();
    assert_eq!(metadata.sector(), Some("sector.example"));
    assert!(
        crate::client::metadata::sector_lists(&metadata, &["https://b.example/cb".to_string(), "https://a.example/cb".to_string()]).is_ok()
    );
    assert_eq!(
        crate::client::metadata::sector_lists(&metadata, &["https://b.example/cb".to_string()]).unwrap_err().field,
        "sector_identifier_uri"
    );
}

#[test]
fn ciba_4_without_redirect_uris_the_sector_is_where_its_keys_or_its_tokens_are() {
    let keys = "https://keys.example/jwks";
    let base = |more: serde_json::Value| {
        let mut all = json!({
            "subject_type": "pairwise", "redirect_uris": [], "grant_types": ["urn:openid:params:grant-type:ciba"], "response_types": [],
            "backchannel_token_delivery_mode": "poll", "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": keys,
        });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        with(all)
    };
    let terms = Terms { ciba: true, ..TERMS };
    let sector = |more| validate(&base(more), terms).map(|own| own.sector().map(ToString::to_string)).map_err(|wrong| wrong[0].field);
    assert_eq!(sector(json!({})), Ok(Some("keys.example".to_string())));
    // Who does not prove those keys may have named anybody's.
    assert_eq!(sector(json!({ "token_endpoint_auth_method": "client_secret_basic" })), Err("subject_type"));
    let push =
        json!({ "backchannel_token_delivery_mode": "push", "backchannel_client_notification_endpoint": "https://told.example/ciba" });
    assert_eq!(sector(push.clone()), Ok(Some("told.example".to_string())));
    // The tokens of another grant go elsewhere.
    let mut both = push;
    both["grant_types"] = json!(["urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:device_code"]);
    assert_eq!(sector(both), Ok(Some("keys.example".to_string())));
    let document = json!({ "sector_identifier_uri": "https://sector.example/uris.json" });
    let metadata = validate(&base(document.clone()), terms).unwrap();
    assert_eq!(metadata.sector(), Some("sector.example"));
    assert!(crate::client::metadata::sector_lists(&metadata, &[keys.to_string()]).is_ok());
    assert!(crate::client::metadata::sector_lists(&metadata, &[]).is_err(), "nobody named it there");
    let mut device = document;
    (device["grant_types"], device["token_endpoint_auth_method"]) =
        (json!(["urn:ietf:params:oauth:grant-type:device_code"]), json!("none"));
    let metadata = validate(&base(device), terms).unwrap();
    assert!(crate::client::metadata::sector_lists(&metadata, &[keys.to_string()]).is_err(), "nothing of it shows that it belongs there");
}

#[test]
fn rfc7591_2_software_names_itself_in_bounded_words() {
    let long = "a".repeat(257);
    assert_eq!(fields(&with(json!({"software_id": long, "software_version": "a\nb"})), TERMS), ["software_id", "software_version"]);
    assert_eq!(fields(&with(json!({"software_statement": "a".repeat(8193)})), TERMS), ["software_statement"]);
    for field in ["logo_uri", "initiate_login_uri", "sector_identifier_uri"] {
        assert_eq!(fields(&with(json!({ field: "javascript:alert(1)" })), TERMS), [field]);
    }
}

#[test]
fn keys_that_the_log_cannot_hold_are_refused_and_no_fault_later() {
    for number in [json!(1.5), json!(1_u64 << 60)] {
        assert_eq!(fields(&with(json!({"jwks": {"keys": [{"kty": "EC", "x5t": number}]}})), KEYS), ["jwks"]);
    }
}

#[test]
fn receipts_are_for_clients_that_authenticate() {
    assert_eq!(fields(&with(json!({"chancery_receipts": true})), TERMS), [""; 0]);
    let public = json!({"chancery_receipts": true, "token_endpoint_auth_method": "none"});
    assert!(fields(&with(public), TERMS).contains(&"chancery_receipts"));
}

#[test]
fn only_an_operator_grants_introspection_and_nobody_management_scopes() {
    let operator = Terms { by_operator: true, ..TERMS };
    assert_eq!(fields(&with(json!({"introspect": true})), operator), [""; 0]);
    assert_eq!(fields(&with(json!({"introspect": true})), TERMS), ["introspect"]);
    for scope in ["admin", "openid audit:read", "metrics:read"] {
        assert_eq!(fields(&with(json!({"scope": scope})), operator), ["scope"]);
    }
}

#[test]
fn what_others_write_is_bounded() {
    let long = "a".repeat(2049);
    assert_eq!(fields(&with(json!({"client_name": "a\nb"})), TERMS), ["client_name"]);
    assert_eq!(fields(&with(json!({"client_uri": "javascript:alert(1)"})), TERMS), ["client_uri"]);
    assert_eq!(fields(&with(json!({"tos_uri": format!("https://a.example/{long}")})), TERMS), ["tos_uri"]);
    assert_eq!(fields(&with(json!({"contacts": [long]})), TERMS), ["contacts"]);
    for origin in ["https://a.example/", "https://a.example#x", "https://a.example\r\nX: y", "a.example", "*", &format!("https://{long}")] {
        assert_eq!(fields(&with(json!({"allowed_origins": [origin]})), TERMS), ["allowed_origins"], "{origin}");
    }
    let many = |uri: &str| alloc::vec![uri.to_string(); 51];
    assert_eq!(fields(&with(json!({"redirect_uris": many("https://a.example/cb")})), TERMS), ["redirect_uris"]);
    assert_eq!(fields(&with(json!({"allowed_origins": many("https://a.example")})), TERMS), ["allowed_origins"]);
}

#[test]
fn oidc_registration_2_encryption_needs_a_key_and_has_a_default_content() {
    let asked = |members: serde_json::Value| {
        let mut all = json!({"jwks": {"keys": []}});
        all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        with(all)
    };
    let can = Terms { jwks_encrypts: true, ..KEYS };
    let metadata = validate(&asked(json!({"id_token_encrypted_response_alg": "ECDH-ES"})), can).unwrap();
    assert_eq!(metadata.id_token_encrypted_response_enc, Some(crate::client::metadata::ContentEnc::A128CbcHs256));
    assert_eq!(fields(&asked(json!({"userinfo_encrypted_response_alg": "RSA-OAEP"})), KEYS), ["jwks"]);
    assert_eq!(
        fields(&with(json!({"userinfo_encrypted_response_alg": "RSA-OAEP", "jwks_uri": "https://app.example.com/k"})), TERMS),
        [""; 0]
    );
    assert_eq!(fields(&asked(json!({"userinfo_encrypted_response_enc": "A128GCM"})), can), ["userinfo_encrypted_response_enc"]);
    for alg in ["RSA1_5", "PBES2-HS256+A128KW", "ECDH-1PU", "none"] {
        assert_eq!(fields(&asked(json!({"id_token_encrypted_response_alg": alg})), can), ["id_token_encrypted_response_alg"], "{alg}");
    }
}

#[test]
fn jarm_3_and_rfc9701_6_encryption_of_answers_has_the_same_rules() {
    for what in ["authorization", "introspection"] {
        let (alg, enc) = (&alloc::format!("{what}_encrypted_response_alg"), &alloc::format!("{what}_encrypted_response_enc"));
        let keys = json!({"keys": []});
        let can = Terms { jwks_encrypts: true, ..KEYS };
        let metadata = validate(&with(json!({ "jwks": keys, alg: "ECDH-ES" })), can).unwrap();
        let chosen = serde_json::to_value(&metadata).unwrap();
        assert_eq!((&chosen[alg], &chosen[enc]), (&json!("ECDH-ES"), &json!("A128CBC-HS256")), "the default");
        assert_eq!(fields(&with(json!({ enc: "A256GCM" })), TERMS), [enc.as_str()], "an enc without an alg");
        assert_eq!(fields(&with(json!({ alg: "ECDH-ES" })), TERMS), ["jwks"], "no key to encrypt to");
        assert_eq!(fields(&with(json!({ "jwks": keys, alg: "RSA1_5" })), can), [alg.as_str()]);
        assert_eq!(fields(&with(json!({ "jwks": keys, alg: "ECDH-ES", enc: "A128CTR" })), can), [enc.as_str()]);
    }
}

#[test]
fn oidc_core_10_2_a_shared_key_needs_a_secret_and_no_other_key() {
    for what in ["id_token", "userinfo", "authorization", "introspection"] {
        let member = &alloc::format!("{what}_encrypted_response_alg");
        let metadata = validate(&with(json!({ member: "dir" })), TERMS).unwrap();
        assert!(metadata.derives_keys());
        for method in ["none", "private_key_jwt"] {
            let asked = json!({ member: "dir", "token_endpoint_auth_method": method, "jwks_uri": "https://app.example.com/k" });
            assert_eq!(fields(&with(asked), KEYS), ["token_endpoint_auth_method"], "{method}");
        }
    }
    assert!(!validate(&with(json!({})), TERMS).unwrap().derives_keys());
}

#[test]
fn frontchannel_2_the_address_is_of_the_origin_of_a_redirect_uri() {
    let on = Terms { front_channel_logout: true, ..TERMS };
    let asked = |uri: &str| with(json!({"redirect_uris": ["https://app.example.com/cb"], "frontchannel_logout_uri": uri}));
    assert_eq!(fields(&asked("https://app.example.com/out?x=1"), on), [""; 0]);
    assert_eq!(fields(&asked("https://app.example.com/out"), TERMS), ["frontchannel_logout_uri"], "switched off");
    for wrong in [
        "https://evil.example/out",
        "https://app.example.com:444/out",
        "http://app.example.com/out",
        "https://app.example.com/out#x",
        "/out",
    ] {
        assert_eq!(fields(&asked(wrong), on), ["frontchannel_logout_uri"], "{wrong}");
    }
}

#[test]
fn rfc8705_2_1_2_exactly_one_name_of_the_certificate() {
    let on = Terms { client_certificates: true, client_authorities: true, ..TERMS };
    let one = json!({ "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "app.example.com" });
    assert!(validate(&with(one.clone()), on).is_ok());
    let mut two = one.clone();
    two["tls_client_auth_san_ip"] = json!("192.0.2.1");
    assert_eq!(fields(&with(two), on), ["tls_client_auth_san_ip"]);
    assert_eq!(fields(&with(json!({ "token_endpoint_auth_method": "tls_client_auth" })), on), ["tls_client_auth_subject_dn"]);
    assert_eq!(fields(&with(json!({ "tls_client_auth_san_dns": "app.example.com" })), on), ["tls_client_auth_san_dns"]);
    for (field, bad) in [
        ("tls_client_auth_subject_dn", "no dn"),
        ("tls_client_auth_san_ip", "192.0.2"),
        ("tls_client_auth_san_dns", "*.example.com"),
        ("tls_client_auth_san_email", "nobody"),
        ("tls_client_auth_san_uri", ""),
    ] {
        let asked = with(json!({ "token_endpoint_auth_method": "tls_client_auth", field: bad }));
        assert_eq!(fields(&asked, on), [field], "{bad}");
    }
    for terms in [TERMS, Terms { client_certificates: true, ..TERMS }] {
        assert_eq!(fields(&with(one.clone()), terms), ["token_endpoint_auth_method"]);
    }
}

#[test]
fn rfc8705_2_2_2_a_self_signed_certificate_is_registered_with_its_key() {
    let on = Terms { client_certificates: true, jwks_usable: true, ..TERMS };
    let asked = with(json!({ "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": {"keys": []} }));
    assert_eq!(fields(&asked, on), ["jwks"]);
    assert!(validate(&asked, Terms { jwks_certified: true, ..on }).is_ok());
    let behind = json!({ "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks_uri": "https://app.example.com/jwks" });
    assert!(validate(&with(behind), on).is_ok());
    assert_eq!(fields(&with(json!({ "token_endpoint_auth_method": "self_signed_tls_client_auth" })), on), ["jwks"]);
}

#[test]
fn rfc8705_3_4_tokens_are_bound_to_one_thing() {
    let on = Terms { client_certificates: true, ..TERMS };
    let bound = json!({ "tls_client_certificate_bound_access_tokens": true });
    assert!(validate(&with(bound.clone()), on).is_ok());
    assert_eq!(fields(&with(bound), TERMS), ["tls_client_certificate_bound_access_tokens"]);
    let both = json!({ "tls_client_certificate_bound_access_tokens": true, "dpop_bound_access_tokens": true });
    assert_eq!(fields(&with(both), on), ["tls_client_certificate_bound_access_tokens"]);
}
