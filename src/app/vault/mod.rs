//! The vault: data keys for personal data, and the keys of the server itself, apart from the log.
//!
//! | Rule | Source |
//! |---|---|
//! | one key per account, interaction, client and month; destroying it erases what it encrypted | DESIGN §5 |
//! | a key is in the store before anything is encrypted with it | DESIGN §1.6 |
//! | a key is never overwritten | - |
//! | every entry is wrapped by the master key, or by the key of the account it belongs to | DESIGN §5 |
//! | a wrong master key is found at start, by a check value | DESIGN §5 |
//! | the master key can be changed, and an interrupted change can be finished | DESIGN §5 |
//!
//! | Kind in the store | What |
//! |---|---|
//! | account, interaction, client, epoch | data keys |
//! | adopted | interaction keys wrapped under their account's key |
//! | named | server keys by purpose |
//! | signing | PKCS#8 private keys by kid |
//! | log | PKCS#8 private keys of the log by key ID |
//! | check | proof of the master key |
//!
//! Out of scope: which events go with a key (`app`), how the store keeps bytes (`chancery_ledger::vault_store`).

mod cache;
mod crypto;
pub mod email;
mod error;
mod key;
#[cfg(test)]
mod memory;
pub mod pairwise;
mod rewrap;
mod seal;
mod server_keys;
mod store;
#[cfg(test)]
mod tests;
mod wrap;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use zeroize::Zeroizing;

use crate::app::clock::Clock;
use crate::app::random::Fill;
use crate::config::MasterKey;

pub use crypto::framed;
pub use email::{blind_index, normalised};
pub use error::VaultError;
pub use key::{DataKey, DataKeyId, KeyKind, NamedKey, Purpose, mac};
pub use rewrap::rewrap;
pub use seal::{Aad, UnsealError};
pub use store::{Store, VaultStore, VaultStoreError};

use cache::Cache;
use store::{Entry, Replacement};
use wrap::{WrappedBy, Wrapper, wrapped_by};

/// An interaction that nobody finished is erased after this time.
pub const ABANDONED_AFTER_MS: i64 = 24 * 60 * 60 * 1000;

/// How often an adoption that lost a race is tried again.
const MOST_ROUNDS: u32 = 16;

const ADOPTED: &str = "adopted";
const CHECK: &str = "check";
const CHECK_CURRENT: &str = "master";
const CHECK_NEXT: &str = "next";
const CHECK_TEXT: &[u8] = b"this is the master key of this vault";

/// An unlocked vault. Share it with `Arc`.
pub struct Vault {
    store: Store,
    master: Wrapper,
    clock: Clock,
    fill: Fill,
    cache: Cache,
    named: Mutex<BTreeMap<Purpose, Arc<NamedKey>>>,
}

impl Vault {
    /// Opens the vault, or starts an empty one with this master key.
    ///
    /// Errors: `WrongMasterKey`, `RewrapUnfinished`, `NoCheckValue`, `Unavailable`.
    pub async fn unlock(store: Store, master: &MasterKey, clock: Clock, fill: Fill) -> Result<Self, VaultError> {
        let vault = Self { store, master: Wrapper::master(master), clock, fill, cache: Cache::default(), named: Mutex::default() };
        vault.prove_master_key().await?;
        Ok(vault)
    }

    async fn prove_master_key(&self) -> Result<(), VaultError> {
        let next = self.store.get(CHECK, CHECK_NEXT).await?;
        let Some(current) = self.store.get(CHECK, CHECK_CURRENT).await? else {
            if !self.store.kinds().await?.is_empty() {
                return Err(VaultError::NoCheckValue);
            }
            let wrapped = self.master.wrap(self.fill, CHECK, CHECK_CURRENT, CHECK_TEXT);
            return match self.store.put(vec![self.entry(CHECK, CHECK_CURRENT, wrapped)]).await {
                // Another node started the same vault: it must have done so with the same key.
                Err(VaultStoreError::AlreadyExists { .. }) => Box::pin(self.prove_master_key()).await,
                other => Ok(other?),
            };
        };
        let opens = |entry: &Entry| self.master.unwrap(CHECK, &entry.id, &entry.wrapped).is_some();
        match (opens(&current), next) {
            (true, None) => Ok(()),
            // The change was complete but for this last trace of it.
            (true, Some(next)) if opens(&next) => Ok(self.store.destroy(CHECK, &[CHECK_NEXT.to_owned()]).await.map(drop)?),
            (true, Some(_)) => Err(VaultError::RewrapUnfinished),
            (false, Some(next)) if opens(&next) => Err(VaultError::RewrapUnfinished),
            (false, _) if self.master.made(&current.wrapped) => {
                Err(VaultError::Damaged { kind: CHECK.to_owned(), id: CHECK_CURRENT.to_owned() })
            }
            (false, _) => Err(VaultError::WrongMasterKey),
        }
    }

