//! Where wrapped keys are kept: the ledger's vault store, or memory for tests.

pub use chancery_ledger::vault_store::{Entry, Replacement, VaultStore, VaultStoreError};

/// The store of a vault; clones share it.
#[derive(Clone)]
pub enum Store {
    Ledger(VaultStore),
    #[cfg(test)]
    Memory(super::memory::Memory),
}

/// Calls the same method on whichever store it is.
macro_rules! either {
    ($self:ident . $method:ident ( $($argument:expr),* )) => {
        match $self {
            Self::Ledger(store) => store.$method($($argument),*).await,
            #[cfg(test)]
            Self::Memory(store) => store.$method($($argument),*).await,
        }
    };
}

impl Store {
    /// Stores all or none, durably; never overwrites.
    pub async fn put(&self, entries: Vec<Entry>) -> Result<(), VaultStoreError> {
        either!(self.put(entries))
    }

    /// Replaces all or none, each only if it still holds the old bytes.
    pub async fn replace(&self, replacements: Vec<Replacement>) -> Result<(), VaultStoreError> {
        either!(self.replace(replacements))
    }

    pub async fn get(&self, kind: &str, id: &str) -> Result<Option<Entry>, VaultStoreError> {
        either!(self.get(kind, id))
    }

    pub async fn kinds(&self) -> Result<Vec<String>, VaultStoreError> {
        either!(self.kinds())
    }

    pub async fn list(&self, kind: &str, after: Option<&str>, limit: u32) -> Result<Vec<Entry>, VaultStoreError> {
        either!(self.list(kind, after, limit))
    }

    pub async fn expired(&self, kind: &str, before: i64, limit: u32) -> Result<Vec<Entry>, VaultStoreError> {
        either!(self.expired(kind, before, limit))
    }

    pub async fn destroy(&self, kind: &str, ids: &[String]) -> Result<u64, VaultStoreError> {
        either!(self.destroy(kind, ids))
    }
}
