//! A store in memory for tests, which can fail after a number of changes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::store::{Entry, Replacement, VaultStoreError};

#[derive(Clone)]
pub struct Memory {
    pub entries: Arc<Mutex<BTreeMap<(String, String), Entry>>>,
    /// Changes until the store fails.
    pub left: Arc<AtomicI64>,
}

impl Memory {
    pub fn new() -> Self {
        Self { entries: Arc::default(), left: Arc::new(AtomicI64::new(i64::MAX)) }
    }

    fn change(&self) -> Result<(), VaultStoreError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) > 0 { Ok(()) } else { Err(VaultStoreError::Unavailable("pulled the plug".to_owned())) }
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<(String, String), Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub async fn put(&self, new: Vec<Entry>) -> Result<(), VaultStoreError> {
        tokio::task::yield_now().await;
        self.change()?;
        let mut entries = self.locked();
        if let Some(taken) = new.iter().find(|e| entries.contains_key(&(e.kind.clone(), e.id.clone()))) {
            return Err(VaultStoreError::AlreadyExists { kind: taken.kind.clone(), id: taken.id.clone() });
        }
        entries.extend(new.into_iter().map(|e| ((e.kind.clone(), e.id.clone()), e)));
        Ok(())
    }

    pub async fn replace(&self, replacements: Vec<Replacement>) -> Result<(), VaultStoreError> {
        tokio::task::yield_now().await;
        self.change()?;
        let mut entries = self.locked();
        let name = |r: &Replacement| (r.kind.clone(), r.id.clone());
        if let Some(r) = replacements.iter().find(|r| entries.get(&name(r)).is_none_or(|e| e.wrapped != r.old)) {
            return Err(VaultStoreError::Changed { kind: r.kind.clone(), id: r.id.clone() });
        }
        for r in replacements {
            let name = name(&r);
            if let Some(entry) = entries.get_mut(&name) {
                entry.wrapped = r.new;
            }
        }
        Ok(())
    }

    pub async fn get(&self, kind: &str, id: &str) -> Result<Option<Entry>, VaultStoreError> {
        tokio::task::yield_now().await;
        Ok(self.locked().get(&(kind.to_owned(), id.to_owned())).cloned())
    }

    pub async fn kinds(&self) -> Result<Vec<String>, VaultStoreError> {
        let mut kinds: Vec<String> = self.locked().keys().map(|(kind, _)| kind.clone()).collect();
        kinds.dedup();
        Ok(kinds)
    }

    pub async fn list(&self, kind: &str, after: Option<&str>, limit: u32) -> Result<Vec<Entry>, VaultStoreError> {
        let entries = self.locked();
        let found = entries.values().filter(|e| e.kind == kind && after.is_none_or(|after| e.id.as_str() > after));
        Ok(found.take(limit as usize).cloned().collect())
    }

    pub async fn expired(&self, kind: &str, before: i64, limit: u32) -> Result<Vec<Entry>, VaultStoreError> {
        let entries = self.locked();
        let mut found: Vec<Entry> =
            entries.values().filter(|e| e.kind == kind && e.expires_at.is_some_and(|at| at < before)).cloned().collect();
        found.sort_by_key(|e| e.expires_at);
        found.truncate(limit as usize);
        Ok(found)
    }

    pub async fn destroy(&self, kind: &str, ids: &[String]) -> Result<u64, VaultStoreError> {
        tokio::task::yield_now().await;
        self.change()?;
        let mut entries = self.locked();
        Ok(ids.iter().filter(|id| entries.remove(&(kind.to_owned(), (*id).clone())).is_some()).count() as u64)
    }
}
