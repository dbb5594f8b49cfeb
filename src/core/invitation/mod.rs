//! Invitations: initial access tokens, which let somebody register clients. RFC 7591 §1.2, §3.
//!
//! | Rule | Source |
//! |---|---|
//! | one is good for so many clients, until its time is over or the operator takes it back | RFC 7591 §3 |
//! | its policy says what those clients may be, at the registration and after each replacement | RFC 7591 §5 |
//! | the log holds its digest | DESIGN: rule 7 |

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::account::FieldError;
use crate::client::metadata::{AuthMethod, GrantType, Metadata, host_of};
use crate::decision::Decision;
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::events;
use crate::id::{ClientId, InvitationId};
use crate::scope::Scope;
use crate::stream::{Event, Fact, FoldError, Stream};
use crate::time::{Seconds, Timestamp};

/// Clients that one token can be good for.
pub const MOST_USES: u32 = 10_000;
/// The longest life of a token in seconds: a year.
pub const LONGEST: u32 = 366 * 24 * 60 * 60;

/// What the clients of an invitation may be. What is absent is not restricted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub auth_methods: BTreeSet<AuthMethod>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub grant_types: BTreeSet<GrantType>,
    /// Hosts of redirect URIs.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub redirect_hosts: BTreeSet<String>,
    /// The most that they may be registered for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

