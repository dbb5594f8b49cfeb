//! The access token of a request to one of our own resources, with the proof of its key.
//!
//! | Rule | Source |
//! |---|---|
//! | without a token there is no error code | RFC 6750 §3.1 |
//! | the scheme that was tried gets the error, the other one stands beside it | RFC 9449 §7.1, §7.2 |
//! | a DPoP token comes with a proof | RFC 9449 §7.1 |
//!
//! Out of scope: whether the token is alive and what it may do (`app`).

use chancery_core::error::{Code, OAuthError};
use poem::Request;

use super::challenge::{Challenge, Scheme};
use super::error::Refused;
use super::params::Params;
use super::server::Server;
use super::{credentials, dpop};
use crate::app::bearer::Brought;
use crate::app::certificate::Chain;
use crate::app::dpop::{Beside, Proven};

/// A resource, as a request to it is checked.
#[derive(Clone, Copy)]
pub struct Resource<'a> {
    /// Its address in our configuration: what a proof has to name.
    pub uri: &'a str,
    /// What a token needs that has too little; empty where that depends on the request.
    pub scope: &'static str,
}

/// What came along with a request.
pub struct Presented {
    pub token: String,
    scheme: Scheme,
    proven: Option<Proven>,
    in_form: bool,
    scope: &'static str,
}

impl Presented {
    /// Reads the token, from the header or a form.
    ///
    /// # Errors
    /// `invalid_token` without one, `invalid_request` for two, `invalid_dpop_proof`, `use_dpop_nonce`; each with its challenge.
    pub fn of(server: &Server, request: &Request, form: Option<&Params>, resource: Resource<'_>) -> Result<Self, Refused> {
        let Some((scheme, token)) = credentials::access_token(request, form)? else {
            return Err(Refused::from(OAuthError::invalid_token("no token")).challenging(challenge(None, None)));
        };
        let in_form = form.is_some_and(|form| form.get("access_token").is_some());
        let mut own = Self { token, scheme, proven: None, in_form, scope: resource.scope };
        if scheme == Scheme::Dpop {
            let missing = || OAuthError::invalid_dpop_proof("no proof").saying("Send the proof of the key in a DPoP header.");
            let found = dpop::proven(server, request, resource.uri, Beside::Token(&own.token)).map_err(|refused| own.refused(refused))?;
            let proven = found.ok_or_else(|| own.refused(missing()))?;
            own.proven = Some(proven);
        }
        Ok(own)
    }

    pub fn brought<'a>(&'a self, request: &'a Request) -> Brought<'a> {
        Brought { proven: self.proven.as_ref(), certificate: request.data::<Chain>(), in_form: self.in_form }
    }

    /// A refusal, with the challenge that belongs to it.
    pub fn refused(&self, refused: impl Into<Refused>) -> Refused {
        let refused = refused.into();
        match refused.refusal.code {
            Code::InsufficientScope => {
                let scope = Some(self.scope).filter(|scope| !scope.is_empty());
                refused.challenging(challenge(Some(self.scheme), scope))
            }
            Code::InvalidDpopProof | Code::UseDpopNonce | Code::InvalidToken => refused.challenging(challenge(Some(self.scheme), None)),
            _ => refused,
        }
    }

    /// The nonce that the answer carries.
    pub fn next_nonce(&self, server: &Server) -> Option<String> {
        dpop::next_nonce(server, self.proven.as_ref())
    }
}

fn challenge(tried: Option<Scheme>, scope: Option<&str>) -> Challenge {
    let algorithms = chancery_core::dpop::ALGS.join(" ");
    Challenge::Resource { tried, algorithms, scope: scope.map(str::to_owned) }
}