    fn entry(&self, kind: &str, id: &str, wrapped: Vec<u8>) -> Entry {
        Entry { kind: kind.to_owned(), id: id.to_owned(), wrapped, created_at: self.clock.now_ms(), expires_at: None }
    }

    fn fresh(&self) -> crypto::Key {
        let mut secret = Zeroizing::new([0; 32]);
        (self.fill)(&mut *secret);
        secret
    }

    /// Makes a data key. It is durably stored when this returns.
    ///
    /// Errors: `AlreadyExists`, `BadId`, `Unavailable`.
    pub async fn create(&self, kind: KeyKind, id: &str) -> Result<Arc<DataKey>, VaultError> {
        if id.is_empty() || id.len() > 255 {
            return Err(VaultError::BadId { kind: kind.as_str().to_owned(), id: id.chars().take(32).collect() });
        }
        let ticket = self.cache.ticket();
        let secret = self.fresh();
        let wrapped = self.master.wrap(self.fill, kind.as_str(), id, &*secret);
        let mut entry = self.entry(kind.as_str(), id, wrapped);
        if kind == KeyKind::Interaction {
            entry.expires_at = Some(entry.created_at.saturating_add(ABANDONED_AFTER_MS));
        }
        let now = entry.created_at;
        self.store.put(vec![entry]).await?;
        let key = Arc::new(DataKey::new(DataKeyId::new(kind, id), secret));
        self.cache.keep(ticket, &key, None, now);
        Ok(key)
    }

    /// The data key; `None` if it never was or is destroyed, be it with the account it belongs to.
    ///
    /// Whether its absence was ordered is for the log to say.
    pub async fn open(&self, kind: KeyKind, id: &str) -> Result<Option<Arc<DataKey>>, VaultError> {
        let name = DataKeyId::new(kind, id);
        let now = self.clock.now_ms();
        if let Some(key) = self.cache.get(&name, now) {
            return Ok(Some(key));
        }
        let ticket = self.cache.ticket();
        let mut found = self.store.get(kind.as_str(), id).await?;
        if found.is_none() && kind == KeyKind::Interaction {
            found = self.store.get(ADOPTED, id).await?;
        }
        let Some(entry) = found else { return Ok(None) };
        let account = match wrapped_by(&entry.wrapped) {
            Some(WrappedBy::Account(account)) if entry.kind == ADOPTED => Some(account),
            _ => None,
        };
        let secret = match &account {
            None => self.opened(&entry)?,
            Some(account) => {
                // Accounts are wrapped by the master key, so this goes one level deep.
                let Some(owner) = Box::pin(self.open(KeyKind::Account, account)).await? else { return Ok(None) };
                Wrapper::account(account, &owner.secret).unwrap(ADOPTED, id, &entry.wrapped).ok_or_else(|| damaged(&entry))?
            }
        };
        let key = Arc::new(DataKey::new(name, exactly_32(&secret).ok_or_else(|| damaged(&entry))?));
        self.cache.keep(ticket, &key, account, now);
        Ok(Some(key))
    }

