//! What the events mean together: every rule that a log can break although each of its leaves has the right hash.
//!
//! | Rule | Where |
//! |---|---|
//! | the log begins once; time never goes back; the versions of each stream are dense | here |
//! | a grant's code is redeemed once; nothing is issued after its end, its expiry, or that of its parents | `grants` |
//! | accounts, clients, sessions and consents live and end in order; nothing is sealed under a destroyed key | `parties` |
//! | a request of a device or on the back channel, and an offer, is answered once and in time; five wrong transaction codes end an offer | here |
//! | signing keys and keys of the log are named before they sign | `parties` |
//!
//! It holds what can still matter, not what has been: a grant, session or interaction that is over for a day is forgotten. Should its
//! stream come up again, the stream is noted in `late`, and a second pass that keeps these streams judges them.

mod grants;
mod parties;

use std::collections::{HashMap, HashSet};

use crate::fact::{Fact, Stream};
use crate::roots::Named;
use grants::Grant;
use parties::{Account, Client, Session};

/// Milliseconds that a thing is kept after it was over, and that the clocks of two nodes may differ.
const DAY: i64 = 24 * 60 * 60 * 1000;

/// Wrong transaction codes after which an offer of credentials is dead. OpenID4VCI §13.6.3.
const MOST_WRONG: u8 = 5;

/// Events between two looks at what can be forgotten.
const SWEEP: u64 = 16_384;

/// What holds of the log so far.
#[derive(Default)]
pub struct Fold {
    next: u64,
    recorded_at: i64,
    origin: Option<Box<str>>,
    accounts: HashMap<u128, Account>,
    clients: HashMap<Box<str>, Client>,
    sessions: HashMap<u128, Session>,
    grants: HashMap<u128, Grant>,
    interactions: HashMap<u128, Open>,
    pushed: HashMap<u128, Open>,
    devices: HashMap<u128, Open>,
    /// Versions of streams that are told by name.
    named: HashMap<Box<str>, u64>,
    /// Withdrawals of each consent, by the name of its stream.
    consents: HashMap<Box<str>, u64>,
    keys: HashMap<Box<str>, parties::Phase>,
    /// The end of the last segment that was archived.
    archived: u64,
    log_keys: Vec<LogKey>,
    /// Roots that events name.
    roots: Vec<Named>,
    /// Streams that came up again after they were forgotten.
    late: HashSet<Stream>,
    /// Streams that are never forgotten: the `late` ones of an earlier pass.
    keep: HashSet<Stream>,
}

/// A key that the log says signs its heads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKey {
    pub vkey: Box<str>,
    pub created: u64,
    pub retired: Option<u64>,
}

/// An interaction as far as it is followed.
struct Open {
    version: u64,
    /// When it can be forgotten.
    over_at: i64,
    /// Wrong transaction codes, of an offer.
    wrong: u8,
}

impl Open {
    const BEGUN: Self = Self { version: 0, over_at: i64::MAX, wrong: 0 };
}

impl Fold {
    /// A pass that forgets none of these streams.
    pub fn keeping(keep: HashSet<Stream>) -> Self {
        Self { keep, ..Self::default() }
    }

    /// Streams that only a second pass can judge.
    pub fn late(&self) -> &HashSet<Stream> {
        &self.late
    }

    pub fn size(&self) -> u64 {
        self.next
    }

    /// The name of the log, from its first event.
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// Keys that sign its heads, in the order of their creation.
    pub fn log_keys(&self) -> &[LogKey] {
        &self.log_keys
    }

    /// Roots that events name: to be held against the tree, which is not here.
    pub fn roots(&self) -> &[Named] {
        &self.roots
    }

    /// Things that are held: accounts, clients, streams by name, and what is alive.
    pub fn held(&self) -> usize {
        self.accounts.len()
            + self.clients.len()
            + self.sessions.len()
            + self.grants.len()
            + self.interactions.len()
            + self.pushed.len()
            + self.devices.len()
            + self.named.len()
    }

