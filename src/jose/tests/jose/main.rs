//! The package from outside: vectors of the RFCs, refusals, hostile input, and implementations that others wrote.

#![allow(clippy::unwrap_used, reason = "everything in here is a test, its small functions too")]

mod crosscheck;
mod dpop;
mod hostile;
mod keys;
mod refusals;
mod vectors;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A token of these parts, so that its header can be anything.
fn token(header: &str, payload: &str, signature: &[u8]) -> String {
    let [header, payload, signature] = [header.as_bytes(), payload.as_bytes(), signature].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{payload}.{signature}")
}
