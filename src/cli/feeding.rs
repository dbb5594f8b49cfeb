//! What of the log goes elsewhere while the server serves: the feeds of the operator, and the streams of signals that clients made.

use std::collections::BTreeMap;

use crate::app::feeds::managed;
use crate::app::{App, random};
use crate::config::Database;
use crate::http::deliver;
use crate::http::guarded::Outgoing;

/// Each feed follows the log in a task of its own.
pub fn feed(app: &App) {
    if app.config.feeds.is_empty() && !app.config.signal_streams {
        return;
    }
    let outgoing = match Outgoing::new(&app.config.outgoing_networks, !app.is_production()) {
        Ok(outgoing) => outgoing,
        Err(error) => return tracing::error!(%error, "feeds cannot be sent anywhere"),
    };
    // SQLite has one process, which a restart may take for itself at once.
    let node = match &app.config.database {
        Database::Sqlite(_) => "sqlite".to_owned(),
        Database::Postgres(_) => random::uuid_v7(app.now().0).to_string(),
    };
    for own in &app.config.feeds {
        match deliver::of(own, &outgoing, app.config.issuer.authority()) {
            Ok(deliver) => drop(tokio::spawn(app.clone().run_feed(own.clone(), deliver, node.clone()))),
            Err(error) => tracing::error!(feed = own.name, error, "a feed cannot be sent"),
        }
    }
    if app.config.signal_streams {
        tokio::spawn(push_signals(app.clone(), outgoing, node));
    }
}

/// A task for each stream of signals that a client has pushed to it; a new one when its configuration changes.
async fn push_signals(app: App, outgoing: Outgoing, node: String) {
    let mut running: BTreeMap<String, (u64, AbortOnDrop)> = BTreeMap::new();
    loop {
        match app.pushed_streams().await {
            Ok(all) => {
                let wanted: BTreeMap<String, u64> = all.iter().map(|(version, feed)| (feed.name.clone(), *version)).collect();
                running.retain(|name, (version, _)| wanted.get(name) == Some(version));
                for (version, own) in all {
                    if running.contains_key(&own.name) {
                        continue;
                    }
                    match deliver::of(&own, &outgoing, app.config.issuer.authority()) {
                        Ok(deliver) => {
                            let name = own.name.clone();
                            let task = tokio::spawn(app.clone().run_feed(own, deliver, node.clone()));
                            running.insert(name, (version, AbortOnDrop(task)));
                        }
                        Err(error) => tracing::error!(stream = own.name, error, "a stream of signals cannot be sent"),
                    }
                }
            }
            Err(error) => tracing::warn!(detail = %error.detail, "the streams of signals could not be read"),
        }
        tokio::time::sleep(managed::LOOK).await;
    }
}

/// A task that ends with its handle.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
