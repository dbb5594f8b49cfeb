//! Access tokens at our own resources: userinfo, credentials, streams of signals, answers in applications.
//!
//! | Rule | Source |
//! |---|---|
//! | a bound token needs its key, or its certificate | RFC 9449 §7.1, RFC 8705 §3 |
//! | a client that is held to a profile brings its tokens as that says | `chancery_core::profile::tokens` |
//! | a proof counts once | RFC 9449 §11.1 |
//!
//! Out of scope: whether the token is alive (`introspect`), what it may do (each resource).

use chancery_core::dpop::Held;
use chancery_core::error::OAuthError;
use chancery_core::grant::GrantKind;
use chancery_core::profile::tokens::{self, Came};

use super::App;
use super::certificate::Chain;
use super::context::Context;
use super::dpop::Proven;
use super::introspect::Bearer;

/// What came along with the token, and where it stood.
#[derive(Clone, Copy, Default)]
pub struct Brought<'a> {
    pub proven: Option<&'a Proven>,
    pub certificate: Option<&'a Chain>,
    /// The token stood in a form (RFC 6750 §2.2), not in the header.
    pub in_form: bool,
}

impl App {
    /// Whom a token speaks for, once everything that it has to bring is right. Its proof is used up.
    ///
    /// # Errors
    /// `invalid_token` for what is not alive or of another key, `invalid_request`, `invalid_dpop_proof`, `temporarily_unavailable`.
    pub async fn bearer(&self, context: &Context, token: &str, brought: &Brought<'_>) -> Result<Bearer, OAuthError> {
        let held = Held { jkt: brought.proven.map(|proven| proven.jkt), certificate: brought.certificate.map(Chain::thumbprint) };
        let bearer = self.living(context, token, &held).await?;
        self.keeps_to_profile(&bearer, brought)?;
        // Once everything else is right, so that nobody without a token costs a write.
        if let Some(proven) = brought.proven {
            self.use_proof(context, proven, Some(&bearer.grant.client)).await?;
        }
        Ok(bearer)
    }

    /// Only now it is known whose token it is, and which profiles the client is held to.
    fn keeps_to_profile(&self, bearer: &Bearer, brought: &Brought<'_>) -> Result<(), OAuthError> {
        // Operators' tokens come over the local socket, and belong to no client.
        if bearer.grant.kind == GrantKind::Operator {
            return Ok(());
        }
        let policy = self.policy();
        let own = bearer.client.as_ref().and_then(|client| client.metadata.chancery_profile);
        let proof_alg = brought.proven.map(|proven| proven.alg.as_str());
        let came = Came { bound: bearer.cnf.as_ref(), in_form: brought.in_form, proof_alg };
        policy.profile.iter().chain(&own).try_for_each(|profile| tokens::check(*profile, &came))
    }
}
