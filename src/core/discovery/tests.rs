//! What is promised is what registration and the checks allow.

use super::*;
use crate::client::Client;
use crate::client::metadata::{Asked, Metadata, Terms, validate};
use crate::request::{self, Policy};
use crate::scope::Scope;
use crate::testing::fold;
use alloc::string::ToString;
use alloc::vec;

fn endpoints() -> Endpoints {
    let at = |path: &str| alloc::format!("https://a.example/oidc{path}");
    Endpoints {
        issuer: at(""),
        authorization: at("/auth"),
        token: at("/token"),
        userinfo: at("/userinfo"),
        jwks: at("/jwks"),
        introspection: at("/introspection"),
        revocation: at("/revocation"),
        registration: at("/reg"),
        end_session: at("/session/end"),
        check_session: at("/session/check"),
        pushed_authorization_request: at("/par"),
        device_authorization: at("/device/auth"),
        backchannel_authentication: at("/backchannel"),
        challenge: at("/challenge"),
        mtls: Some("https://mtls.example/oidc".into()),
    }
}

const ALL_FLOWS: Policy = Policy {
    pkce_for_all: false,
    signed_request_objects: false,
    unregistered_redirect_uris: false,
    front_channel: true,
    web_message: true,
    account_registration: true,
    pushed_only: false,
    localhost_ports: false,
    unsigned_request_objects: true,
    encrypted_request_objects: true,
    front_channel_logout: true,
    session_management: true,
    client_certificates: true,
    client_authorities: true,
    token_exchange: true,
    assertion_issuers: true,
    ciba: true,
    client_documents: true,
    attesters: true,
    attestation_signal: crate::client::attestation::Signal::Optional,
    credentials: true,
    acr_demanded: crate::acr::Demanded::Resources,
    profile: None,
    https: true,
    code_lifetime: crate::time::Seconds(60),
    pushed_lifetime: crate::time::Seconds(60),
    clock_tolerance: crate::time::Seconds(15),
};

fn words(member: &str) -> Vec<String> {
    let document = document(&endpoints(), ALL_FLOWS);
    document[member].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_string()).collect()
}

fn register(change: impl FnOnce(&mut Asked)) -> Result<Metadata, Vec<&'static str>> {
    let mut asked = Asked { redirect_uris: Some(vec!["https://app.example.com/cb".into()]), ..Asked::default() };
    change(&mut asked);
    validate(
        &asked,
        Terms {
            jwks_usable: true,
            jwks_encrypts: true,
            jwks_certified: true,
            front_channel: true,
            unsigned_request_objects: true,
            encrypted_request_objects: true,
            client_certificates: true,
            client_authorities: true,
            token_exchange: true,
            assertion_issuers: true,
            ciba: true,
            attesters: true,
            credentials: true,
            ..Terms::default()
        },
    )
    .map_err(|wrong| wrong.iter().map(|one| one.field).collect())
}

#[test]
fn oidc_discovery_3_the_required_members_are_there() {
    let document = document(&endpoints(), Policy::default());
    for member in ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"] {
        assert!(document[member].as_str().unwrap().starts_with("https://a.example/oidc"), "{member}");
    }
    assert!(words("id_token_signing_alg_values_supported").contains(&"RS256".to_string()));
    assert_eq!(words("subject_types_supported"), ["public", "pairwise"]);
    assert_eq!(words("code_challenge_methods_supported"), ["S256"]);
}

#[test]
fn rfc8414_2_a_client_can_register_every_word_that_is_promised() {
    for method in words("token_endpoint_auth_methods_supported") {
        let jwks = ["private_key_jwt", "self_signed_tls_client_auth"].contains(&method.as_str()).then(|| json!({"keys": []}));
        let dns = (method == "tls_client_auth").then(|| "app.example.com".to_string());
        let asked = register(|asked| {
            (asked.token_endpoint_auth_method, asked.jwks, asked.tls_client_auth_san_dns) = (Some(method.clone()), jwks, dns);
        });
        assert_eq!(asked.map(|metadata| metadata.token_endpoint_auth_method.as_str().to_string()), Ok(method));
    }
    for alg in words("backchannel_authentication_request_signing_alg_values_supported") {
        assert!(register(|asked| asked.backchannel_authentication_request_signing_alg = Some(alg)).is_ok());
    }
    for alg in words("id_token_signing_alg_values_supported") {
        assert!(register(|asked| asked.id_token_signed_response_alg = Some(alg)).is_ok());
    }
    for alg in words("userinfo_signing_alg_values_supported") {
        assert!(register(|asked| asked.userinfo_signed_response_alg = Some(alg)).is_ok());
    }
    for what in ["id_token", "userinfo", "authorization", "introspection"] {
        let list = |of: &str| words(&alloc::format!("{what}_encryption_{of}_values_supported"));
        for (alg, enc) in list("alg").iter().flat_map(|alg| list("enc").into_iter().map(move |enc| (alg.clone(), enc))) {
            let single = |of: &str| alloc::format!("{what}_encrypted_response_{of}");
            let members = json!({ "jwks": {"keys": []}, single("alg"): alg, single("enc"): enc });
            let uris = |asked: &mut Asked| {
                let own = asked.redirect_uris.take();
                *asked = Asked { redirect_uris: own, ..serde_json::from_value(members).unwrap() };
            };
            assert!(register(uris).is_ok(), "{what} {alg} {enc}");
        }
    }
    for kind in words("subject_types_supported") {
        assert!(register(|asked| asked.subject_type = Some(kind)).is_ok());
    }
    assert!(register(|asked| asked.response_types = Some(words("response_types_supported"))).is_ok());
    let all = |asked: &mut Asked| {
        asked.grant_types = Some(words("grant_types_supported"));
        asked.backchannel_token_delivery_mode = Some("poll".into());
    };
    assert!(register(all).is_ok());
    assert_eq!(words("backchannel_token_delivery_modes_supported"), ["poll", "ping", "push"]);
    for mode in words("backchannel_token_delivery_modes_supported") {
        let told = |asked: &mut Asked| {
            all(asked);
            asked.backchannel_token_delivery_mode = Some(mode);
            asked.backchannel_client_notification_endpoint = Some("https://app.example.com/ciba".into());
        };
        assert!(register(told).is_ok());
    }
    for alg in words("request_object_signing_alg_values_supported") {
        assert!(register(|asked| (asked.request_object_signing_alg, asked.jwks) = (Some(alg), Some(json!({"keys": []})))).is_ok());
    }
    for alg in words("request_object_encryption_alg_values_supported") {
        for enc in words("request_object_encryption_enc_values_supported") {
            let change = |asked: &mut Asked| {
                (asked.request_object_encryption_alg, asked.request_object_encryption_enc) = (Some(alg.clone()), Some(enc.clone()));
            };
            assert!(register(change).is_ok(), "{alg} {enc}");
        }
    }
    let scopes = words("scopes_supported");
    assert!(scopes.iter().all(|one| register(|_| ()).unwrap().scope.has(one)));
}

