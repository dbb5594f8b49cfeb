use super::*;
use crate::account::{AccountDisabled, AccountRegistered, DataKeyDestroyed, ErasureOrdered};
use crate::base64url;
use crate::testing::*;
use alloc::format;
use alloc::vec;
use proptest::prelude::*;

/// A signed JWT; nobody here looks at the signature.
fn jwt(claims: &Value) -> String {
    let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
    format!("{}.{}.c2lnbmF0dXJl", part(&json!({ "alg": "ES256" })), part(claims))
}

fn stated(names: &Value, sources: &Value) -> Stated {
    [(NAMES.to_string(), names.to_string()), (SOURCES.to_string(), sources.to_string())].into()
}

fn read(names: &Value, sources: &Value) -> Result<Sources, Vec<FieldError>> {
    Ok(apart(&stated(names, sources), By::Operator)?.1.unwrap())
}

fn good(names: &Value, sources: &Value) -> Sources {
    read(names, sources).unwrap_or_else(|wrong| panic!("{wrong:?}"))
}

fn wrong(names: &Value, sources: &Value) -> String {
    let found = read(names, sources).err().unwrap_or_else(|| panic!("{names} {sources} was accepted"));
    found.into_iter().map(|own| format!("{}: {} ", own.field, own.problem)).collect()
}

/// One aggregated claim.
fn from_jwt(text: &str) -> String {
    read(&json!({ "address": "src" }), &json!({ "src": { "JWT": text } })).map_or_else(|found| found[0].problem.clone(), |_| String::new())
}

/// One distributed claim.
fn from_endpoint(source: &Value) -> String {
    read(&json!({ "credit_score": "src" }), &json!({ "src": source })).map_or_else(|found| found[0].problem.clone(), |_| String::new())
}

/// The example of the specification: a JWT with two claims, an endpoint with a token, and one without.
fn example() -> Sources {
    let claims = json!({ "iss": "https://a.example", "address": { "country": "UK" }, "phone_number": "+1 (310) 123-4567" });
    good(
        &json!({ "address": "a", "phone_number": "a", "credit_score": "b", "payment_info": "b", "shoe_size": "c", "hat_size": "c" }),
        &json!({
            "a": { "JWT": jwt(&claims) },
            "b": { "endpoint": "https://b.example/claims", "access_token": "ksj3n283dke" },
            "c": { "endpoint": "https://c.example/claims" },
        }),
    )
}

fn told(sources: &Sources, lets: &[&str]) -> Value {
    Value::Object(sources.told(|name| lets.contains(&name)))
}

#[test]
fn oidc_core_5_6_2_what_is_let_through_is_told_with_its_sources() {
    let all = told(&example(), &["address", "phone_number", "credit_score", "payment_info", "shoe_size", "hat_size"]);
    assert_eq!(all[NAMES]["address"], "a");
    assert!(all[SOURCES]["a"]["JWT"].is_string() && all[SOURCES]["a"].as_object().unwrap().len() == 1);
    assert_eq!(all[SOURCES]["b"], json!({ "endpoint": "https://b.example/claims", "access_token": "ksj3n283dke" }));
    assert_eq!(all[SOURCES]["c"], json!({ "endpoint": "https://c.example/claims" }));
    assert_eq!((all[NAMES].as_object().unwrap().len(), all[SOURCES].as_object().unwrap().len()), (6, 3));
}

#[test]
fn oidc_core_5_6_2_a_source_that_no_claim_names_is_left_out() {
    assert_eq!(told(&example(), &[]), json!({}));
    assert_eq!(told(&example(), &["email", "unheard_of"]), json!({}));
    let sources = json!({ "c": { "endpoint": "https://c.example/claims" } });
    // An endpoint alone opens nothing: any of its claims may be named.
    assert_eq!(told(&example(), &["shoe_size"]), json!({ NAMES: { "shoe_size": "c" }, SOURCES: sources }));
}

#[test]
fn what_opens_more_than_was_let_through_stays_here() {
    for part in [&["address"][..], &["phone_number"], &["credit_score"], &["payment_info", "phone_number"]] {
        assert_eq!(told(&example(), part), json!({}), "{part:?}");
    }
    let names = |lets: &[&str]| told(&example(), lets)[NAMES].clone();
    assert_eq!(names(&["address", "phone_number", "credit_score"]), json!({ "address": "a", "phone_number": "a" }));
    assert_eq!(names(&["credit_score", "payment_info", "hat_size"]), json!({ "credit_score": "b", "payment_info": "b", "hat_size": "c" }));
}

