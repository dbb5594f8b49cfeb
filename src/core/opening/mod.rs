//! Keys that others encrypt to us: the whole life of each is events, as of the keys that sign.
//!
//! | Rule | Source |
//! |---|---|
//! | one key of each kind is published at a time; its successor takes its place in the same append | OpenID Connect Core 1.0 §10.2.1 |
//! | a withdrawn key still opens what was encrypted while somebody had it cached, and is destroyed after that | OpenID Connect Core 1.0 §10.2.1 |
//! | keys change by the schedule of the signing keys, or because an operator asks | our own |
//! | the log holds the public half only | DESIGN: rule 7 |
//!
//! Out of scope: opening itself (`chancery-jose`), request objects ([`crate::request::object`]).

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::decision::Decision;
use crate::events;
use crate::stream::{Event, Fact, FoldError, Stream};
use crate::time::{Seconds, Timestamp};

/// How long a withdrawn key still opens: longer than anybody may cache the JWKS and than any request object is good.
pub const OPENS_FOR: Seconds = Seconds(24 * 60 * 60);

/// What a key is made of, which says what it serves: RSA-OAEP and its kin, or ECDH-ES.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Material {
    #[serde(rename = "RSA")]
    Rsa,
    #[serde(rename = "P-256")]
    P256,
    #[serde(rename = "P-384")]
    P384,
    #[serde(rename = "P-521")]
    P521,
    X25519,
}

impl Material {
    pub const ALL: &'static [Self] = &[Self::Rsa, Self::P256, Self::P384, Self::P521, Self::X25519];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::X25519 => "X25519",
        }
    }
}

/// A key is published for encryption. `public_jwk` is the public JWK as JSON text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EncryptionKeyPublished {
    pub kid: String,
    pub material: Material,
    pub public_jwk: String,
    pub at: Timestamp,
}

/// It is no longer published, and opens what is on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EncryptionKeyWithdrawn {
    pub at: Timestamp,
}

/// The private half was destroyed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EncryptionKeyDestroyed {
    pub at: Timestamp,
}

events! {
    /// The history of a key that others encrypt to.
    OpeningEvent { EncryptionKeyPublished = 1, EncryptionKeyWithdrawn = 1, EncryptionKeyDestroyed = 1 }
}

/// published -> withdrawn -> destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Published,
    Withdrawn,
    Destroyed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    pub kid: String,
    pub material: Material,
    pub public_jwk: String,
    pub phase: Phase,
    pub published_at: Timestamp,
    pub withdrawn_at: Option<Timestamp>,
}

/// The stream of a key.
pub fn stream(kid: &str) -> String {
    alloc::format!("opening-{kid}")
}

impl Stream for Opening {
    const KIND: &'static str = "opening";
    type Event = OpeningEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, OpeningEvent>) -> Result<Self, FoldError> {
        let name = fact.event.event_type().name;
        let Some(mut key) = state else {
            let OpeningEvent::EncryptionKeyPublished(event) = fact.event else { return Err(FoldError::OutOfOrder { name }) };
            return Ok(Self {
                kid: event.kid.clone(),
                material: event.material,
                public_jwk: event.public_jwk.clone(),
                phase: Phase::Published,
                published_at: event.at,
                withdrawn_at: None,
            });
        };
        match (key.phase, fact.event) {
            (Phase::Published, OpeningEvent::EncryptionKeyWithdrawn(event)) => {
                (key.phase, key.withdrawn_at) = (Phase::Withdrawn, Some(event.at));
            }
            (Phase::Withdrawn, OpeningEvent::EncryptionKeyDestroyed(_)) => key.phase = Phase::Destroyed,
            _ => return Err(FoldError::OutOfOrder { name }),
        }
        Ok(key)
    }
}

/// Publishes a new key.
pub struct Publish {
    pub kid: String,
    pub material: Material,
    pub public_jwk: String,
    pub at: Timestamp,
}

pub fn publish(cmd: &Publish) -> Decision<OpeningEvent, ()> {
    let (kid, public_jwk) = (cmd.kid.clone(), cmd.public_jwk.clone());
    Decision::accept(alloc::vec![EncryptionKeyPublished { kid, material: cmd.material, public_jwk, at: cmd.at }.into()], ())
}

