//! Choices: members of a registration that list what a client can do, of which this server takes one. OpenID Connect Relying Party
//! Metadata Choices 1.0.
//!
//! | Rule | Source |
//! |---|---|
//! | a single value beside its list stands in the list | §2 |
//! | it is taken if we can do it, else the first of the list that we can do | §4 |
//! | what a profile leaves out, the server's or the client's own, we cannot do | our own; FAPI 1.0 Part 2 §8.6, FAPI 2.0 Security Profile §5.4.1 |
//! | none that we can do is `invalid_client_metadata` | §4 |
//! | the answer has the single value and never the list | §2 |
//! | a list alone is no wish: what is off without its single value (encryption, signed userinfo, one algorithm for request objects) stays off | our own |
//! | a method or an algorithm that needs keys or a secret is one that we can do when those are there | our own |
//!
//! Lists of what is not built here are unknown members, and ignored.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::words::Words;
use super::{Asked, AssertionAlg, AuthMethod, ContentEnc, EncryptionAlg, RequestObjectAlg, SigningAlg, SubjectType, Terms};
use crate::account::FieldError;
use crate::profile::Profile;

/// What the shell knows of the keys of a registration: is there one that this encrypts to?
pub type Encrypts<'a> = &'a dyn Fn(EncryptionAlg) -> bool;

/// The members as they would have been sent by a client that knew this server.
///
/// # Errors
/// Every list that contradicts its single value, or holds nothing that we can do.
pub fn settle(asked: &Asked, terms: Terms, encrypts: Encrypts<'_>) -> Result<Asked, Vec<FieldError>> {
    let mut wrong = Vec::new();
    let mut settled = asked.clone();
    let mut own = Settling { wrong: &mut wrong };
    let profiles: Vec<_> = terms.profile.into_iter().chain(asked.chancery_profile.as_deref().and_then(Profile::parse)).collect();
    let allows = |alg: &str| profiles.iter().all(|profile| profile.allows(alg));
    let signs = |alg: SigningAlg| allows(alg.as_str());
    // In force without being asked for, so that a list decides alone.
    own.always::<SubjectType>("subject_types_supported", &asked.subject_types_supported, &mut settled.subject_type, |_| true);
    let signed = &mut settled.id_token_signed_response_alg;
    own.always("id_token_signing_alg_values_supported", &asked.id_token_signing_alg_values_supported, signed, signs);
    let signed = &mut settled.authorization_signed_response_alg;
    own.always("authorization_signing_alg_values_supported", &asked.authorization_signing_alg_values_supported, signed, signs);
    let signed = &mut settled.introspection_signed_response_alg;
    own.always("introspection_signing_alg_values_supported", &asked.introspection_signing_alg_values_supported, signed, signs);
    let has_keys = asked.jwks_uri.is_some() || terms.jwks_usable;
    let wants_keys = profiles.iter().any(|profile| profile.wants_client_keys());
    let can = |method: AuthMethod| match method {
        AuthMethod::Basic | AuthMethod::Post | AuthMethod::SecretJwt | AuthMethod::None => !wants_keys,
        AuthMethod::PrivateKeyJwt => has_keys,
        AuthMethod::Attestation | AuthMethod::AttestationDpop => terms.attesters,
        AuthMethod::TlsClientAuth => terms.client_certificates && terms.client_authorities && names_certificate(asked),
        AuthMethod::SelfSignedTlsClientAuth => terms.client_certificates && (terms.jwks_certified || asked.jwks_uri.is_some()),
    };
    own.always(
        "token_endpoint_auth_methods_supported",
        &asked.token_endpoint_auth_methods_supported,
        &mut settled.token_endpoint_auth_method,
        can,
    );
    // Off without a single value.
    let list = &asked.token_endpoint_auth_signing_alg_values_supported;
    let can = |alg: AssertionAlg| allows(alg.as_str());
    own.wished("token_endpoint_auth_signing_alg_values_supported", list, &mut settled.token_endpoint_auth_signing_alg, can);
    let list = &asked.userinfo_signing_alg_values_supported;
    own.wished("userinfo_signing_alg_values_supported", list, &mut settled.userinfo_signed_response_alg, signs);
    let list = &asked.backchannel_authentication_request_signing_alg_values_supported;
    let signed = &mut settled.backchannel_authentication_request_signing_alg;
    let can = |alg: SigningAlg| has_keys && allows(alg.as_str());
    own.wished("backchannel_authentication_request_signing_alg_values_supported", list, signed, can);
    let list = &asked.request_object_signing_alg_values_supported;
    let can = |alg: RequestObjectAlg| match alg {
        RequestObjectAlg::None => terms.unsigned_request_objects,
        alg => allows(alg.as_str()),
    };
    own.wished("request_object_signing_alg_values_supported", list, &mut settled.request_object_signing_alg, can);
    let to_keys = |alg: EncryptionAlg| asked.jwks_uri.is_some() || encrypts(alg);
    let method = settled.token_endpoint_auth_method.as_deref().unwrap_or(AuthMethod::Basic.as_str());
    let has_secret = [AuthMethod::Basic, AuthMethod::Post, AuthMethod::SecretJwt].iter().any(|own| own.as_str() == method);
    let to_client = |alg: EncryptionAlg| if alg.is_shared() { has_secret } else { to_keys(alg) };
    let list = &asked.id_token_encryption_alg_values_supported;
    own.wished("id_token_encryption_alg_values_supported", list, &mut settled.id_token_encrypted_response_alg, to_client);
    let list = &asked.userinfo_encryption_alg_values_supported;
    own.wished("userinfo_encryption_alg_values_supported", list, &mut settled.userinfo_encrypted_response_alg, to_client);
    let list = &asked.authorization_encryption_alg_values_supported;
    own.wished("authorization_encryption_alg_values_supported", list, &mut settled.authorization_encrypted_response_alg, to_client);
    let list = &asked.introspection_encryption_alg_values_supported;
    own.wished("introspection_encryption_alg_values_supported", list, &mut settled.introspection_encrypted_response_alg, to_client);
    let list = &asked.request_object_encryption_alg_values_supported;
    own.wished("request_object_encryption_alg_values_supported", list, &mut settled.request_object_encryption_alg, |_: EncryptionAlg| {
        terms.encrypted_request_objects
    });
    for (field, list, alg, enc) in [
        (
            "id_token_encryption_enc_values_supported",
            &asked.id_token_encryption_enc_values_supported,
            &settled.id_token_encrypted_response_alg,
            &mut settled.id_token_encrypted_response_enc,
        ),
        (
            "userinfo_encryption_enc_values_supported",
            &asked.userinfo_encryption_enc_values_supported,
            &settled.userinfo_encrypted_response_alg,
            &mut settled.userinfo_encrypted_response_enc,
        ),
        (
            "authorization_encryption_enc_values_supported",
            &asked.authorization_encryption_enc_values_supported,
            &settled.authorization_encrypted_response_alg,
            &mut settled.authorization_encrypted_response_enc,
        ),
        (
            "introspection_encryption_enc_values_supported",
            &asked.introspection_encryption_enc_values_supported,
            &settled.introspection_encrypted_response_alg,
            &mut settled.introspection_encrypted_response_enc,
        ),
        (
            "request_object_encryption_enc_values_supported",
            &asked.request_object_encryption_enc_values_supported,
            &settled.request_object_encryption_alg,
            &mut settled.request_object_encryption_enc,
        ),
    ] {
        // With an algorithm the content encryption has a default, which the client may not know.
        if alg.is_some() {
            own.always::<ContentEnc>(field, list, enc, |_| true);
        } else {
            own.wished::<ContentEnc>(field, list, enc, |_| true);
        }
    }
    if wrong.is_empty() { Ok(settled) } else { Err(wrong) }
}

