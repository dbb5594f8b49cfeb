//! What happens to a grant on the way to credentials.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::IssuedAccess;
use crate::credential::attestation::Attested;
use crate::digest::Digest;
use crate::id::{AccountId, ClientId, GrantId, OfferId};
use crate::scope::Scope;
use crate::time::Timestamp;

/// A token for an offer of credentials (OpenID4VCI §6). `personal`: `authorization_details`, `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PreAuthorizedGranted {
    pub access: IssuedAccess,
    pub account: AccountId,
    pub at: Timestamp,
    pub client: ClientId,
    pub consent_epoch: u32,
    pub grant: GrantId,
    pub offer: OfferId,
    pub scope: Scope,
}

/// Credentials left for a wallet (OpenID4VCI §8.3), all of one configuration and with the same claims. `personal`: `credentials`, which
/// has the digest of each and the thumbprint of its key, and `context`. What they say of the person is in no event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CredentialsIssued {
    /// The access token that was used.
    pub access: Digest,
    pub at: Timestamp,
    /// Who vouched for the keys (Appendix D); absent where nobody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attested: Option<Attested>,
    /// Its id in the metadata.
    pub configuration: String,
    /// How many there are, each for a key of its own.
    pub count: u32,
    /// When they end.
    pub expires_at: Timestamp,
    /// `kid` of the key that signed them.
    pub kid: String,
    /// What verifiers know this kind of credential by.
    pub vct: String,
}
