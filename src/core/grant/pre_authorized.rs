//! The token of an offer (OpenID4VCI §3.5, §6).
//!
//! | Rule | Source |
//! |---|---|
//! | the client is registered for the grant | RFC 6749 §5.2 |
//! | the token is for what was offered, and for nothing else | OpenID4VCI §6.1 |
//! | bound to a proven key as in every other grant | RFC 9449 §5 |
//! | no refresh token: what was offered is fetched now | our own |
//!
//! Out of scope: whether the code holds, and once only (`offer`).

use alloc::string::String;

use super::event::PreAuthorizedGranted;
use super::target::Target;
use super::{DETAILS, GrantEvent, Lifetimes};
use crate::client::Client;
use crate::client::metadata::GrantType;
use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::dpop::{self, Confirmation};
use crate::error::OAuthError;
use crate::id::{AccountId, GrantId, OfferId};
use crate::scope::Scope;
use crate::time::Timestamp;

/// A wallet's wish for the token of an offer.
pub struct GrantOffer {
    pub grant: GrantId,
    pub offer: OfferId,
    pub account: AccountId,
    /// How often the consent of this client had been withdrawn before.
    pub consent_epoch: u32,
    pub access: Digest,
    /// The key that the client proved with this request.
    pub proven: Option<Confirmation>,
    /// What it is for, in its one text (RFC 9396).
    pub authorization_details: String,
    pub context: Option<String>,
    pub at: Timestamp,
}

pub fn decide(client: &Client, cmd: &GrantOffer, lifetimes: &Lifetimes) -> Decision<GrantEvent, Timestamp> {
    if !client.metadata.grant_types.contains(&GrantType::PreAuthorizedCode) {
        return Decision::refuse(OAuthError::unauthorized_client("pre-authorized_code is not registered"));
    }
    if let Err(error) = dpop::check_demand(client, cmd.proven.as_ref()) {
        return Decision::refuse(error);
    }
    let access = Target::default().issue(cmd.access, cmd.proven, cmd.at, lifetimes.access_token);
    let expires_at = access.expires_at;
    let event = PreAuthorizedGranted {
        access,
        account: cmd.account,
        at: cmd.at,
        client: client.id.clone(),
        consent_epoch: cmd.consent_epoch,
        grant: cmd.grant,
        offer: cmd.offer,
        scope: Scope::default(),
    };
    let personal =
        Personal::default().with_whole(DETAILS, Some(cmd.authorization_details.as_str())).with("context", cmd.context.as_deref());
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], expires_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::{Grant, GrantKind};
    use crate::testing::*;

    fn wish() -> GrantOffer {
        GrantOffer {
            grant: grant_id(),
            offer: OfferId(uuid::Uuid::from_u128(0x0ff)),
            account: alice(),
            consent_epoch: 1,
            access: digest("at"),
            proven: None,
            authorization_details: "[]".into(),
            context: None,
            at: t(0),
        }
    }

    #[test]
    fn openid4vci_3_5_the_grant_is_that_of_the_person_and_needs_no_session() {
        let wallet = client_with(|metadata| {
            metadata.grant_types.insert(GrantType::PreAuthorizedCode);
        });
        let decision = decide(&wallet, &wish(), &LIFETIMES);
        let grant: Grant = fold(said(&decision).0);
        let GrantKind::Person(person) = &grant.kind else { panic!("nobody") };
        assert_eq!((person.account, person.amr.len(), grant.bound_session(), grant.offer), (alice(), 0, None, Some(wish().offer)));
        assert_eq!((grant.access.len(), grant.refresh, grant.scope.is_empty()), (1, None, true));
    }

    #[test]
    fn rfc6749_5_2_the_client_is_registered_for_it() {
        assert_eq!(said(&decide(&client(), &wish(), &LIFETIMES)), (alloc::vec![], "unauthorized_client"));
    }
}
