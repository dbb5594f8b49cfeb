//! What can happen to a grant.

mod brought;
mod credentials;

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Access, Refresh as Family};
use crate::claims::ClaimsRequest;
use crate::digest::Digest;
use crate::dpop::Confirmation;
use crate::events;
use crate::id::{AccountId, BackchannelId, ClientId, DeviceId, GrantId, InteractionId, SessionId};
use crate::resource::ResourceId;
use crate::scope::Scope;
use crate::time::Timestamp;
pub use brought::{AssertionGranted, TokenExchanged};
pub use credentials::{CredentialsIssued, PreAuthorizedGranted};

/// An access token as the log knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IssuedAccess {
    /// The resource server that it is for; absent: this server's userinfo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<ResourceId>,
    /// The key that whoever uses it has to prove.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// Of the token's text; of a JWT's `jti`.
    pub digest: Digest,
    pub expires_at: Timestamp,
    /// `kid` of the key that signed it, when it is a JWT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
}

impl IssuedRefresh {
    pub(super) fn into_family(self) -> Family {
        let Self { cnf, digest, ends_at, expires_at } = self;
        Family { digest, generation: 0, expires_at, ends_at, cnf, bound_from: 0, predecessor: None }
    }
}

impl IssuedAccess {
    pub(super) fn into_access(self, issued_at: Timestamp, scope: Option<Scope>) -> Access {
        let Self { audience, cnf, digest, expires_at, .. } = self;
        Access { audience, cnf, digest, issued_at, expires_at, scope, details: None }
    }
}

/// The first refresh token of a grant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IssuedRefresh {
    /// The key that it is bound to: of public clients (RFC 9449 §5), and the instance's of attested ones (ABCA §9.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    pub digest: Digest,
    pub ends_at: Timestamp,
    pub expires_at: Timestamp,
}

/// An authorization code left for a client (RFC 6749 §4.1.2). `personal`: `nonce`, `authorization_details`,
/// `claim_values`, `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodeIssued {
    pub account: AccountId,
    pub amr: Vec<String>,
    pub at: Timestamp,
    pub auth_time: Timestamp,
    /// Claims that were asked for one by one.
    #[serde(default, skip_serializing_if = "ClaimsRequest::is_empty")]
    pub claims: ClaimsRequest,
    pub client: ClientId,
    pub code: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_challenge: Option<String>,
    pub code_expires_at: Timestamp,
    /// How often the consent had been withdrawn before: the next withdrawal ends this grant.
    pub consent_epoch: u32,
    /// Thumbprint of the key that the code is bound to (RFC 9449 §10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_jkt: Option<Digest>,
    pub grant: GrantId,
    /// Thumbprint of the key of the attested instance that it is for (ABCA §9.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Digest>,
    pub interaction: InteractionId,
    pub redirect_uri: String,
    /// The request did not name its redirect_uri: the only registered one is meant, and the token request need not name it either.
    #[serde(default, skip_serializing_if = "crate::request::is_false")]
    pub redirect_uri_omitted: bool,
    /// The resource servers that its tokens may be for (RFC 8707).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resources: BTreeSet<ResourceId>,
    pub scope: Scope,
    pub session: SessionId,
    pub wants_auth_time: bool,
}

/// An authorization whose tokens pass through the browser, without a code (OpenID Connect Core 1.0 §3.2). `personal`:
/// `authorization_details`, `claim_values`, `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ImplicitlyGranted {
    pub account: AccountId,
    pub amr: Vec<String>,
    pub at: Timestamp,
    pub auth_time: Timestamp,
    #[serde(default, skip_serializing_if = "ClaimsRequest::is_empty")]
    pub claims: ClaimsRequest,
    pub client: ClientId,
    pub consent_epoch: u32,
    pub grant: GrantId,
    pub interaction: InteractionId,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resources: BTreeSet<ResourceId>,
    pub scope: Scope,
    pub session: SessionId,
    pub wants_auth_time: bool,
}

/// Tokens left through the browser, beside a code or without one (OpenID Connect Core 1.0 §3.2, §3.3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FrontChannelIssued {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<IssuedAccess>,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_kid: Option<String>,
    /// When the access token has less than the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// The code became tokens. `personal`: `authorization_details` when the access token has less of them than the grant, `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodeRedeemed {
    pub access: IssuedAccess,
    pub at: Timestamp,
    /// `kid` of the key that signed the id_token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<IssuedRefresh>,
    /// When the access token has less than the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// A first use with a wrong `code_verifier`: refused, the code is not spent (five burn it).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodeVerifierRefused {
    pub at: Timestamp,
}

