use serde_json::json;

use super::*;
use crate::testing::*;

const ISSUER: &str = "https://id.example/oidc";

fn outside(parameters: &[(&str, &str)]) -> Settled {
    Settled { parameters: parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(), resources: Vec::new() }
}

fn claims(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// Settles an object with these claims, beside `client_id` and `response_type`.
fn settled(value: Value, is_signed: bool, beside: &[(&str, &str)]) -> Result<Settled, &'static str> {
    let claims = claims(value);
    let aud: Vec<String> = claims.get("aud").and_then(Value::as_str).map(ToString::to_string).into_iter().collect();
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let object = Object {
        claims: &claims,
        is_signed,
        iss: text("iss"),
        sub: text("sub"),
        aud: &aud,
        exp: number("exp"),
        nbf: number("nbf"),
        iat: number("iat"),
    };
    let place = Place { client: &client(), issuer: ISSUER, at: t(0), policy: Policy::default() };
    settle(&outside(beside), &object, place).map_err(|error| error.code())
}

/// Signed, of the client itself unless the claims name another one.
fn signed(mut value: Value) -> Result<Settled, &'static str> {
    value.as_object_mut().unwrap().entry("client_id").or_insert_with(|| json!("app"));
    settled(value, true, BESIDE)
}

const BESIDE: &[(&str, &str)] = &[("client_id", "app"), ("response_type", "code"), ("state", "outer")];

#[test]
fn rfc9101_5_one_source_at_a_time() {
    let both = outside(&[("request", "a.b.c"), ("request_uri", "https://a.example/r")]).parameters;
    assert_eq!(source(&both).unwrap_err().code(), "invalid_request");
    for (name, value, expected) in [
        ("state", "x", Source::Plain),
        ("request", "a.b.c", Source::Value("a.b.c")),
        ("request_uri", "https://a.example/r", Source::Reference("https://a.example/r")),
        ("request_uri", "urn:ietf:params:oauth:request_uri:x", Source::Pushed("urn:ietf:params:oauth:request_uri:x")),
    ] {
        assert_eq!(source(&outside(&[(name, value)]).parameters).unwrap(), expected);
    }
}

#[test]
fn rfc9101_6_3_a_signed_object_is_the_whole_request() {
    let found = signed(json!({"response_type": "code", "scope": "openid", "nonce": "n", "max_age": 5, "claims": {"userinfo": {}},
        "resource": ["https://a.example"], "unheard_of": {"of": 1}}))
    .unwrap();
    let expected = [
        ("claims", "{\"userinfo\":{}}"),
        ("client_id", "app"),
        ("max_age", "5"),
        ("nonce", "n"),
        ("response_type", "code"),
        ("scope", "openid"),
    ];
    assert_eq!(found.parameters, outside(&expected).parameters);
    assert_eq!(found.resources, ["https://a.example"]);
}

#[test]
fn oidc_core_6_1_an_unsigned_object_goes_before_what_stands_beside_it() {
    let beside = [("client_id", "app"), ("response_type", "code"), ("state", "outer"), ("scope", "openid"), ("request", "e30.e30.")];
    let found = settled(json!({"state": "inner", "max_age": 1}), false, &beside).unwrap();
    let expected = [("client_id", "app"), ("max_age", "1"), ("response_type", "code"), ("scope", "openid"), ("state", "inner")];
    assert_eq!(found.parameters, outside(&expected).parameters);
}

#[test]
fn rfc9101_5_client_id_and_response_type_are_the_same_inside_and_outside() {
    assert_eq!(signed(json!({"client_id": "other"})), Err("invalid_request_object"));
    assert_eq!(signed(json!({"response_type": "id_token"})), Err("invalid_request"));
    assert!(signed(json!({"client_id": "app", "response_type": "code"})).is_ok());
    assert_eq!(settled(json!({"response_type": "code"}), true, BESIDE).map(drop), Err("invalid_request_object"), "left out");
    assert!(settled(json!({"state": "inner"}), false, BESIDE).is_ok());
}

#[test]
fn rfc9101_4_no_object_inside_an_object() {
    for inner in ["request", "request_uri"] {
        assert_eq!(signed(json!({ inner: "x" })), Err("invalid_request_object"));
    }
}

