//! Addresses that clients registered: how the application asks for a document there, and posts to one. Who may be asked is decided by the guard
//! in `http`, which the program hands in.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chancery_core::client::{Client, Origin};
use chancery_core::error::OAuthError;

use super::App;

/// A document as it came.
pub struct Fetched {
    pub body: Vec<u8>,
    /// How long it says that it is fresh; `None` when it says nothing.
    pub fresh_for: Option<Duration>,
    /// Without its parameters, in lower case.
    pub media_type: Option<String>,
}

/// What is asked for.
pub struct Wanted {
    pub url: String,
    pub accept: &'static str,
    /// Bytes.
    pub most: usize,
    pub whose: Whose,
}

/// Whose word the address is. What the operator lets requests reach besides the public internet is meant for clients that somebody let
/// in; a stranger's document, and whatever it names, comes from there and nowhere else (CIMD §8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Registered,
    Strangers,
}

impl Whose {
    pub fn of(client: &Client) -> Self {
        if client.origin == Origin::Document { Self::Strangers } else { Self::Registered }
    }
}

/// Gets a document, or a sentence for the log.
pub type Get = Arc<dyn Fn(Wanted) -> Pin<Box<dyn Future<Output = Result<Fetched, String>> + Send>> + Send + Sync>;

/// What is posted to an address of a client.
pub struct Posted {
    pub url: String,
    pub content_type: &'static str,
    /// The Authorization header. No Debug: it is a secret.
    pub authorization: Option<String>,
    pub body: String,
}

/// Posts it: the status of the answer, or why there was none.
pub type Post = Arc<dyn Fn(Posted) -> Pin<Box<dyn Future<Output = Result<u16, String>> + Send>> + Send + Sync>;

/// The guarded client, once the program has handed it in.
#[derive(Default)]
pub struct Remote(OnceLock<Get>);

impl Remote {
    /// The first one stays.
    pub fn connect(&self, get: Get) {
        let _ = self.0.set(get);
    }
}

impl App {
    /// A document of a client.
    ///
    /// # Errors
    /// A sentence for the log: what the document says stays out of it.
    pub(super) async fn fetch(&self, wanted: Wanted) -> Result<Result<Fetched, String>, OAuthError> {
        let get = self.remote.0.get().ok_or_else(|| OAuthError::server_error("nothing can be fetched"))?;
        Ok(get(wanted).await)
    }
}
