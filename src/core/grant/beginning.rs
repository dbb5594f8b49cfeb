//! The first events of grants, as states.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::event::IssuedRefresh;
use super::exchanged::Exchanged;
use super::{Code, DETAILS, Grant, GrantEvent, GrantKind, Person};
use crate::claims::ClaimsRequest;
use crate::claims::wanted::CLAIM_VALUES;
use crate::id::{ClientId, GrantId, SessionId};
use crate::polled::wishes::SealedTexts;
use crate::scope::Scope;
use crate::stream::Fact;

/// Of a grant that no sign-in led to; it is bound to none.
const NO_SESSION: SessionId = SessionId(uuid::Uuid::nil());

/// The state after a first event; `None` when it cannot be one.
pub(super) fn of(fact: &Fact<'_, GrantEvent>) -> Option<Grant> {
    let blank = |id: GrantId, client: &ClientId, scope: &Scope, granted_at, kind| Grant {
        id,
        client: client.clone(),
        scope: scope.clone(),
        resources: BTreeSet::new(),
        granted_at,
        details: fact.sealed(&id.stream(), DETAILS),
        kind,
        exchanged: None,
        offer: None,
        code: None,
        refresh: None,
        access: Vec::new(),
        ended: None,
        misused: BTreeSet::new(),
    };
    match fact.event {
        GrantEvent::CodeIssued(event) => {
            let person = Person {
                account: event.account,
                session: event.session,
                offline: event.scope.has("offline_access"),
                auth_time: event.auth_time,
                amr: event.amr.clone(),
                nonce: fact.sealed(&event.grant.stream(), "nonce"),
                claims: event.claims.clone(),
                claim_values: fact.sealed(&event.grant.stream(), CLAIM_VALUES),
                wants_auth_time: event.wants_auth_time,
                consent_epoch: event.consent_epoch,
            };
            let mut grant = blank(event.grant, &event.client, &event.scope, event.at, GrantKind::Person(person));
            grant.resources = event.resources.clone();
            grant.code = Some(Code {
                digest: event.code,
                expires_at: event.code_expires_at,
                redirect_uri: event.redirect_uri.clone(),
                redirect_uri_omitted: event.redirect_uri_omitted,
                challenge: event.code_challenge.clone(),
                redeemed: false,
                wrong_verifiers: 0,
                dpop_jkt: event.dpop_jkt,
                instance: event.instance,
            });
            Some(grant)
        }
        GrantEvent::ImplicitlyGranted(event) => {
            let person = Person {
                account: event.account,
                session: event.session,
                // No refresh token comes this way: there is nothing to survive a logout.
                offline: false,
                auth_time: event.auth_time,
                amr: event.amr.clone(),
                nonce: None,
                claims: event.claims.clone(),
                claim_values: fact.sealed(&event.grant.stream(), CLAIM_VALUES),
                wants_auth_time: event.wants_auth_time,
                consent_epoch: event.consent_epoch,
            };
            let mut grant = blank(event.grant, &event.client, &event.scope, event.at, GrantKind::Person(person));
            grant.resources = event.resources.clone();
            Some(grant)
        }
        GrantEvent::ClientCredentialsGranted(event) => {
            let mut grant = blank(event.grant, &event.client, &event.scope, event.at, GrantKind::Client);
            grant.add_access(event.access.clone().into_access(event.at, None));
            Some(grant)
        }
        GrantEvent::DeviceGranted(event) => {
            let texts = SealedTexts::of(fact, &event.grant.stream());
            let person = Person {
                account: event.account,
                session: event.session,
                offline: event.scope.has("offline_access"),
                auth_time: event.auth_time,
                amr: event.amr.clone(),
                nonce: texts.nonce,
                claims: event.claims.clone(),
                claim_values: texts.claim_values,
                wants_auth_time: event.wants_auth_time,
                consent_epoch: event.consent_epoch,
            };
            let mut grant = blank(event.grant, &event.client, &event.scope, event.at, GrantKind::Person(person));
            grant.resources = event.resources.clone();
            grant.refresh = event.refresh.clone().map(IssuedRefresh::into_family);
            grant.add_access(event.access.clone().into_access(event.at, event.access_scope.clone()));
            Some(grant)
        }
        GrantEvent::BackchannelGranted(event) => {
            let texts = SealedTexts::of(fact, &event.grant.stream());
            let mut claims = event.claims.clone();
            claims.id_token.extend(event.wants_acr.then(|| "acr".into()));
            let person = Person {
                account: event.account,
                session: event.session,
                offline: event.scope.has("offline_access"),
                auth_time: event.auth_time,
                amr: event.amr.clone(),
                nonce: texts.nonce,
                claims,
                claim_values: texts.claim_values,
                wants_auth_time: event.wants_auth_time,
                consent_epoch: event.consent_epoch,
            };
            let mut grant = blank(event.grant, &event.client, &event.scope, event.at, GrantKind::Person(person));
            grant.resources = event.resources.clone();
            grant.refresh = event.refresh.clone().map(IssuedRefresh::into_family);
            grant.add_access(event.access.clone().into_access(event.at, event.access_scope.clone()));
            Some(grant)
        }
        GrantEvent::AssertionGranted(event) => {
            let kind = event.account.map_or(GrantKind::Client, |account| {
                GrantKind::Person(Person {
                    account,
                    session: NO_SESSION,
                    offline: true,
                    auth_time: event.issued_at,
                    amr: Vec::new(),
                    nonce: None,
                    claims: ClaimsRequest::default(),
                    claim_values: None,
                    wants_auth_time: false,
                    consent_epoch: event.consent_epoch.unwrap_or(0),
                })
            });
            let mut grant = blank(event.grant, &event.client, &event.scope, event.at, kind);
            grant.add_access(event.access.clone().into_access(event.at, None));
            Some(grant)
        }
        GrantEvent::TokenExchanged(event) => {
            let mut grant = blank(event.grant, &event.client, &event.scope, event.at, event.kind());
            grant.exchanged = Some(Box::new(Exchanged { source: event.source.clone(), actors: event.actors.clone() }));
            grant.add_access(event.access.clone().into_access(event.at, None));
            Some(grant)
        }
        GrantEvent::PreAuthorizedGranted(event) => {
            let person = Person {
                account: event.account,
                session: NO_SESSION,
                offline: true,
                auth_time: event.at,
                amr: Vec::new(),
                nonce: None,
                claims: ClaimsRequest::default(),
                claim_values: None,
                wants_auth_time: false,
                consent_epoch: event.consent_epoch,
            };
            let mut grant = blank(event.grant, &event.client, &event.scope, event.at, GrantKind::Person(person));
            grant.offer = Some(event.offer);
            grant.add_access(event.access.clone().into_access(event.at, None));
            Some(grant)
        }
        GrantEvent::OperatorTokenMinted(event) => {
            let mut grant = blank(event.grant, &event.client, &event.scope, event.at, GrantKind::Operator);
            grant.add_access(event.access.clone().into_access(event.at, None));
            Some(grant)
        }
        _ => None,
    }
}
