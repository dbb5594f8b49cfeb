//! Changing the master key: every entry is wrapped again, so that the old key opens nothing in today's vault.
//!
//! | Step | Interrupted after it |
//! |---|---|
//! | the check value of the new key is stored beside the old one | `unlock` refuses both keys and says to run this again |
//! | entries are replaced page by page, each only if unchanged | as above; a second run skips what is done |
//! | a pass that finds nothing left ends it: the new check value takes the place of the old | the new key unlocks |
//! | the spare check value is destroyed | `unlock` does it |
//!
//! Servers that still run with the old key can add entries until they are restarted with the new one. Running this once more with the
//! same two keys takes these along.

use super::store::{Entry, Replacement, Store, VaultStoreError};
use super::wrap::{WrappedBy, Wrapper, master_id, wrapped_by};
use super::{CHECK, CHECK_CURRENT, CHECK_NEXT, CHECK_TEXT, VaultError, damaged};
use crate::app::clock::Clock;
use crate::app::random::Fill;
use crate::config::MasterKey;

const PAGE: u32 = 200;

struct Rewrap<'a> {
    store: &'a Store,
    old: Wrapper,
    new: Wrapper,
    fill: Fill,
}

/// Wraps all entries by `new`; returns how many this run changed. May be repeated, after an interruption and after success.
///
/// Errors: `WrongMasterKey` (`old` is not the vault's), `OtherRewrapUnfinished`, `Empty`, `SameMasterKey`, `Damaged`, `Unavailable`.
pub async fn rewrap(store: &Store, old: &MasterKey, new: &MasterKey, clock: &Clock, fill: Fill) -> Result<u64, VaultError> {
    if master_id(old) == master_id(new) {
        return Err(VaultError::SameMasterKey);
    }
    let work = Rewrap { store, old: Wrapper::master(old), new: Wrapper::master(new), fill };
    let current = store.get(CHECK, CHECK_CURRENT).await?.ok_or(VaultError::Empty)?;
    let is_proof = |wrapper: &Wrapper, entry: &Entry| wrapper.unwrap(CHECK, &entry.id, &entry.wrapped).is_some();
    let is_done = is_proof(&work.new, &current);
    if !is_done {
        if !is_proof(&work.old, &current) {
            return Err(VaultError::WrongMasterKey);
        }
        let wrapped = work.new.wrap(fill, CHECK, CHECK_NEXT, CHECK_TEXT);
        let next = Entry { kind: CHECK.to_owned(), id: CHECK_NEXT.to_owned(), wrapped, created_at: clock.now_ms(), expires_at: None };
        match store.put(vec![next]).await {
            Ok(()) => {}
            Err(VaultStoreError::AlreadyExists { .. }) => {
                let next = store.get(CHECK, CHECK_NEXT).await?;
                if !next.is_some_and(|next| is_proof(&work.new, &next)) {
                    return Err(VaultError::OtherRewrapUnfinished);
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut changed = 0;
    loop {
        match work.pass().await? {
            0 => break,
            more => changed += more,
        }
    }
    if !is_done {
        let wrapped = work.new.wrap(fill, CHECK, CHECK_CURRENT, CHECK_TEXT);
        let swap = Replacement { kind: current.kind, id: current.id, old: current.wrapped, new: wrapped };
        store.replace(vec![swap]).await?;
    }
    store.destroy(CHECK, &[CHECK_NEXT.to_owned()]).await?;
    Ok(changed)
}

impl Rewrap<'_> {
    /// One walk over everything; returns how many entries it changed.
    async fn pass(&self) -> Result<u64, VaultError> {
        let mut changed = 0;
        for kind in self.store.kinds().await?.into_iter().filter(|kind| kind != CHECK) {
            let mut after: Option<String> = None;
            loop {
                let page = self.store.list(&kind, after.as_deref(), PAGE).await?;
                changed += self.replace(&page).await?;
                match page.last() {
                    Some(last) if page.len() == PAGE as usize => after = Some(last.id.clone()),
                    _ => break,
                }
            }
        }
        Ok(changed)
    }

    async fn replace(&self, page: &[Entry]) -> Result<u64, VaultError> {
        let mut replacements = Vec::new();
        for entry in page {
            replacements.extend(self.again(entry)?);
        }
        if replacements.is_empty() {
            return Ok(0);
        }
        let count = replacements.len() as u64;
        match self.store.replace(replacements.clone()).await {
            Ok(()) => return Ok(count),
            Err(VaultStoreError::Changed { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        // One of them was destroyed or wrapped by somebody else meanwhile: take the others one by one, the next pass looks again.
        let mut count = 0;
        for one in replacements {
            match self.store.replace(vec![one]).await {
                Ok(()) => count += 1,
                Err(VaultStoreError::Changed { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(count)
    }

    /// The entry wrapped by the new key; `None` where there is nothing to do.
    fn again(&self, entry: &Entry) -> Result<Option<Replacement>, VaultError> {
        match wrapped_by(&entry.wrapped) {
            // Goes with its account's key, which is wrapped again.
            Some(WrappedBy::Account(_)) => return Ok(None),
            Some(WrappedBy::Master(_)) if self.new.made(&entry.wrapped) => return Ok(None),
            Some(WrappedBy::Master(_)) if !self.old.made(&entry.wrapped) => {
                return Err(VaultError::OtherMasterKey { kind: entry.kind.clone(), id: entry.id.clone() });
            }
            Some(WrappedBy::Master(_)) => {}
            None => return Err(damaged(entry)),
        }
        let secret = self.old.unwrap(&entry.kind, &entry.id, &entry.wrapped).ok_or_else(|| damaged(entry))?;
        let new = self.new.wrap(self.fill, &entry.kind, &entry.id, &secret);
        Ok(Some(Replacement { kind: entry.kind.clone(), id: entry.id.clone(), old: entry.wrapped.clone(), new }))
    }
}
