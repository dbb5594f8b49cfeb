//! Streams of signals that clients made, as the machinery of feeds knows them.

use std::collections::BTreeSet;
use std::time::Duration;

use chancery_core::client::Client;
use chancery_core::error::OAuthError;
use chancery_core::id::ClientId;
use chancery_core::signals::{Signals, Status, Wishes};
use chancery_projections::inline;
use url::Url;

use super::signals::{TOLD, uri};
use crate::app::App;
use crate::app::work::unreadable;
use crate::config::feed::{Format, Managed, Target};
use crate::config::{Feed, Secret};

/// How often a node looks which streams there are.
pub const LOOK: Duration = Duration::from_secs(1);

/// The name under which the place of a client's stream in the log is kept; no `[[feed]]` can have one with a colon.
pub fn name(client: &ClientId) -> String {
    format!("signals:{client}")
}

impl App {
    /// Every stream that tokens are pushed to now, as a feed, with the version of its configuration.
    ///
    /// # Errors
    /// `temporarily_unavailable`; a header that cannot be opened.
    pub async fn pushed_streams(&self) -> Result<Vec<(u64, Feed)>, OAuthError> {
        const PAGE: u32 = 200;
        let (mut all, mut after) = (Vec::new(), None::<String>);
        loop {
            let rows = self.ledger.rows_all("signals", after.as_deref(), PAGE).await.map_err(unreadable)?;
            for row in &rows {
                let own = inline::state::<Signals>(row).map_err(|e| OAuthError::server_error(e.to_string()))?.state;
                let Some(endpoint) = own.wishes.push_to.as_ref().filter(|_| !own.deleted && own.status == Status::Enabled) else {
                    continue;
                };
                let Ok(url) = Url::parse(endpoint) else { continue };
                // A client that was disabled gets nothing; what happens meanwhile is told when it is enabled again.
                if !self.read::<Client>(&own.client.stream()).await?.is_some_and(|client| client.is_active()) {
                    continue;
                }
                let header = self.unseal_optional(own.authorization.as_ref()).await?;
                all.push((row.version, feed(&own, Target::Webhook(url), header.map(|header| Secret::new(&header)))));
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE as usize => after = Some(last.key.clone()),
                _ => return Ok(all),
            }
        }
    }
}

/// A stream as the machinery of feeds knows it.
fn feed(own: &Signals, to: Target, authorization: Option<Secret>) -> Feed {
    Feed {
        name: name(&own.client),
        format: Format::Signals,
        to,
        is_clear: false,
        from_beginning: false,
        types: BTreeSet::new(),
        bearer: None,
        receiver: Some(own.client.to_string()),
        managed: Some(managed(own, authorization)),
    }
}

/// What of the log a stream is told.
pub(super) fn managed(own: &Signals, authorization: Option<Secret>) -> Managed {
    Managed { stream_id: own.stream_id.clone(), delivered: delivered(&own.wishes), since: own.since.0, authorization }
}

pub(super) fn supported() -> BTreeSet<String> {
    TOLD.iter().map(|(_, family, name)| uri(family, name)).collect()
}

pub(super) fn delivered(wishes: &Wishes) -> BTreeSet<String> {
    let supported = supported();
    wishes.requested.as_ref().map_or_else(|| supported.clone(), |requested| requested.intersection(&supported).cloned().collect())
}