impl Policy {
    /// What is wrong with this metadata for a client of this invitation.
    pub fn problems(&self, metadata: &Metadata) -> Vec<FieldError> {
        let mut wrong = Vec::new();
        let mut add = |field: &'static str, words: String| {
            wrong.push(FieldError { field, problem: format!("The initial access token allows: {words}.") });
        };
        let listed = |words: Vec<&str>| words.join(", ");
        if !self.auth_methods.is_empty() && !self.auth_methods.contains(&metadata.token_endpoint_auth_method) {
            add("token_endpoint_auth_method", listed(self.auth_methods.iter().map(|one| one.as_str()).collect()));
        }
        if !self.grant_types.is_empty() && !metadata.grant_types.is_subset(&self.grant_types) {
            add("grant_types", listed(self.grant_types.iter().map(|one| one.as_str()).collect()));
        }
        let is_host = |uri: &String| host_of(uri).is_some_and(|host| self.redirect_hosts.contains(host));
        if !self.redirect_hosts.is_empty() && !metadata.redirect_uris.iter().all(is_host) {
            add("redirect_uris", listed(self.redirect_hosts.iter().map(String::as_str).collect()));
        }
        if let Some(scope) = self.scope.as_ref().filter(|scope| !metadata.scope.is_within(scope)) {
            add("scope", format!("{scope}"));
        }
        wrong
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InitialAccessTokenIssued {
    pub at: Timestamp,
    pub expires_at: Timestamp,
    pub invitation: InvitationId,
    pub policy: Policy,
    /// Digest of the token.
    pub token: Digest,
    /// Clients that may be registered with it.
    pub uses: u32,
}

/// A client was registered with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InitialAccessTokenUsed {
    pub at: Timestamp,
    pub client: ClientId,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InitialAccessTokenRevoked {
    pub at: Timestamp,
}

events! {
    /// The history of an initial access token.
    InvitationEvent { InitialAccessTokenIssued = 1, InitialAccessTokenUsed = 1, InitialAccessTokenRevoked = 1 }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invitation {
    pub id: InvitationId,
    pub token: Digest,
    pub policy: Policy,
    pub uses: u32,
    pub used: u32,
    pub expires_at: Timestamp,
    pub revoked: bool,
}

impl Stream for Invitation {
    const KIND: &'static str = "invitation";
    type Event = InvitationEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, InvitationEvent>) -> Result<Self, FoldError> {
        match (state, fact.event) {
            (None, InvitationEvent::InitialAccessTokenIssued(event)) => Ok(Self {
                id: event.invitation,
                token: event.token,
                policy: event.policy.clone(),
                uses: event.uses,
                used: 0,
                expires_at: event.expires_at,
                revoked: false,
            }),
            (Some(own), InvitationEvent::InitialAccessTokenUsed(_)) => Ok(Self { used: own.used.saturating_add(1), ..own }),
            (Some(own), InvitationEvent::InitialAccessTokenRevoked(_)) => Ok(Self { revoked: true, ..own }),
            (_, event) => Err(FoldError::OutOfOrder { name: event.event_type().name }),
        }
    }
}

/// An operator's wish for a token.
pub struct Issue {
    pub invitation: InvitationId,
    pub token: Digest,
    pub policy: Policy,
    pub uses: u32,
    pub lifetime: Seconds,
    pub at: Timestamp,
}

pub fn issue(cmd: &Issue) -> Decision<InvitationEvent, ()> {
    let refuse = |sentence: &str| Decision::refuse(OAuthError::invalid_request("initial access token").saying(sentence));
    if cmd.uses == 0 || cmd.uses > MOST_USES {
        return refuse("An initial access token is good for 1 to 10000 clients.");
    }
    if cmd.lifetime.0 == 0 || cmd.lifetime.0 > LONGEST {
        return refuse("An initial access token lives for at most 366 days.");
    }
    let event = InitialAccessTokenIssued {
        at: cmd.at,
        expires_at: cmd.at.plus(cmd.lifetime),
        invitation: cmd.invitation,
        policy: cmd.policy.clone(),
        token: cmd.token,
        uses: cmd.uses,
    };
    Decision::accept(alloc::vec![event.into()], ())
}

/// May it let a client in at this moment? The client learns only that it may not.
///
/// # Errors
/// `invalid_token`.
pub fn check(own: &Invitation, presented: &Digest, at: Timestamp) -> Result<(), OAuthError> {
    let refuse = |why: &'static str| Err(OAuthError::invalid_token(why));
    if !own.token.matches(presented) {
        return refuse("another secret than the initial access token's");
    }
    if own.revoked {
        return refuse("the initial access token was revoked");
    }
    if at >= own.expires_at {
        return refuse("the initial access token has expired");
    }
    if own.used >= own.uses {
        return refuse("the initial access token was used up");
    }
    Ok(())
}

/// Lets a client in.
pub fn admit(own: &Invitation, presented: &Digest, client: &ClientId, at: Timestamp) -> Decision<InvitationEvent, ()> {
    match check(own, presented, at) {
        Ok(()) => Decision::accept(alloc::vec![InitialAccessTokenUsed { at, client: client.clone() }.into()], ()),
        Err(error) => Decision::refuse(error),
    }
}

/// The operator takes it back; clients that came by it stay. Twice says nothing new.
pub fn revoke(own: &Invitation, at: Timestamp) -> Decision<InvitationEvent, ()> {
    let events = if own.revoked { Vec::new() } else { alloc::vec![InitialAccessTokenRevoked { at }.into()] };
    Decision::accept(events, ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use alloc::string::ToString;

    const ID: InvitationId = InvitationId(uuid::Uuid::from_u128(7));

    fn command(policy: Policy) -> Issue {
        Issue { invitation: ID, token: digest("iat"), policy, uses: 2, lifetime: Seconds(100), at: t(0) }
    }

    fn invitation(rest: impl IntoIterator<Item = InvitationEvent>) -> Invitation {
        fold(said(&issue(&command(Policy::default()))).0.into_iter().chain(rest))
    }

    fn used() -> InvitationEvent {
        InitialAccessTokenUsed { at: t(1), client: client_id("app") }.into()
    }

    fn code(own: &Invitation, secret: &str, at: i64) -> &'static str {
        said(&admit(own, &digest(secret), &client_id("app"), t(at))).1
    }

    #[test]
    fn rfc7591_3_good_for_so_many_clients_until_its_time_is_over() {
        let fresh = invitation([]);
        assert_eq!(said(&admit(&fresh, &digest("iat"), &client_id("app"), t(1))), (alloc::vec![used()], "ok"));
        assert_eq!((code(&fresh, "iat", 99), code(&fresh, "iat", 100), code(&fresh, "other", 1)), ("ok", "invalid_token", "invalid_token"));
        assert_eq!((code(&invitation([used()]), "iat", 1), code(&invitation([used(), used()]), "iat", 1)), ("ok", "invalid_token"));
        let revoked = invitation(said(&revoke(&fresh, t(1))).0);
        assert_eq!(code(&revoked, "iat", 1), "invalid_token");
        assert_eq!(said(&revoke(&revoked, t(2))), (Vec::new(), "ok"));
        assert_survives_the_row(&revoked);
    }

    #[test]
    fn an_invitation_is_bounded() {
        for (uses, lifetime) in [(0, 1), (MOST_USES + 1, 1), (1, 0), (1, LONGEST + 1)] {
            let own = Issue { uses, lifetime: Seconds(lifetime), ..command(Policy::default()) };
            assert_eq!(said(&issue(&own)).1, "invalid_request");
        }
    }

    #[test]
    fn rfc7591_5_the_policy_says_what_its_clients_may_be() {
        let policy = Policy {
            auth_methods: [AuthMethod::Basic].into(),
            grant_types: [GrantType::AuthorizationCode, GrantType::RefreshToken].into(),
            redirect_hosts: ["app.example.com".to_string()].into(),
            scope: Some(scope("openid profile email address phone offline_access")),
        };
        assert_eq!(policy.problems(&metadata()), []);
        let problems = |change: &dyn Fn(&mut Metadata)| {
            let mut own = metadata();
            change(&mut own);
            assert_eq!(Policy::default().problems(&own), []);
            policy.problems(&own).iter().map(|one| one.field).collect::<Vec<_>>()
        };
        assert_eq!(problems(&|own| own.token_endpoint_auth_method = AuthMethod::None), ["token_endpoint_auth_method"]);
        assert_eq!(problems(&|own| own.grant_types.extend([GrantType::ClientCredentials])), ["grant_types"]);
        assert_eq!(problems(&|own| own.redirect_uris.push("https://evil.example/cb".into())), ["redirect_uris"]);
        assert_eq!(problems(&|own| own.scope = scope("openid admin-things")), ["scope"]);
    }
}