#[test]
fn oidc_core_5_6_2_each_claim_refers_to_a_source_and_each_source_has_claims() {
    let endpoint = json!({ "endpoint": "https://b.example" });
    for (names, sources, says) in [
        (json!({ "credit_score": "x" }), json!({ "b": endpoint }), "refers to no member"),
        (json!({ "credit_score": 1 }), json!({ "b": endpoint }), "refers to no member"),
        (json!({ "credit_score": ["b"] }), json!({ "b": endpoint }), "refers to no member"),
        (json!({}), json!({ "b": endpoint }), "No claim refers"),
        (json!({ "credit_score": "b" }), json!({}), "refers to no member"),
        (json!([]), json!({}), "not a JSON object"),
        (json!({}), json!("{}"), "not a JSON object"),
        (json!({ "credit_score": "b c" }), json!({ "b c": endpoint }), "not a name that a source"),
    ] {
        assert!(wrong(&names, &sources).contains(says), "{says}: {}", wrong(&names, &sources));
    }
}

#[test]
fn oidc_core_5_6_2_a_source_is_a_jwt_or_an_endpoint_and_nothing_else() {
    let text = jwt(&json!({ "credit_score": 700 }));
    for source in [
        json!({}),
        json!("https://b.example"),
        json!({ "JWT": 1 }),
        json!({ "jwt": text }),
        json!({ "access_token": "abc" }),
        json!({ "JWT": text, "endpoint": "https://b.example" }),
        json!({ "JWT": text, "access_token": "abc" }),
        json!({ "endpoint": "https://b.example", "access_token": null }),
        json!({ "endpoint": "https://b.example", "token_type": "Bearer" }),
        json!({ "endpoint": "https://b.example", "access_token": "abc", "x": 1 }),
    ] {
        assert!(from_endpoint(&source).contains("either JWT or endpoint"), "{source}");
    }
    assert_eq!(from_endpoint(&json!({ "JWT": text })), "");
}

#[test]
fn oidc_core_5_6_2_a_signed_jwt_holds_every_claim_that_refers_to_it_and_no_other() {
    let own = json!({ "iss": "https://a.example", "sub": "x", "aud": "y", "exp": 2, "nbf": 1, "iat": 1, "jti": "z", "address": {} });
    assert_eq!(from_jwt(&jwt(&own)), "");
    assert!(from_jwt(&jwt(&json!({ "iss": "https://a.example" }))).contains("without a claim that refers"));
    assert!(from_jwt(&jwt(&json!({ "address": {}, "birthdate": "1815-12-10" }))).contains("does not refer to it"));
}

