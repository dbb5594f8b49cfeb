//! Signing keys: the whole life of each is events, so that a five-year-old token can still be checked against the history.
//!
//! | Rule | Source |
//! |---|---|
//! | the next key is published before it signs | OpenID Connect Core 1.0 §10.1.1 |
//! | an operator's new key too, unless the old one must not sign any more | our own |
//! | a schedule changes keys by itself, but never one that the operator imported, or has at a signer | our own |
//! | a retired key stays published while tokens that it signed live | OpenID Connect Core 1.0 §10.1.1 |
//! | the log holds the public half only | DESIGN: rule 7 |

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::client::metadata::SigningAlg;
use crate::decision::Decision;
use crate::events;
use crate::stream::{Event, Fact, FoldError, Stream};
use crate::time::{Seconds, Timestamp};

/// Where the private half came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    Generated,
    /// From `JWKS_PRIVATE_KEY`.
    Imported,
    /// It is nowhere here: a signer outside of this process holds it.
    External,
}

impl KeySource {
    /// May a schedule put another key in its place? Those that an operator brought are the operator's.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Generated)
    }
}

/// A key exists and is published. `public_jwk` is the public JWK as canonical JSON text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SigningKeyPlanned {
    pub kid: String,
    pub alg: SigningAlg,
    pub public_jwk: String,
    pub source: KeySource,
    /// When it is going to sign, where an operator asked for it; the schedule says it otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs_at: Option<Timestamp>,
    /// What the signer calls it, of an external one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_as: Option<String>,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SigningKeyActivated {
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SigningKeyRetired {
    pub at: Timestamp,
}

/// No longer published; the private half was destroyed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SigningKeyRemoved {
    pub at: Timestamp,
}

events! {
    /// The history of a signing key.
    KeyEvent { SigningKeyPlanned = 1, SigningKeyActivated = 1, SigningKeyRetired = 1, SigningKeyRemoved = 1 }
}

/// planned -> active -> retired -> gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Planned,
    Active,
    Retired,
    Gone,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    pub kid: String,
    pub alg: SigningAlg,
    pub public_jwk: String,
    pub source: KeySource,
    pub phase: Phase,
    pub planned_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_as: Option<String>,
    pub activated_at: Option<Timestamp>,
    pub retired_at: Option<Timestamp>,
}

/// The stream of a key.
pub fn stream(kid: &str) -> String {
    alloc::format!("key-{kid}")
}

impl Key {
    /// In the JWKS?
    pub fn is_published(&self) -> bool {
        self.phase != Phase::Gone
    }
}

impl Stream for Key {
    const KIND: &'static str = "key";
    type Event = KeyEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, KeyEvent>) -> Result<Self, FoldError> {
        let name = fact.event.event_type().name;
        let Some(mut key) = state else {
            let KeyEvent::SigningKeyPlanned(event) = fact.event else { return Err(FoldError::OutOfOrder { name }) };
            return Ok(Self {
                kid: event.kid.clone(),
                alg: event.alg,
                public_jwk: event.public_jwk.clone(),
                source: event.source,
                phase: Phase::Planned,
                planned_at: event.at,
                signs_at: event.signs_at,
                held_as: event.held_as.clone(),
                activated_at: None,
                retired_at: None,
            });
        };
        match (key.phase, fact.event) {
            (Phase::Planned, KeyEvent::SigningKeyActivated(event)) => (key.phase, key.activated_at) = (Phase::Active, Some(event.at)),
            (Phase::Active | Phase::Planned, KeyEvent::SigningKeyRetired(event)) => {
                (key.phase, key.retired_at) = (Phase::Retired, Some(event.at))
            }
            (Phase::Retired, KeyEvent::SigningKeyRemoved(_)) => key.phase = Phase::Gone,
            _ => return Err(FoldError::OutOfOrder { name }),
        }
        Ok(key)
    }
}

/// Publishes a new key; it signs at once when there is no other (`activate`).
pub struct Plan {
    pub kid: String,
    pub alg: SigningAlg,
    pub public_jwk: String,
    pub source: KeySource,
    pub activate: bool,
    pub signs_at: Option<Timestamp>,
    pub held_as: Option<String>,
    pub at: Timestamp,
}

