//! How many auditors follow the log, and the word that ends their tails. What they read: `routes::audit::tail`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chancery_core::error::OAuthError;
use tokio::sync::watch;

/// Tails of one auditor.
const MOST_OF_ONE: usize = 4;
/// Tails of all auditors.
const MOST: usize = 64;

/// The tails that are open, by auditor; and the word that the server stops.
#[derive(Clone)]
pub struct Tails {
    open: Arc<Mutex<HashMap<String, usize>>>,
    stopping: watch::Sender<bool>,
}

impl Default for Tails {
    fn default() -> Self {
        Self { open: Arc::default(), stopping: watch::Sender::new(false) }
    }
}

/// A place among the tails, given back when it is dropped.
pub struct Place {
    open: Arc<Mutex<HashMap<String, usize>>>,
    auditor: String,
}

impl Tails {
    /// Ends every tail: a stop waits for answers that are on their way, and a tail has no end of its own.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Returns when the server stops.
    pub async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // An error says that nobody is left to stop it, which is the same.
        drop(stopping.wait_for(|stopping| *stopping).await);
    }

    /// A place for one more tail.
    ///
    /// # Errors
    /// `slow_down` when there are too many.
    pub fn enter(&self, auditor: &str) -> Result<Place, OAuthError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        let own = open.get(auditor).copied().unwrap_or_default();
        if own >= MOST_OF_ONE || all >= MOST {
            return Err(OAuthError::slow_down("too many tails").saying("Too many tails are open; close one first."));
        }
        open.insert(auditor.to_owned(), own + 1);
        Ok(Place { open: self.open.clone(), auditor: auditor.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&self.auditor) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(open.remove(&self.auditor)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_counted_by_auditor_and_in_all() {
        let tails = Tails::default();
        let places: Vec<_> = (0..MOST_OF_ONE).map(|_| tails.enter("a").unwrap()).collect();
        assert_eq!(tails.enter("a").err().map(|error| error.code()), Some("slow_down"));
        let others: Vec<_> = (MOST_OF_ONE..MOST).map(|n| tails.enter(&format!("b{n}")).unwrap()).collect();
        assert!(tails.enter("c").is_err());
        drop(others);
        drop(places);
        assert!(tails.enter("a").is_ok());
        assert!(tails.open.lock().unwrap().is_empty());
    }
}
