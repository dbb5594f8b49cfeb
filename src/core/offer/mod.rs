//! Offers of credentials: the operator has settled with a person what they get, and whoever brings the code gets it (OpenID4VCI §3.5).
//!
//! | Rule | Source |
//! |---|---|
//! | the code is short-lived and counts once | OpenID4VCI §4.1.1, §13.6.1 |
//! | a transaction code is sent if there is one, and only then | OpenID4VCI §6.1, §6.3 |
//! | five wrong ones end the offer | OpenID4VCI §13.6.3 |
//! | the code is known by its digest, the transaction code only as ciphertext: it has too few bits for a digest | DESIGN: rule 7 |
//! | a code that comes again is evidence, once | our own |
//! | where the operator allows it, a wallet need not say who it is: it acts as one client for all of them | OpenID4VCI §6.1, §12.3 |
//!
//! Out of scope: the token (`grant::pre_authorized`), which client may bring it (`client`).

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::metadata::GrantType;
use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::events;
use crate::id::{AccountId, ClientId, GrantId, OfferId};
use crate::stream::{Event, Fact, FoldError, Sealed, Stream};
use crate::time::{Seconds, Timestamp};

/// Wrong transaction codes after which an offer is dead.
pub const MOST_WRONG: u8 = 5;
/// The name of wallets that have none (§6.1): a client of the server's own, there while the operator lets them in. Nobody comes under it.
pub const ANONYMOUS: &str = "chancery-anonymous-wallet";
/// Digits of a transaction code.
pub const DIGITS: u32 = 6;
/// The ciphertext of the transaction code.
const TX_CODE: &str = "tx_code";

/// An operator offered credentials to a person. `personal`: `tx_code`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CredentialOffered {
    pub account: AccountId,
    pub at: Timestamp,
    /// Digest of the pre-authorized code.
    pub code: Digest,
    /// Ids of what is offered.
    pub configurations: BTreeSet<String>,
    pub expires_at: Timestamp,
    /// A transaction code has to come along.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub needs_tx_code: bool,
    pub offer: OfferId,
}

/// A wrong transaction code came with the right code: refused, the offer stands (five end it).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TransactionCodeRefused {
    pub at: Timestamp,
    pub by: ClientId,
}

/// A wallet got its token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CredentialOfferRedeemed {
    pub at: Timestamp,
    pub by: ClientId,
    pub grant: GrantId,
}

/// The code came again after it was redeemed: a lost answer, or a copied picture. Recorded once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CredentialOfferReplayed {
    pub at: Timestamp,
    pub by: ClientId,
}

events! {
    /// The history of an offer.
    OfferEvent { CredentialOffered = 1, TransactionCodeRefused = 1, CredentialOfferRedeemed = 1, CredentialOfferReplayed = 1 }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    pub id: OfferId,
    pub account: AccountId,
    pub code: Digest,
    pub configurations: BTreeSet<String>,
    pub expires_at: Timestamp,
    pub needs_tx_code: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx_code: Option<Sealed>,
    pub wrong: u8,
    pub redeemed: bool,
    pub replayed: bool,
}

impl Stream for Offer {
    const KIND: &'static str = "offer";
    type Event = OfferEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, OfferEvent>) -> Result<Self, FoldError> {
        let out_of_order = Err(FoldError::OutOfOrder { name: fact.event.event_type().name });
        let Some(mut offer) = state else {
            let OfferEvent::CredentialOffered(event) = fact.event else { return out_of_order };
            return Ok(Self {
                id: event.offer,
                account: event.account,
                code: event.code,
                configurations: event.configurations.clone(),
                expires_at: event.expires_at,
                needs_tx_code: event.needs_tx_code,
                tx_code: fact.sealed(&event.offer.stream(), TX_CODE),
                wrong: 0,
                redeemed: false,
                replayed: false,
            });
        };
        match fact.event {
            OfferEvent::TransactionCodeRefused(_) if !offer.redeemed => offer.wrong = offer.wrong.saturating_add(1),
            OfferEvent::CredentialOfferRedeemed(_) if !offer.redeemed => offer.redeemed = true,
            OfferEvent::CredentialOfferReplayed(_) if offer.redeemed => offer.replayed = true,
            _ => return out_of_order,
        }
        Ok(offer)
    }
}