fn names_certificate(asked: &Asked) -> bool {
    let names = [
        &asked.tls_client_auth_subject_dn,
        &asked.tls_client_auth_san_dns,
        &asked.tls_client_auth_san_uri,
        &asked.tls_client_auth_san_ip,
        &asked.tls_client_auth_san_email,
    ];
    names.iter().any(|name| name.is_some())
}

struct Settling<'a> {
    wrong: &'a mut Vec<FieldError>,
}

impl Settling<'_> {
    /// A member that is in force whether or not it is sent.
    fn always<T: Words>(&mut self, field: &'static str, list: &Option<Vec<String>>, single: &mut Option<String>, can: impl Fn(T) -> bool) {
        let Some(list) = list else { return };
        let is_ours = |text: &str| T::WORDS.iter().any(|own| own.word() == text && can(*own));
        if let Some(own) = single.as_deref() {
            if !list.iter().any(|one| one == own) {
                return self.refuse(field, format!("It must hold the single value that stands beside it, {own}."));
            }
            if is_ours(own) {
                return;
            }
        }
        match list.iter().find(|one| is_ours(one)) {
            Some(first) => *single = Some(first.clone()),
            None => {
                let words: Vec<_> = T::WORDS.iter().filter(|own| can(**own)).map(|own| own.word()).collect();
                self.refuse(field, format!("None of it is supported here: {}.", words.join(", ")));
            }
        }
    }

    /// One that is off unless it is sent.
    fn wished<T: Words>(&mut self, field: &'static str, list: &Option<Vec<String>>, single: &mut Option<String>, can: impl Fn(T) -> bool) {
        if single.is_some() {
            self.always(field, list, single, can);
        }
    }

    fn refuse(&mut self, field: &'static str, problem: String) {
        self.wrong.push(FieldError { field, problem });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

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

    /// The single member after the choice, or the fields that are wrong.
    fn chosen(members: Value, member: &str, terms: Terms) -> Result<Value, Vec<&'static str>> {
        let asked: Asked = serde_json::from_value(members).unwrap();
        let settled =
            settle(&asked, terms, &|alg| alg == EncryptionAlg::EcdhEs).map_err(|all| all.iter().map(|own| own.field).collect::<Vec<_>>());
        settled.map(|own| serde_json::to_value(own).unwrap()[member].clone())
    }

    #[test]
    fn rp_metadata_choices_4_the_single_value_if_we_can_else_the_first_that_we_can() {
        let (list, single) = ("id_token_signing_alg_values_supported", "id_token_signed_response_alg");
        for (all, wish, taken) in [
            (json!(["ES256", "PS256", "RS256"]), json!("RS256"), json!("RS256")),
            (json!(["HS256", "ES256K", "PS256"]), json!("HS256"), json!("PS256")),
            (json!(["ES256K", "ES384", "RS256"]), Value::Null, json!("ES384")),
            (Value::Null, json!("ES384"), json!("ES384")),
        ] {
            assert_eq!(chosen(json!({ list: all, single: wish }), single, TERMS), Ok(taken));
        }
        assert_eq!(chosen(json!({ list: ["ES256K", "none"] }), single, TERMS), Err(alloc::vec![list]));
        assert_eq!(chosen(json!({ list: [] }), single, TERMS), Err(alloc::vec![list]));
    }

    #[test]
    fn rp_metadata_choices_2_the_single_value_stands_in_its_list() {
        for (list, single, all, wish) in [
            ("subject_types_supported", "subject_type", json!(["public"]), "pairwise"),
            ("token_endpoint_auth_methods_supported", "token_endpoint_auth_method", json!(["none"]), "client_secret_basic"),
            ("userinfo_signing_alg_values_supported", "userinfo_signed_response_alg", json!(["ES256"]), "RS256"),
            ("id_token_encryption_alg_values_supported", "id_token_encrypted_response_alg", json!(["dir"]), "ECDH-ES"),
            ("request_object_signing_alg_values_supported", "request_object_signing_alg", json!([]), "RS256"),
        ] {
            assert_eq!(chosen(json!({ list: all, single: wish }), single, TERMS), Err(alloc::vec![list]));
        }
    }

    #[test]
    fn what_is_off_stays_off_without_a_single_value() {
        for (list, single, all) in [
            ("userinfo_signing_alg_values_supported", "userinfo_signed_response_alg", json!(["RS256"])),
            ("id_token_encryption_alg_values_supported", "id_token_encrypted_response_alg", json!(["ECDH-ES"])),
            ("id_token_encryption_enc_values_supported", "id_token_encrypted_response_enc", json!(["A256GCM"])),
            ("authorization_encryption_alg_values_supported", "authorization_encrypted_response_alg", json!(["ECDH-ES"])),
            ("introspection_encryption_alg_values_supported", "introspection_encrypted_response_alg", json!(["ECDH-ES"])),
            ("request_object_signing_alg_values_supported", "request_object_signing_alg", json!(["ES256"])),
            ("request_object_encryption_alg_values_supported", "request_object_encryption_alg", json!(["dir"])),
            ("token_endpoint_auth_signing_alg_values_supported", "token_endpoint_auth_signing_alg", json!(["ES256"])),
        ] {
            assert_eq!(chosen(json!({ list: all }), single, TERMS), Ok(Value::Null), "{list}");
        }
        for what in ["id_token", "userinfo", "authorization", "introspection"] {
            let single = |member: &str| alloc::format!("{what}_encrypted_response_{member}");
            let list = |member: &str| alloc::format!("{what}_encryption_{member}_values_supported");
            let with = json!({ single("alg"): "RSA-OAEP", list("alg"): ["RSA-OAEP", "ECDH-ES"], list("enc"): ["A512GCM", "A256GCM"] });
            assert_eq!(chosen(with.clone(), &single("alg"), TERMS), Ok(json!("ECDH-ES")), "{what}: the key that is there");
            assert_eq!(chosen(with, &single("enc"), TERMS), Ok(json!("A256GCM")), "{what}");
        }
    }

    #[test]
    fn fapi2_security_5_4_1_a_profile_leaves_only_its_own() {
        let listed = |what: &str| json!({ alloc::format!("{what}_signing_alg_values_supported"): ["RS256", "ES384", "EdDSA", "PS256"] });
        for what in ["id_token", "authorization", "introspection"] {
            let single = alloc::format!("{what}_signed_response_alg");
            assert_eq!(chosen(listed(what), &single, TERMS), Ok(json!("RS256")));
            for (profile, taken) in [(Profile::Fapi1Advanced, "PS256"), (Profile::Fapi2Security, "EdDSA"), (Profile::OAuth21, "RS256")] {
                let server = Terms { profile: Some(profile), ..TERMS };
                assert_eq!(chosen(listed(what), &single, server), Ok(json!(taken)), "{what}: the server's");
                let mut own = listed(what);
                own["chancery_profile"] = json!(profile.as_str());
                assert_eq!(chosen(own.clone(), &single, TERMS), Ok(json!(taken)), "{what}: the client's");
                let both = Terms { profile: Some(Profile::Fapi1Advanced), ..TERMS };
                assert_eq!(chosen(own, &single, both), Ok(json!("PS256")), "{what}: what one of them leaves out is out");
            }
        }
        for (list, single, wish, taken) in [
            ("userinfo_signing_alg_values_supported", "userinfo_signed_response_alg", "RS256", "PS256"),
            ("request_object_signing_alg_values_supported", "request_object_signing_alg", "RS256", "PS256"),
            ("token_endpoint_auth_signing_alg_values_supported", "token_endpoint_auth_signing_alg", "RS256", "PS256"),
        ] {
            let asked = json!({ list: ["RS256", "PS256"], single: wish, "chancery_profile": "fapi2-security" });
            assert_eq!(chosen(asked, single, TERMS), Ok(json!(taken)), "{list}");
        }
        let (list, single) = ("token_endpoint_auth_methods_supported", "token_endpoint_auth_method");
        let methods = |profile: Value| json!({ list: ["client_secret_basic", "private_key_jwt"], "chancery_profile": profile });
        let keys = Terms { jwks_usable: true, ..TERMS };
        assert_eq!(chosen(methods(Value::Null), single, keys), Ok(json!("client_secret_basic")));
        assert_eq!(chosen(methods(json!("fapi2-security")), single, keys), Ok(json!("private_key_jwt")));
        let none = json!({ "id_token_signing_alg_values_supported": ["RS256"], "chancery_profile": "fapi2-security" });
        assert_eq!(chosen(none, "id_token_signed_response_alg", TERMS), Err(alloc::vec!["id_token_signing_alg_values_supported"]));
    }

    #[test]
    fn what_needs_keys_is_taken_when_they_are_there() {
        let (list, single) = ("token_endpoint_auth_methods_supported", "token_endpoint_auth_method");
        let methods = json!({ list: ["tls_client_auth", "self_signed_tls_client_auth", "private_key_jwt", "client_secret_post"] });
        assert_eq!(chosen(methods.clone(), single, TERMS), Ok(json!("client_secret_post")));
        assert_eq!(chosen(methods.clone(), single, Terms { jwks_usable: true, ..TERMS }), Ok(json!("private_key_jwt")));
        let mutual = Terms { client_certificates: true, client_authorities: true, jwks_certified: true, ..TERMS };
        assert_eq!(chosen(methods.clone(), single, mutual), Ok(json!("self_signed_tls_client_auth")));
        let mut named = methods;
        named["tls_client_auth_san_dns"] = json!("app.example");
        assert_eq!(chosen(named, single, mutual), Ok(json!("tls_client_auth")));
        let (list, single) = ("id_token_encryption_alg_values_supported", "id_token_encrypted_response_alg");
        let algs = |wish: &str| json!({ list: ["RSA1_5", "RSA-OAEP", "ECDH-ES"], single: wish });
        assert_eq!(chosen(algs("RSA1_5"), single, TERMS), Ok(json!("ECDH-ES")), "the key that is there");
        let (list, single) = ("request_object_signing_alg_values_supported", "request_object_signing_alg");
        let unsigned = json!({ list: ["none", "ES256"], single: "none" });
        assert_eq!(chosen(unsigned.clone(), single, TERMS), Ok(json!("ES256")));
        assert_eq!(chosen(unsigned, single, Terms { unsigned_request_objects: true, ..TERMS }), Ok(json!("none")));
    }
}
