//! The tokens of a request on the back channel that its person allowed (CIBA Core §10.1).
//!
//! | Rule | Source |
//! |---|---|
//! | the client is registered for the grant | CIBA Core §11 |
//! | what was allowed is what is granted; a resource narrows the access token only | CIBA Core §10.1.1, RFC 8707 §2.2 |
//! | bound to a proven key as in every other grant | RFC 9449 §5 |
//! | pushed tokens that nobody acknowledged are dead | CIBA Core §10.3.1; our own |
//!
//! Out of scope: whether the person has answered, and once only (`backchannel`).

use alloc::collections::BTreeSet;
use alloc::string::String;

use super::event::{BackchannelGranted, EndReason, GrantEnded};
use super::redeem::Redeemed;
use super::target::Target;
use super::{Grant, GrantEvent, Lifetimes};
use crate::client::metadata::GrantType;
use crate::client::{Client, attestation};
use crate::decision::{Decision, Draft, Personal};
use crate::device::Approval;
use crate::digest::Digest;
use crate::dpop::{self, Confirmation};
use crate::error::OAuthError;
use crate::id::{BackchannelId, GrantId};
use crate::polled::wishes::{Texts, Wishes};
use crate::resource::ResourceId;
use crate::scope::Scope;
use crate::time::Timestamp;

/// A client's wish for the tokens that its person allowed.
pub struct GrantBackchannel {
    pub grant: GrantId,
    pub backchannel: BackchannelId,
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
    pub wants_acr: bool,
    pub wishes: Wishes,
    pub texts: Texts,
    pub context: Option<String>,
    pub at: Timestamp,
}

pub fn decide(client: &Client, cmd: &GrantBackchannel, lifetimes: &Lifetimes) -> Decision<GrantEvent, Redeemed> {
    if !client.metadata.grant_types.contains(&GrantType::Ciba) {
        return Decision::refuse(OAuthError::unauthorized_client("ciba is not registered"));
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
    let event = BackchannelGranted {
        grant: cmd.grant,
        backchannel: cmd.backchannel,
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
        wants_acr: cmd.wants_acr,
        claims: cmd.wishes.claims.clone(),
        wants_auth_time: cmd.wishes.wants_auth_time,
        at: cmd.at,
    };
    let personal = cmd.texts.beside(Personal::default().with("context", cmd.context.as_deref()));
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], outcome)
}

/// A push failed, or is made again with other tokens.
pub fn undelivered(grant: &Grant, at: Timestamp) -> Decision<GrantEvent, ()> {
    let event = grant.ended.is_none().then(|| GrantEnded { at, reason: EndReason::Undelivered }.into());
    Decision::accept(event.into_iter().collect(), ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::metadata::AuthMethod;
    use crate::grant::GrantKind;
    use crate::testing::*;

    fn wish() -> GrantBackchannel {
        GrantBackchannel {
            grant: grant_id(),
            backchannel: BackchannelId(uuid::Uuid::from_u128(0xcba)),
            approval: Approval { account: alice(), session: session_id(), auth_time: t(-10), amr: ["pwd".into()].into(), consent_epoch: 2 },
            scope: scope("openid offline_access api"),
            resources: BTreeSet::new(),
            access: digest("at"),
            proven: None,
            instance: None,
            target: Ok(Target::default()),
            refresh: digest("rt"),
            id_token_kid: None,
            wants_acr: true,
            wishes: Wishes::default(),
            texts: Texts::default(),
            context: None,
            at: t(0),
        }
    }

    fn asking(change: impl FnOnce(&mut crate::client::metadata::Metadata)) -> Client {
        client_with(|metadata| {
            metadata.grant_types.insert(GrantType::Ciba);
            change(metadata);
        })
    }

    #[test]
    fn ciba_10_1_the_grant_is_that_of_the_person_who_allowed_it() {
        let decision = decide(&asking(|_| ()), &wish(), &LIFETIMES);
        let grant: Grant = fold(said(&decision).0);
        let GrantKind::Person(person) = &grant.kind else { panic!("nobody") };
        assert_eq!((person.account, person.offline, person.consent_epoch), (alice(), true, 2));
        assert_eq!((grant.access.len(), grant.refresh.unwrap().generation, grant.code), (1, 0, None));
        assert_eq!(grant.scope, scope("openid offline_access api"));
        assert!(person.claims.id_token.contains("acr"), "CIBA Core §7.1: it was asked for");
    }

    #[test]
    fn ciba_10_3_1_what_nobody_acknowledged_is_dead_once() {
        let granted = said(&decide(&asking(|_| ()), &wish(), &LIFETIMES)).0;
        let grant: Grant = fold(granted.clone());
        let ended = said(&undelivered(&grant, t(5))).0;
        assert_eq!(ended, [GrantEnded { at: t(5), reason: EndReason::Undelivered }.into()]);
        let grant: Grant = fold(granted.into_iter().chain(ended));
        assert_eq!((grant.access.len(), said(&undelivered(&grant, t(6))).0.len()), (0, 0));
    }

    #[test]
    fn ciba_11_the_client_is_registered_for_it() {
        assert_eq!(said(&decide(&client(), &wish(), &LIFETIMES)), (alloc::vec![], "unauthorized_client"));
    }

    #[test]
    fn rfc9449_5_bound_as_in_every_other_grant() {
        let key = Some(Confirmation::Jkt(digest("key")));
        let public = asking(|metadata| metadata.token_endpoint_auth_method = AuthMethod::None);
        for (client, bound) in [(asking(|_| ()), None), (public, key)] {
            let grant: Grant = fold(said(&decide(&client, &GrantBackchannel { proven: key, ..wish() }, &LIFETIMES)).0);
            assert_eq!((grant.access[0].cnf, grant.refresh.unwrap().cnf), (key, bound));
        }
        let strict = asking(|metadata| metadata.dpop_bound_access_tokens = true);
        assert_eq!(said(&decide(&strict, &wish(), &LIFETIMES)).1, "invalid_dpop_proof");
    }

    #[test]
    fn abca_9_3_a_refresh_token_has_an_instance_that_holds_it() {
        let attested = asking(|metadata| metadata.token_endpoint_auth_method = AuthMethod::Attestation);
        let of = |instance| fold::<Grant>(said(&decide(&attested, &GrantBackchannel { instance, ..wish() }, &LIFETIMES)).0).refresh;
        assert_eq!(of(Some(digest("instance"))).unwrap().cnf, Some(Confirmation::Jkt(digest("instance"))));
        assert!(of(None).is_none(), "what is pushed was asked for by nobody in particular");
    }
}
