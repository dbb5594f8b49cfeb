//! The authorization request: one table of checks.
//!
//! A new rule is a new file in `checks` and a new row in [`CHECKS`], never an `if` inside a neighbour. The order is the order of
//! the rows: nothing is redirected before client and `redirect_uri` are verified (RFC 9700 §4.11).
//!
//! Which parameters a request has is settled before, in [`object`]: the checks never see `request` or `request_uri`.

mod checks;
pub mod object;

pub use checks::resource::MOST as MOST_RESOURCES;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::acr::Demanded;
use crate::claims::ClaimsRequest;
use crate::client::Client;
use crate::client::attestation::Signal;
use crate::client::metadata::{AuthMethod, DeliveryMode, GrantType, RequestObjectAlg, ResponseMode, ResponseType, SigningAlg};
use crate::details::Types;
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::id::AccountId;
use crate::profile::Profile;
use crate::resource::{Own, ResourceId, ResourceServer};
use crate::scope::Scope;
use crate::time::Seconds;
use object::ObjectUsed;

/// Values of `prompt`. OpenID Connect Core 1.0 §3.1.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    None,
    Login,
    Consent,
    /// Answered with the login page: the person chooses by signing in.
    SelectAccount,
    /// Register a new account. Initiating User Registration via OpenID Connect 1.0 §4.
    Create,
}

impl Prompt {
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::None, "none"),
        (Self::Login, "login"),
        (Self::Consent, "consent"),
        (Self::SelectAccount, "select_account"),
        (Self::Create, "create"),
    ];
}

/// A request that passed every check: the part of it that is not personal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Request {
    /// The types of its authorization details (RFC 9396); what they say is personal and kept as ciphertext. A scope that stands for a
    /// credential counts as one.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub authorization_details: BTreeSet<String>,
    /// Claims that were asked for one by one.
    #[serde(default, skip_serializing_if = "ClaimsRequest::is_empty")]
    pub claims: ClaimsRequest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_challenge: Option<String>,
    /// Thumbprint of the key that the code is bound to (RFC 9449 §10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_jkt: Option<Digest>,
    /// The account that a verified `id_token_hint` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hinted_account: Option<AccountId>,
    /// Thumbprint of the key of the attested instance that pushed it: the code is for that one (ABCA §9.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Seconds>,
    /// The request object that the parameters stood in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectUsed>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub prompt: BTreeSet<Prompt>,
    pub redirect_uri: String,
    /// The request did not name its redirect_uri: the only registered one is meant, and the token request need not name it either.
    #[serde(default, skip_serializing_if = "is_false")]
    pub redirect_uri_omitted: bool,
    /// The resource servers that its tokens may be for (RFC 8707).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resources: BTreeSet<ResourceId>,
    pub response_mode: ResponseMode,
    #[serde(default, skip_serializing_if = "ResponseType::is_code")]
    pub response_type: ResponseType,
    pub scope: Scope,
    /// Languages that the person reads (OpenID Connect Core 1.0 §3.1.2.1), for the pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ui_locales: Option<String>,
    /// `auth_time` belongs into the id_token.
    pub wants_auth_time: bool,
}

