//! Accounts: people who can sign in.
//!
//! | Rule | Source |
//! |---|---|
//! | an e-mail address belongs to one account (a claim decides races) | our own |
//! | a disabled account signs in nowhere and keeps no live token | RFC 6749 §10.3 in spirit |
//! | the password hash, the address, the name and every other claim are ciphertext in the log | DESIGN: rule 7 |
//! | a disabled account comes back, an erased one never | our own |
//!
//! Out of scope: hashing (`app::password`), failed attempts (`evidence`).

pub mod claims;
pub mod email;
mod event;
pub mod hold;
pub mod lists;
pub mod profile;
pub mod register;
pub mod request_code;
pub mod sources;
pub mod standing;
mod stated;

use alloc::collections::BTreeSet;
use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::id::AccountId;
use crate::stream::{Event, Fact, FoldError, Sealed, Stream};
use crate::time::Timestamp;
pub use event::*;
pub use hold::{ErasureRefused, LegalHoldLifted, LegalHoldPlaced};
use request_code::RequestCode;

/// What an account may do on Chancery's own management interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Admin,
    Auditor,
}

/// Whether an account can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    Active,
    Disabled,
    /// Ordered, key not yet destroyed: start-up finishes it.
    BeingErased,
    Erased,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    pub id: AccountId,
    pub standing: Standing,
    pub roles: BTreeSet<Role>,
    pub declared: bool,
    pub registered_at: Timestamp,
    pub email: Option<Sealed>,
    pub name: Option<Sealed>,
    pub password_hash: Option<Sealed>,
    pub email_index: Option<Sealed>,
    /// The claims of each scope, as one JSON text each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Sealed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<Sealed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Sealed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Sealed>,
    /// What the person chooses from, as one JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lists: Option<Sealed>,
    /// Which claims others assert, and where: two JSON texts, there together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_names: Option<Sealed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_sources: Option<Sealed>,
    /// What clients have to know before they may ask on the back channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_code: Option<RequestCode>,
    /// When the profile changed, if it did since the registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Timestamp>,
    /// Since when it is held, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_since: Option<Timestamp>,
}

impl Account {
    /// May it sign in, and do its tokens live?
    pub fn is_active(&self) -> bool {
        self.standing == Standing::Active
    }

    /// Is there still a person behind it, whether or not they may sign in?
    pub fn is_there(&self) -> bool {
        matches!(self.standing, Standing::Active | Standing::Disabled)
    }

    /// The claim `updated_at` (OpenID Connect Core 1.0 §5.1).
    pub fn updated_at(&self) -> Timestamp {
        self.changed_at.unwrap_or(self.registered_at)
    }

    /// The ciphertext of the claims that a scope asks for, the name apart.
    /// Do other providers assert anything about the person?
    pub fn has_claims_of_others(&self) -> bool {
        self.claim_names.is_some()
    }

    pub fn claims_of(&self, scope: &str) -> Option<&Sealed> {
        match scope {
            "profile" => self.profile.as_ref(),
            "email" => self.email_verified.as_ref(),
            "address" => self.address.as_ref(),
            "phone" => self.phone.as_ref(),
            _ => None,
        }
    }
}