impl Offer {
    /// Can this code still be redeemed?
    pub fn is_open(&self, code: &Digest, at: Timestamp) -> bool {
        self.code.matches(code) && !self.redeemed && self.wrong < MOST_WRONG && at < self.expires_at
    }
}

/// An operator's wish.
pub struct Make {
    pub offer: OfferId,
    pub account: AccountId,
    pub code: Digest,
    pub configurations: BTreeSet<String>,
    pub tx_code: Option<String>,
    pub lifetime: Seconds,
    pub at: Timestamp,
}

pub fn make(cmd: &Make) -> Decision<OfferEvent, ()> {
    let event = CredentialOffered {
        account: cmd.account,
        at: cmd.at,
        code: cmd.code,
        configurations: cmd.configurations.clone(),
        expires_at: cmd.at.plus(cmd.lifetime),
        needs_tx_code: cmd.tx_code.is_some(),
        offer: cmd.offer,
    };
    let personal = Personal::default().with_whole(TX_CODE, cmd.tx_code.as_deref());
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], ())
}

/// A transaction code from entropy: six digits.
pub fn transaction_code(entropy: [u8; 8]) -> String {
    // 2^64 is so much more than 10^6 that no code is likelier than another.
    format!("{:06}", u64::from_be_bytes(entropy) % 10_u64.pow(DIGITS))
}

/// The offer as a wallet reads it (OpenID4VCI §4.1.1). `code` is the text of the pre-authorized code.
pub fn document<'a>(issuer: &str, configurations: impl Iterator<Item = &'a str>, code: &str, needs_tx_code: bool) -> Value {
    let mut grant = json!({ "pre-authorized_code": code });
    if needs_tx_code {
        grant["tx_code"] = json!({ "input_mode": "numeric", "length": DIGITS });
    }
    json!({
        "credential_issuer": issuer,
        "credential_configuration_ids": configurations.collect::<Vec<_>>(),
        "grants": { (GrantType::PreAuthorizedCode.as_str()): grant },
    })
}

/// A wallet's wish to redeem a code.
pub struct Redeem {
    pub code: Digest,
    /// Digest of the transaction code that belongs to the offer, and of the one that came.
    pub expected: Option<Digest>,
    pub sent: Option<Digest>,
    pub by: ClientId,
    pub grant: GrantId,
    pub at: Timestamp,
}

