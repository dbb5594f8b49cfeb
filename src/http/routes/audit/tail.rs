//! Events as they come, as server-sent events (HTML Living Standard §9.2).
//!
//! | Rule | Why |
//! |---|---|
//! | `id` is the position; `Last-Event-ID` goes on after it | a reader that was cut off misses nothing and gets nothing twice |
//! | a comment every 15 seconds | proxies and readers see that the silence is one |
//! | the token is looked at again before each delivery and with each comment | when it ends, the tail ends |
//! | four tails of one auditor, 64 in all | each costs a task and reads of the log |
//! | 64 KiB wait for a slow reader, then reading the log waits too | memory stays bounded; the log loses nothing meanwhile |

use std::time::Duration;

use chancery_core::error::OAuthError;
use chancery_projections::audit::query::Found;
use poem::{Body, Request};
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio::time::timeout;

use super::Auditor;
use super::asked;
use super::format::{Answered, STREAM};
use crate::app::audit::ask::Asked;
use crate::app::audit::tail::Tail;
use crate::http::error::Refused;
use crate::http::server::Server;

/// Bytes that wait for a reader.
const BUFFER: usize = 64 * 1024;
/// Between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a reader may take nothing before it is given up.
const STALL: Duration = Duration::from_secs(30);

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
        tokio::select! {
            () = deliver(&server, &auditor.token, tail, writing) => {}
            () = server.tails.stopped() => {}
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
