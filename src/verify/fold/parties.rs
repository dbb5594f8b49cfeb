//! Those that a token rests on: accounts, clients, sessions, consents; and the keys that sign.
//!
//! | Rule | Source |
//! |---|---|
//! | an erasure is ordered before the key is destroyed, and is final | DESIGN: vault |
//! | nothing is sealed under a key that was destroyed | DESIGN: vault |
//! | a session that ended stays ended | OpenID Connect RP-Initiated Logout 1.0 §4 in spirit |
//! | a key is planned, signs, retires, is removed, in that order | OpenID Connect Core 1.0 §10.1.1 |

use super::{Fold, LogKey, Step};
use crate::fact::Fact;
use crate::roots::Named;

/// Whether an account can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Active,
    Disabled,
    BeingErased,
    Erased,
}

pub(super) struct Account {
    version: u64,
    standing: Standing,
}

impl Account {
    pub(super) fn alive(&self) -> Result<(), &'static str> {
        match self.standing {
            Standing::Active => Ok(()),
            Standing::Disabled => Err("for an account that was disabled"),
            Standing::BeingErased | Standing::Erased => Err("for an account that was erased"),
        }
    }
}

#[derive(Default)]
pub(super) struct Client {
    pub(super) is_disabled: bool,
    is_deleted: bool,
}

pub(super) struct Session {
    version: u64,
    account: Option<u128>,
    ends_at: i64,
    idle: i64,
    seen_at: i64,
    has_ended: bool,
}

impl Session {
    pub(super) fn over_at(&self) -> i64 {
        if self.has_ended { i64::MIN } else { self.ends_at }
    }

    pub(super) fn alive(&self, account: u128, at: i64) -> Result<(), &'static str> {
        if self.account.is_some_and(|own| own != account) {
            return Err("in a session of somebody else");
        }
        if self.has_ended {
            return Err("after its session had ended");
        }
        if at >= self.ends_at || at >= self.seen_at.saturating_add(self.idle) {
            return Err("after its session had run out");
        }
        Ok(())
    }
}

/// The life of a signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Phase {
    Planned,
    Active,
    Retired,
    Removed,
}

impl Fold {
    pub(super) fn check_seal(&self, account: u128) -> Result<(), String> {
        let is_gone = self.accounts.get(&account).is_some_and(|account| account.standing == Standing::Erased);
        if is_gone { Err("it has personal data under a data key that was destroyed before".into()) } else { Ok(()) }
    }

    pub(super) fn account(&mut self, id: u128, fact: &Fact) -> Result<(), String> {
        let before = self.accounts.get(&id).map(|account| account.version);
        // Accounts are never forgotten, so an unknown one begins here or is missing its beginning.
        if self.version(fact, before)? == Step::Late {
            return Err(format!("its account begins with version {}", fact.version));
        }
        let account = self.accounts.entry(id).or_insert(Account { version: 0, standing: Standing::Active });
        account.version = fact.version;
        account.standing = match (account.standing, fact.kind) {
            (Standing::Erased, _) => return Err(format!("{} follows the erasure of its account", fact.kind)),
            (Standing::BeingErased, "DataKeyDestroyed") => Standing::Erased,
            (Standing::BeingErased, _) => return Err(format!("{} follows the order to erase its account", fact.kind)),
            (_, "DataKeyDestroyed") => return Err("the key of an account was destroyed without an order".into()),
            (_, "ErasureOrdered") => Standing::BeingErased,
            (_, "AccountDisabled") => Standing::Disabled,
            (_, "AccountEnabled") => Standing::Active,
            (standing, _) => standing,
        };
        Ok(())
    }

    pub(super) fn session(&mut self, id: u128, fact: &Fact) -> Result<(), String> {
        let before = self.sessions.get(&id).map(|session| session.version);
        let step = self.version(fact, before)?;
        if step == Step::Late {
            return Ok(());
        }
        let at = fact.data.at.unwrap_or(fact.recorded_at);
        if step == Step::First {
            let (Some(ends_at), Some(idle)) = (fact.data.ends_at, fact.data.idle) else {
                return Err(format!("a session begins with {}", fact.kind));
            };
            if let Some(account) = fact.data.account {
                let account = self.accounts.get(&account).ok_or("a session begins for an account that was never registered")?;
                account.alive().map_err(|why| format!("a session begins {why}"))?;
            }
            let session = Session { version: 1, account: fact.data.account, ends_at, idle, seen_at: at, has_ended: false };
            self.sessions.insert(id, session);
            return Ok(());
        }
        let Some(session) = self.sessions.get_mut(&id) else { return Err("its session is unknown".into()) };
        session.version = fact.version;
        if session.has_ended {
            return Err(format!("{} follows the end of its session", fact.kind));
        }
        match fact.kind {
            "SessionEnded" => session.has_ended = true,
            "SessionExtended" => session.seen_at = at,
            _ => {}
        }
        Ok(())
    }

