//! What is asked for, what a token brings, and what is told of it.

use alloc::vec;

use super::*;
use crate::testing::*;

const ISSUER: &str = "https://id.example/oidc";

fn configuration(id: &str, scope: Option<&str>) -> Configuration {
    Configuration {
        id: id.into(),
        vct: format!("https://id.example/credentials/{id}"),
        scope: scope.map(Into::into),
        claims: vec!["given_name".into(), "family_name".into(), "birthdate".into()],
        name: format!("The {id}"),
        lifetime: Seconds(14 * DAY as u32),
        proof_algs: vec!["ES256".into()],
        with_sub: false,
        attesters: BTreeSet::new(),
        attestation: None,
    }
}

fn catalogue() -> Catalogue {
    let all = [configuration("identity", Some("identity")), configuration("badge", None), configuration("card", Some("identity"))];
    Catalogue { issuer: ISSUER.into(), configurations: all.map(|own| (own.id.clone(), own)).into(), batch: 1, name: None, anonymous: false }
}

fn details(all: Value) -> Vec<Map<String, Value>> {
    serde_json::from_value(all).unwrap()
}

fn checked(detail: Value) -> bool {
    catalogue().check_detail(detail.as_object().unwrap()).is_ok()
}

#[test]
fn openid4vci_12_2_4_a_configuration_that_cannot_be_kept_is_refused_at_the_start() {
    let problem = |change: fn(&mut Configuration)| {
        let mut own = configuration("identity", Some("identity"));
        change(&mut own);
        own.check().is_err()
    };
    assert!(!problem(|_| ()));
    assert!(!problem(|own| own.claims = vec!["email".into(), "address".into(), "phone_number_verified".into()]));
    assert!(problem(|own| own.id = "a b".into()) && problem(|own| own.id = String::new()));
    assert!(problem(|own| own.vct = "identity".into()), "draft-ietf-oauth-sd-jwt-vc section 2.2.2.1: a collision-resistant name");
    for scope in ["", "a b", "openid", "admin", "a\"b"] {
        let mut own = configuration("identity", Some(scope));
        assert!(own.check().is_err(), "{scope}");
        own.scope = None;
        assert!(own.check().is_ok());
    }
    assert!(problem(|own| own.claims = vec![]) && problem(|own| own.claims = vec!["name".into(), "name".into()]));
    for name in ["iss", "exp", "cnf", "vct", "status", "sub", "_sd", "...", "address.country", "password"] {
        let mut own = configuration("identity", None);
        own.claims = vec![name.into()];
        assert!(own.check().is_err(), "{name} is not the person's to disclose");
    }
    assert!(problem(|own| own.name = "a\nb".into()) && problem(|own| own.name = " ".into()));
    assert!(problem(|own| own.attestation = Some(Required::default())), "demanded of nobody");
    assert!(!problem(|own| (own.attestation, own.attesters) = (Some(Required::default()), ["wallet".into()].into())));
    assert!(problem(|own| own.proof_algs = vec![]) && problem(|own| own.proof_algs = vec!["HS256".into()]));
}

#[test]
fn openid4vci_5_1_1_a_detail_names_a_configuration_of_this_issuer() {
    let id = |id: &str| json!({ "type": TYPE, "credential_configuration_id": id });
    assert!(checked(id("identity")) && checked(id("badge")));
    assert!(!checked(id("other")) && !checked(json!({ "type": TYPE })));
    let mut located = id("identity");
    located["locations"] = json!([ISSUER]);
    assert!(checked(located.clone()));
    located["locations"] = json!(["https://other.example"]);
    assert!(!checked(located.clone()));
    located["locations"] = json!(ISSUER);
    assert!(!checked(located));
    assert!(
        checked(json!({ "type": TYPE, "credential_configuration_id": "badge", "more": { "x": 1 } })),
        "never invalid by what is unknown"
    );
}

#[test]
fn openid4vci_b_3_claims_that_contradict_themselves_are_refused() {
    let wish = |claims: Value| checked(json!({ "type": TYPE, "credential_configuration_id": "badge", "claims": claims }));
    assert!(wish(json!([{ "path": ["given_name"] }])));
    assert!(wish(json!([{ "path": ["given_name"], "mandatory": true }, { "path": ["nickname"] }])));
    for bad in [
        json!([]),
        json!({}),
        json!([1]),
        json!([{}]),
        json!([{ "path": [] }]),
        json!([{ "path": [0] }]),
        json!([{ "path": [null] }]),
        json!([{ "path": "given_name" }]),
        json!([{ "path": ["given_name"], "mandatory": 1 }]),
        json!([{ "path": ["given_name"] }, { "path": ["given_name"], "mandatory": true }]),
        json!([{ "path": ["nickname"], "mandatory": true }]),
        json!([{ "path": ["nickname"] }]),
    ] {
        assert!(!wish(bad.clone()), "{bad}");
    }
}

