//! A refusal on its way to the wire, with what its handler knows besides the code. How it is written: `error`.

use chancery_core::error::OAuthError;

use super::challenge::Challenge;
use super::cors::AnsweredClient;

/// A refusal on its way to the wire.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {}", .refusal.code(), .refusal.detail)]
pub struct Refused {
    pub refusal: OAuthError,
    /// What to ask for; `None` asks for what the code implies.
    pub challenge: Option<Box<Challenge>>,
    /// Seconds; 429 and 503 get a default without it.
    pub retry_after: Option<u64>,
    /// The client that was answered, so that its origins may read the refusal.
    pub client: Option<AnsweredClient>,
    /// The nonce to use in the next DPoP proof (RFC 9449 §8), or the challenge for that of an instance (ABCA §6.2).
    pub nonce: Option<Box<str>>,
}

impl From<OAuthError> for Refused {
    fn from(refusal: OAuthError) -> Self {
        Self { refusal, challenge: None, retry_after: None, client: None, nonce: None }
    }
}

impl Refused {
    /// With another challenge than the code implies.
    #[must_use]
    pub fn challenging(mut self, challenge: Challenge) -> Self {
        self.challenge = Some(Box::new(challenge));
        self
    }

    /// With the seconds to wait.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// With the nonce to come back with.
    #[must_use]
    pub fn with_nonce(mut self, nonce: String) -> Self {
        self.nonce = Some(nonce.into());
        self
    }

    /// With the client whose origins may read it.
    #[must_use]
    pub fn for_client(mut self, client: AnsweredClient) -> Self {
        self.client = Some(client);
        self
    }
}
