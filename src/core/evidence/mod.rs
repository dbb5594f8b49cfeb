//! Evidence: refusals that an auditor wants to read, and the back-off that follows from them.
//!
//! | Rule | Source |
//! |---|---|
//! | failed logins of an account slow the next ones down, never an existing session | NIST SP 800-63B §5.2.2 |
//! | unknown accounts leave the same number of events as known ones, and wait as long | OWASP user enumeration |
//! | refusals beyond the rate limit become one event per source and minute | DESIGN: events |

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::events;
use crate::id::{AccountId, ClientId};
use crate::stream::{Fact, FoldError, Stream};
use crate::time::{Seconds, Timestamp};

/// A password was wrong, or the account is unknown. `personal`: `identifier` (as typed), `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoginFailed {
    /// Absent when no such account exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    pub at: Timestamp,
}

/// A login was right after wrong ones: the count starts again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoginFailuresCleared {
    pub at: Timestamp,
}

/// A client that exists failed to authenticate. `personal`: `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientAuthenticationFailed {
    pub at: Timestamp,
    pub client: ClientId,
    /// Our own words, never the caller's.
    pub reason: String,
}

/// A DPoP proof came a second time (RFC 9449 §11.1). `personal`: `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DpopProofReplayed {
    pub at: Timestamp,
    /// The client that sent it, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientId>,
    /// Thumbprint of the key that made the proof.
    pub jkt: Digest,
}

/// A token that is good for one exchange came to a second one (RFC 8693). `personal`: `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SubjectTokenReplayed {
    pub at: Timestamp,
    /// Who brought it.
    pub client: ClientId,
    pub token: Digest,
}

/// Somebody who is signed in typed a user code that is none, or is over (RFC 8628 §5.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserCodeRefused {
    pub account: AccountId,
    pub at: Timestamp,
}

/// A client asked on the back channel for somebody whom nobody here is, and was told so (CIBA Core §13). `personal`: `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnknownPersonHinted {
    pub at: Timestamp,
    pub client: ClientId,
}

/// Refusals beyond the limits, counted. `personal`: `source`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttemptsRefused {
    pub count: u32,
    pub from: Timestamp,
    pub kind: String,
    pub until: Timestamp,
}

/// An auditor asked a question of the log. `personal`: `address`, when it was a filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditQueried {
    pub at: Timestamp,
    /// The filters, in our own words.
    pub question: String,
}

/// An auditor began to follow the log. `personal`: `address`, when it was a filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditTailOpened {
    pub at: Timestamp,
    /// First position that is delivered.
    pub from: u64,
    /// The filters, in our own words.
    pub question: String,
}

events! {
    /// Refusals and other things that are evidence.
    EvidenceEvent {
        LoginFailed = 1,
        LoginFailuresCleared = 1,
        ClientAuthenticationFailed = 1,
        DpopProofReplayed = 1,
        SubjectTokenReplayed = 1,
        UserCodeRefused = 1,
        UnknownPersonHinted = 1,
        AttemptsRefused = 1,
        AuditQueried = 1,
        AuditTailOpened = 1,
    }
}

/// The stream with the failed logins of one account.
pub fn attempts_stream(account: AccountId) -> String {
    alloc::format!("evidence-{account}")
}

/// The stream for everything that has no account: nobody folds it, so its version is never asserted.
pub const ANONYMOUS: &str = "evidence-anonymous";

/// How often the password of one account was wrong in a row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attempts {
    pub failures: u32,
    pub last_at: Option<Timestamp>,
}

impl Attempts {
    /// One failure more.
    pub fn fail(&mut self, at: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.last_at = Some(at);
    }
}

/// Failures that cost nothing yet.
const FREE: u32 = 5;
/// The longest wait.
const LONGEST: Seconds = Seconds(15 * 60);

impl Attempts {
    /// Until when the next attempt is refused: 1 s after the fifth failure, doubled by each further one, at most 15 minutes.
    pub fn blocked_until(&self) -> Option<Timestamp> {
        let last = self.last_at?;
        let beyond = self.failures.checked_sub(FREE)?;
        Some(last.plus(Seconds(1_u32.checked_shl(beyond).unwrap_or(u32::MAX).min(LONGEST.0))))
    }
}