impl Request {
    /// What the person is asked to allow ([`ClaimsRequest::beside`]).
    pub fn consent_scope(&self, has_claims_of_others: bool) -> Scope {
        self.claims.beside(&self.scope, has_claims_of_others)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
pub(crate) fn is_false(own: &bool) -> bool {
    !own
}

/// Parameters after the strict parse: no name twice, empty ones absent.
pub type Parameters = BTreeMap<String, String>;

/// What the server is configured to demand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// PKCE for confidential clients too.
    pub pkce_for_all: bool,
    /// The implicit and hybrid flows are switched on.
    pub front_channel: bool,
    /// Answers may travel as messages between windows.
    pub web_message: bool,
    /// People may make accounts by themselves.
    pub account_registration: bool,
    /// Every client has to push its requests (RFC 9126 §5).
    pub pushed_only: bool,
    /// Clients that authenticate may push a redirect URI that they did not register (RFC 9126 §2.4).
    pub unregistered_redirect_uris: bool,
    /// Native clients may use any port of `localhost` too, as on the loopback addresses.
    pub localhost_ports: bool,
    /// Request objects may come without a signature.
    pub unsigned_request_objects: bool,
    /// Every authorization request is a signed object (RFC 9101 §10.5).
    pub signed_request_objects: bool,
    /// Request objects may come encrypted.
    pub encrypted_request_objects: bool,
    /// Clients are told of logouts through the browser.
    pub front_channel_logout: bool,
    /// Clients can watch in a frame whether somebody is still signed in.
    pub session_management: bool,
    /// Certificates of clients reach this server (RFC 8705).
    pub client_certificates: bool,
    /// There are authorities that it trusts to issue them.
    pub client_authorities: bool,
    /// There are clients that may exchange tokens (RFC 8693).
    pub token_exchange: bool,
    /// There are issuers whose assertions are grants (RFC 7523).
    pub assertion_issuers: bool,
    /// Clients may ask people on the back channel (CIBA).
    pub ciba: bool,
    /// A client may be the document behind its name (CIMD).
    pub client_documents: bool,
    /// There are attesters of clients (ABCA).
    pub attesters: bool,
    /// Whether their words are wanted beside other methods, too.
    pub attestation_signal: Signal,
    /// Credentials are issued to wallets (OpenID4VCI).
    pub credentials: bool,
    /// When `acr_values` that cannot be met are refused.
    pub acr_demanded: Demanded,
    /// The profile of the whole server.
    pub profile: Option<Profile>,
    /// What profiles ask besides.
    pub https: bool,
    pub code_lifetime: Seconds,
    pub pushed_lifetime: Seconds,
    pub clock_tolerance: Seconds,
}

impl Policy {
    /// How clients may authenticate.
    pub fn auth_methods(self) -> impl Iterator<Item = AuthMethod> {
        let is_on = move |method: &AuthMethod| match method {
            AuthMethod::TlsClientAuth => self.client_certificates && self.client_authorities,
            AuthMethod::SelfSignedTlsClientAuth => self.client_certificates,
            AuthMethod::PrivateKeyJwt => true,
            AuthMethod::Attestation | AuthMethod::AttestationDpop => {
                self.attesters && self.profile.is_none_or(|profile| !profile.wants_client_keys())
            }
            _ => self.profile.is_none_or(|profile| !profile.wants_client_keys()),
        };
        AuthMethod::ALL.iter().copied().filter(is_on)
    }

    /// Grant types that a client can be registered for.
    pub fn grant_types(self) -> impl Iterator<Item = GrantType> {
        let is_on = move |grant: &GrantType| match grant {
            GrantType::Implicit => self.front_channel,
            GrantType::TokenExchange => self.token_exchange,
            GrantType::JwtBearer => self.assertion_issuers,
            GrantType::Ciba => self.ciba,
            GrantType::PreAuthorizedCode => self.credentials,
            _ => true,
        };
        GrantType::ALL.iter().copied().filter(is_on)
    }

    /// How clients may learn of answers on the back channel.
    pub fn delivery_modes(self) -> impl Iterator<Item = DeliveryMode> {
        let is_on = move |mode: &DeliveryMode| self.profile.is_none_or(|profile| profile.has_delivery_mode(*mode == DeliveryMode::Push));
        DeliveryMode::ALL.iter().copied().filter(is_on)
    }

    /// Response types that a request may ask for.
    pub fn response_types(self) -> impl Iterator<Item = ResponseType> {
        let of_profile = move |kind: &ResponseType| self.profile.is_none_or(|profile| profile.has_response_type(kind.as_str()));
        ResponseType::ALL.iter().copied().filter(move |kind| self.front_channel || !kind.is_front_channel()).filter(of_profile)
    }

