//! What may be stated of claims of others.
//!
//! | Rule | Source |
//! |---|---|
//! | each claim refers to a source that is there, and to each source refers a claim | OpenID Connect Core 1.0 §5.6.2; the second is our own |
//! | a source is either a `JWT`, or an `endpoint` with or without `access_token` | OpenID Connect Core 1.0 §5.6.2 |
//! | a signed JWT holds every claim that refers to it | OpenID Connect Core 1.0 §5.6.2 |
//! | ... and no other, besides those of the JWT itself: what nobody can ask for would be told too | our own |
//! | a JWT is signed or encrypted: what nobody vouches for is no claim of a provider | OpenID Connect Core 1.0 §5.6 |
//! | the endpoint is https, the token of the alphabet of bearer tokens | RFC 6750 §5.3, §2.1 |
//! | no claim that this server says of itself, its tokens or the login | our own |
//! | everything is bounded | our own |
//!
//! What is wrong is said without a value: there are secrets among them. An encrypted JWT is passed on unseen.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Map, Value};

use super::{NAMES, SOURCES, Source, Sources};
use crate::account::FieldError;
use crate::base64url;
use crate::client::metadata::{host_of, origin_of};

/// Claims of others that one account has.
const MOST_NAMES: usize = 32;
const MOST_SOURCES: usize = 8;
/// Longest name of a claim, and of a source, in bytes.
const LONGEST_NAME: usize = 128;
/// Longest JWT in bytes.
const LONGEST_JWT: usize = 8 * 1024;
/// Longest access token in bytes.
const LONGEST_TOKEN: usize = 2048;
/// Longest text of one member in bytes: both fit an event as ciphertext.
const LONGEST: usize = 16 * 1024;

/// What this server says of itself, of its tokens and of the login, and the members that name the claims of others.
const OURS: &[&str] = &[
    "acr",
    "act",
    "amr",
    "at_hash",
    "aud",
    "auth_time",
    "azp",
    "c_hash",
    "client_id",
    "cnf",
    "events",
    "exp",
    "iat",
    "iss",
    "jti",
    "may_act",
    "nbf",
    "nonce",
    "s_hash",
    "scope",
    "sid",
    "sub",
    "sub_jwk",
    "updated_at",
    NAMES,
    SOURCES,
];
/// Beginning of more names of that kind (CIBA Core §10.3.1).
const OURS_TOO: &str = "urn:openid:params:jwt:claim:";

