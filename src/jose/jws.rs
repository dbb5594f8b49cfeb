//! A signed token in compact form: read, then verified with a key that *we* choose.
//!
//! | Rule | Source |
//! |---|---|
//! | exactly three parts, base64url without padding and in its one canonical spelling | RFC 7515 §2, §7.1 |
//! | the header is a JSON object without repeated members | RFC 7515 §4 |
//! | `crit` is refused, whatever it lists: no extension is implemented; so is `b64` | RFC 7515 §4.1.11, RFC 7797 §6 |
//! | `alg` is one of the caller's list; `none` never is, and [`read_unsigned`] reads nothing else | RFC 8725 §3.1, §3.2 |
//! | the key fits the algorithm by kind, `alg`, `use` and `kid` | RFC 8725 §3.1, RFC 7515 §4.1.4 |
//! | `jwk`, `jku`, `x5u`, `x5c` in the header choose nothing and are never fetched | RFC 8725 §3.10 |
//! | an HMAC key is at least as long as the hash | RFC 7518 §3.2 |
//!
//! Reading does not depend on the key, so an unsigned guess at the sender ([`Parsed::unverified_payload`]) is possible, but only
//! by that name.
//!
//! Out of scope: the JSON serialisations, detached and unencoded payloads, claims ([`crate::jwt`]).

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::alg::Algorithm;
use crate::json::{self, JsonError};
use crate::jwk::PublicJwk;
use crate::jwks::Jwks;

/// Longest token that [`parse`] reads, in bytes.
pub const MAX_TOKEN: usize = 16 * 1024;

/// The protected header, of which nothing but `alg` and `kid` takes part in verification.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    alg: Algorithm,
    members: Map<String, Value>,
}

impl Header {
    pub fn alg(&self) -> Algorithm {
        self.alg
    }

    pub fn kid(&self) -> Option<&str> {
        self.members.get("kid")?.as_str()
    }

    /// As sent; compare with [`Header::is_typ`].
    pub fn typ(&self) -> Option<&str> {
        self.members.get("typ")?.as_str()
    }

    /// Media types compare without case, and `application/` may be left out (RFC 7515 §4.1.9).
    pub fn is_typ(&self, expected: &str) -> bool {
        let short = |typ: &str| match typ.split_at_checked("application/".len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest.to_ascii_lowercase(),
            _ => typ.to_ascii_lowercase(),
        };
        self.typ().is_some_and(|typ| short(typ) == short(expected))
    }

    /// Any other member, for protocols that define one. The sender chose it.
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }
}

/// A well-formed token whose signature has not been checked. No `Debug`: it is a credential.
#[derive(Clone)]
pub struct Parsed<'t> {
    header: Header,
    signing_input: &'t [u8],
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// A token whose signature is right. `key` is the one that proved it; `None` for a shared secret.
#[derive(Clone, Debug)]
pub struct Verified<'k> {
    pub header: Header,
    pub payload: Vec<u8>,
    pub key: Option<&'k PublicJwk>,
}

