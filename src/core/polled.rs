//! What a client polls for: a person answers elsewhere, and the client asks until it knows. The device grant and CIBA share it.
//!
//! | Rule | Source |
//! |---|---|
//! | only for the client that asked | RFC 8628 §3.4, CIBA Core §11 |
//! | only for the attested instance that asked, if one did | ABCA §9.4 |
//! | tokens once | RFC 8628 §3.5, CIBA Core §10.1 |
//! | denied: `access_denied`; too late: `expired_token` | RFC 8628 §3.5, CIBA Core §11 |
//! | waiting: `authorization_pending`; too fast: `slow_down`, and five seconds more from then on | RFC 8628 §3.5, CIBA Core §11 |
//!
//! What the client wants of the sign-in and of the tokens is in `wishes`.
//!
//! Out of scope: what is recorded of it (`device`, `backchannel`), how fast a client asked (the shell).

pub mod wishes;

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::OAuthError;
use crate::id::{AccountId, ClientId, SessionId};
use crate::time::{Seconds, Timestamp};

/// Seconds between two polls at the beginning, and what each `slow_down` adds (RFC 8628 §3.2, §3.5; CIBA Core §7.3, §11).
pub const INTERVAL: Seconds = Seconds(5);
/// From here on the interval grows no more, so that one client cannot fill the log.
const LONGEST_INTERVAL: Seconds = Seconds(60);

/// What the person said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Waiting,
    Approved(Approval),
    Denied,
    /// The tokens are out.
    Redeemed,
}

/// Who allowed it, and in which session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    pub account: AccountId,
    pub session: SessionId,
    pub auth_time: Timestamp,
    pub amr: Vec<String>,
    pub consent_epoch: u32,
}

/// A client that asks whether the person has answered.
pub struct Poll {
    pub code: Digest,
    pub client: ClientId,
    /// The key of the instance that was attested (ABCA).
    pub instance: Option<Digest>,
    /// It was told to wait longer than it did.
    pub too_fast: bool,
    pub at: Timestamp,
}

/// What is polled for, as it stands.
pub struct Polled<'a> {
    pub code: &'a Digest,
    pub client: &'a ClientId,
    /// Of the instance that asked.
    pub instance: Option<Digest>,
    pub answer: &'a Answer,
    pub expires_at: Timestamp,
    pub interval: Seconds,
}

/// What of a refusal is evidence, or changes what is polled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    OtherClient,
    OtherInstance,
    Replayed,
    /// From here on it has to wait so long.
    Slowed(Seconds),
}

impl Poll {
    /// Who allowed it, when somebody has.
    ///
    /// # Errors
    /// `invalid_grant`, `access_denied`, `expired_token`, `authorization_pending`, `slow_down`, with the trace that it leaves.
    pub fn verdict(&self, own: &Polled<'_>) -> Result<Approval, (OAuthError, Option<Trace>)> {
        if !own.code.matches(&self.code) {
            return Err((OAuthError::invalid_grant("unknown code"), None));
        }
        if *own.client != self.client {
            return Err((OAuthError::invalid_grant("issued to another client"), Some(Trace::OtherClient)));
        }
        if own.instance.is_some() && own.instance != self.instance {
            return Err((OAuthError::invalid_grant("issued to another instance"), Some(Trace::OtherInstance)));
        }
        match own.answer {
            Answer::Redeemed => Err((OAuthError::invalid_grant("redeemed already"), Some(Trace::Replayed))),
            Answer::Denied => Err((OAuthError::denied_by_person("the person said no"), None)),
            _ if self.at >= own.expires_at => Err((OAuthError::expired_token("nobody answered in time"), None)),
            Answer::Approved(approval) => Ok(approval.clone()),
            Answer::Waiting if !self.too_fast => Err((OAuthError::authorization_pending("nobody has answered"), None)),
            Answer::Waiting => {
                let slowed = (own.interval < LONGEST_INTERVAL).then(|| Trace::Slowed(Seconds(own.interval.0 + INTERVAL.0)));
                Err((OAuthError::poll_slow_down("polled too fast"), slowed))
            }
        }
    }
}