#[test]
fn openid4vci_6_2_each_detail_has_identifiers_and_the_wallet_uses_them() {
    let catalogue = catalogue();
    let asked = details(json!([
        { "type": TYPE, "credential_configuration_id": "badge" },
        { "type": TYPE, "credential_configuration_id": "badge", "claims": [{ "path": ["birthdate"], "mandatory": true }, { "path": ["x"] }] },
        { "type": "payment" },
    ]));
    let none = scope("openid");
    let answer = catalogue.answer(&none, &asked);
    let name = |at: usize| Which::Identifier(answer[at]["credential_identifiers"][0].as_str().unwrap().into());
    assert!(answer[2].get("credential_identifiers").is_none() && name(0) != name(1));
    let whole = catalogue.dataset(&name(0), &none, &asked).unwrap();
    assert_eq!((whole.claims.len(), whole.mandatory.len()), (3, 0));
    let part = catalogue.dataset(&name(1), &none, &asked).unwrap();
    assert_eq!((part.claims.as_slice(), part.mandatory.contains("birthdate")), (&["birthdate"][..], true));
    let refusal = |which: &Which, details: &[Map<String, Value>]| catalogue.dataset(which, &none, details).unwrap_err().code();
    assert_eq!(refusal(&Which::Identifier("badge".into()), &asked), "unknown_credential_identifier");
    assert_eq!(refusal(&name(1), &asked[..1]), "unknown_credential_identifier", "another token's");
    assert_eq!(refusal(&name(0), &[]), "unknown_credential_identifier");
    // OpenID4VCI section 8.2: where there are identifiers, a configuration must not be used.
    assert_eq!(refusal(&Which::Configuration("badge".into()), &asked), "invalid_credential_request");
    let mut fewer = catalogue.clone();
    fewer.configurations.remove("badge");
    assert_eq!(fewer.dataset(&name(0), &none, &asked).unwrap_err().code(), "unknown_credential_configuration");
}

#[test]
fn openid4vci_6_2_of_an_offer_a_configuration_stands_for_what_was_offered() {
    let offered = details(json!([{ "type": TYPE, "credential_configuration_id": "badge" }, { "type": "payment" }]));
    let named = Catalogue::of_offer(Which::Configuration("badge".into()), &offered).unwrap();
    assert_eq!(catalogue().dataset(&named, &scope("openid"), &offered).unwrap().configuration.id, "badge");
    for other in [Which::Identifier("badge".into()), named] {
        assert_eq!(Catalogue::of_offer(other.clone(), &offered).unwrap(), other);
    }
    let refusal = Catalogue::of_offer(Which::Configuration("identity".into()), &offered).unwrap_err();
    assert_eq!(refusal.code(), "unknown_credential_configuration", "what was not offered");
    // Whoever asked for less was told its identifier.
    let less = details(json!([{ "type": TYPE, "credential_configuration_id": "badge", "claims": [{ "path": ["birthdate"] }] }]));
    let badge = Which::Configuration("badge".into());
    assert_eq!(Catalogue::of_offer(badge.clone(), &less).unwrap(), badge);
    assert_eq!(catalogue().dataset(&badge, &scope("openid"), &less).unwrap_err().code(), "invalid_credential_request");
}

#[test]
fn openid4vci_5_1_2_a_scope_stands_for_its_configurations() {
    let catalogue = catalogue();
    let (token, none) = (scope("openid identity"), scope("openid"));
    let get = |id: &str, scope: &Scope| {
        catalogue.dataset(&Which::Configuration(id.into()), scope, &[]).map(|own| own.claims.len()).map_err(|error| error.code())
    };
    assert_eq!((get("identity", &token), get("card", &token)), (Ok(3), Ok(3)));
    assert_eq!(get("badge", &token), Err("insufficient_scope"));
    assert_eq!(get("identity", &none), Err("insufficient_scope"));
    assert_eq!(get("other", &token), Err("unknown_credential_configuration"));
    assert!(catalogue.is_in(&token) && !catalogue.is_in(&none));
    assert_eq!(catalogue.without_scopes(&token), none);
    assert_eq!(catalogue.answer(&token, &[]), json!([]), "a scope alone needs no identifiers");
}