impl Stream for Account {
    const KIND: &'static str = "account";
    type Event = AccountEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, AccountEvent>) -> Result<Self, FoldError> {
        let Some(mut account) = state else {
            let AccountEvent::AccountRegistered(event) = fact.event else {
                return Err(FoldError::OutOfOrder { name: fact.event.event_type().name });
            };
            let stream = event.account.stream();
            return Ok(Self {
                id: event.account,
                standing: Standing::Active,
                roles: event.roles.clone(),
                declared: event.declared,
                registered_at: event.at,
                email: fact.sealed(&stream, "email"),
                name: fact.sealed(&stream, "name"),
                password_hash: fact.sealed(&stream, "password_hash"),
                email_index: fact.sealed(&stream, "email_index"),
                profile: fact.sealed(&stream, "profile"),
                email_verified: fact.sealed(&stream, "email_verified"),
                address: fact.sealed(&stream, "address"),
                phone: fact.sealed(&stream, "phone"),
                lists: fact.sealed(&stream, lists::FIELD),
                claim_names: None,
                claim_sources: None,
                request_code: None,
                changed_at: None,
                held_since: None,
            });
        };
        // An erasure is final, and a destroyed key without an order is a loss, never an erasure.
        let possible = match (account.standing, fact.event) {
            (_, AccountEvent::AccountRegistered(_)) => false,
            (Standing::Active | Standing::Disabled, AccountEvent::DataKeyDestroyed(_)) => false,
            // What is held is not erased.
            (Standing::Active | Standing::Disabled, AccountEvent::ErasureOrdered(_)) => account.held_since.is_none(),
            (Standing::Active | Standing::Disabled, _) => true,
            (Standing::BeingErased, event) => matches!(event, AccountEvent::DataKeyDestroyed(_)),
            (Standing::Erased, _) => false,
        };
        if !possible {
            return Err(FoldError::OutOfOrder { name: fact.event.event_type().name });
        }
        match fact.event {
            AccountEvent::AccountRegistered(_) | AccountEvent::ErasureRefused(_) => {}
            AccountEvent::PasswordChanged(_) => account.password_hash = fact.sealed(&account.id.stream(), "password_hash"),
            AccountEvent::ProfileChanged(event) => {
                let stream = account.id.stream();
                account.name = fact.sealed(&stream, "name");
                account.profile = fact.sealed(&stream, "profile");
                account.email_verified = fact.sealed(&stream, "email_verified");
                account.address = fact.sealed(&stream, "address");
                account.phone = fact.sealed(&stream, "phone");
                account.lists = fact.sealed(&stream, lists::FIELD);
                account.changed_at = Some(event.at);
            }
            AccountEvent::ClaimSourcesChanged(event) => {
                let stream = account.id.stream();
                account.claim_names = fact.sealed(&stream, sources::CLAIM_NAMES);
                account.claim_sources = fact.sealed(&stream, sources::CLAIM_SOURCES);
                account.changed_at = Some(event.at);
            }
            AccountEvent::EmailChanged(event) => {
                let stream = account.id.stream();
                account.email = fact.sealed(&stream, "email");
                account.email_index = fact.sealed(&stream, "email_index");
                account.email_verified = None;
                account.changed_at = Some(event.at);
            }
            AccountEvent::RequestCodeChosen(_) => {
                let hash = fact.sealed(&account.id.stream(), "request_code_hash");
                account.request_code = Some(RequestCode { hash, wrong: 0, wrong_at: None });
            }
            AccountEvent::RequestCodeRemoved(_) => account.request_code = None,
            AccountEvent::RequestCodeRefused(event) => {
                if let Some(code) = &mut account.request_code {
                    code.refuse(event.at);
                }
            }
            AccountEvent::RoleGranted(event) => drop(account.roles.insert(event.role)),
            AccountEvent::RoleWithdrawn(event) => drop(account.roles.remove(&event.role)),
            AccountEvent::AccountDisabled(_) => account.standing = Standing::Disabled,
            AccountEvent::AccountEnabled(_) => account.standing = Standing::Active,
            AccountEvent::LegalHoldPlaced(event) => account.held_since = Some(event.at),
            AccountEvent::LegalHoldLifted(_) => account.held_since = None,
            AccountEvent::ErasureOrdered(_) => account.standing = Standing::BeingErased,
            AccountEvent::DataKeyDestroyed(_) => {
                (account.standing, account.request_code) = (Standing::Erased, None);
                (account.email, account.name, account.password_hash, account.email_index) = (None, None, None, None);
                (account.profile, account.email_verified, account.address, account.phone) = (None, None, None, None);
                (account.lists, account.claim_names, account.claim_sources) = (None, None, None);
            }
        }
        Ok(account)
    }
}