    /// Adds the next event.
    ///
    /// # Errors
    /// The rule that it breaks, in plain words.
    pub fn add(&mut self, fact: &Fact) -> Result<(), String> {
        if fact.position != self.next {
            return Err(format!("it says position {}", fact.position));
        }
        if fact.recorded_at < self.recorded_at {
            return Err(format!("the time goes back, from {} to {}", self.recorded_at, fact.recorded_at));
        }
        if (fact.kind == "LogCreated") != (fact.position == 0) {
            return Err("a log begins with LogCreated, and has it nowhere else".into());
        }
        self.next += 1;
        self.recorded_at = fact.recorded_at;
        if let Some(account) = fact.sealed_for {
            self.check_seal(account)?;
        }
        match &fact.stream {
            Stream::Grant(id) => self.grant(*id, fact)?,
            Stream::Session(id) => self.session(*id, fact)?,
            Stream::Interaction(id) => self.interaction(*id, fact)?,
            Stream::Pushed(id) => self.pushed(*id, fact)?,
            Stream::Device(id) => self.device(*id, fact)?,
            Stream::Account(id) => self.account(*id, fact)?,
            Stream::Named(name) => self.named(name, fact)?,
        }
        if self.next.is_multiple_of(SWEEP) {
            self.forget();
        }
        Ok(())
    }

    /// The version that follows `before`. `None`: the stream is not held, so either it begins or it came up again; then the event is left
    /// to a second pass.
    fn version(&mut self, fact: &Fact, before: Option<u64>) -> Result<Step, String> {
        match before {
            Some(before) if fact.version == before + 1 => Ok(Step::Next),
            Some(before) => Err(format!("version {} follows version {before} of its stream", fact.version)),
            None if self.keep.contains(&fact.stream) => {
                if fact.version == 1 {
                    Ok(Step::First)
                } else {
                    Err(format!("its stream begins with version {}", fact.version))
                }
            }
            // A stream that begins carries its own time in its id. One that claims another time may be an old one in disguise.
            None if fact.version == 1 => {
                if fact.stream.born().is_some_and(|born| (born - fact.recorded_at).abs() > DAY) {
                    self.late.insert(fact.stream.clone());
                }
                Ok(Step::First)
            }
            None => {
                self.late.insert(fact.stream.clone());
                Ok(Step::Late)
            }
        }
    }

    fn interaction(&mut self, id: u128, fact: &Fact) -> Result<(), String> {
        let before = self.interactions.get(&id).map(|open| open.version);
        if self.version(fact, before)? == Step::Late {
            return Ok(());
        }
        let is_answer = matches!(fact.kind, "AuthorizationGranted" | "AuthorizationRefused" | "AuthorizationAnsweredAtOnce");
        let open = self.interactions.entry(id).or_insert(Open::BEGUN);
        if before.is_some() && open.over_at == i64::MIN {
            return Err(format!("{} follows the answer of its interaction", fact.kind));
        }
        open.version = fact.version;
        if let Some(expires_at) = fact.data.expires_at {
            open.over_at = expires_at;
        }
        if is_answer {
            open.over_at = i64::MIN;
        }
        Ok(())
    }

    /// A pushed request is answered once; after that only what others tried with it is recorded.
    fn pushed(&mut self, id: u128, fact: &Fact) -> Result<(), String> {
        let before = self.pushed.get(&id).map(|open| open.version);
        if self.version(fact, before)? == Step::Late {
            return Ok(());
        }
        let open = self.pushed.entry(id).or_insert(Open::BEGUN);
        if open.over_at == i64::MIN && fact.kind != "PushedRequestMisused" {
            return Err(format!("{} follows the answer of its pushed request", fact.kind));
        }
        if fact.kind == "PushedRequestOpened" && fact.data.at.is_some_and(|at| at >= open.over_at) {
            return Err("a pushed request was opened after it had expired".into());
        }
        open.version = fact.version;
        if let Some(expires_at) = fact.data.expires_at {
            open.over_at = expires_at;
        }
        if fact.kind == "PushedRequestSpent" {
            open.over_at = i64::MIN;
        }
        Ok(())
    }

