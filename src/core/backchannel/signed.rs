//! Signed authentication requests: what a client asks on the back channel, in a JWT under its own key.
//!
//! | Rule | Source |
//! |---|---|
//! | a client that registered an algorithm signs, and no other does | CIBA Core §4, §7.1.1 |
//! | nothing of the request stands beside the JWT, but how the client authenticates | CIBA Core §7.1.1 |
//! | `iss` is the client, `aud` this server; `exp`, `iat`, `nbf` and `jti` are there, and the time is right | CIBA Core §7.1.1 |
//! | whatever is wrong with it is `invalid_request` | CIBA Core §13 |
//!
//! Out of scope: the signature (the shell), what is asked (`request`, `backchannel`).

use serde_json::Value;

use crate::client::Client;
use crate::error::{Code, OAuthError};
use crate::request::Parameters;
use crate::request::object::{self, Object, Place, Settled};

/// The parameters of a request (CIBA Core §7.1, and what we take besides).
const PARAMETERS: &[&str] = &[
    "acr_values",
    "authorization_details",
    "binding_message",
    "claims",
    "client_notification_token",
    "id_token_hint",
    "login_hint",
    "login_hint_token",
    "max_age",
    "nonce",
    "request_context",
    "requested_expiry",
    "resource",
    "scope",
    "ui_locales",
    "user_code",
];

/// When a JWT says that it was made, and what it calls itself.
#[derive(Clone, Copy)]
pub struct Stamp<'a> {
    /// Seconds since 1970.
    pub iat: Option<i64>,
    pub jti: Option<&'a str>,
}

fn refuse(why: &'static str, sentence: &str) -> OAuthError {
    OAuthError::invalid_request(why).saying(sentence)
}

/// May a request of this client come without a signature? One that registered an algorithm said that it signs: whoever leaves the
/// signature out is somebody else.
///
/// # Errors
/// `invalid_request`.
pub fn plain(client: &Client, sent: &Parameters) -> Result<(), OAuthError> {
    if sent.contains_key("request_uri") {
        return Err(refuse("request_uri", "request_uri is not for this endpoint; send request."));
    }
    if client.metadata.backchannel_authentication_request_signing_alg.is_some() {
        return Err(refuse("not signed", "This client is registered for signed requests: send request."));
    }
    Ok(())
}

/// Takes the parameters out of a JWT whose signature holds.
///
/// # Errors
/// `invalid_request`, with what is wrong.
pub fn settle(beside: &Settled, jwt: &Object<'_>, stamp: Stamp<'_>, place: Place<'_>) -> Result<Settled, OAuthError> {
    if let Some(stray) = PARAMETERS.iter().find(|name| beside.parameters.contains_key(**name)) {
        return Err(OAuthError::invalid_request("beside the JWT")
            .saying(alloc::format!("{stray} stands beside the signed request; put it inside.")));
    }
    if !beside.resources.is_empty() {
        return Err(refuse("beside the JWT", "resource stands beside the signed request; put it inside."));
    }
    let is_whole = jwt.iss.is_some() && !jwt.aud.is_empty() && jwt.exp.is_some() && jwt.nbf.is_some();
    if !is_whole || stamp.iat.is_none() || stamp.jti.is_none_or(str::is_empty) {
        return Err(refuse("claims are missing", "The signed request needs iss, aud, exp, iat, nbf and jti."));
    }
    if stamp.iat.is_some_and(|iat| iat > place.at.numeric_date().saturating_add(object::LEEWAY)) {
        return Err(refuse("iat", "iat of the signed request is in the future."));
    }
    // CIBA Core §7.1.1: texts, and those that may be numbers or are JSON themselves. None is passed over because it is of another type.
    let is_of_its_type = |name: &str, value: &Value| match name {
        "authorization_details" | "resource" => true,
        "claims" | "request_context" => value.is_string() || value.is_object(),
        "max_age" | "requested_expiry" => value.is_string() || value.is_u64(),
        _ => value.is_string(),
    };
    if let Some(odd) = PARAMETERS.iter().find(|name| jwt.claims.get(**name).is_some_and(|value| !is_of_its_type(name, value))) {
        return Err(OAuthError::invalid_request("wrong type")
            .saying(alloc::format!("{odd} of the signed request is of another type than it has to be.")));
    }
    object::stands(jwt, place).and_then(|()| object::parameters(jwt.claims)).map_err(of_this_endpoint)
}

