//! Headers of JWTs, encoded once for each key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::alg::Algorithm;

/// `typ` values whose headers are ready: ID tokens, access tokens (RFC 9068), logout tokens, introspection (RFC 9701).
const COMMON: [Option<&str>; 5] = [None, Some("JWT"), Some("at+jwt"), Some("logout+jwt"), Some("token-introspection+jwt")];

/// Encoded headers of one key, by algorithm and common `typ`.
pub(crate) struct Headers(Vec<(Algorithm, Option<&'static str>, String)>);

impl Headers {
    pub(crate) fn new(algorithms: &[Algorithm], kid: &str) -> Self {
        let pairs = algorithms.iter().flat_map(|alg| COMMON.map(|typ| (*alg, typ)));
        Self(pairs.map(|(alg, typ)| (alg, typ, encode(alg, kid, typ))).collect())
    }

    pub(crate) fn get(&self, alg: Algorithm, typ: Option<&str>) -> Option<&str> {
        self.0.iter().find(|(a, t, _)| *a == alg && *t == typ).map(|(_, _, header)| header.as_str())
    }
}

/// One header, `kid` included.
pub(crate) fn encode(alg: Algorithm, kid: &str, typ: Option<&str>) -> String {
    // `Value::from(..)` writes JSON strings with their escapes; alg and kid need none.
    let json = match typ {
        Some(typ) => format!(r#"{{"alg":"{alg}","typ":{},"kid":"{kid}"}}"#, serde_json::Value::from(typ)),
        None => format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#),
    };
    URL_SAFE_NO_PAD.encode(json)
}