    /// How an answer may travel.
    pub fn response_modes(self) -> impl Iterator<Item = ResponseMode> {
        ResponseMode::ALL.iter().copied().filter(move |mode| self.web_message || mode.carrier() != ResponseMode::WebMessage)
    }

    /// The mode of that name, if answers may travel in it.
    pub fn response_mode(self, name: &str) -> Option<ResponseMode> {
        self.response_modes().find(|mode| mode.as_str() == name)
    }

    /// Is this algorithm one of the profile's?
    pub fn allows(self, alg: &str) -> bool {
        self.profile.is_none_or(|profile| profile.allows(alg))
    }

    /// The profiles that a client is held to: the server's, and its own.
    pub fn profiles(self, client: &Client) -> impl Iterator<Item = Profile> {
        self.profile.into_iter().chain(client.metadata.chancery_profile)
    }

    /// Is this algorithm one of all the profiles that a client is held to?
    pub fn allows_for(self, client: &Client, alg: &str) -> bool {
        self.profiles(client).all(|profile| profile.allows(alg))
    }

    /// What answers for this client are signed with where it names nothing.
    pub fn usual_alg(self, client: &Client) -> SigningAlg {
        let has = self.allows_for(client, SigningAlg::Rs256.as_str());
        if has { SigningAlg::Rs256 } else { SigningAlg::Ps256 }
    }

    /// What request objects may be signed with.
    pub fn request_object_algs(self) -> impl Iterator<Item = RequestObjectAlg> {
        let is_on = move |alg: &RequestObjectAlg| match alg {
            RequestObjectAlg::None => self.unsigned_request_objects && !self.signed_request_objects,
            other => self.allows(other.as_str()),
        };
        RequestObjectAlg::ALL.iter().copied().filter(is_on)
    }

    /// Values of `prompt` that a request may have.
    pub fn prompts(self) -> impl Iterator<Item = (Prompt, &'static str)> {
        Prompt::ALL.iter().copied().filter(move |(prompt, _)| self.account_registration || *prompt != Prompt::Create)
    }
}

/// How a request comes in: the columns of the table of checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrival {
    /// Through the browser, with its parameters.
    #[default]
    Browser,
    /// From the client itself, to be kept (RFC 9126 §2.1).
    Pushing,
    /// Through the browser, as the name of what was pushed before (RFC 9126 §4).
    Pushed,
}

/// What the checks look at.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub parameters: &'a Parameters,
    pub client: &'a Client,
    /// The account in the `id_token_hint`: `Err` when there is a hint that is not ours.
    pub hint: Result<Option<AccountId>, ()>,
    pub policy: Policy,
    pub arrival: Arrival,
    pub resources: Resources<'a>,
    /// The types of authorization details that are registered here.
    pub types: &'a Types,
}

/// The `resource` parameters, which may repeat, and what the shell found of them.
#[derive(Clone, Copy, Default)]
pub struct Resources<'a> {
    pub asked: &'a [String],
    pub found: &'a [Arc<ResourceServer>],
    pub own: Own<'a>,
}

impl Asked<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }
}