/// Members that a JWT has as a JWT (RFC 7519 §4.1).
const OF_JWT: &[&str] = &["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// Can this be the name of a claim that others assert? Of the characters of a scope (RFC 6749 §3.3), so that a consent can hold it.
pub fn is_name(name: &str) -> bool {
    is_word(name) && !OURS.contains(&name) && !name.starts_with(OURS_TOO)
}

fn is_word(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// Reads the two members.
///
/// # Errors
/// Everything that is wrong with them.
pub fn read(names: &str, sources: &str) -> Result<Sources, Vec<FieldError>> {
    let mut wrong = Vec::new();
    let mut add = |field: &'static str, problem: String| wrong.push(FieldError { field, problem });
    let (asked, offered) = match (object(names), object(sources)) {
        (Ok(asked), Ok(offered)) => (asked, offered),
        (asked, offered) => {
            asked.err().into_iter().for_each(|problem| add(NAMES, problem));
            offered.err().into_iter().for_each(|problem| add(SOURCES, problem));
            return Err(wrong);
        }
    };
    if asked.len() > MOST_NAMES {
        add(NAMES, format!("Name at most {MOST_NAMES} claims."));
    }
    if offered.len() > MOST_SOURCES {
        add(SOURCES, format!("State at most {MOST_SOURCES} sources."));
    }
    let mut names = BTreeMap::new();
    for (name, of) in &asked {
        match of.as_str().filter(|of| offered.contains_key(*of)) {
            _ if !is_name(name) => add(NAMES, format!("{} is not a name that a claim of others can have here.", shown(name))),
            None => add(NAMES, format!("The claim {} refers to no member of {SOURCES}.", shown(name))),
            Some(of) => drop(names.insert(name.clone(), of.to_string())),
        }
    }
    let mut sources = BTreeMap::new();
    for (key, told) in &offered {
        let referring: BTreeSet<&str> =
            asked.iter().filter(|(_, of)| of.as_str() == Some(key.as_str())).map(|(name, _)| name.as_str()).collect();
        match source(told, &referring) {
            _ if !is_word(key) => add(SOURCES, format!("{} is not a name that a source can have here.", shown(key))),
            _ if referring.is_empty() => add(SOURCES, format!("No claim refers to the source {}.", shown(key))),
            Err(problem) => add(SOURCES, format!("The source {} {problem}", shown(key))),
            Ok(source) => drop(sources.insert(key.clone(), source)),
        }
    }
    if wrong.is_empty() { Ok(Sources { names, sources }) } else { Err(wrong) }
}

/// An empty text is an empty object, as an empty text takes any other claim away.
fn object(text: &str) -> Result<Map<String, Value>, String> {
    if text.len() > LONGEST {
        return Err(format!("Use at most {LONGEST} bytes."));
    }
    if text.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Ok(members),
        // Without the parser's words, which quote what they did not expect.
        _ => Err("This is not a JSON object.".to_string()),
    }
}

fn source(told: &Value, referring: &BTreeSet<&str>) -> Result<Source, String> {
    let members = told.as_object().map(|members| {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        (members.len(), text("JWT"), text("endpoint"), text("access_token"))
    });
    match members {
        Some((1, Some(jwt), None, None)) => aggregated(jwt, referring).map_err(ToString::to_string),
        Some((1, None, Some(endpoint), None)) => distributed(endpoint, None),
        Some((2, None, Some(endpoint), Some(token))) => distributed(endpoint, Some(token)),
        _ => Err("has to have either JWT or endpoint, with the endpoint perhaps access_token, each a text, and nothing else.".to_string()),
    }
}

fn aggregated(jwt: &str, referring: &BTreeSet<&str>) -> Result<Source, &'static str> {
    if jwt.len() > LONGEST_JWT {
        return Err("has a JWT of more than 8192 bytes.");
    }
    let parts: Option<Vec<_>> = jwt.split('.').map(base64url::decode).collect();
    let json = |bytes: &[u8]| serde_json::from_slice::<Map<String, Value>>(bytes).ok();
    let parts = parts.unwrap_or_default();
    match &parts[..] {
        [header, payload, signature] => {
            let alg = json(header).and_then(|header| header.get("alg")?.as_str().map(ToString::to_string));
            let (Some(alg), Some(claims)) = (alg, json(payload)) else { return Err("has a JWT that cannot be read.") };
            if alg == "none" || signature.is_empty() {
                return Err("has a JWT that nobody signed.");
            }
            if !referring.iter().all(|name| claims.contains_key(*name)) {
                return Err("has a JWT without a claim that refers to it.");
            }
            if claims.keys().any(|name| !referring.contains(name.as_str()) && !OF_JWT.contains(&name.as_str())) {
                return Err("has a JWT with a claim that does not refer to it: name it too, or ask for a JWT without it.");
            }
        }
        // RFC 7516 §3.1: the key may be empty, nothing else.
        [header, _, vector, ciphertext, tag] => {
            if json(header).is_none() || [vector, ciphertext, tag].iter().any(|part| part.is_empty()) {
                return Err("has a JWT that cannot be read.");
            }
        }
        _ => return Err("has a JWT that cannot be read."),
    }
    Ok(Source::Aggregated { jwt: jwt.to_string() })
}

fn distributed(endpoint: &str, access_token: Option<&str>) -> Result<Source, String> {
    let host = origin_of(endpoint).and_then(host_of).is_some();
    if !host || !endpoint.starts_with("https://") || endpoint.contains('#') {
        return Err("has an endpoint that is not an https address without fragment, user and password.".to_string());
    }
    if !access_token.is_none_or(is_token) {
        return Err(format!("has an access_token that is no bearer token of at most {LONGEST_TOKEN} bytes."));
    }
    Ok(Source::Distributed { endpoint: endpoint.to_string(), access_token: access_token.map(ToString::to_string) })
}

/// `b64token` of RFC 6750 §2.1.
fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    text.len() <= LONGEST_TOKEN && !body.is_empty() && body.bytes().all(allowed)
}

fn shown(name: &str) -> String {
    name.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
