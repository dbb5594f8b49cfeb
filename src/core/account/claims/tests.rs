use super::*;
use serde_json::json;

fn stated(pairs: &[(&str, &str)]) -> Stated {
    pairs.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect()
}

fn said(pairs: &[(&str, &str)]) -> Claims {
    Claims::default().stating(&stated(pairs), By::Operator).ok().unwrap()
}

fn wrong(pairs: &[(&str, &str)], by: By) -> Vec<&'static str> {
    Claims::default().stating(&stated(pairs), by).err().unwrap_or_default().iter().map(|one| one.field).collect()
}

#[test]
fn oidc_core_5_1_every_claim_has_its_syntax() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("given_name", &["Ada", "\u{5e9}\u{5dc}\u{5d5}\u{5dd}", "a @ /"], &["a\u{0}b", "a\nb"]),
        ("profile", &["https://example.com/me", "http://localhost:3000/x"], &["javascript:alert(1)", "//x", "https://", "https://a b"]),
        ("birthdate", &["2001-12-31", "0000-02-29", "1984", "2000-02-29"], &["2001-02-29", "31.12.2001", "0000", "2001-13-01", "2001-1-1"]),
        ("zoneinfo", &["Europe/Paris", "America/Argentina/Ushuaia", "Etc/GMT+12", "UTC"], &["europe/paris", "../etc/passwd", "A//B", "X/"]),
        ("locale", &["en", "en-GB", "en_US", "zh-Hant-TW"], &["e", "en-", "1n", "english language"]),
        ("phone_number", &["+1 (425) 555-1212", "+1 (604) 555-1234;ext=5678"], &["425 555 1212", "+1", "+1 425 call me", "+12345678;ext="]),
        ("address.street_address", &["1 High Street\r\nFlat 2"], &["a\tb"]),
        ("address.country", &["Wales"], &["a\nb"]),
    ];
    for (name, good, bad) in cases {
        for text in *good {
            assert_eq!(wrong(&[(name, text)], By::Person), [""; 0], "{name}: {text}");
        }
        for text in *bad {
            assert_eq!(wrong(&[(name, text)], By::Person), [*name], "{name}: {text:?}");
        }
    }
    assert_eq!(wrong(&[("shoe_size", "44"), ("sub", "x"), ("email", "a@b")], By::Operator), ["claims"; 3]);
}

#[test]
fn every_text_is_bounded_and_so_is_their_sum() {
    for rule in RULES.iter().filter(|rule| matches!(rule.kind, Kind::Text | Kind::Lines)) {
        assert_eq!(wrong(&[(rule.name, &"a".repeat(rule.most))], By::Person), [""; 0], "{}", rule.name);
        assert_eq!(wrong(&[(rule.name, &"a".repeat(rule.most + 1))], By::Person), [rule.name]);
    }
    let long = |letter: &str| format!("https://example.com/{}", letter.repeat(490));
    let (a, b, c) = (long("a"), long("b"), long("c"));
    let quotes = "\"".repeat(128);
    let all = [("profile", a.as_str()), ("picture", &b), ("website", &c), ("nickname", &quotes), ("family_name", &quotes)];
    assert_eq!(wrong(&all, By::Person), ["name"], "more than a field of the log can hold");
    assert_eq!(wrong(&all[..3], By::Person), [""; 0]);
}

#[test]
fn oidc_core_5_1_nobody_verifies_themselves() {
    for flag in ["email_verified", "phone_number_verified"] {
        assert!(wrong(&[("phone_number", "+442079460958"), (flag, "true")], By::Person).contains(&flag));
        assert!(wrong(&[("phone_number", "+442079460958"), (flag, "perhaps")], By::Operator).contains(&flag));
    }
    assert_eq!(wrong(&[("phone_number_verified", "true")], By::Operator), ["phone_number_verified"], "there is no number");
}

#[test]
fn oidc_core_5_1_a_changed_number_is_not_verified_any_more() {
    let before = said(&[("phone_number", "+442079460958"), ("phone_number_verified", "true"), ("email_verified", "true")]);
    let same = before.stating(&stated(&[("phone_number", " +442079460958 ")]), By::Person).ok().unwrap();
    assert!(same == before);
    let after = before.stating(&stated(&[("phone_number", "+442079460000")]), By::Person).ok().unwrap();
    assert_eq!((after.get("phone_number_verified"), after.get("email_verified")), (None, Some("true")));
    let gone = before.stating(&stated(&[("phone_number", "")]), By::Person).ok().unwrap();
    assert!(gone.told("phone").is_empty());
}

#[test]
fn oidc_core_5_4_a_scope_asks_for_its_claims_and_no_others() {
    let claims = said(&[
        ("name", "Ada"),
        ("website", "https://ada.example"),
        ("address.locality", "London"),
        ("address.country", "UK"),
        ("phone_number", "+442079460958"),
        ("email_verified", "true"),
    ]);
    let told = |scope: &str| Value::Object(claims.told(scope));
    assert_eq!(told("profile"), json!({"name": "Ada", "website": "https://ada.example"}));
    assert_eq!(told("email"), json!({"email_verified": true}));
    // §5.1.1: an address is an object.
    assert_eq!(told("address"), json!({"address": {"locality": "London", "country": "UK"}}));
    assert_eq!(told("phone"), json!({"phone_number": "+442079460958", "phone_number_verified": false}));
    assert_eq!((told("openid"), Claims::default().told("phone").len()), (json!({}), 0));
    assert_eq!(Value::Object(Claims::default().told("email")), json!({"email_verified": false}));
}

#[test]
fn what_the_log_holds_comes_back() {
    let claims = said(&[("name", "Ada"), ("nickname", "a\"\\"), ("address.street_address", "1\n2"), ("phone_number", "+442079460958")]);
    let mut back = Claims::default();
    back.set_name(claims.get("name").map(str::to_string));
    for (scope, _) in FIELDS {
        assert!(!claims.text(scope).contains("Ada"), "the name has a field of its own");
        back.read(&claims.text(scope)).unwrap();
    }
    assert!(back == claims);
    back.read("{\"of_a_newer_program\":\"x\"}").unwrap();
    assert!(back == claims);
}

#[test]
fn statements_come_as_userinfo_would_answer_them() {
    let object = json!({"given_name": "Ada", "email_verified": true, "nickname": null, "address": {"country": "UK"}});
    let read = stated_in(object.as_object().unwrap()).unwrap();
    let expected = [("address.country", "UK"), ("email_verified", "true"), ("given_name", "Ada"), ("nickname", "")];
    assert_eq!(read, stated(&expected));
    let others = json!({"_claim_names": {"credit_score": "b"}, "_claim_sources": null});
    let expected = [("_claim_names", r#"{"credit_score":"b"}"#), ("_claim_sources", "")];
    assert_eq!(stated_in(others.as_object().unwrap()).unwrap(), stated(&expected));
    assert!(stated_in(json!({"_claim_sources": ["b"]}).as_object().unwrap()).is_err());
    assert!(stated_in(json!({"given_name": 5}).as_object().unwrap()).is_err());
    assert!(stated_in(json!({"address": {"country": []}}).as_object().unwrap()).is_err());
}

#[test]
fn discovery_lists_an_address_once() {
    let names = names();
    assert_eq!(names.iter().filter(|name| **name == "address").count(), 1);
    assert!(["birthdate", "phone_number_verified", "email_verified"].iter().all(|name| names.contains(name)));
}