/// Why a token was refused. Holds nothing of the token but the algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    #[error("the token is longer than {0} bytes")]
    TooLarge(usize),
    #[error("the token does not have exactly three parts")]
    Parts,
    #[error("the {0} of the token is not base64url without padding")]
    Base64(&'static str),
    #[error("the header of the token is {0}")]
    Header(JsonError),
    #[error("the header member \"{0}\" is missing, of the wrong type or too long")]
    Member(&'static str),
    #[error("\"typ\" is not {0}")]
    Type(&'static str),
    #[error("the header member \"{0}\" asks for an extension that is not supported")]
    Critical(&'static str),
    #[error("the token is not signed (\"alg\" is \"none\")")]
    Unsigned,
    #[error("the algorithm of the token is unknown")]
    UnknownAlgorithm,
    #[error("the algorithm {0} is not allowed here")]
    NotAllowed(Algorithm),
    #[error("no key fits the token's \"kid\" and algorithm {0}")]
    NoKey(Algorithm),
    #[error("the secret is too short for {0}")]
    ShortSecret(Algorithm),
    #[error("the signature is wrong")]
    Signature,
}

/// Reads a token of at most [`MAX_TOKEN`] bytes.
pub fn parse(token: &str) -> Result<Parsed<'_>, JwsError> {
    parse_within(token, MAX_TOKEN)
}

/// Reads a token of at most `limit` bytes.
pub fn parse_within(token: &str, limit: usize) -> Result<Parsed<'_>, JwsError> {
    if token.len() > limit {
        return Err(JwsError::TooLarge(limit));
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(JwsError::Parts);
    };
    // The engine refuses padding, other alphabets, white space and non-zero trailing bits: one token, one spelling.
    let header_bytes = URL_SAFE_NO_PAD.decode(header).map_err(|_| JwsError::Base64("header"))?;
    let parsed_header = read_header(&header_bytes)?;
    Ok(Parsed {
        header: parsed_header,
        signing_input: &token.as_bytes()[..header.len() + 1 + payload.len()],
        payload: URL_SAFE_NO_PAD.decode(payload).map_err(|_| JwsError::Base64("payload"))?,
        signature: URL_SAFE_NO_PAD.decode(signature).map_err(|_| JwsError::Base64("signature"))?,
    })
}

/// Reads a token of at most `limit` bytes that says of itself what it is: first, so that no other token of its sender passes for it
/// (RFC 8725 §3.11).
pub fn parse_typed<'t>(token: &'t str, typ: &'static str, limit: usize) -> Result<Parsed<'t>, JwsError> {
    let parsed = parse_within(token, limit)?;
    if parsed.header.is_typ(typ) { Ok(parsed) } else { Err(JwsError::Type(typ)) }
}

/// The payload of a token that says of itself that it is not signed (RFC 7515 §A.5): `alg` is `none`, the signature is empty. `None` for
/// everything else. It proves nothing; for the few places where somebody decided that nothing has to be proven.
pub fn read_unsigned(token: &str) -> Option<Vec<u8>> {
    let (header, payload) = token.strip_suffix('.').filter(|_| token.len() <= MAX_TOKEN)?.split_once('.')?;
    let members = json::object(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    let plain = members.get("alg")? == "none" && !["crit", "b64"].iter().any(|name| members.contains_key(*name));
    plain.then(|| URL_SAFE_NO_PAD.decode(payload).ok())?
}

fn read_header(bytes: &[u8]) -> Result<Header, JwsError> {
    let members = json::object(bytes).map_err(JwsError::Header)?;
    // RFC 7515 §4.1.11: not understood means invalid. We understand no extension, so any `crit` is refused; b64 changes
    // what is signed and is refused even where it is not marked critical.
    for name in ["crit", "b64"] {
        if members.contains_key(name) {
            return Err(JwsError::Critical(name));
        }
    }
    for name in ["kid", "typ"] {
        match members.get(name) {
            None => {}
            Some(Value::String(text)) if text.len() <= crate::jwk::MAX_KID => {}
            Some(_) => return Err(JwsError::Member(name)),
        }
    }
    let Some(Value::String(alg)) = members.get("alg") else { return Err(JwsError::Member("alg")) };
    // RFC 8725 §3.2. Named on its own for the log, in all the spellings that attackers try.
    if alg.eq_ignore_ascii_case("none") {
        return Err(JwsError::Unsigned);
    }
    let alg = Algorithm::parse(alg).ok_or(JwsError::UnknownAlgorithm)?;
    Ok(Header { alg, members })
}

impl Parsed<'_> {
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What the token claims before anybody proved it. Only for finding out whose keys to verify with.
    pub fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }

    /// Verifies with a key of `keys` (see [`Jwks::select`]). `allowed` are the algorithms that this use and this sender may use.
    pub fn verify<'k>(self, keys: &'k Jwks, allowed: &[Algorithm]) -> Result<Verified<'k>, JwsError> {
        let alg = self.allowed(allowed)?;
        let candidates = keys.select(alg, self.header.kid());
        if candidates.is_empty() {
            return Err(JwsError::NoKey(alg));
        }
        let proof = candidates.into_iter().find(|key| key.verifies(alg, self.signing_input, &self.signature));
        Ok(self.verified(Some(proof.ok_or(JwsError::Signature)?)))
    }

    /// Verifies with one key whose choice needs no `kid`, such as the key that a token is bound to.
    pub fn verify_with_key<'k>(self, key: &'k PublicJwk, allowed: &[Algorithm]) -> Result<Verified<'k>, JwsError> {
        let alg = self.allowed(allowed)?;
        if !key.serves(alg) {
            return Err(JwsError::NoKey(alg));
        }
        if !key.verifies(alg, self.signing_input, &self.signature) {
            return Err(JwsError::Signature);
        }
        Ok(self.verified(Some(key)))
    }

    /// Verifies an HMAC with a shared secret, in constant time.
    pub fn verify_mac(self, secret: &[u8], allowed: &[Algorithm]) -> Result<Verified<'static>, JwsError> {
        let alg = self.allowed(allowed)?;
        let (hash, length) = match alg {
            Algorithm::HS256 => (hmac::HMAC_SHA256, 32),
            Algorithm::HS384 => (hmac::HMAC_SHA384, 48),
            Algorithm::HS512 => (hmac::HMAC_SHA512, 64),
            _ => return Err(JwsError::NoKey(alg)),
        };
        if secret.len() < length {
            return Err(JwsError::ShortSecret(alg));
        }
        hmac::verify(&hmac::Key::new(hash, secret), self.signing_input, &self.signature).map_err(|_| JwsError::Signature)?;
        Ok(self.verified(None))
    }

    fn allowed(&self, allowed: &[Algorithm]) -> Result<Algorithm, JwsError> {
        match self.header.alg {
            alg if allowed.contains(&alg) => Ok(alg),
            alg => Err(JwsError::NotAllowed(alg)),
        }
    }

    fn verified<'k>(self, key: Option<&'k PublicJwk>) -> Verified<'k> {
        Verified { header: self.header, payload: self.payload, key }
    }
}
