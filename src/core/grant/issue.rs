//! The beginnings of a grant.
//!
//! | Rule | Source |
//! |---|---|
//! | a code lives shortly and is bound to client, redirect_uri and challenge | RFC 6749 §4.1.2, RFC 7636 §4.4 |
//! | tokens may leave through the browser, where the operator switched that on | OpenID Connect Core 1.0 §3.2, §3.3 |
//! | client credentials never bring a refresh token | RFC 6749 §4.4.3 |
//! | a client gets no more scope than it is registered for | RFC 6749 §3.3 |
//! | a refresh token comes with the registered grant type, and has an idle and an absolute end | RFC 6749 §1.5, RFC 9700 §4.14.2 |

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::event::{
    ClientCredentialsGranted, CodeIssued, FrontChannelIssued, ImplicitlyGranted, IssuedAccess, IssuedRefresh, OperatorTokenMinted,
};
use super::target::Target;
use super::{DETAILS, GrantEvent, Lifetimes};
use crate::claims::ClaimsRequest;
use crate::claims::wanted::CLAIM_VALUES;
use crate::client::metadata::GrantType;
use crate::client::{Client, attestation};
use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::dpop::{self, Confirmation};
use crate::error::OAuthError;
use crate::id::{AccountId, ClientId, GrantId, InteractionId, SessionId};
use crate::resource::ResourceId;
use crate::scope::{RESERVED, STANDARD, Scope};
use crate::time::Timestamp;

/// The answer to an authorization request, about to leave as a code.
pub struct IssueCode {
    pub grant: GrantId,
    pub client: ClientId,
    pub account: AccountId,
    pub session: SessionId,
    pub interaction: InteractionId,
    pub scope: Scope,
    /// Absent in the implicit flow.
    pub code: Option<Digest>,
    pub claims: ClaimsRequest,
    pub redirect_uri: String,
    pub redirect_uri_omitted: bool,
    pub resources: BTreeSet<ResourceId>,
    pub code_challenge: Option<String>,
    pub dpop_jkt: Option<Digest>,
    /// The key of the attested instance that it is for.
    pub instance: Option<Digest>,
    pub auth_time: Timestamp,
    pub amr: Vec<String>,
    pub wants_auth_time: bool,
    pub consent_epoch: u32,
    pub nonce: Option<String>,
    /// In their one text (RFC 9396).
    pub authorization_details: Option<String>,
    /// The values that claims were asked for with, in their one text.
    pub claim_values: Option<String>,
    pub context: Option<String>,
    pub at: Timestamp,
}

impl Lifetimes {
    /// The first refresh token of a grant, with the key that counts for it.
    pub(super) fn first_refresh(
        &self,
        client: &Client,
        (digest, shown): (Digest, Option<Confirmation>),
        at: Timestamp,
    ) -> Option<IssuedRefresh> {
        let ends_at = at.plus(self.refresh_absolute);
        // ABCA §9.3: there is none that no instance holds, such as one that is pushed.
        let has_holder = shown.is_some() || !client.is_attested();
        (has_holder && client.metadata.grant_types.contains(&GrantType::RefreshToken)).then(|| IssuedRefresh {
            digest,
            // ABCA §9.3: that of an instance is. RFC 9449 §5: a confidential client's is bound to its authentication already, and its key may change.
            cnf: shown.filter(|_| attestation::binds_refresh_tokens(client)),
            expires_at: at.plus(self.refresh_idle).min(ends_at),
            ends_at,
        })
    }
}

pub fn code(cmd: &IssueCode, lifetimes: &Lifetimes) -> Decision<GrantEvent, ()> {
    let context = Personal::default()
        .with("context", cmd.context.as_deref())
        .with_whole(DETAILS, cmd.authorization_details.as_deref())
        .with_whole(CLAIM_VALUES, cmd.claim_values.as_deref());
    let Some(code) = cmd.code else {
        let event = ImplicitlyGranted {
            grant: cmd.grant,
            client: cmd.client.clone(),
            account: cmd.account,
            session: cmd.session,
            interaction: cmd.interaction,
            scope: cmd.scope.clone(),
            claims: cmd.claims.clone(),
            resources: cmd.resources.clone(),
            auth_time: cmd.auth_time,
            amr: cmd.amr.clone(),
            wants_auth_time: cmd.wants_auth_time,
            consent_epoch: cmd.consent_epoch,
            at: cmd.at,
        };
        return Decision::accept(alloc::vec![Draft::new(event.into(), context)], ());
    };
    let event = CodeIssued {
        grant: cmd.grant,
        client: cmd.client.clone(),
        account: cmd.account,
        session: cmd.session,
        interaction: cmd.interaction,
        scope: cmd.scope.clone(),
        claims: cmd.claims.clone(),
        code,
        code_expires_at: cmd.at.plus(lifetimes.code),
        redirect_uri: cmd.redirect_uri.clone(),
        redirect_uri_omitted: cmd.redirect_uri_omitted,
        resources: cmd.resources.clone(),
        code_challenge: cmd.code_challenge.clone(),
        dpop_jkt: cmd.dpop_jkt,
        instance: cmd.instance,
        auth_time: cmd.auth_time,
        amr: cmd.amr.clone(),
        wants_auth_time: cmd.wants_auth_time,
        consent_epoch: cmd.consent_epoch,
        at: cmd.at,
    };
    let personal = context.with("nonce", cmd.nonce.as_deref());
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], ())
}