/// One row of the table.
pub struct Check {
    pub name: &'static str,
    pub source: &'static str,
    run: fn(&Asked<'_>, &mut Request) -> Result<(), OAuthError>,
}

/// Every check, in order. `redirect_uri` ran before: its failure is the only one that must not be redirected.
pub const CHECKS: &[Check] = &[
    Check { name: "response_mode", source: "OAuth 2.0 Multiple Response Types §2.1", run: checks::response_mode::check },
    Check { name: "pushed", source: "RFC 9126 §2.1, §4, §6", run: checks::pushed::check },
    Check { name: "registration", source: "OpenID Connect Core 1.0 §3.1.2.6, §7.2.1", run: checks::registration::check },
    Check { name: "response_type", source: "RFC 6749 §3.1.1", run: checks::response_type::check },
    Check { name: "profile", source: "FAPI 1.0 Part 2 §5.2.2, FAPI 2.0 Message Signing §5.4.1", run: checks::profile::check },
    Check { name: "scope", source: "RFC 6749 §3.3", run: checks::scope::check },
    Check { name: "resource", source: "RFC 8707 §2", run: checks::resource::check },
    Check { name: "authorization_details", source: "RFC 9396 §2, §5", run: checks::authorization_details::check },
    Check { name: "pkce", source: "RFC 7636 §4.3, RFC 9700 §2.1.1", run: checks::pkce::check },
    Check { name: "dpop_jkt", source: "RFC 9449 §10", run: checks::dpop_jkt::check },
    Check { name: "prompt", source: "OpenID Connect Core 1.0 §3.1.2.1", run: checks::prompt::check },
    Check { name: "nonce", source: "OpenID Connect Core 1.0 §3.2.2.1, §3.3.2.11, FAPI 1.0 Part 1 §5.2.2.2", run: checks::nonce::check },
    Check { name: "claims", source: "OpenID Connect Core 1.0 §5.5, §5.5.1.1", run: checks::claims::check },
    Check { name: "acr_values", source: "OpenID Connect Core 1.0 §3.1.2.1, RFC 9470 §5", run: checks::acr_values::check },
    Check { name: "max_age", source: "OpenID Connect Core 1.0 §3.1.2.1", run: checks::max_age::check },
    Check { name: "bounds", source: "our own", run: checks::bounds::check },
    Check { name: "id_token_hint", source: "OpenID Connect Core 1.0 §3.1.2.1", run: checks::id_token_hint::check },
];

/// Why a request was refused, and where the refusal may go.
#[derive(Debug)]
pub enum Refusal {
    /// Client or redirect_uri are not verified: a page for the person, never a redirect.
    Page(OAuthError),
    /// To the client, in the mode that it asked for.
    Redirect { redirect_uri: String, response_mode: ResponseMode, error: OAuthError },
}

/// Runs the table.
///
/// # Errors
/// The first check that fails.
pub fn validate(asked: &Asked<'_>) -> Result<Request, Refusal> {
    let (redirect_uri, redirect_uri_omitted) = checks::redirect_uri::check(asked).map_err(Refusal::Page)?;
    let mut request = blank(redirect_uri, redirect_uri_omitted);
    for check in CHECKS {
        if let Err(error) = (check.run)(asked, &mut request) {
            return Err(Refusal::Redirect { redirect_uri: request.redirect_uri, response_mode: request.response_mode, error });
        }
    }
    Ok(request)
}

/// The rows that a request runs through which no browser brings (RFC 8628 §3.1, CIBA Core §7.1): there is none to come back to.
const POLLED: [&str; 9] =
    ["registration", "scope", "resource", "authorization_details", "claims", "acr_values", "max_age", "bounds", "id_token_hint"];

/// Runs the rows of a request that no browser brings.
///
/// # Errors
/// The first check that fails.
pub fn of_polled(asked: &Asked<'_>) -> Result<Request, OAuthError> {
    checks::without_browser::check(asked)?;
    let mut request = blank(String::new(), false);
    for check in CHECKS.iter().filter(|check| POLLED.contains(&check.name)) {
        (check.run)(asked, &mut request)?;
    }
    Ok(request)
}

fn blank(redirect_uri: String, redirect_uri_omitted: bool) -> Request {
    Request {
        authorization_details: BTreeSet::new(),
        redirect_uri,
        redirect_uri_omitted,
        claims: ClaimsRequest::default(),
        response_mode: ResponseMode::Query,
        response_type: ResponseType::Code,
        resources: BTreeSet::new(),
        scope: Scope::default(),
        code_challenge: None,
        dpop_jkt: None,
        prompt: BTreeSet::new(),
        max_age: None,
        object: None,
        wants_auth_time: false,
        ui_locales: None,
        hinted_account: None,
        instance: None,
    }
}

#[cfg(test)]
mod tests;