/// Takes a key out of the JWKS; one that is not in it says nothing.
pub fn withdraw(key: &Opening, at: Timestamp) -> Decision<OpeningEvent, ()> {
    let events = if key.phase == Phase::Published { alloc::vec![EncryptionKeyWithdrawn { at }.into()] } else { Vec::new() };
    Decision::accept(events, ())
}

/// Ends a key that opens nothing any more; sooner it says nothing.
pub fn destroy(key: &Opening, at: Timestamp) -> Decision<OpeningEvent, ()> {
    let events = if is_over(key, at) { alloc::vec![EncryptionKeyDestroyed { at }.into()] } else { Vec::new() };
    Decision::accept(events, ())
}

/// Has it been withdrawn for so long that nothing is on its way to it?
pub fn is_over(key: &Opening, at: Timestamp) -> bool {
    key.phase == Phase::Withdrawn && key.withdrawn_at.is_some_and(|since| at >= since.plus(OPENS_FOR))
}

/// The key of this kind that is published: of two that were published at once, the newer one.
pub fn published(keys: &[Opening], material: Material) -> Option<&Opening> {
    let own = keys.iter().filter(|key| key.material == material && key.phase == Phase::Published);
    own.max_by_key(|key| (key.published_at, key.kid.as_str()))
}

/// Is a key of this kind to be made: because there is none, or because the one that there is has served its time?
pub fn is_due(keys: &[Opening], material: Material, every: Option<Seconds>, at: Timestamp) -> bool {
    published(keys, material).is_none_or(|key| every.is_some_and(|every| at >= key.published_at.plus(every)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use alloc::vec;

    fn key(kid: &str, at: i64) -> Opening {
        let cmd = Publish { kid: kid.into(), material: Material::P256, public_jwk: "{}".into(), at: t(at) };
        fold(said(&publish(&cmd)).0)
    }

    fn after(key: Opening, decision: &Decision<OpeningEvent, ()>) -> Opening {
        said(decision).0.iter().fold(key, |key, event| evolve(Some(key), 2, event, &[]).unwrap())
    }

    #[test]
    fn oidc_core_10_2_1_a_withdrawn_key_opens_for_a_day_and_is_destroyed() {
        let own = key("k1", 0);
        assert_eq!(said(&destroy(&own, t(9 * DAY))).0, [], "it is published");
        let withdrawn = after(own.clone(), &withdraw(&own, t(10)));
        assert_eq!((withdrawn.phase, withdrawn.withdrawn_at), (Phase::Withdrawn, Some(t(10))));
        assert_eq!(said(&withdraw(&withdrawn, t(11))).0, []);
        assert!(!is_over(&withdrawn, t(10 + DAY - 1)) && is_over(&withdrawn, t(10 + DAY)));
        let gone = after(withdrawn.clone(), &destroy(&withdrawn, t(10 + DAY)));
        assert_eq!((gone.phase, said(&destroy(&gone, t(9 * DAY))).0), (Phase::Destroyed, vec![]));
        for event in [EncryptionKeyWithdrawn { at: t(1) }.into(), EncryptionKeyDestroyed { at: t(1) }.into()] {
            assert!(evolve::<Opening>(None, 1, &event, &[]).is_err() && evolve(Some(gone.clone()), 5, &event, &[]).is_err());
        }
        assert!(evolve(Some(own), 2, &EncryptionKeyDestroyed { at: t(1) }.into(), &[]).is_err());
    }

    #[test]
    fn oidc_core_10_2_1_one_key_of_each_kind_follows_the_other() {
        let every = Some(Seconds(90 * DAY as u32));
        let due = |keys: &[Opening], every, at| is_due(keys, Material::P256, every, t(at));
        assert!(due(&[], None, 0));
        let first = key("k1", 0);
        assert!(!due(core::slice::from_ref(&first), every, 90 * DAY - 1) && due(core::slice::from_ref(&first), every, 90 * DAY));
        assert!(!due(core::slice::from_ref(&first), None, 900 * DAY), "no schedule");
        assert!(is_due(core::slice::from_ref(&first), Material::Rsa, every, t(1)), "each kind by itself");
        let both = [after(first.clone(), &withdraw(&first, t(90 * DAY))), key("k2", 90 * DAY)];
        assert_eq!(published(&both, Material::P256).map(|own| own.kid.as_str()), Some("k2"));
        assert!(!due(&both, every, 91 * DAY));
    }
}