#[test]
fn openid4vci_5_1_2_a_detail_counts_more_than_a_scope_for_the_same_credential() {
    let catalogue = catalogue();
    let token = scope("identity");
    let asked = details(json!([{ "type": TYPE, "credential_configuration_id": "identity", "claims": [{ "path": ["birthdate"] }] }]));
    let shown = catalogue.shown(&token, &asked);
    let said: Vec<_> = shown.iter().map(|own| (own.name, own.claims.len())).collect();
    assert_eq!(said, [("The identity", 1), ("The card", 3)]);
    let answer = catalogue.answer(&token, &asked);
    assert_eq!((answer.as_array().unwrap().len(), &answer[1]["credential_configuration_id"]), (2, &json!("card")));
    let card = Which::Identifier(answer[1]["credential_identifiers"][0].as_str().unwrap().into());
    assert_eq!(catalogue.dataset(&card, &token, &asked).unwrap().configuration.id, "card");
    assert_eq!(catalogue.dataset(&card, &scope("openid"), &asked).unwrap_err().code(), "unknown_credential_identifier");
}

#[test]
fn openid4vci_13_10_tokens_for_credentials_are_known() {
    let catalogue = catalogue();
    let asked = details(json!([{ "type": TYPE, "credential_configuration_id": "badge" }]));
    assert!(catalogue.concerns(&scope("openid"), &asked) && catalogue.concerns(&scope("identity"), &[]));
    assert!(!catalogue.concerns(&scope("openid"), &[]) && !Catalogue::NONE.concerns(&scope("identity"), &asked));
}

#[test]
fn openid4vci_15_4_1_times_are_rounded_and_no_credential_lives_too_long() {
    let mut own = configuration("identity", None);
    for (lifetime, grain) in [(14 * DAY, DAY), (DAY, 3600), (3600, 60)] {
        own.lifetime = Seconds(lifetime as u32);
        let now = t(12_345);
        let (issued, ends) = own.times(now);
        assert_eq!((issued % grain, ends - issued), (0, lifetime));
        assert!(issued <= now.numeric_date() && now.numeric_date() - issued < grain && ends > now.numeric_date());
        let later = own.times(t(12_346));
        assert_eq!(later, (issued, ends));
    }
}

#[test]
fn openid4vci_12_2_4_the_metadata_says_what_is_issued() {
    let mut catalogue = catalogue();
    let document = metadata::issuer(&catalogue, |_| true, |_| None);
    assert_eq!(document["credential_issuer"], ISSUER);
    assert!(document.get("batch_credential_issuance").is_none() && document.get("display").is_none());
    let identity = &document["credential_configurations_supported"]["identity"];
    assert_eq!((&identity["format"], &identity["scope"]), (&json!("dc+sd-jwt"), &json!("identity")));
    assert_eq!(identity["cryptographic_binding_methods_supported"], json!(["jwk"]));
    assert_eq!(identity["proof_types_supported"], json!({ "jwt": { "proof_signing_alg_values_supported": ["ES256"] } }));
    assert_eq!(identity["credential_metadata"]["claims"][2], json!({ "path": ["birthdate"] }));
    assert!(document["credential_configurations_supported"]["badge"].get("scope").is_none());
    // Who may attest is told by a type of proofs of its own, what has to be attested beside each.
    let mut types = |attestation: Option<Required>| {
        let own = catalogue.configurations.get_mut("identity").unwrap();
        (own.attesters, own.attestation) = (["wallet".into()].into(), attestation);
        metadata::issuer(&catalogue, |_| true, |_| None)["credential_configurations_supported"]["identity"]["proof_types_supported"].clone()
    };
    let plain = json!({ "proof_signing_alg_values_supported": ["ES256"] });
    assert_eq!(types(None), json!({ "jwt": plain, "attestation": plain }), "no demand where there is none");
    let empty = json!({ "proof_signing_alg_values_supported": ["ES256"], "key_attestations_required": {} });
    assert_eq!(types(Some(Required::default())), json!({ "jwt": empty, "attestation": empty }));
    (catalogue.batch, catalogue.name) = (4, Some("Meadow".into()));
    let document = metadata::issuer(&catalogue, |_| true, |_| None);
    assert_eq!(
        (&document["batch_credential_issuance"], &document["display"]),
        (&json!({ "batch_size": 4 }), &json!([{ "name": "Meadow" }]))
    );
    assert!(document.get("mtls_endpoint_aliases").is_none());
    let elsewhere = |uri: &str| Some(uri.replace("https://", "https://mtls."));
    let document = metadata::issuer(&catalogue, |_| true, elsewhere);
    let aliases = document["mtls_endpoint_aliases"].as_object().unwrap();
    assert_eq!(aliases.len(), 2);
    assert!(aliases.iter().all(|(name, alias)| *alias == json!(elsewhere(document[name].as_str().unwrap()))), "{aliases:?}");
}