    /// Streams that are told by name: clients, consents, keys, the log, evidence.
    pub(super) fn party(&mut self, name: &str, fact: &Fact) -> Result<(), String> {
        if let Some(client) = name.strip_prefix("client-") {
            let client = self.clients.entry(client.into()).or_default();
            if client.is_deleted {
                return Err(format!("{} follows the end of its client", fact.kind));
            }
            match fact.kind {
                "ClientDeleted" => (client.is_disabled, client.is_deleted) = (true, true),
                "ClientDisabled" => client.is_disabled = true,
                "ClientEnabled" | "ClientRedeclared" => client.is_disabled = false,
                _ => {}
            }
        } else if name.starts_with("consent-") {
            let withdrawals = self.consents.entry(name.into()).or_default();
            if fact.kind == "ConsentWithdrawn" {
                *withdrawals += 1;
            }
        } else if let Some(kid) = name.strip_prefix("key-") {
            self.signing_key(kid, fact)?;
        } else if let Some(kid) = name.strip_prefix("opening-") {
            self.opening_key(kid, fact)?;
        } else if name == "log" {
            self.log(fact)?;
        }
        Ok(())
    }

    fn signing_key(&mut self, kid: &str, fact: &Fact) -> Result<(), String> {
        let before = self.keys.get(kid).copied();
        let phase = match (fact.kind, before) {
            ("SigningKeyPlanned", None) => Phase::Planned,
            ("SigningKeyActivated", Some(Phase::Planned)) => Phase::Active,
            ("SigningKeyRetired", Some(Phase::Planned | Phase::Active)) => Phase::Retired,
            ("SigningKeyRemoved", Some(Phase::Retired)) => Phase::Removed,
            (kind, _) if kind.starts_with("SigningKey") => return Err(format!("{kind} is out of order in the life of its key")),
            (_, Some(phase)) => phase,
            (kind, None) => return Err(format!("{kind} is the first event of a key")),
        };
        self.keys.insert(kid.into(), phase);
        Ok(())
    }

    /// The life of a key that others encrypt to: published, withdrawn, destroyed.
    fn opening_key(&mut self, kid: &str, fact: &Fact) -> Result<(), String> {
        // Beside the keys that sign, under a name that none of those has.
        let name = format!("opening-{kid}");
        let phase = match (fact.kind, self.keys.get(name.as_str())) {
            ("EncryptionKeyPublished", None) => Phase::Active,
            ("EncryptionKeyWithdrawn", Some(Phase::Active)) => Phase::Retired,
            ("EncryptionKeyDestroyed", Some(Phase::Retired)) => Phase::Removed,
            (kind, _) if kind.starts_with("EncryptionKey") => return Err(format!("{kind} is out of order in the life of its key")),
            (_, Some(phase)) => *phase,
            (kind, None) => return Err(format!("{kind} is the first event of a key")),
        };
        self.keys.insert(name.into(), phase);
        Ok(())
    }

    /// May a key sign? One that retires at this moment on another node still may.
    pub(super) fn check_kid(&self, kid: &str) -> Result<(), String> {
        match self.keys.get(kid) {
            Some(Phase::Active | Phase::Retired) => Ok(()),
            Some(Phase::Planned) => Err(format!("the key {kid} signed before it was active")),
            Some(Phase::Removed) => Err(format!("the key {kid} signed after it was removed")),
            None => Err(format!("the key {kid} signed, and was never announced")),
        }
    }

    fn log(&mut self, fact: &Fact) -> Result<(), String> {
        if fact.kind == "LogCreated" {
            self.origin = fact.data.origin.clone();
        }
        // Segments lie one behind the other, and none ends beyond the event that says so.
        if fact.kind == "SegmentArchived" {
            let (Some(from), Some(until)) = (fact.data.from, fact.data.until) else { return Err("a segment without its ends".into()) };
            if from != self.archived || until <= from || until > fact.position {
                return Err(format!("a segment from {from} to {until} cannot follow one that ended at {}", self.archived));
            }
            self.archived = until;
            self.roots.push(Named::new(fact.position, Some(until), fact.data.root.as_deref())?);
        }
        if fact.kind == "LogMoved" {
            self.roots.push(Named::new(fact.position, fact.data.size, fact.data.root.as_deref())?);
        }
        if fact.kind == "LogKeyCreated"
            && let Some(vkey) = &fact.data.vkey
        {
            self.log_keys.push(LogKey { vkey: vkey.clone(), created: fact.position, retired: None });
        }
        if fact.kind == "LogKeyRetired"
            && let Some(id) = &fact.data.key_id
        {
            let named = |key: &&mut LogKey| key.vkey.split('+').nth(1) == Some(id) && key.retired.is_none();
            let key = self.log_keys.iter_mut().find(named).ok_or("a key of the log retires that was never created")?;
            key.retired = Some(fact.position);
        }
        Ok(())
    }
}
