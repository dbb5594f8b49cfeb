//! The `DPoP` header of a request, held against the endpoint that it came to.
//!
//! | Rule | Source |
//! |---|---|
//! | at most one header field | RFC 9449 §4.3 (1) |
//! | the URI is that of our configuration, never that of the Host header | our own |
//! | a refusal for a nonce brings the nonce to use, an answer the next one | RFC 9449 §8, §8.2 |
//!
//! Out of scope: what a proof must say (`app::dpop`).

use chancery_core::error::{Code, OAuthError};
use poem::Request;

use super::error::Refused;
use super::server::Server;
use crate::app::client_auth::Authenticated;
use crate::app::dpop::{Beside, Presented, Proven};

const HEADER: &str = "dpop";

/// The key that the caller proves, if there is a proof.
///
/// # Errors
/// `invalid_dpop_proof`, `use_dpop_nonce` with the nonce.
pub fn proven(server: &Server, request: &Request, uri: &str, beside: Beside<'_>) -> Result<Option<Proven>, Refused> {
    let mut sent = request.headers().get_all(HEADER).iter();
    let value = match (sent.next(), sent.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value.to_str().map_err(|_| OAuthError::invalid_dpop_proof("not ASCII"))?,
        (Some(_), Some(_)) => return Err(OAuthError::invalid_dpop_proof("two headers").saying("Send one DPoP header.").into()),
    };
    let presented = Presented { proof: value.trim(), method: request.method().as_str(), uri, beside, instance: None };
    match server.app.check_proof(&presented) {
        Ok(proven) => Ok(Some(proven)),
        Err(error) if error.code == Code::UseDpopNonce => Err(Refused::from(error).with_nonce(server.app.newest_nonce())),
        Err(error) => Err(error.into()),
    }
}

/// The same for a client that has authenticated, unless it did so with its proof (ABCA §7.3).
///
/// # Errors
/// `invalid_dpop_proof`, `use_dpop_nonce` with the nonce.
pub fn prove(server: &Server, request: &Request, uri: &str, caller: &mut Authenticated) -> Result<(), Refused> {
    if caller.proof.is_none() {
        caller.proof = proven(server, request, uri, Beside::Client(caller.client.state.as_deref()))?;
    }
    Ok(())
}

/// The nonce that an answer carries: to whoever did not use the newest one.
pub fn next_nonce(server: &Server, proven: Option<&Proven>) -> Option<String> {
    proven.filter(|proven| proven.wants_nonce).map(|_| server.app.newest_nonce())
}