#[test]
fn oidc_core_5_6_what_nobody_vouches_for_is_no_claim_of_a_provider() {
    let part = |text: &str| base64url::encode(text.as_bytes());
    let (header, claims) = (part(r#"{"alg":"ES256"}"#), part(r#"{"address":{}}"#));
    let none = part(r#"{"alg":"none"}"#);
    for unsigned in [format!("{none}.{claims}."), format!("{none}.{claims}.AAAA"), format!("{header}.{claims}.")] {
        assert!(from_jwt(&unsigned).contains("nobody signed"), "{unsigned}");
    }
    let odd = [
        String::new(),
        "a.b.c".to_string(),
        format!("{header}.{claims}"),
        format!("{header}.{claims}.AAAA.AAAA"),
        format!("{header}.{}.AAAA", part("[]")),
        format!("{}.{claims}.AAAA", part("{}")),
        format!("{header}.{claims}.AA=="),
        format!("{header}.{claims}.AAAA\n"),
        format!("{header}..AAAA..AAAA"),
        format!("{}..AAAA.AAAA.AAAA", part("x")),
    ];
    for text in odd {
        assert!(from_jwt(&text).contains("cannot be read"), "{text}: {}", from_jwt(&text));
    }
    // What is encrypted to the client is passed on unseen; with ECDH-ES there is no encrypted key.
    for key in ["", "AAAA"] {
        assert_eq!(from_jwt(&format!("{}.{key}.AAAA.AAAA.AAAA", part(r#"{"alg":"ECDH-ES","enc":"A128GCM"}"#))), "");
    }
}

#[test]
fn rfc6750_5_3_an_endpoint_is_https_and_its_token_a_bearer_token() {
    for endpoint in ["https://b.example", "https://b.example:8443/a?b=c", "https://[2001:db8::1]/"] {
        assert_eq!(from_endpoint(&json!({ "endpoint": endpoint, "access_token": "aZ0-._~+/==" })), "", "{endpoint}");
    }
    for endpoint in [
        "",
        "http://b.example",
        "HTTPS//b.example",
        "https://",
        "https://:443/x",
        "https://b.example/#x",
        "https://me:secret@b.example/",
        "https://b.example/a b",
        "https://b.example/\u{e9}",
        "javascript:alert(1)",
        "//b.example",
        &format!("https://b.example/{}", "a".repeat(2048)),
    ] {
        assert!(from_endpoint(&json!({ "endpoint": endpoint })).contains("not an https address"), "{endpoint}");
    }
    for token in ["", "=", "a b", "a\u{e9}", "a\r\nb", "a=b", &"a".repeat(2049)] {
        assert!(from_endpoint(&json!({ "endpoint": "https://b.example", "access_token": token })).contains("no bearer token"), "{token}");
    }
}

#[test]
fn what_this_server_says_itself_nobody_else_says_here() {
    let claim = |name: &str| read(&json!({ name: "b" }), &json!({ "b": { "endpoint": "https://b.example" } }));
    for name in ["sub", "iss", "aud", "exp", "iat", "nbf", "jti", "auth_time", "nonce", "acr", "amr", "azp", "sid", "cnf", "updated_at"] {
        assert!(claim(name).is_err(), "{name}");
    }
    let long = "a".repeat(129);
    for name in ["", NAMES, SOURCES, "urn:openid:params:jwt:claim:rt_hash", "two words", "a\"b", "a\\b", "\u{e9}", "a\u{7f}", &long] {
        assert!(claim(name).is_err(), "{name}");
    }
    for name in ["email", "email_verified", "address", "name#ja-Kana-JP", "verified_claims", "https://example.com/claims/rank"] {
        assert!(claim(name).is_ok() && is_name(name), "{name}");
    }
}

#[test]
fn everything_is_bounded() {
    let many = |count: usize| Value::Object((0..count).map(|n| (format!("c{n}"), json!("b"))).collect());
    let endpoint = json!({ "endpoint": "https://b.example" });
    good(&many(32), &json!({ "b": endpoint }));
    assert!(wrong(&many(33), &json!({ "b": endpoint })).contains("at most 32"));
    let each = |count: usize| {
        let names = (0..count).map(|n| (format!("c{n}"), json!(format!("s{n}")))).collect();
        (Value::Object(names), Value::Object((0..count).map(|n| (format!("s{n}"), endpoint.clone())).collect()))
    };
    good(&each(8).0, &each(8).1);
    assert!(wrong(&each(9).0, &each(9).1).contains("at most 8"));
    assert!(from_jwt(&jwt(&json!({ "address": "a".repeat(8192) }))).contains("more than 8192"));
    let huge = |letter: &str| json!({ "JWT": jwt(&json!({ letter: "a".repeat(5000) })) });
    good(&json!({ "x": "x", "y": "y" }), &json!({ "x": huge("x"), "y": huge("y") }));
    let too_much = json!({ "x": huge("x"), "y": huge("y"), "z": huge("z") });
    assert!(wrong(&json!({ "x": "x", "y": "y", "z": "z" }), &too_much).contains("at most 16384"));
}

#[test]
fn what_is_wrong_is_said_without_values() {
    let secret = "c2VjcmV0IHNlY3JldA";
    let sources = json!({ "b": { "endpoint": "http://b.example", "access_token": secret }, "a": { "JWT": secret }, "c": secret });
    let names = json!({ "credit_score": "b", "address": "a", "shoe_size": "c" });
    let said = wrong(&names, &sources);
    assert!(!said.contains(secret) && said.matches("The source").count() == 3, "{said}");
    let shown = Value::Object(example().shown()).to_string();
    assert!(!shown.contains("ksj3n283dke") && shown.contains("withheld") && shown.contains("https://b.example/claims"), "{shown}");
    assert_eq!(Sources::default().shown().len(), 0);
}

#[test]
fn both_are_stated_together_and_by_the_operator_alone() {
    let whole = stated(&json!({ "credit_score": "b" }), &json!({ "b": { "endpoint": "https://b.example" } }));
    assert!(apart(&whole, By::Person).is_err());
    for name in [NAMES, SOURCES] {
        let mut half = whole.clone();
        half.remove(name);
        assert!(apart(&half, By::Operator).err().unwrap()[0].problem.contains("together"), "{name}");
    }
    let mut more = whole.clone();
    more.insert("nickname".into(), "Al".into());
    let (others, sources) = apart(&more, By::Operator).ok().unwrap();
    assert_eq!(others, [("nickname".to_string(), "Al".to_string())].into());
    assert!(!sources.unwrap().is_empty());
    assert!(apart(&others, By::Person).ok().unwrap() == (others.clone(), None));
    for (names, sources) in [("", ""), ("{}", "{}")] {
        let nothing = [(NAMES.to_string(), names.to_string()), (SOURCES.to_string(), sources.to_string())].into();
        assert!(apart(&nothing, By::Operator).ok().unwrap().1 == Some(Sources::default()));
    }
}

#[test]
fn what_the_log_holds_comes_back() {
    let [(_, names), (_, sources)] = example().texts();
    assert!(Sources::read(&names, &sources) == Some(example()));
    assert_eq!(names_in(&names).unwrap()["credit_score"], "b");
    assert!(Sources::read(&names, "[]").is_none() && Sources::read("1", &sources).is_none());
}

fn account(rest: &[AccountEvent]) -> Account {
    let first = AccountRegistered { account: alice(), at: t(0), key_commitment: digest("key"), roles: [].into(), declared: false };
    fold_sealed(core::iter::once(first.into()).chain(rest.iter().cloned()), &["email", CLAIM_NAMES, CLAIM_SOURCES])
}

fn to(after: Sources) -> Change {
    Change { before: example(), after, context: Some("here".into()), at: t(9) }
}

#[test]
fn a_change_is_one_event_with_both_fields_whole_and_nothing_in_clear() {
    for after in [Sources::default(), good(&json!({ "x": "b" }), &json!({ "b": { "endpoint": "https://b.example" } }))] {
        let decision = change(&account(&[]), &to(after));
        assert_eq!(said(&decision), (vec![ClaimSourcesChanged { at: t(9) }.into()], "ok"));
        let personal = &decision.events[0].personal;
        assert_eq!(personal.iter().map(|(field, _)| field).collect::<Vec<_>>(), [CLAIM_NAMES, CLAIM_SOURCES, "context"]);
        assert!(personal.is_whole(CLAIM_NAMES) && personal.is_whole(CLAIM_SOURCES));
    }
    assert_eq!(said(&change(&account(&[]), &to(example()))), (vec![], "ok"), "nothing changed");
    let (before, after) = (account(&[]), account(&[ClaimSourcesChanged { at: t(9) }.into()]));
    assert!(before.claim_names.is_none() && before.claim_sources.is_none() && before.updated_at() == t(0));
    assert!(after.claim_names.is_some() && after.claim_sources.is_some() && after.updated_at() == t(9));
}

#[test]
fn gdpr_17_nothing_of_the_erased_is_kept_or_stated() {
    let stated: AccountEvent = ClaimSourcesChanged { at: t(1) }.into();
    let disabled: AccountEvent = AccountDisabled { at: t(1) }.into();
    assert_eq!(said(&change(&account(&[disabled]), &to(Sources::default()))).1, "ok");
    let erased = account(&[stated, ErasureOrdered { at: t(2) }.into(), DataKeyDestroyed { at: t(3) }.into()]);
    assert!(erased.claim_names.is_none() && erased.claim_sources.is_none());
    assert_eq!(said(&change(&erased, &to(Sources::default()))), (vec![], "conflict"));
}

proptest! {
    #[test]
    fn no_statement_panics(names in "\\PC{0,60}", sources in "\\PC{0,60}", jwt in "[A-Za-z0-9_=.-]{0,40}", endpoint in "(https?:)?/{0,2}[\\[\\]:@#?/.a-z]{0,20}") {
        let _ = statement::read(&names, &sources);
        for source in [json!({ "JWT": jwt }), json!({ "endpoint": endpoint }), json!({ "endpoint": endpoint, "access_token": names })] {
            let _ = read(&json!({ names.clone(): "b" }), &json!({ "b": source }));
        }
    }
}