pub fn redeem(offer: &Offer, cmd: &Redeem) -> Decision<OfferEvent, ()> {
    let refuse = |why: &'static str| {
        Decision::refuse(
            OAuthError::invalid_grant(why).saying("The pre-authorized_code is invalid, expired or used, or the tx_code is wrong."),
        )
    };
    // First, so that who knows an offer's id alone can neither learn nor end anything.
    if !offer.code.matches(&cmd.code) {
        return refuse("unknown code");
    }
    if offer.redeemed {
        let refusal = refuse("redeemed before");
        return if offer.replayed {
            refusal
        } else {
            refusal.recording(OfferEvent::from(CredentialOfferReplayed { at: cmd.at, by: cmd.by.clone() }))
        };
    }
    if offer.wrong >= MOST_WRONG {
        return refuse("too many wrong transaction codes");
    }
    if cmd.at >= offer.expires_at {
        return refuse("expired");
    }
    let malformed = |why: &'static str, sentence: &str| Decision::refuse(OAuthError::invalid_request(why).saying(sentence));
    match (offer.needs_tx_code, &cmd.sent) {
        (false, None) => {}
        (false, Some(_)) => return malformed("a tx_code that nobody wants", "This offer has no tx_code."),
        (true, None) => return malformed("no tx_code", "The parameter tx_code is missing."),
        (true, Some(sent)) => {
            if !cmd.expected.is_some_and(|own| own.matches(sent)) {
                return refuse("wrong transaction code")
                    .recording(OfferEvent::from(TransactionCodeRefused { at: cmd.at, by: cmd.by.clone() }));
            }
        }
    }
    let event = CredentialOfferRedeemed { at: cmd.at, by: cmd.by.clone(), grant: cmd.grant };
    Decision::accept(Vec::from([Draft::from(OfferEvent::from(event))]), ())
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::testing::*;

    fn made(tx_code: Option<&str>) -> Offer {
        let offer = OfferId(uuid::Uuid::from_u128(0x0ff));
        let configurations = ["identity".into()].into();
        let tx_code = tx_code.map(String::from);
        let decision =
            make(&Make { offer, account: alice(), code: digest("code"), configurations, tx_code, lifetime: Seconds(600), at: t(0) });
        fold(said(&decision).0)
    }

    fn bring(code: &str, sent: Option<&str>, at: i64) -> Redeem {
        Redeem {
            code: digest(code),
            expected: Some(digest("123456")),
            sent: sent.map(digest),
            by: client_id("wallet"),
            grant: grant_id(),
            at: t(at),
        }
    }

    fn next(offer: Offer, version: u64, cmd: &Redeem) -> (Offer, &'static str) {
        let (events, outcome) = said(&redeem(&offer, cmd));
        let offer = events.iter().fold(offer, |own, event| evolve(Some(own), version, event, &[]).unwrap());
        (offer, outcome)
    }

    #[test]
    fn openid4vci_4_1_1_a_code_is_short_lived_and_counts_once() {
        let (offer, outcome) = next(made(None), 2, &bring("code", None, 0));
        assert_eq!((outcome, offer.redeemed, offer.is_open(&digest("code"), t(0))), ("ok", true, false));
        let (offer, outcome) = next(offer, 3, &bring("code", None, 1));
        assert_eq!((outcome, offer.replayed), ("invalid_grant", true));
        assert_eq!(said(&redeem(&offer, &bring("code", None, 2))), (vec![], "invalid_grant"), "said once");
        assert_eq!(said(&redeem(&made(None), &bring("other", None, 0))), (vec![], "invalid_grant"));
        assert_eq!(said(&redeem(&made(None), &bring("code", None, 600))), (vec![], "invalid_grant"));
        assert_eq!(next(made(None), 2, &bring("code", None, 599)).1, "ok");
    }

    #[test]
    fn openid4vci_6_3_a_transaction_code_comes_if_there_is_one_and_only_then() {
        assert_eq!(said(&redeem(&made(None), &bring("code", Some("123456"), 0))), (vec![], "invalid_request"));
        assert_eq!(said(&redeem(&made(Some("123456")), &bring("code", None, 0))), (vec![], "invalid_request"));
        assert_eq!(next(made(Some("123456")), 2, &bring("code", Some("123456"), 0)).1, "ok");
    }

    #[test]
    fn openid4vci_13_6_3_five_wrong_transaction_codes_end_the_offer() {
        let mut offer = made(Some("123456"));
        for round in 0..5 {
            assert!(offer.is_open(&digest("code"), t(0)));
            let (after, outcome) = next(offer, 2 + round, &bring("code", Some("654321"), 0));
            assert_eq!(outcome, "invalid_grant");
            offer = after;
        }
        assert_eq!(said(&redeem(&offer, &bring("code", Some("123456"), 0))), (vec![], "invalid_grant"), "also the right one");
        assert_eq!((offer.wrong, offer.is_open(&digest("code"), t(0))), (5, false));
        // Who does not have the code guesses nothing.
        assert_eq!(said(&redeem(&made(Some("123456")), &bring("other", Some("1"), 0))), (vec![], "invalid_grant"));
    }

    #[test]
    fn a_transaction_code_has_six_digits() {
        assert_eq!((transaction_code([0; 8]).as_str(), transaction_code([0xff; 8]).len()), ("000000", 6));
        assert!(transaction_code([7; 8]).bytes().all(|b| b.is_ascii_digit()));
    }
}
