//! Where the parameters of an authorization request stand: in the request itself, in a request object, or pushed before.
//!
//! | Rule | Source |
//! |---|---|
//! | `request` and `request_uri` exclude each other | RFC 9101 §5, OpenID Connect Core 1.0 §6.1 |
//! | a signed object is the whole request: nothing outside of it counts but `client_id` | RFC 9101 §6.3 |
//! | an unsigned one, where it is switched on, goes before what stands beside it | OpenID Connect Core 1.0 §6.1 |
//! | `client_id` and `response_type` are the same inside and outside; a signed object never leaves `client_id` out | RFC 9101 §5, §6.3, OpenID Connect Core 1.0 §6.1 |
//! | no object inside the object | RFC 9101 §4 |
//! | `iss` is the client, `aud` this server, the time is right, `sub` is not the client | RFC 9101 §4, §10.8 |
//! | under some profiles it names its audience, and lives for an hour at most | FAPI 1.0 Part 2 §5.2.2, FAPI 2.0 Message Signing §5.3.1 |
//! | where it is pushed, a client that has to sign gets `invalid_request` for an unsigned one | RFC 9126 §2.3 |
//! | the algorithm is the registered one, else any of the matrix; `none` only by configuration | RFC 9101 §6.2, §10.5 |
//! | a reference is https, registered, short; a digest in its fragment is held against what it brought | RFC 9101 §5.2, OpenID Connect Core 1.0 §6.2 |
//!
//! | what is encrypted is signed inside; only one envelope is opened | RFC 9101 §4, §6.1, §6.2 |
//!
//! Out of scope: signatures, decryption and fetching (the shell hands in what came of them).

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Arrival, Asked, Parameters, Policy, Refusal, checks};
use crate::base64url;
use crate::client::Client;
use crate::client::metadata::{EncryptionAlg, RequestObjectAlg};
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::profile::Profile;
use crate::time::Timestamp;

/// What a `request_uri` begins with that this server gave out (RFC 9126 §2.2).
pub const PUSHED: &str = "urn:ietf:params:oauth:request_uri:";

/// Longest `request_uri` in bytes (RFC 9101 §5.2).
pub const LONGEST_REFERENCE: usize = 512;

/// Seconds that clocks may differ.
pub(crate) const LEEWAY: i64 = 60;

/// Claims of the JWT that are no parameters.
const OF_THE_JWT: &[&str] = &["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// Where the parameters stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// In the request itself.
    Plain,
    /// In the object that the request carries.
    Value(&'a str),
    /// In the object behind this address.
    Reference(&'a str),
    /// In what was pushed before under this name.
    Pushed(&'a str),
}

/// Where to look.
///
/// # Errors
/// `invalid_request` for both at once.
pub fn source(sent: &Parameters) -> Result<Source<'_>, OAuthError> {
    match (sent.get("request"), sent.get("request_uri")) {
        (None, None) => Ok(Source::Plain),
        (Some(object), None) => Ok(Source::Value(object)),
        (None, Some(uri)) if uri.starts_with(PUSHED) => Ok(Source::Pushed(uri)),
        (None, Some(uri)) => Ok(Source::Reference(uri)),
        (Some(_), Some(_)) => Err(OAuthError::invalid_request("two objects").saying("Send request or request_uri, not both.")),
    }
}

/// May a request of this client come without a signed object?
///
/// # Errors
/// `invalid_request`.
pub fn plain(client: &Client, policy: Policy) -> Result<(), OAuthError> {
    if has_to_sign(client, policy) {
        return Err(OAuthError::invalid_request("no signed request object")
            .saying("Authorization requests are signed objects here: send request or request_uri."));
    }
    Ok(())
}

/// RFC 9101 §10.5: the server says it for everybody, a client for itself.
fn has_to_sign(client: &Client, policy: Policy) -> bool {
    policy.signed_request_objects || client.metadata.require_signed_request_object
}

/// The algorithms that an object of this client may be signed with. Empty: unsigned ones alone.
pub fn algorithms(client: &Client, policy: Policy) -> Vec<RequestObjectAlg> {
    // FAPI 1.0 Part 2 §8.6, FAPI 2.0 Security Profile §5.4.1: a client that registered none has those of its profile.
    let is_one = |alg: &RequestObjectAlg| *alg != RequestObjectAlg::None && policy.allows_for(client, alg.as_str());
    match client.metadata.request_object_signing_alg {
        Some(only) => [only].into_iter().filter(is_one).collect(),
        None => RequestObjectAlg::ALL.iter().copied().filter(is_one).collect(),
    }
}

/// May an object of this client be unsigned?
pub fn may_be_unsigned(client: &Client, policy: Policy) -> bool {
    policy.unsigned_request_objects
        && !has_to_sign(client, policy)
        && client.metadata.request_object_signing_alg.is_none_or(|alg| alg == RequestObjectAlg::None)
}

/// Takes an object without a signature, or not.
///
/// # Errors
/// `invalid_request_object`. `invalid_request` where it is pushed by a client that has to sign: that endpoint takes every other request
/// of such a client for one without a signed object (RFC 9126 §2.3).
pub fn unsigned(client: &Client, policy: Policy, arrival: Arrival) -> Result<(), OAuthError> {
    if may_be_unsigned(client, policy) {
        return Ok(());
    }
    let has_to_sign = has_to_sign(client, policy) || policy.profiles(client).any(Profile::wants_signed_requests);
    if has_to_sign && arrival == Arrival::Pushing {
        return Err(OAuthError::invalid_request("pushed without a signature")
            .saying("Requests of this client have to be signed: sign what you push."));
    }
    Err(OAuthError::invalid_request_object("unsigned"))
}

/// What became of a request object, for whoever asks later which one it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ObjectUsed {
    /// Its algorithm; absent when it was not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<RequestObjectAlg>,
    /// Digest of a signed one. An unsigned one is short of secrets: its digest would give away what was in it to whoever guesses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What it was encrypted with; absent when it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<EncryptionAlg>,
    /// Where it was fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_uri: Option<String>,
}

/// An object after its signature was checked.
pub struct Object<'a> {
    pub claims: &'a Map<String, Value>,
    pub is_signed: bool,
    pub iss: Option<&'a str>,
    pub sub: Option<&'a str>,
    pub aud: &'a [String],
    /// Seconds since 1970.
    pub exp: Option<i64>,
    pub nbf: Option<i64>,
    pub iat: Option<i64>,
}