/// A problem with one field of a form or a JSON body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    pub field: &'static str,
    pub problem: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use alloc::vec::Vec;

    const FIELDS: &[&str] = &["email", "name", "password_hash", "email_index", "profile", "email_verified", "address", "phone", "lists"];

    fn registered() -> AccountEvent {
        AccountRegistered { account: alice(), at: t(0), key_commitment: digest("key"), roles: [].into(), declared: false }.into()
    }

    pub(super) fn disabled() -> AccountEvent {
        AccountDisabled { at: t(1) }.into()
    }

    pub(super) fn enabled() -> AccountEvent {
        AccountEnabled { at: t(2) }.into()
    }

    pub(super) fn ordered() -> AccountEvent {
        ErasureOrdered { at: t(3) }.into()
    }

    pub(super) fn destroyed() -> AccountEvent {
        DataKeyDestroyed { at: t(4) }.into()
    }

    fn account<const N: usize>(rest: [AccountEvent; N]) -> Account {
        fold_sealed(core::iter::once(registered()).chain(rest), FIELDS)
    }

    #[test]
    fn an_account_is_active_until_disabled_and_again_when_enabled() {
        assert!(account([]).is_active() && !account([disabled()]).is_active() && account([disabled(), enabled()]).is_active());
    }

    #[test]
    fn an_erased_account_keeps_no_ciphertext() {
        let erased = account([ordered(), destroyed()]);
        assert_eq!((erased.standing, erased.is_active()), (Standing::Erased, false));
        assert!(erased.email.is_none() && erased.name.is_none() && erased.password_hash.is_none() && erased.email_index.is_none());
        assert!(claims::FIELDS.iter().all(|(scope, _)| erased.claims_of(scope).is_none() && account([]).claims_of(scope).is_some()));
        assert!(erased.lists.is_none() && account([]).lists.is_some());
        assert!(account([ordered()]).email.is_some() && !account([ordered()]).is_active());
    }

    #[test]
    fn nothing_revives_an_account_whose_erasure_was_ordered() {
        let changed = PasswordChanged { at: t(5), reason: PasswordChange::StrongerParameters };
        let profile = AccountEvent::from(ProfileChanged { at: t(5) });
        for given in [account([ordered()]), account([ordered(), destroyed()])] {
            for late in [registered(), disabled(), enabled(), ordered(), profile.clone(), changed.clone().into()] {
                assert!(matches!(evolve(Some(given.clone()), 9, &late, FIELDS), Err(FoldError::OutOfOrder { .. })), "{late:?}");
            }
        }
    }

    #[test]
    fn what_is_held_is_not_erased_until_the_hold_is_lifted() {
        let held: AccountEvent = LegalHoldPlaced { at: t(2) }.into();
        let lifted: AccountEvent = LegalHoldLifted { at: t(3) }.into();
        assert_eq!(evolve(Some(account([held.clone()])), 9, &ordered(), FIELDS), Err(FoldError::OutOfOrder { name: "ErasureOrdered" }));
        assert_eq!(account([held, lifted, ordered()]).standing, Standing::BeingErased);
    }

    #[test]
    fn a_destroyed_key_without_an_order_is_a_loss_and_stops_the_fold() {
        for given in [account([]), account([disabled()])] {
            let lost = evolve(Some(given), 9, &destroyed(), &[]).unwrap_err();
            assert_eq!(lost, FoldError::OutOfOrder { name: "DataKeyDestroyed" });
        }
    }

    #[test]
    fn registration_seals_everything_personal() {
        let cmd = |claims, sources| register::Register {
            account: alice(),
            email: " alice@example.com ".into(),
            name: Some("  ".into()),
            password_hash: "$scrypt$".into(),
            email_index: "index".into(),
            claims,
            sources,
            key_commitment: digest("key"),
            roles: [].into(),
            declared: false,
            context: None,
            at: t(0),
        };
        let decision = register::decide(&cmd(claims::Claims::default(), sources::Sources::default()));
        assert_eq!(said(&decision), ([registered()].into(), "ok"));
        let personal: Vec<_> = decision.events[0].personal.iter().collect();
        assert_eq!(personal, [("email", "alice@example.com"), ("email_index", "index"), ("password_hash", "$scrypt$")]);
        let stated = [("given_name".into(), "Alice".into()), ("email_verified".into(), "true".into())].into();
        let claims = claims::Claims::default().stating(&stated, claims::By::Operator).ok().unwrap();
        let with_claims = register::decide(&cmd(claims, sources::Sources::default()));
        let fields: Vec<_> = with_claims.events[0].personal.iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["address", "email", "email_index", "email_verified", "lists", "password_hash", "phone", "profile"]);
        let others = [("_claim_names", r#"{"x":"b"}"#), ("_claim_sources", r#"{"b":{"endpoint":"https://b.example"}}"#)];
        let others: claims::Stated = others.map(|(name, text)| (name.into(), text.into())).into();
        let sources = sources::apart(&others, claims::By::Operator).ok().and_then(|(_, sources)| sources).unwrap();
        let with_sources = register::decide(&cmd(claims::Claims::default(), sources));
        assert_eq!(said(&with_sources), ([registered(), ClaimSourcesChanged { at: t(0) }.into()].into(), "ok"));
        let fields: Vec<_> = with_sources.events[1].personal.iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["claim_names", "claim_sources"]);
    }
}