#[test]
fn rfc8414_2_every_promised_request_passes_and_the_others_do_not() {
    let all = register(|asked| asked.response_types = Some(words("response_types_supported"))).unwrap();
    let client: Client = fold([crate::testing::registered("app", all)]);
    let passes = |policy: Policy, name: &str, value: &str| {
        let plain = [("redirect_uri", "https://app.example.com/cb"), ("response_type", "code"), ("scope", "openid"), ("nonce", "n")];
        let mut parameters: request::Parameters = plain.map(|(name, value)| (name.into(), value.into())).into();
        parameters.insert(name.into(), value.into());
        let resources = request::Resources::default();
        let arrival = request::Arrival::Browser;
        request::validate(&request::Asked {
            parameters: &parameters,
            client: &client,
            hint: Ok(None),
            policy,
            arrival,
            resources,
            types: &crate::details::NONE,
        })
        .is_ok()
    };
    for policy in [ALL_FLOWS, Policy::default()] {
        let document = document(&endpoints(), policy);
        for (name, member, sometimes, never) in [
            ("response_mode", "response_modes_supported", "web_message", "carrier_pigeon"),
            ("prompt", "prompt_values_supported", "create", "dance"),
            ("response_type", "response_types_supported", "code id_token", "token"),
        ] {
            let words: Vec<_> = document[member].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            assert!(words.iter().all(|word| passes(policy, name, word)), "{member}");
            assert_eq!(words.contains(&sometimes), passes(policy, name, sometimes), "{member}");
            assert!(!words.contains(&never) && !passes(policy, name, never), "{member}");
        }
    }
}

#[test]
fn rfc8705_5_aliases_stand_where_certificates_come_in_elsewhere() {
    let on = document(&endpoints(), ALL_FLOWS);
    let aliases = on["mtls_endpoint_aliases"].as_object().unwrap();
    assert_eq!(aliases["token_endpoint"], "https://mtls.example/oidc/token");
    assert!(aliases.keys().all(|name| on[name].is_string()), "each stands for one that is there");
    assert_eq!(on["tls_client_certificate_bound_access_tokens"], true);
    let same = document(&Endpoints { mtls: None, ..endpoints() }, ALL_FLOWS);
    assert!(same.get("mtls_endpoint_aliases").is_none());
    let off = document(&endpoints(), Policy::default());
    for member in ["mtls_endpoint_aliases", "tls_client_certificate_bound_access_tokens"] {
        assert!(off.get(member).is_none(), "{member}");
    }
    let methods = |policy| {
        let document = document(&endpoints(), policy);
        ["tls_client_auth", "self_signed_tls_client_auth"]
            .map(|method| document["token_endpoint_auth_methods_supported"].as_array().unwrap().contains(&json!(method)))
    };
    assert_eq!(methods(Policy { client_certificates: true, ..Policy::default() }), [false, true]);
    assert_eq!((methods(ALL_FLOWS), methods(Policy::default())), ([true, true], [false, false]));
}

#[test]
fn abca_7_6_the_metadata_say_what_is_demanded() {
    use crate::client::attestation::Signal;
    let told = |attesters, attestation_signal| {
        let document = document(&endpoints(), Policy { attesters, attestation_signal, ..ALL_FLOWS });
        document.get("client_attestation_pop_methods_supported").cloned()
    };
    assert_eq!(told(true, Signal::Off), None, "presenting one is no matter here");
    assert_eq!(told(true, Signal::Optional), Some(json!(["attestation_pop_jwt", "dpop_combined", "none"])));
    assert_eq!(told(true, Signal::Required), Some(json!(["attestation_pop_jwt", "dpop_combined"])));
    assert_eq!(told(false, Signal::Required), None);
    for method in ["attest_jwt_client_auth", "attest_jwt_client_auth_dpop"] {
        assert!(words("token_endpoint_auth_methods_supported").contains(&method.to_string()), "{method}");
    }
}

#[test]
fn introspection_promises_no_public_client() {
    assert!(!words("introspection_endpoint_auth_methods_supported").contains(&"none".to_string()));
    assert!(words("revocation_endpoint_auth_methods_supported").contains(&"none".to_string()));
}

#[test]
fn management_scopes_are_not_advertised() {
    let offered = Scope::parse(&words("scopes_supported").join(" ")).unwrap();
    assert!(crate::scope::RESERVED.iter().all(|reserved| !offered.has(reserved)));
}