/// The parameters that count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settled {
    pub parameters: Parameters,
    /// The one that may repeat (RFC 8707 §2).
    pub resources: Vec<String>,
}

/// Whose request it is, where and when.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub client: &'a Client,
    pub issuer: &'a str,
    pub at: Timestamp,
    pub policy: Policy,
}

/// Takes the parameters out of an object.
///
/// # Errors
/// `invalid_request_object`, with what is wrong; `invalid_request` when it contradicts what stands beside it.
pub fn settle(outside: &Settled, object: &Object<'_>, place: Place<'_>) -> Result<Settled, OAuthError> {
    stands(object, place)?;
    let mut inside = parameters(object.claims)?;
    let own = place.client.id.as_str();
    match inside.parameters.get("client_id") {
        Some(named) if named != own => {
            return Err(refuse("another client_id", "The client_id inside the request object is not the one beside it."));
        }
        // RFC 9101 §4, §6.3: what is signed is the whole request, and says itself whose it is.
        None if object.is_signed => return Err(refuse("no client_id", "A signed request object holds the client_id too.")),
        _ => {}
    }
    // RFC 9101 §6.3 names no exception, so that one beside the object may only repeat what is in it.
    let outer = outside.parameters.get("response_type");
    if let (Some(inner), Some(outer)) = (inside.parameters.get("response_type"), outer)
        && inner != outer
    {
        return Err(
            OAuthError::invalid_request("response_type differs").saying("The response_type inside the request object is another one.")
        );
    }
    inside.parameters.insert("client_id".into(), own.into());
    if !object.is_signed {
        for (name, value) in outside.parameters.iter().filter(|(name, _)| !matches!(name.as_str(), "request" | "request_uri")) {
            inside.parameters.entry(name.clone()).or_insert_with(|| value.clone());
        }
        if inside.resources.is_empty() {
            inside.resources.clone_from(&outside.resources);
        }
    }
    Ok(inside)
}

fn refuse(why: &'static str, sentence: &str) -> OAuthError {
    OAuthError::invalid_request_object(why).saying(sentence)
}

/// Is it of this client, for this server, and of this time?
pub(crate) fn stands(object: &Object<'_>, place: Place<'_>) -> Result<(), OAuthError> {
    let own = place.client.id.as_str();
    if object.iss.is_some_and(|iss| iss != own) {
        return Err(refuse("iss", "iss of the request object must be the client_id."));
    }
    // RFC 9101 §10.8: with the client as its subject it could pass for a client assertion, and one of those for it.
    if object.sub == Some(own) {
        return Err(refuse("sub", "sub of the request object must not be the client_id."));
    }
    if !object.aud.is_empty() && !object.aud.iter().any(|aud| aud == place.issuer) {
        return Err(refuse("aud", "aud of the request object must be the issuer of this server."));
    }
    let now = place.at.numeric_date();
    if object.exp.is_some_and(|exp| now >= exp.saturating_add(LEEWAY)) {
        return Err(refuse("expired", "The request object has expired."));
    }
    if object.nbf.is_some_and(|nbf| nbf > now.saturating_add(LEEWAY)) {
        return Err(refuse("not yet valid", "The request object is not valid yet."));
    }
    // FAPI 2.0 Security Profile §5.3.2.1; of an object that was made ahead nobody can say when it was signed.
    if object.iat.is_some_and(|iat| iat > now.saturating_add(LEEWAY)) {
        return Err(refuse("iat is ahead", "iat of the request object lies in the future; check the clock."));
    }
    if place.policy.profiles(place.client).any(Profile::wants_signed_requests) {
        return is_of_the_hour(object, now);
    }
    Ok(())
}