#[test]
fn rfc9101_4_it_is_of_the_client_for_this_server_and_of_this_time() {
    let now = t(0).numeric_date();
    for (member, right, wrong) in [
        ("iss", json!("app"), json!("other")),
        ("aud", json!(ISSUER), json!("https://other.example")),
        ("exp", json!(now - 59), json!(now - 60)),
        ("nbf", json!(now + 60), json!(now + 61)),
        ("sub", json!("somebody"), json!("app")),
    ] {
        assert!(signed(json!({ member: right })).is_ok(), "{member}");
        assert_eq!(signed(json!({ member: wrong })), Err("invalid_request_object"), "{member}");
    }
}

#[test]
fn rfc9101_6_3_a_claim_of_a_wrong_type_is_refused() {
    for wrong in
        [json!({"state": 1}), json!({"scope": ["openid"]}), json!({"max_age": -1}), json!({"claims": []}), json!({"resource": [1]})]
    {
        assert_eq!(signed(wrong.clone()), Err("invalid_request_object"), "{wrong}");
    }
}

#[test]
fn rfc9101_10_5_an_unsigned_object_only_by_configuration_and_registration() {
    let on = Policy { unsigned_request_objects: true, ..Policy::default() };
    assert!(!may_be_unsigned(&client(), Policy::default()) && may_be_unsigned(&client(), on));
    let demanding = client_with(|metadata| metadata.require_signed_request_object = true);
    assert!(!may_be_unsigned(&demanding, on) && plain(&demanding, on).is_err() && plain(&client(), on).is_ok());
    // RFC 9101 §10.5: or the server says it for everybody.
    let for_all = Policy { signed_request_objects: true, ..on };
    assert!(!may_be_unsigned(&client(), for_all) && plain(&client(), for_all).is_err());
    assert!(
        on.request_object_algs().any(|alg| alg == RequestObjectAlg::None)
            && for_all.request_object_algs().all(|alg| alg != RequestObjectAlg::None)
    );
    // RFC 9126 §2.3.
    let pushed = |client: &Client, arrival| unsigned(client, on, arrival).map_err(|error| error.code());
    assert_eq!(pushed(&demanding, Arrival::Pushing), Err("invalid_request"));
    assert_eq!(pushed(&demanding, Arrival::Browser), Err("invalid_request_object"));
    assert_eq!(pushed(&client(), Arrival::Pushing), Ok(()));
    let with = |alg| client_with(|metadata| metadata.request_object_signing_alg = Some(alg));
    assert!(may_be_unsigned(&with(RequestObjectAlg::None), on) && !may_be_unsigned(&with(RequestObjectAlg::Es256), on));
    let algs = |client: &Client| algorithms(client, Policy::default());
    assert_eq!(algs(&with(RequestObjectAlg::Es256)), [RequestObjectAlg::Es256]);
    assert!(algs(&with(RequestObjectAlg::None)).is_empty() && !algs(&client()).contains(&RequestObjectAlg::None));
}

#[test]
fn oidc_core_6_2_a_reference_is_registered_and_its_fragment_is_a_digest() {
    let uri = "https://app.example.com/request.jwt";
    let client = client_with(|metadata| metadata.request_uris = alloc::vec![uri.to_string(), "https://app.example.com/b#v1".to_string()]);
    let pinned = alloc::format!("{uri}#{}", digest("content"));
    assert_eq!(reference(uri, &client).unwrap(), (uri, None));
    assert_eq!(reference(&pinned, &client).unwrap(), (uri, Some(digest("content"))));
    assert_eq!(reference("https://app.example.com/b#v1", &client).unwrap(), ("https://app.example.com/b", None));
    let long = alloc::format!("{uri}#{}", "a".repeat(512));
    for other in [
        "https://app.example.com/other",
        "https://app.example.com/b",
        "https://app.example.com/b#v2",
        "https://evil.example/request.jwt",
        &long,
    ] {
        assert_eq!(reference(other, &client).unwrap_err().code(), "invalid_request_uri", "{other}");
    }
}