/// A refresh token became fresh tokens. `personal`: `authorization_details` when the access token has less of them than the grant, `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefreshTokenRotated {
    pub access: IssuedAccess,
    pub at: Timestamp,
    /// The key that the refresh token is bound to from here on: a public client proved one, and none before (RFC 9449 §5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    pub generation: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_kid: Option<String>,
    pub refresh: Digest,
    pub refresh_expires_at: Timestamp,
    /// When the new access token has less than the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// A refresh token of a client without rotation was used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefreshTokenUsed {
    pub access: IssuedAccess,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_kid: Option<String>,
    pub refresh_expires_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// The immediate predecessor came again within the grace window and got the same successor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefreshTokenRepeated {
    pub access: IssuedAccess,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// What was tried and refused without ending anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Misuse {
    CodeByOtherClient,
    RefreshTokenByOtherClient,
    /// Without a proof of the key that it is bound to; recorded once for each grant.
    CodeWithOtherKey,
    RefreshTokenWithOtherKey,
    /// Somebody used an access token at this server without the key that it is bound to; recorded once for each grant.
    AccessTokenWithOtherKey,
    /// A client brought one of its tokens to be exchanged that may not (RFC 8693); recorded once for each grant.
    ExchangeByOtherClient,
    ExchangeWithOtherKey,
    /// Somebody asked for a credential with a proof for another issuer, or of another client (OpenID4VCI); recorded once for each grant.
    CredentialProofOfOther,
}

impl Misuse {
    /// Whoever stole a bound token could try it without end.
    pub(super) const fn is_recorded_once(self) -> bool {
        !matches!(self, Self::CodeByOtherClient | Self::RefreshTokenByOtherClient)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MisuseRefused {
    pub at: Timestamp,
    pub by: ClientId,
    pub misuse: Misuse,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AccessTokenRevoked {
    pub access: Digest,
    pub at: Timestamp,
}

/// Why a grant ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    CodeReplayed,
    CodeVerifierGuessed,
    RefreshTokenReused,
    Revoked,
    /// They were pushed, and nobody acknowledged them (CIBA Core §10.3.1).
    Undelivered,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GrantEnded {
    pub at: Timestamp,
    pub reason: EndReason,
}

/// A token for the client itself (RFC 6749 §4.4). `personal`: `authorization_details`, `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientCredentialsGranted {
    pub access: IssuedAccess,
    pub at: Timestamp,
    pub client: ClientId,
    pub grant: GrantId,
    pub scope: Scope,
}

/// A device got its tokens (RFC 8628 §3.5); a person allowed it, as the stream of the device tells. `personal`: `authorization_details`,
/// `claim_values`, `nonce`, `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceGranted {
    pub access: IssuedAccess,
    /// When the access token has less than the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_scope: Option<Scope>,
    pub account: AccountId,
    pub amr: Vec<String>,
    pub at: Timestamp,
    pub auth_time: Timestamp,
    /// Claims that were asked for one by one.
    #[serde(default, skip_serializing_if = "ClaimsRequest::is_empty")]
    pub claims: ClaimsRequest,
    pub client: ClientId,
    pub consent_epoch: u32,
    pub device: DeviceId,
    pub grant: GrantId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<IssuedRefresh>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resources: BTreeSet<ResourceId>,
    pub scope: Scope,
    pub session: SessionId,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub wants_auth_time: bool,
}

/// A client got the tokens that it asked for on the back channel (CIBA Core §10.1). `personal`: `authorization_details`, `claim_values`, `nonce`,
/// `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackchannelGranted {
    pub access: IssuedAccess,
    /// When the access token has less than the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_scope: Option<Scope>,
    pub account: AccountId,
    pub amr: Vec<String>,
    pub at: Timestamp,
    pub auth_time: Timestamp,
    pub backchannel: BackchannelId,
    /// Claims that were asked for one by one.
    #[serde(default, skip_serializing_if = "ClaimsRequest::is_empty")]
    pub claims: ClaimsRequest,
    pub client: ClientId,
    pub consent_epoch: u32,
    pub grant: GrantId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<IssuedRefresh>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resources: BTreeSet<ResourceId>,
    pub scope: Scope,
    pub session: SessionId,
    /// The id_token says how the person signed in.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub wants_acr: bool,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub wants_auth_time: bool,
}

/// A token for the management interface, minted over the local socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OperatorTokenMinted {
    pub access: IssuedAccess,
    pub at: Timestamp,
    pub client: ClientId,
    pub grant: GrantId,
    pub scope: Scope,
}

events! {
    /// The history of a grant.
    GrantEvent {
        CodeIssued = 1,
        ImplicitlyGranted = 1,
        FrontChannelIssued = 1,
        CodeRedeemed = 1,
        CodeVerifierRefused = 1,
        RefreshTokenRotated = 1,
        RefreshTokenUsed = 1,
        RefreshTokenRepeated = 1,
        MisuseRefused = 1,
        AccessTokenRevoked = 1,
        CredentialsIssued = 1,
        GrantEnded = 1,
        ClientCredentialsGranted = 1,
        DeviceGranted = 1,
        BackchannelGranted = 1,
        TokenExchanged = 1,
        AssertionGranted = 1,
        PreAuthorizedGranted = 1,
        OperatorTokenMinted = 1,
    }
}