/// Seconds that an object may be old, and live, under the profiles that say so.
const HOUR: i64 = 60 * 60;

fn is_of_the_hour(object: &Object<'_>, now: i64) -> Result<(), OAuthError> {
    let (Some(nbf), Some(exp), false) = (object.nbf, object.exp, object.aud.is_empty()) else {
        return Err(refuse("aud, nbf, exp", "The request object needs aud, nbf and exp."));
    };
    if now.saturating_sub(nbf) > HOUR || exp.saturating_sub(nbf) > HOUR {
        return Err(refuse("too long", "nbf of the request object is at most 60 minutes ago, and exp at most 60 minutes after it."));
    }
    Ok(())
}

/// The claims as parameters: what is a string or a number in JSON is the same text in a query.
pub(crate) fn parameters(claims: &Map<String, Value>) -> Result<Settled, OAuthError> {
    let mut found = Settled { parameters: BTreeMap::new(), resources: Vec::new() };
    for (name, value) in claims.iter().filter(|(name, _)| !OF_THE_JWT.contains(&name.as_str())) {
        let text = match (name.as_str(), value) {
            ("request" | "request_uri", _) => return Err(refuse("nested", "A request object holds no other one.")),
            ("resource", Value::String(one)) => {
                found.resources.push(one.clone());
                continue;
            }
            ("resource", Value::Array(many)) => {
                for one in many {
                    found.resources.push(one.as_str().ok_or_else(|| wrong_type(name))?.to_string());
                }
                continue;
            }
            (_, Value::String(text)) => text.clone(),
            ("max_age" | "requested_expiry", Value::Number(number)) if number.is_u64() => number.to_string(),
            // Those that are JSON themselves.
            ("claims" | "registration" | "request_context", Value::Object(_)) | ("authorization_details", Value::Array(_)) => {
                value.to_string()
            }
            // What nobody knows is ignored, whatever it is (RFC 9101 §6.3, RFC 6749 §3.1).
            (other, _) if !KNOWN.contains(&other) => continue,
            _ => return Err(wrong_type(name)),
        };
        if !text.is_empty() {
            found.parameters.insert(name.clone(), text);
        }
    }
    Ok(found)
}

/// Parameters whose claim of a wrong type is a mistake that must not be passed over.
const KNOWN: &[&str] = &[
    "acr_values",
    "authorization_details",
    "claims",
    "claims_locales",
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "display",
    "dpop_jkt",
    "id_token_hint",
    "login_hint",
    "max_age",
    "nonce",
    "prompt",
    "redirect_uri",
    "registration",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "state",
    "ui_locales",
];

fn wrong_type(name: &str) -> OAuthError {
    OAuthError::invalid_request_object("a claim of a wrong type")
        .saying(alloc::format!("The claim {name} of the request object has a wrong type."))
}

/// May the object behind this address be fetched? Gives the address as it is fetched, and the digest that its fragment demands.
///
/// # Errors
/// `invalid_request_uri`.
pub fn reference<'a>(uri: &'a str, client: &Client) -> Result<(&'a str, Option<Digest>), OAuthError> {
    let refuse = |why: &'static str, sentence: &str| Err(OAuthError::invalid_request_uri(why).saying(sentence));
    if uri.len() > LONGEST_REFERENCE {
        return refuse("too long", "request_uri is longer than 512 bytes.");
    }
    let (bare, fragment) = uri.split_once('#').map_or((uri, None), |(bare, fragment)| (bare, Some(fragment)));
    // A registered address without a fragment stands for every version of what is there; with one, for that version alone.
    let is_registered = client.metadata.request_uris.iter().any(|own| own == uri || (!own.contains('#') && own == bare));
    if !is_registered {
        return refuse("not registered", "This request_uri is not registered for the client.");
    }
    // OpenID Connect Core 1.0 §6.2: the base64url of SHA-256. Another fragment says nothing.
    let digest = fragment.and_then(base64url::decode).and_then(|bytes| bytes.try_into().ok()).map(Digest);
    Ok((bare, digest))
}

/// Where an error goes that was found before the parameters were known: to the address beside the object if that is registered.
pub fn refusal(asked: &Asked<'_>, error: OAuthError) -> Refusal {
    // One that is left out may stand in the object.
    if asked.get("redirect_uri").is_none() {
        return Refusal::Page(error);
    }
    let Ok((redirect_uri, _)) = checks::redirect_uri::check(asked) else { return Refusal::Page(error) };
    let response_mode = checks::response_mode::of_refusal(asked, &redirect_uri);
    Refusal::Redirect { redirect_uri, response_mode, error }
}

#[cfg(test)]
#[path = "object_tests.rs"]
mod tests;