    /// The bytes of an entry that the master key wraps.
    fn opened(&self, entry: &Entry) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        match self.master.unwrap(&entry.kind, &entry.id, &entry.wrapped) {
            Some(secret) => Ok(secret),
            None if matches!(wrapped_by(&entry.wrapped), Some(WrappedBy::Master(_))) && !self.master.made(&entry.wrapped) => {
                Err(VaultError::OtherMasterKey { kind: entry.kind.clone(), id: entry.id.clone() })
            }
            None => Err(damaged(entry)),
        }
    }

    /// Destroys data keys durably and says how many there were. May be repeated. What they encrypted is unreadable from here on.
    pub async fn destroy(&self, kind: KeyKind, ids: &[String]) -> Result<u64, VaultError> {
        let names: Vec<DataKeyId> = ids.iter().map(|id| DataKeyId::new(kind, id)).collect();
        // Before, so that nobody gets it from memory while the store works; after, for whoever loaded it meanwhile.
        self.cache.doom(&names);
        let mut count = self.store.destroy(kind.as_str(), ids).await?;
        if kind == KeyKind::Interaction {
            count += self.store.destroy(ADOPTED, ids).await?;
        }
        self.cache.destroyed(&names);
        Ok(count)
    }

    /// Another node destroyed these keys: drop them from memory at once.
    pub fn forget(&self, kind: KeyKind, ids: &[String]) {
        let names: Vec<DataKeyId> = ids.iter().map(|id| DataKeyId::new(kind, id)).collect();
        self.cache.destroyed(&names);
    }

    /// Puts an interaction's key under an account's, so that erasing the account erases it. May be repeated; who comes last has it, so
    /// that after "Not you?" it goes with the person who went on.
    ///
    /// Call it before the append that binds the interaction to the account: interrupted half-way it leaves the interaction
    /// readable, and the same call or [`Self::finish_adoptions`] finishes it.
    ///
    /// Errors: `Missing`, `AdopterErased`, `Unavailable`.
    pub async fn adopt(&self, interaction: &str, account: &str) -> Result<(), VaultError> {
        let missing = |kind: KeyKind, id: &str| VaultError::Missing { kind: kind.as_str().to_owned(), id: id.to_owned() };
        let owner = self.open(KeyKind::Account, account).await?.ok_or_else(|| missing(KeyKind::Account, account))?;
        let mut rounds = 0;
        while !self.wrap_under(interaction, account, &owner).await? {
            // Each lost round somebody else has won; a person does not sign in twice in a moment.
            rounds += 1;
            if rounds == MOST_ROUNDS {
                return Err(VaultError::Unavailable("the key of an interaction changes hands without end".to_owned()));
            }
        }
        self.destroy_copies(&[interaction.to_owned()]).await.map(drop)
    }

    /// One round of an adoption: `false` when somebody else was faster.
    async fn wrap_under(&self, interaction: &str, account: &str, owner: &DataKey) -> Result<bool, VaultError> {
        let by_account = Wrapper::account(account, &owner.secret);
        let missing = || VaultError::Missing { kind: KeyKind::Interaction.as_str().to_owned(), id: interaction.to_owned() };
        let Some(adopted) = self.store.get(ADOPTED, interaction).await? else {
            let free = self.store.get(KeyKind::Interaction.as_str(), interaction).await?.ok_or_else(missing)?;
            let wrapped = by_account.wrap(self.fill, ADOPTED, interaction, &self.opened(&free)?);
            return match self.store.put(vec![self.entry(ADOPTED, interaction, wrapped)]).await {
                Ok(()) => Ok(true),
                Err(VaultStoreError::AlreadyExists { .. }) => Ok(false),
                Err(error) => Err(error.into()),
            };
        };
        let first = match wrapped_by(&adopted.wrapped) {
            Some(WrappedBy::Account(first)) => first,
            _ => return Err(damaged(&adopted)),
        };
        if first == account {
            return Ok(true);
        }
        let erased = || VaultError::AdopterErased { interaction: interaction.to_owned() };
        let before = self.open(KeyKind::Account, &first).await?.ok_or_else(erased)?;
        let secret = Wrapper::account(&first, &before.secret).unwrap(ADOPTED, interaction, &adopted.wrapped);
        let secret = secret.ok_or_else(|| damaged(&adopted))?;
        let new = by_account.wrap(self.fill, ADOPTED, interaction, &secret);
        let change = Replacement { kind: ADOPTED.to_owned(), id: interaction.to_owned(), old: adopted.wrapped, new };
        match self.store.replace(vec![change]).await {
            Ok(()) => Ok(true),
            Err(VaultStoreError::Changed { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Destroys the copies that interrupted adoptions left, and says how many: they could be opened although their account is erased.
    ///
    /// Errors: `Unavailable`; may be repeated.
    pub async fn finish_adoptions(&self) -> Result<u64, VaultError> {
        const PAGE: u32 = 500;
        let (mut count, mut after) = (0, None::<String>);
        loop {
            let page = self.ids(KeyKind::Interaction, after.as_deref(), PAGE).await?;
            let mut copies = Vec::new();
            for id in &page {
                if self.store.get(ADOPTED, id).await?.is_some() {
                    copies.push(id.clone());
                }
            }
            if !copies.is_empty() {
                count += self.destroy_copies(&copies).await?;
            }
            match page.last() {
                Some(last) if page.len() == PAGE as usize => after = Some(last.clone()),
                _ => return Ok(count),
            }
        }
    }

    /// From here on only the account's key opens these interactions.
    async fn destroy_copies(&self, ids: &[String]) -> Result<u64, VaultError> {
        let names: Vec<_> = ids.iter().map(|id| DataKeyId::new(KeyKind::Interaction, id.as_str())).collect();
        self.cache.doom(&names);
        let count = self.store.destroy(KeyKind::Interaction.as_str(), ids).await?;
        self.cache.destroyed(&names);
        Ok(count)
    }

    /// Interactions that no account adopted in time, the oldest first, at most `limit`. Record their erasure, then `destroy` them.
    ///
    /// The copy that an interrupted adoption left is destroyed on the way.
    pub async fn abandoned(&self, limit: u32) -> Result<Vec<String>, VaultError> {
        let mut abandoned = Vec::new();
        let mut copies = Vec::new();
        for entry in self.store.expired(KeyKind::Interaction.as_str(), self.clock.now_ms(), limit).await? {
            let adopted = self.store.get(ADOPTED, &entry.id).await?.is_some();
            if adopted { copies.push(entry.id) } else { abandoned.push(entry.id) }
        }
        if !copies.is_empty() {
            self.store.destroy(KeyKind::Interaction.as_str(), &copies).await?;
        }
        Ok(abandoned)
    }

    /// The key of a month such as `2026-11`, made at its first use. The flag says whether this call made it; of concurrent callers one.
    pub async fn epoch(&self, month: &str) -> Result<(Arc<DataKey>, bool), VaultError> {
        if let Some(key) = self.open(KeyKind::Epoch, month).await? {
            return Ok((key, false));
        }
        match self.create(KeyKind::Epoch, month).await {
            Ok(key) => Ok((key, true)),
            Err(VaultError::AlreadyExists { kind, id }) => {
                Ok((self.open(KeyKind::Epoch, month).await?.ok_or(VaultError::Missing { kind, id })?, false))
            }
            Err(error) => Err(error),
        }
    }

    /// Ids of the data keys of a kind in order, at most `limit` after `after`: for comparing vault and log.
    pub async fn ids(&self, kind: KeyKind, after: Option<&str>, limit: u32) -> Result<Vec<String>, VaultError> {
        Ok(self.store.list(kind.as_str(), after, limit).await?.into_iter().map(|entry| entry.id).collect())
    }

    /// Encrypts a personal value for its place in an event.
    pub fn seal(&self, key: &DataKey, aad: &Aad<'_>, plaintext: &[u8]) -> String {
        seal::seal(key, aad, plaintext, self.fill)
    }

    /// Decrypts a personal value.
    pub fn unseal(&self, key: &DataKey, aad: &Aad<'_>, sealed: &str) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        seal::unseal(key, aad, sealed)
    }
}

fn exactly_32(secret: &[u8]) -> Option<crypto::Key> {
    let mut key = Zeroizing::new([0; 32]);
    if secret.len() != key.len() {
        return None;
    }
    key.copy_from_slice(secret);
    Some(key)
}

fn damaged(entry: &Entry) -> VaultError {
    VaultError::Damaged { kind: entry.kind.clone(), id: entry.id.clone() }
}
