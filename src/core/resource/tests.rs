//! What a resource server may be, and who owns it.

use alloc::vec;

use super::*;
use crate::testing::*;
use proptest::prelude::*;

fn asked(change: impl FnOnce(&mut Asked)) -> Asked {
    let mut asked = Asked { identifier: "https://api.example.com".into(), scope: Some("read write".into()), ..Asked::default() };
    change(&mut asked);
    asked
}

fn fields(change: impl FnOnce(&mut Asked)) -> Vec<&'static str> {
    validate(&asked(change)).err().unwrap_or_default().into_iter().map(|wrong| wrong.field).collect()
}

fn cmd(scope: &str, origin: Origin) -> Set {
    let (identifier, settings) = validate(&asked(|asked| asked.scope = Some(scope.into()))).unwrap();
    Set { identifier, settings, origin, at: t(0) }
}

fn registered() -> ResourceServer {
    fold(said(&set(None, &cmd("read", Origin::Declared))).0)
}

#[test]
fn rfc8707_2_an_identifier_is_an_absolute_uri_without_fragment() {
    for good in ["https://api.example.com", "https://api.example.com/v1?x=1", "urn:example:api", "https://api.example.com/"] {
        assert!(ResourceId::parse(good).is_some(), "{good}");
    }
    for bad in ["", "api", "/api", "https:", "https://a.example/#f", "https://a.example/ x", "1https://a.example", "https://\u{e9}.example"]
    {
        assert!(ResourceId::parse(bad).is_none(), "{bad}");
    }
    assert_ne!(ResourceId::parse("https://a.example").unwrap().stream(), ResourceId::parse("https://a.example/").unwrap().stream());
}

#[test]
fn the_defaults_are_jwts_signed_with_rs256() {
    let (_, settings) = validate(&asked(|_| ())).unwrap();
    assert_eq!((settings.token_format, settings.signing_alg, settings.access_token_lifetime), (TokenFormat::Jwt, SigningAlg::Rs256, None));
}

#[test]
fn every_bad_field_is_named() {
    assert_eq!(fields(|asked| asked.identifier = "api".into()), ["identifier"]);
    assert_eq!(fields(|asked| asked.scope = Some("openid".into())), ["scope"]);
    assert_eq!(fields(|asked| asked.scope = Some("admin".into())), ["scope"]);
    assert_eq!(fields(|asked| asked.token_format = Some("macaroon".into())), ["token_format"]);
    assert_eq!(fields(|asked| asked.signing_alg = Some("none".into())), ["signing_alg"]);
    assert_eq!(fields(|asked| asked.access_token_lifetime = Some(0)), ["access_token_lifetime"]);
    assert_eq!(fields(|asked| asked.introspected_by = vec!["a b".into()]), ["introspected_by"]);
    assert_eq!(fields(|asked| (asked.name, asked.identifier) = (Some("\n".into()), String::new())), ["identifier", "name"]);
}

#[test]
fn setting_it_again_says_nothing_and_a_change_keeps_what_was() {
    let server = registered();
    assert_eq!(said(&set(Some(&server), &cmd("read", Origin::Declared))), (vec![], "ok"));
    let changed = said(&set(Some(&server), &cmd("read write", Origin::Declared))).0.remove(0);
    assert!(matches!(&changed, ResourceEvent::ResourceServerChanged(event) if event.before == server.settings));
    assert_eq!(evolve(Some(server), 2, &changed, &[]).unwrap().settings.scope, scope("read write"));
}

#[test]
fn the_owner_alone_changes_it() {
    assert_eq!(said(&set(Some(&registered()), &cmd("write", Origin::Operator))), (vec![], "conflict"));
    assert_eq!(said(&disable(&registered(), Origin::Operator, t(1))), (vec![], "conflict"));
}

#[test]
fn what_left_the_file_is_disabled_and_comes_back() {
    let gone = said(&disable(&registered(), Origin::Declared, t(1))).0.remove(0);
    let server = evolve(Some(registered()), 2, &gone, &[]).unwrap();
    assert!(!server.is_active());
    assert_eq!(said(&disable(&server, Origin::Declared, t(2))), (vec![], "ok"));
    let back = said(&set(Some(&server), &cmd("read", Origin::Declared))).0.remove(0);
    assert!(evolve(Some(server), 3, &back, &[]).unwrap().is_active());
    assert!(evolve::<ResourceServer>(None, 1, &gone, &[]).is_err());
}

proptest! {
    #[test]
    fn nothing_panics_and_what_parses_prints_the_same(text in "(https?|urn|[a-z]{0,3})?:?/{0,2}[\\[\\]:@#?/.a-z0-9\u{e9}]{0,24}") {
        if let Some(id) = ResourceId::parse(&text) {
            prop_assert_eq!(id.as_str(), text);
        }
    }
}

#[test]
fn rfc9068_4_what_is_said_of_encryption_is_whole() {
    let problems = |alg: Option<&str>, enc: Option<&str>, jwks: bool| {
        let asked = asked(|own| {
            (own.encryption_alg, own.encryption_enc) = (alg.map(Into::into), enc.map(Into::into));
            own.jwks = jwks.then(|| serde_json::json!({ "keys": [] }));
        });
        validate(&asked)
            .map(|(_, own)| own.encryption.map(|own| own.enc))
            .map_err(|wrong| wrong.iter().map(|one| one.field).collect::<Vec<_>>())
    };
    assert_eq!(problems(None, None, false), Ok(None));
    assert_eq!(problems(Some("ECDH-ES"), None, true), Ok(Some(crate::client::metadata::ContentEnc::A128CbcHs256)));
    assert_eq!(problems(Some("ECDH-ES"), Some("A256GCM"), true), Ok(Some(crate::client::metadata::ContentEnc::A256Gcm)));
    assert_eq!(problems(Some("ECDH-ES"), None, false), Err(vec!["jwks"]));
    assert_eq!(problems(Some("dir"), None, true), Err(vec!["encryption_alg"]));
    assert_eq!(problems(Some("ECDH-ES"), Some("A129GCM"), true), Err(vec!["encryption_enc"]));
    assert_eq!(problems(None, Some("A256GCM"), true), Err(vec!["encryption_enc", "jwks"]));
}
