//! Events as they come, as server-sent events (HTML Living Standard §9.2).
//!
//! | Rule | Why |
//! |---|---|
//! | `id` is the position; `Last-Event-ID` goes on after it | a reader that was cut off misses nothing and gets nothing twice |
//! | a comment every 15 seconds | proxies and readers see that the silence is one |
//! | the token is looked at again before each delivery and with each comment | when it ends, the tail ends |
//! | four tails of one auditor, 64 in all | each costs a task and reads of the log |
//! | 64 KiB wait for a slow reader, then reading the log waits too | memory stays bounded; the log loses nothing meanwhile |

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chancery_core::error::OAuthError;
use chancery_projections::audit::query::Found;
use poem::{Body, Request};
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::Auditor;
use super::asked;
use super::format::{Answered, STREAM};
use crate::app::audit::ask::Asked;
use crate::app::audit::tail::Tail;
use crate::http::error::Refused;
use crate::http::server::Server;

/// Tails of one auditor.
const MOST_OF_ONE: usize = 4;
/// Tails of all auditors.
const MOST: usize = 64;
/// Bytes that wait for a reader.
const BUFFER: usize = 64 * 1024;
/// Between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a reader may take nothing before it is given up.
const STALL: Duration = Duration::from_secs(30);

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
struct Place {
    open: Arc<Mutex<HashMap<String, usize>>>,
    auditor: String,
}

impl Tails {
    /// Ends every tail: a stop waits for answers that are on their way, and a tail has no end of its own.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    fn enter(&self, auditor: &str) -> Result<Place, OAuthError> {
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

/// Where a tail begins: after the last event that the reader has, at `from`, or at the end of the log.
pub fn resumed(request: &Request, from: Option<u64>) -> Result<Option<u64>, OAuthError> {
    match request.header("last-event-id") {
        None => Ok(from),
        Some(last) => {
            let last: u64 = last.parse().map_err(|_| asked::refuse("Last-Event-ID", "the position of the last event that was read"))?;
            Ok(Some(last.saturating_add(1)))
        }
    }
}

/// Begins; the answer's body goes on until somebody ends it.
pub async fn open(server: &Server, auditor: Auditor, asked: Asked, from: Option<u64>) -> Result<Answered, Refused> {
    let place = server.tails.enter(&auditor.context.actor.id)?;
    let tail = server.app.open_tail(&auditor.context, asked, from).await?;
    let (reading, writing) = tokio::io::duplex(BUFFER);
    let server = server.clone();
    tokio::spawn(async move {
        let mut stopping = server.tails.stopping.subscribe();
        let ended = async { drop(stopping.wait_for(|stopping| *stopping).await) };
        tokio::select! {
            () = deliver(&server, &auditor.token, tail, writing) => {}
            () = ended => {}
        }
        drop(place);
    });
    Ok(Answered::of(STREAM, Body::from_async_read(reading)))
}

/// Writes until the reader, the token or the log ends.
async fn deliver(server: &Server, token: &str, mut tail: Tail, mut out: DuplexStream) {
    // Something at once, so that the reader knows that it is connected.
    let mut text = ": following\n\n".to_owned();
    loop {
        match timeout(STALL, out.write_all(text.as_bytes())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
        let news = timeout(HEARTBEAT, server.app.more(&mut tail)).await;
        // After the wait, not before it: a token that ended meanwhile gets nothing more.
        if server.app.operator(Some(token), "audit:read").await.is_err() {
            let _ = timeout(STALL, out.write_all(b"event: ended\ndata: the token has ended\n\n")).await;
            return;
        }
        text = match news {
            Err(_) => ": still here\n\n".to_owned(),
            Ok(Ok(events)) => events.iter().map(event).collect(),
            Ok(Err(error)) => {
                tracing::warn!(detail = %error.detail, "a tail ends");
                return;
            }
        };
    }
}

/// A leaf is canonical JSON: one line.
fn event(found: &Found) -> String {
    let leaf = String::from_utf8_lossy(&found.recorded.leaf);
    format!("id: {}\nevent: {}\ndata: {leaf}\n\n", found.recorded.position, found.recorded.kind)
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