    /// A device gets its tokens once, after one answer and before it expires; a denial is the end.
    fn device(&mut self, id: u128, fact: &Fact) -> Result<(), String> {
        let before = self.devices.get(&id).map(|open| open.version);
        if self.version(fact, before)? == Step::Late {
            return Ok(());
        }
        let open = self.devices.entry(id).or_insert(Open::BEGUN);
        let tells = matches!(
            fact.kind,
            "BackchannelNotificationAttempted"
                | "BackchannelNotificationFailed"
                | "BackchannelNotificationAbandoned"
                | "BackchannelNotified"
        );
        // Tokens leave while nobody has any; that the answer was no, or that it is too late, can be told later.
        let brings = tells && fact.data.grant.is_some();
        if open.over_at == i64::MIN
            && (brings || !tells && !matches!(fact.kind, "DeviceCodeMisused" | "BackchannelMisused" | "CredentialOfferReplayed"))
        {
            return Err(format!("{} follows the end of its device's request", fact.kind));
        }
        let is_guess = fact.kind == "TransactionCodeRefused";
        if open.wrong == MOST_WRONG && (is_guess || fact.kind == "CredentialOfferRedeemed") {
            return Err(format!("{} follows {MOST_WRONG} wrong transaction codes", fact.kind));
        }
        open.wrong += u8::from(is_guess);
        let answers = matches!(
            fact.kind,
            "DeviceApproved"
                | "DeviceDenied"
                | "DeviceCodeRedeemed"
                | "BackchannelApproved"
                | "BackchannelDenied"
                | "BackchannelApprovedOnDevice"
                | "BackchannelDeniedOnDevice"
                | "BackchannelRedeemed"
                | "CredentialOfferRedeemed"
                | "TransactionCodeRefused"
        ) || brings && fact.kind == "BackchannelNotificationAttempted";
        if answers && fact.data.at.is_some_and(|at| at >= open.over_at) {
            return Err(format!("{} came after the device's request had expired", fact.kind));
        }
        open.version = fact.version;
        if let Some(expires_at) = fact.data.expires_at {
            open.over_at = expires_at;
        }
        let is_the_end = matches!(
            fact.kind,
            "DeviceDenied"
                | "DeviceCodeRedeemed"
                | "BackchannelDenied"
                | "BackchannelDeniedOnDevice"
                | "BackchannelRedeemed"
                | "CredentialOfferRedeemed"
        );
        if is_the_end || brings && fact.kind == "BackchannelNotified" {
            open.over_at = i64::MIN;
        }
        Ok(())
    }

    fn named(&mut self, name: &str, fact: &Fact) -> Result<(), String> {
        let before = self.named.get(name).copied();
        let expected = before.unwrap_or(0) + 1;
        if fact.version != expected {
            return Err(format!("version {} of its stream stands where {expected} should", fact.version));
        }
        match self.named.get_mut(name) {
            Some(version) => *version = fact.version,
            None => drop(self.named.insert(name.into(), fact.version)),
        }
        self.party(name, fact)
    }

    /// Forgets what has been over for a day, except what the pass has to keep.
    fn forget(&mut self) {
        let now = self.recorded_at;
        let is_due = |born: u128, over_at: i64| {
            let born = i64::try_from(born >> 80).unwrap_or(i64::MAX);
            over_at.saturating_add(DAY) < now && born.saturating_add(2 * DAY) < now
        };
        let keep = &self.keep;
        self.grants.retain(|id, grant| !is_due(*id, grant.over_at()) || keep.contains(&Stream::Grant(*id)));
        self.sessions.retain(|id, session| !is_due(*id, session.over_at()) || keep.contains(&Stream::Session(*id)));
        self.interactions.retain(|id, open| !is_due(*id, open.over_at) || keep.contains(&Stream::Interaction(*id)));
        self.devices.retain(|id, open| !is_due(*id, open.over_at) || keep.contains(&Stream::Device(*id)));
        self.pushed.retain(|id, open| !is_due(*id, open.over_at) || keep.contains(&Stream::Pushed(*id)));
    }
}

/// How an event stands to what is known of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    First,
    Next,
    /// Of a stream that was forgotten.
    Late,
}