/// CIBA Core §13 knows no code for objects.
fn of_this_endpoint(error: OAuthError) -> OAuthError {
    if error.code != Code::InvalidRequestObject {
        return error;
    }
    OAuthError { code: Code::InvalidRequest, ..error }
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    use serde_json::{Map, json};

    use super::*;
    use crate::client::metadata::SigningAlg;
    use crate::request::Policy;
    use crate::testing::*;

    const ISSUER: &str = "https://op.example/oidc";

    fn whole() -> Map<String, Value> {
        let at = t(0).numeric_date();
        let claims = json!({
            "iss": "app", "aud": ISSUER, "iat": at, "nbf": at, "exp": at + 300, "jti": "1",
            "scope": "openid", "login_hint": "alice@example.com", "requested_expiry": 60, "resource": ["https://api.example"],
        });
        claims.as_object().unwrap().clone()
    }

    fn settled(change: impl FnOnce(&mut Map<String, Value>), beside: &[(&str, &str)]) -> Result<Settled, String> {
        let mut claims = whole();
        change(&mut claims);
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let date = |name: &str| claims.get(name).and_then(Value::as_i64);
        let aud: Vec<String> = text("aud").map(ToString::to_string).into_iter().collect();
        let jwt = Object {
            claims: &claims,
            is_signed: true,
            iss: text("iss"),
            sub: text("sub"),
            aud: &aud,
            exp: date("exp"),
            nbf: date("nbf"),
            iat: date("iat"),
        };
        let client = client();
        let place = Place { client: &client, issuer: ISSUER, at: t(10), policy: Policy::default() };
        let parameters = beside.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let beside = Settled { parameters, resources: Vec::new() };
        settle(&beside, &jwt, Stamp { iat: date("iat"), jti: text("jti") }, place).map_err(|error| error.code().to_string())
    }

    #[test]
    fn ciba_7_1_1_the_parameters_are_those_of_the_jwt() {
        let found =
            settled(|_| (), &[("client_id", "app"), ("client_assertion", "x"), ("client_assertion_type", "y"), ("request", "z")]).unwrap();
        let value = |name: &str| found.parameters.get(name).map(String::as_str);
        assert_eq!(
            (value("scope"), value("login_hint"), value("requested_expiry")),
            (Some("openid"), Some("alice@example.com"), Some("60"))
        );
        assert_eq!((found.resources, value("iss"), value("client_assertion")), (Vec::from(["https://api.example".into()]), None, None));
    }

    #[test]
    fn ciba_7_1_1_no_parameter_stands_beside_it() {
        for name in PARAMETERS {
            assert_eq!(settled(|_| (), &[(name, "x")]), Err("invalid_request".into()), "{name}");
        }
    }

    #[test]
    fn ciba_7_1_1_it_is_of_this_client_for_this_server_and_of_this_time() {
        for missing in ["iss", "aud", "exp", "iat", "nbf", "jti"] {
            assert_eq!(settled(|own| drop(own.remove(missing)), &[]), Err("invalid_request".into()), "{missing}");
        }
        let at = t(0).numeric_date();
        for (name, value) in [
            ("iss", json!("other")),
            ("aud", json!("https://elsewhere.example")),
            ("exp", json!(at - 100)),
            ("iat", json!(at + 100)),
            ("nbf", json!(at + 100)),
            ("jti", json!("")),
            ("sub", json!("app")),
            ("request", json!("x.y.z")),
            ("login_hint", json!({ "email": "a" })),
            ("scope", json!(["openid"])),
            ("binding_message", json!(1234)),
            ("requested_expiry", json!(-60)),
            ("requested_expiry", json!(1.5)),
            ("max_age", json!(-1)),
            ("claims", json!(["name"])),
            ("request_context", json!(1)),
        ] {
            assert_eq!(settled(|own| drop(own.insert(name.into(), value)), &[]), Err("invalid_request".into()), "{name}");
        }
    }

    #[test]
    fn ciba_4_a_client_that_signs_always_signs() {
        let none = Parameters::new();
        assert!(plain(&client(), &none).is_ok());
        let signs = client_with(|own| own.backchannel_authentication_request_signing_alg = Some(SigningAlg::Es256));
        assert_eq!(plain(&signs, &none).unwrap_err().code(), "invalid_request");
        let reference = [("request_uri".to_string(), "https://app.example/r".to_string())].into();
        assert_eq!(plain(&client(), &reference).unwrap_err().code(), "invalid_request");
    }
}