pub fn plan(cmd: &Plan) -> Decision<KeyEvent, ()> {
    let (kid, public_jwk) = (cmd.kid.clone(), cmd.public_jwk.clone());
    let held_as = cmd.held_as.clone();
    let planned = SigningKeyPlanned { kid, alg: cmd.alg, public_jwk, source: cmd.source, signs_at: cmd.signs_at, held_as, at: cmd.at };
    let mut events = alloc::vec![planned.into()];
    if cmd.activate {
        events.push(SigningKeyActivated { at: cmd.at }.into());
    }
    Decision::accept(events, ())
}

/// When keys change by themselves.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// How long a key signs.
    pub every: Seconds,
    /// How long the next one is published before it signs: longer than anybody caches the JWKS.
    pub ahead: Seconds,
}

/// What the schedule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Nothing,
    /// Publish the successor of the key with this kid.
    Plan {
        after: String,
    },
    /// The published successor signs from now on.
    Activate {
        kid: String,
    },
}

/// What is due for one algorithm. A key that an operator brought is the operator's: the schedule never replaces it.
pub fn due(keys: &[Key], alg: SigningAlg, schedule: Option<&Schedule>, at: Timestamp) -> Change {
    let own = || keys.iter().filter(|key| key.alg == alg);
    let asked = own().filter(|key| key.phase == Phase::Planned && key.signs_at.is_some_and(|signs_at| at >= signs_at));
    if let Some(asked) = asked.min_by_key(|key| key.planned_at) {
        return Change::Activate { kid: asked.kid.clone() };
    }
    let Some(schedule) = schedule else { return Change::Nothing };
    let Some(active) = own().filter(|key| key.phase == Phase::Active).max_by_key(|key| key.activated_at) else { return Change::Nothing };
    if !active.source.is_ours() {
        return Change::Nothing;
    }
    // The oldest: of two that were planned at once the other one waits for its own turn.
    if let Some(planned) = own().filter(|key| key.phase == Phase::Planned).min_by_key(|key| key.planned_at) {
        let is_known = planned.signs_at.is_none() && at >= planned.planned_at.plus(schedule.ahead);
        return if is_known { Change::Activate { kid: planned.kid.clone() } } else { Change::Nothing };
    }
    let since = active.activated_at.unwrap_or(active.planned_at);
    let wait = Seconds(schedule.every.0.saturating_sub(schedule.ahead.0));
    if at >= since.plus(wait) { Change::Plan { after: active.kid.clone() } } else { Change::Nothing }
}

