//! Challenges for the proofs of attested clients (draft-ietf-oauth-attestation-based-client-auth §6.1).

use chancery_core::error::OAuthError;
use poem_openapi::OpenApi;
use serde_json::json;

use super::Group;
use crate::http::error::Refused;
use crate::http::reply::{Describe, Reply};
use crate::http::server::Server;

pub struct Challenges(pub Server);

pub struct ChallengeAnswer;

impl Describe for ChallengeAnswer {
    const DESCRIPTION: &'static str = "A challenge for the next proof.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] =
        &[("attestation_challenge", "string", "To be the claim challenge of the proof, or the nonce of a DPoP proof that is one.")];
}

#[OpenApi(tag = "Group::Protocol")]
impl Challenges {
    /// Challenge for attested clients
    ///
    /// Where there are attesters (client_attester_draft12).
    #[oai(path = "/oidc/challenge", method = "post", operation_id = "attestationChallenge")]
    async fn challenge(&self) -> Result<Reply<ChallengeAnswer>, Refused> {
        if self.0.app.config.attesters.is_empty() {
            return Err(OAuthError::not_found("there are no attesters").into());
        }
        Ok(Reply::new(&json!({ "attestation_challenge": self.0.app.attestation_challenge() })))
    }
}
