//! Wishes for credentials: the detail in an authorization request in the first line, the request for the credential after it.

use std::collections::BTreeSet;

use chancery_core::credential::attestation::Required;
use chancery_core::credential::request::{self, Proofs, Which};
use chancery_core::credential::{Catalogue, Configuration, TYPE};
use chancery_core::details::Details;
use chancery_core::scope::Scope;
use chancery_core::time::Seconds;
use serde_json::Value;

use super::Target;

const BATCH: u32 = 4;

const WORDS: &[&str] = &[
    "\"type\":\"openid_credential\"",
    "\"type\":",
    "\"credential_configuration_id\":",
    "\"credential_identifier\":",
    "\"identity\"",
    "\"badge\"",
    "\"claims\":[",
    "\"path\":[",
    "\"given_name\"",
    "\"birthdate\"",
    "[null,0]",
    "\"mandatory\":true",
    "\"locations\":[\"https://op.example\"]",
    "\"proofs\":{\"jwt\":[",
    "\"jwt\":[]",
    "\"attestation\":[\"x\"]",
    "\"di_vp\"",
    "\"credential_response_encryption\":{}",
    "\"credential_identifiers\":[\"x\"]",
    "null",
    "1e400",
    "{\"a\":1,\"a\":2}",
    "[[[[[[[[",
];

fn catalogue() -> Catalogue {
    let own = |id: &str, scope: Option<&str>| Configuration {
        id: id.into(),
        vct: format!("urn:example:{id}"),
        scope: scope.map(Into::into),
        claims: vec!["given_name".into(), "family_name".into(), "birthdate".into()],
        name: id.into(),
        lifetime: Seconds(86_400),
        proof_algs: vec!["ES256".into()],
        with_sub: false,
        attesters: BTreeSet::from(["wallet".into()]),
        attestation: Some(Required::default()),
    };
    let all = [own("identity", Some("identity")), own("badge", None)];
    assert!(all.iter().all(|own| own.check().is_ok()));
    Catalogue {
        issuer: "https://op.example".into(),
        configurations: all.map(|own| (own.id.clone(), own)).into(),
        batch: BATCH,
        name: None,
        anonymous: false,
    }
}

pub fn target() -> Target {
    let catalogue = catalogue();
    let seeds = [
        "{\"type\":\"openid_credential\",\"credential_configuration_id\":\"badge\"}\n{\"credential_configuration_id\":\"identity\",\"proofs\":{\"jwt\":[\"a.b.c\"]}}",
        "{\"type\":\"openid_credential\",\"credential_configuration_id\":\"identity\",\"locations\":[\"https://op.example\"],\"claims\":[{\"path\":[\"birthdate\"],\"mandatory\":true},{\"path\":[\"given_name\",0]}]}\n{\"credential_identifier\":\"x\",\"proofs\":{\"jwt\":[\"a.b.c\",\"d.e.f\"]},\"more\":{}}",
        "{\"type\":\"openid_credential\",\"credential_configuration_id\":\"badge\"}\n{\"credential_identifier\":\"x\",\"proofs\":{\"attestation\":[\"a.b.c\"]}}",
    ];
    Target {
        name: "credentials",
        seeds: seeds.map(|own| own.as_bytes().to_vec()).into(),
        words: WORDS,
        read: Box::new(move |bytes| is_accepted(bytes, &catalogue)),
    }
}

fn is_accepted(bytes: &[u8], catalogue: &Catalogue) -> bool {
    let Some((line, body)) = bytes.iter().position(|byte| *byte == b'\n').map(|at| bytes.split_at(at)) else { return false };
    let asked = serde_json::from_slice::<Value>(&body[1..]).ok().and_then(|body| request::read(&body, BATCH).ok());
    if let Some(asked) = &asked {
        assert!(!matches!(&asked.proofs, Proofs::Jwt(all) if !(1..=BATCH as usize).contains(&all.len())));
        // By a scope: nothing of what other scopes and details bring.
        let scope = Scope::of(&["openid", "identity"]);
        let by_scope = catalogue.dataset(&asked.which, &scope, &[]);
        assert!(by_scope.is_err() || asked.which == Which::Configuration("identity".into()));
        assert!(catalogue.dataset(&asked.which, &Scope::of(&["openid"]), &[]).is_err(), "a token for something else");
    }
    let Ok(details) = std::str::from_utf8(line).map_err(drop).and_then(|line| Details::read(&format!("[{line}]")).map_err(drop)) else {
        return false;
    };
    let own = details.objects();
    if own.iter().any(|one| one["type"] != TYPE || catalogue.check_detail(one).is_err()) {
        return false;
    }
    // What was let in is in the answer by a name of its own, and the name brings what was asked for and no more.
    let none = Scope::default();
    let (answer, shown) = (catalogue.answer(&none, own), catalogue.shown(&none, own));
    assert_eq!((answer.as_array().unwrap().len(), shown.len()), (own.len(), own.len()));
    for (at, one) in own.iter().enumerate() {
        let name = answer[at]["credential_identifiers"][0].as_str().unwrap();
        let dataset = catalogue.dataset(&Which::Identifier(name.into()), &none, own).unwrap();
        assert_eq!(one["credential_configuration_id"], dataset.configuration.id.as_str());
        let known: BTreeSet<_> = dataset.configuration.claims.iter().map(String::as_str).collect();
        assert!(!dataset.claims.is_empty() && dataset.claims.iter().all(|name| known.contains(name)));
        assert!(dataset.mandatory.iter().all(|name| dataset.claims.contains(&name.as_str())));
        if let Some(asked) = one.get("claims").and_then(Value::as_array) {
            let asked: BTreeSet<_> = asked.iter().filter_map(|one| one["path"][0].as_str()).collect();
            assert!(dataset.claims.iter().all(|name| asked.contains(name)), "more than was asked for");
        }
        assert_eq!(shown[at].claims, dataset.claims, "the person reads something else");
    }
    asked.is_some()
}