/// Tokens that are about to leave through the browser.
pub struct IssueDirectly {
    /// Digest of the access token and what it is for, when there is one.
    pub access: Option<(Digest, Target)>,
    pub id_token_kid: Option<String>,
    pub at: Timestamp,
}

/// What the access token of the front channel may do, and until when.
#[derive(Debug)]
pub struct IssuedDirectly {
    pub scope: Scope,
    pub access_expires_at: Option<Timestamp>,
}

pub fn directly(granted: &Scope, cmd: &IssueDirectly, lifetimes: &Lifetimes) -> Decision<GrantEvent, IssuedDirectly> {
    let access = cmd.access.as_ref().map(|(digest, target)| target.issue(*digest, None, cmd.at, lifetimes.access_token));
    let scope = cmd.access.as_ref().map_or_else(|| granted.clone(), |(_, target)| target.scope_of(granted));
    let outcome = IssuedDirectly { scope: scope.clone(), access_expires_at: access.as_ref().map(|access| access.expires_at) };
    let narrowed = (scope != *granted).then_some(scope);
    let event = FrontChannelIssued { access, id_token_kid: cmd.id_token_kid.clone(), scope: narrowed, at: cmd.at };
    Decision::accept(alloc::vec![event.into()], outcome)
}

/// A client's wish for a token of its own.
pub struct IssueToClient {
    pub grant: GrantId,
    pub scope: Option<Scope>,
    pub access: Digest,
    /// The key that the client proved with this request.
    pub proven: Option<Confirmation>,
    pub target: Result<Target, OAuthError>,
    /// What it asks for beyond scopes, checked against the types (RFC 9396).
    pub authorization_details: Result<Option<String>, OAuthError>,
    pub context: Option<String>,
    pub at: Timestamp,
}

/// What a client-credentials token carries.
#[derive(Debug)]
pub struct IssuedToClient {
    pub scope: Scope,
    pub expires_at: Timestamp,
}

pub fn to_client(client: &Client, cmd: &IssueToClient, lifetimes: &Lifetimes) -> Decision<GrantEvent, IssuedToClient> {
    if !client.metadata.grant_types.contains(&GrantType::ClientCredentials) {
        return Decision::refuse(OAuthError::unauthorized_client("client_credentials is not registered"));
    }
    if let Err(error) = dpop::check_demand(client, cmd.proven.as_ref()) {
        return Decision::refuse(error);
    }
    let target = match &cmd.target {
        Ok(target) => target,
        Err(error) => return Decision::refuse(error.clone()),
    };
    let details = match &cmd.authorization_details {
        Ok(details) => details.as_deref(),
        Err(error) => return Decision::refuse(error.clone()),
    };
    // The standard scopes speak about a person; there is none here (OpenID Connect Core 1.0 §3.1.2.1).
    let own = client.metadata.scope.without_all(STANDARD);
    let scope = match &cmd.scope {
        None => own,
        Some(asked) => {
            let granted = asked.intersection(&own);
            if granted.is_empty() && !asked.is_empty() {
                return Decision::refuse(OAuthError::invalid_scope("nothing of it is registered for client_credentials"));
            }
            granted
        }
    };
    let scope = target.scope_of(&scope);
    let access = target.issue(cmd.access, cmd.proven, cmd.at, lifetimes.client_credentials);
    let expires_at = access.expires_at;
    let event = ClientCredentialsGranted { grant: cmd.grant, client: client.id.clone(), scope: scope.clone(), access, at: cmd.at };
    let personal = Personal::default().with("context", cmd.context.as_deref()).with_whole(DETAILS, details);
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], IssuedToClient { scope, expires_at })
}

/// An operator's wish for a token of the management interface.
pub struct MintForOperator {
    pub grant: GrantId,
    pub client: ClientId,
    pub scope: Scope,
    pub access: Digest,
    pub expires_at: Timestamp,
    pub at: Timestamp,
}

pub fn to_operator(cmd: &MintForOperator) -> Decision<GrantEvent, ()> {
    if cmd.scope.is_empty() || !cmd.scope.is_within(&Scope::of(RESERVED)) {
        return Decision::refuse(
            OAuthError::invalid_scope("not a management scope").saying("Use one or more of admin, audit:read, metrics:read."),
        );
    }
    let event = OperatorTokenMinted {
        grant: cmd.grant,
        client: cmd.client.clone(),
        scope: cmd.scope.clone(),
        access: IssuedAccess { digest: cmd.access, expires_at: cmd.expires_at, audience: None, cnf: None, kid: None },
        at: cmd.at,
    };
    Decision::accept(alloc::vec![event.into()], ())
}