impl Stream for Attempts {
    const KIND: &'static str = "evidence";
    type Event = EvidenceEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, EvidenceEvent>) -> Result<Self, FoldError> {
        let mut attempts = state.unwrap_or_default();
        match fact.event {
            EvidenceEvent::LoginFailed(event) => attempts.fail(event.at),
            EvidenceEvent::LoginFailuresCleared(_) => attempts = Self::default(),
            EvidenceEvent::ClientAuthenticationFailed(_)
            | EvidenceEvent::DpopProofReplayed(_)
            | EvidenceEvent::SubjectTokenReplayed(_)
            | EvidenceEvent::UserCodeRefused(_)
            | EvidenceEvent::UnknownPersonHinted(_)
            | EvidenceEvent::AttemptsRefused(_)
            | EvidenceEvent::AuditQueried(_)
            | EvidenceEvent::AuditTailOpened(_) => {}
        }
        Ok(attempts)
    }
}

/// A login attempt whose password was checked.
pub struct Attempt {
    pub account: Option<AccountId>,
    /// Password right and account active.
    pub correct: bool,
    pub identifier: String,
    pub context: Option<String>,
    pub at: Timestamp,
}

/// One sentence for unknown, wrong and disabled.
pub fn attempt(attempts: &Attempts, cmd: &Attempt) -> Decision<EvidenceEvent, ()> {
    if attempts.blocked_until().is_some_and(|until| cmd.at < until) {
        // Refused before the password counts, so that guessing gains nothing; recorded, since it is an attempt.
        return Decision::refuse(OAuthError::slow_down("too many failed logins")).recording(failed(cmd));
    }
    if !cmd.correct {
        return Decision::refuse(OAuthError::invalid_credentials("wrong credentials")).recording(failed(cmd));
    }
    let events = if attempts.failures > 0 { alloc::vec![LoginFailuresCleared { at: cmd.at }.into()] } else { Vec::new() };
    Decision::accept(events, ())
}

fn failed(cmd: &Attempt) -> Draft<EvidenceEvent> {
    let personal = Personal::default().with("identifier", Some(cmd.identifier.as_str())).with("context", cmd.context.as_deref());
    Draft::new(LoginFailed { account: cmd.account, at: cmd.at }.into(), personal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(failures: u32) -> Attempts {
        Attempts { failures, last_at: Some(Timestamp(0)) }
    }

    fn at(ms: i64, correct: bool) -> Attempt {
        Attempt { account: None, correct, identifier: "x".into(), context: None, at: Timestamp(ms) }
    }

    #[test]
    fn nist_800_63b_5_2_2_the_wait_doubles_and_is_bounded() {
        assert_eq!(after(4).blocked_until(), None);
        assert_eq!(after(5).blocked_until(), Some(Timestamp(1_000)));
        assert_eq!(after(8).blocked_until(), Some(Timestamp(8_000)));
        assert_eq!(after(4_000_000_000).blocked_until(), Some(Timestamp(900_000)));
    }

    #[test]
    fn a_right_password_during_the_wait_is_refused_and_recorded() {
        let decision = attempt(&after(5), &at(999, true));
        assert_eq!(decision.outcome.unwrap_err().code(), "slow_down");
        assert_eq!(decision.events.len(), 1);
        assert!(attempt(&after(5), &at(1_000, true)).outcome.is_ok());
    }

    #[test]
    fn a_right_password_clears_the_count_once() {
        assert_eq!(attempt(&after(2), &at(0, true)).events.len(), 1);
        assert!(attempt(&Attempts::default(), &at(0, true)).events.is_empty());
    }

    #[test]
    fn unknown_wrong_and_blocked_leave_one_event_each() {
        let alice = Some(crate::testing::alice());
        for account in [None, alice] {
            for (given, code) in [(after(0), "invalid_credentials"), (after(5), "slow_down")] {
                let decision = attempt(&given, &Attempt { account, ..at(500, false) });
                assert_eq!(crate::testing::said(&decision).1, code);
                assert!(matches!(&decision.events[0].event, EvidenceEvent::LoginFailed(event) if event.account == account));
                assert_eq!(decision.events[0].personal.iter().next(), Some(("identifier", "x")));
            }
        }
    }

    #[test]
    fn failures_in_a_row_count_and_a_success_clears_them() {
        let failed = |ms| EvidenceEvent::from(LoginFailed { account: None, at: Timestamp(ms) });
        let six: Attempts = crate::testing::fold((0..6).map(failed));
        assert_eq!(six, Attempts { failures: 6, last_at: Some(Timestamp(5)) });
        assert_eq!(six.blocked_until(), Some(Timestamp(2005)));
        let cleared = LoginFailuresCleared { at: Timestamp(9) }.into();
        let other = AuditQueried { question: "all".into(), at: Timestamp(9) }.into();
        assert_eq!(crate::testing::fold::<Attempts>((0..6).map(failed).chain([cleared, other])), Attempts::default());
    }
}