/// One step further in its life; a step already taken says nothing.
pub fn advance(key: &Key, to: Phase, at: Timestamp) -> Decision<KeyEvent, ()> {
    let events = match (key.phase, to) {
        (Phase::Planned, Phase::Active) => alloc::vec![SigningKeyActivated { at }.into()],
        (Phase::Active | Phase::Planned, Phase::Retired) => alloc::vec![SigningKeyRetired { at }.into()],
        (Phase::Retired, Phase::Gone) => alloc::vec![SigningKeyRemoved { at }.into()],
        _ => Vec::new(),
    };
    Decision::accept(events, ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use alloc::vec;

    fn planned(activate: bool) -> Vec<KeyEvent> {
        let (kid, alg, public_jwk) = ("k1".into(), SigningAlg::Es256, "{}".into());
        said(&plan(&Plan { kid, alg, public_jwk, source: KeySource::Generated, activate, signs_at: None, held_as: None, at: t(0) })).0
    }

    fn key(phase: Phase) -> Key {
        let steps = [Phase::Active, Phase::Retired, Phase::Gone].into_iter().take_while(|step| *step as u8 <= phase as u8);
        steps.fold(fold(planned(false)), |key, to| {
            let event = said(&advance(&key, to, t(to as i64))).0.remove(0);
            evolve(Some(key), 2, &event, &[]).unwrap()
        })
    }

    #[test]
    fn oidc_core_10_1_1_a_key_is_published_before_it_signs_and_after_it_retired() {
        let seen = [Phase::Planned, Phase::Active, Phase::Retired, Phase::Gone].map(|phase| (key(phase).phase, key(phase).is_published()));
        assert_eq!(seen, [(Phase::Planned, true), (Phase::Active, true), (Phase::Retired, true), (Phase::Gone, false)]);
        let gone = key(Phase::Gone);
        assert_eq!((gone.planned_at, gone.activated_at, gone.retired_at), (t(0), Some(t(1)), Some(t(2))));
    }

    #[test]
    fn the_first_key_signs_at_once() {
        assert_eq!(fold::<Key>(planned(true)).phase, Phase::Active);
        assert_eq!(fold::<Key>(planned(false)).phase, Phase::Planned);
    }

    #[test]
    fn a_key_goes_forward_only_and_a_step_taken_says_nothing() {
        let steps = |from, to| said(&advance(&key(from), to, t(9))).0.len();
        for (from, to, events) in [
            (Phase::Planned, Phase::Planned, 0),
            (Phase::Planned, Phase::Active, 1),
            (Phase::Planned, Phase::Retired, 1),
            (Phase::Planned, Phase::Gone, 0),
            (Phase::Active, Phase::Active, 0),
            (Phase::Active, Phase::Retired, 1),
            (Phase::Active, Phase::Gone, 0),
            (Phase::Retired, Phase::Active, 0),
            (Phase::Retired, Phase::Retired, 0),
            (Phase::Retired, Phase::Gone, 1),
            (Phase::Gone, Phase::Active, 0),
            (Phase::Gone, Phase::Gone, 0),
        ] {
            assert_eq!(steps(from, to), events, "{from:?} to {to:?}");
        }
    }

    #[test]
    fn oidc_core_10_1_1_the_next_key_is_published_ahead_and_signs_at_its_time() {
        let schedule = Schedule { every: Seconds(90 * DAY as u32), ahead: Seconds(DAY as u32) };
        let due_at = |keys: &[Key], at: i64| due(keys, SigningAlg::Es256, Some(&schedule), t(at));
        let first: Key = fold(planned(true));
        assert_eq!(due_at(core::slice::from_ref(&first), 89 * DAY - 1), Change::Nothing);
        assert_eq!(due_at(core::slice::from_ref(&first), 89 * DAY), Change::Plan { after: "k1".into() });
        let next = Key { kid: "k2".into(), planned_at: t(89 * DAY), ..fold(planned(false)) };
        let both = [first.clone(), next];
        assert_eq!(due_at(&both, 90 * DAY - 1), Change::Nothing);
        assert_eq!(due_at(&both, 90 * DAY), Change::Activate { kid: "k2".into() });
        assert_eq!(due(&both, SigningAlg::Rs256, Some(&schedule), t(90 * DAY)), Change::Nothing, "each algorithm by itself");
        for source in [KeySource::Imported, KeySource::External] {
            assert_eq!(due_at(&[Key { source, ..first.clone() }], 900 * DAY), Change::Nothing, "the operator's");
        }
    }

    #[test]
    fn oidc_core_10_1_1_what_an_operator_asked_for_signs_at_its_time_without_any_schedule() {
        let imported = Key { source: KeySource::Imported, ..fold(planned(true)) };
        let asked = Key { kid: "k2".into(), planned_at: t(100), signs_at: Some(t(700)), ..fold(planned(false)) };
        let schedule = Schedule { every: Seconds(90 * DAY as u32), ahead: Seconds(60) };
        for schedule in [None, Some(&schedule)] {
            let due_at = |at| due(&[imported.clone(), asked.clone()], SigningAlg::Es256, schedule, t(at));
            assert_eq!((due_at(699), due_at(700)), (Change::Nothing, Change::Activate { kid: "k2".into() }));
            let own = Key { source: KeySource::Generated, ..imported.clone() };
            assert_eq!(due(&[own, asked.clone()], SigningAlg::Es256, schedule, t(699)), Change::Nothing, "not sooner than it was said");
        }
    }

    #[test]
    fn a_history_that_no_decider_makes_stops_the_fold() {
        let late: Vec<KeyEvent> = vec![
            planned(false).remove(0),
            SigningKeyActivated { at: t(9) }.into(),
            SigningKeyRetired { at: t(9) }.into(),
            SigningKeyRemoved { at: t(9) }.into(),
        ];
        for event in &late {
            assert!(matches!(evolve(Some(key(Phase::Gone)), 5, event, &[]), Err(FoldError::OutOfOrder { .. })));
        }
        assert!(late[1..].iter().all(|event| evolve::<Key>(None, 1, event, &[]).is_err()));
    }
}
