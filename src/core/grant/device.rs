//! The tokens of a device that a person allowed (RFC 8628 §3.5).
//!
//! | Rule | Source |
//! |---|---|
//! | the client is registered for the grant | RFC 6749 §5.2 |
//! | what was allowed is what is granted; a resource narrows the access token only | RFC 8628 §3.1, RFC 8707 §2.2 |
//! | bound to a proven key as in every other grant | RFC 9449 §5 |
//!
//! Out of scope: whether the person has answered, and once only (`device`).

use alloc::collections::BTreeSet;
use alloc::string::String;

use super::event::DeviceGranted;
use super::redeem::Redeemed;
use super::target::Target;
use super::{GrantEvent, Lifetimes};
use crate::client::metadata::GrantType;
use crate::client::{Client, attestation};
use crate::decision::{Decision, Draft, Personal};
use crate::device::Approval;
use crate::digest::Digest;
use crate::dpop::{self, Confirmation};
use crate::error::OAuthError;
use crate::id::{DeviceId, GrantId};
use crate::polled::wishes::{Texts, Wishes};
use crate::resource::ResourceId;
use crate::scope::Scope;
use crate::time::Timestamp;

/// A device's wish for its tokens, which a person allowed.
pub struct GrantDevice {
    pub grant: GrantId,
    pub device: DeviceId,
    pub approval: Approval,
    pub scope: Scope,
    pub resources: BTreeSet<ResourceId>,
    pub access: Digest,
    /// The key that the client proved with this request.
    pub proven: Option<Confirmation>,
    /// The key of the instance that was attested (ABCA).
    pub instance: Option<Digest>,
    /// What the access token is for.
    pub target: Result<Target, OAuthError>,
    /// Digest of the refresh token to hand out, should there be one.
    pub refresh: Digest,
    pub id_token_kid: Option<String>,
    pub wishes: Wishes,
    pub texts: Texts,
    pub context: Option<String>,
    pub at: Timestamp,
}

pub fn decide(client: &Client, cmd: &GrantDevice, lifetimes: &Lifetimes) -> Decision<GrantEvent, Redeemed> {
    if !client.metadata.grant_types.contains(&GrantType::DeviceCode) {
        return Decision::refuse(OAuthError::unauthorized_client("device_code is not registered"));
    }
    if let Err(error) = dpop::check_demand(client, cmd.proven.as_ref()) {
        return Decision::refuse(error);
    }
    let target = match &cmd.target {
        Ok(target) => target,
        Err(error) => return Decision::refuse(error.clone()),
    };
    let access = target.issue(cmd.access, cmd.proven, cmd.at, lifetimes.access_token);
    let access_scope = target.scope_of(&cmd.scope);
    let refresh = lifetimes.first_refresh(client, (cmd.refresh, attestation::shown(client, cmd.proven, cmd.instance)), cmd.at);
    let outcome = Redeemed {
        scope: access_scope.clone(),
        access_expires_at: access.expires_at,
        refresh_expires_at: refresh.as_ref().map(|refresh| refresh.expires_at),
    };
    let event = DeviceGranted {
        grant: cmd.grant,
        device: cmd.device,
        client: client.id.clone(),
        account: cmd.approval.account,
        session: cmd.approval.session,
        auth_time: cmd.approval.auth_time,
        amr: cmd.approval.amr.clone(),
        consent_epoch: cmd.approval.consent_epoch,
        access_scope: (access_scope != cmd.scope).then_some(access_scope),
        scope: cmd.scope.clone(),
        resources: cmd.resources.clone(),
        access,
        refresh,
        id_token_kid: cmd.id_token_kid.clone(),
        claims: cmd.wishes.claims.clone(),
        wants_auth_time: cmd.wishes.wants_auth_time,
        at: cmd.at,
    };
    let personal = cmd.texts.beside(Personal::default().with("context", cmd.context.as_deref()));
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::metadata::AuthMethod;
    use crate::grant::{Grant, GrantKind};
    use crate::testing::*;

    fn wish() -> GrantDevice {
        GrantDevice {
            grant: grant_id(),
            device: device_id(),
            approval: Approval { account: alice(), session: session_id(), auth_time: t(-10), amr: ["pwd".into()].into(), consent_epoch: 2 },
            scope: scope("openid offline_access api"),
            resources: BTreeSet::new(),
            access: digest("at"),
            proven: None,
            instance: None,
            target: Ok(Target::default()),
            refresh: digest("rt"),
            id_token_kid: None,
            wishes: Wishes::default(),
            texts: Texts::default(),
            context: None,
            at: t(0),
        }
    }

    fn tv(change: impl FnOnce(&mut crate::client::metadata::Metadata)) -> Client {
        client_with(|metadata| {
            metadata.grant_types.insert(GrantType::DeviceCode);
            change(metadata);
        })
    }

    #[test]
    fn rfc8628_3_5_the_grant_is_that_of_the_person_who_allowed_it() {
        let decision = decide(&tv(|_| ()), &wish(), &LIFETIMES);
        let grant: Grant = fold(said(&decision).0);
        let GrantKind::Person(person) = &grant.kind else { panic!("nobody") };
        assert_eq!((person.account, person.offline, person.consent_epoch), (alice(), true, 2));
        assert_eq!((grant.access.len(), grant.refresh.unwrap().generation, grant.code), (1, 0, None));
        assert_eq!(grant.scope, scope("openid offline_access api"));
    }

    #[test]
    fn rfc6749_5_2_the_client_is_registered_for_it() {
        assert_eq!(said(&decide(&client(), &wish(), &LIFETIMES)), (alloc::vec![], "unauthorized_client"));
    }

    #[test]
    fn rfc9449_5_bound_as_in_every_other_grant() {
        let key = Some(Confirmation::Jkt(digest("key")));
        let public = tv(|metadata| metadata.token_endpoint_auth_method = AuthMethod::None);
        for (client, bound) in [(tv(|_| ()), None), (public, key)] {
            let grant: Grant = fold(said(&decide(&client, &GrantDevice { proven: key, ..wish() }, &LIFETIMES)).0);
            assert_eq!((grant.access[0].cnf, grant.refresh.unwrap().cnf), (key, bound));
        }
        let strict = tv(|metadata| metadata.dpop_bound_access_tokens = true);
        assert_eq!(said(&decide(&strict, &wish(), &LIFETIMES)).1, "invalid_dpop_proof");
    }
}
