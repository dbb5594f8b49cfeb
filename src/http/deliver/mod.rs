//! Sending the messages of feeds: what `app::feeds` has made, over sockets.
//!
//! | To | How |
//! |---|---|
//! | a webhook | `POST` through the guarded client; 2xx is a yes; signals one by one (RFC 8935) |
//! | a syslog receiver | [`syslog`] |
//! | a file | `app::feeds::file`; Parquet `app::feeds::parquet` |

pub mod syslog;

use std::sync::Arc;

use crate::app::csv;
use crate::app::feeds::file::Lines;
#[cfg(feature = "parquet")]
use crate::app::feeds::parquet;
use crate::app::feeds::{Deliver, Message, file};
use crate::config::Feed;
use crate::config::feed::{Format, Target};

use super::guarded::Outgoing;
use super::outgoing;

/// How the messages of a feed are sent.
///
/// # Errors
/// Certificates that cannot be read.
pub fn of(feed: &Feed, outgoing: &Outgoing, hostname: &str) -> Result<Deliver, String> {
    match &feed.to {
        #[cfg(feature = "parquet")]
        Target::File(path) if feed.format == Format::Parquet => Ok(parquet::deliver(path.clone())),
        Target::File(path) => Ok(file::deliver(path.clone(), if feed.format == Format::Csv { Lines::Csv } else { Lines::Json })),
        Target::Webhook(url) => {
            let (url, client, format) = (url.to_string(), outgoing.clone(), feed.format);
            let own = feed.managed.as_ref().and_then(|own| own.authorization.as_ref()).map(|header| header.expose().to_owned());
            let bearer = own.or_else(|| feed.bearer.as_ref().map(|secret| format!("Bearer {}", secret.expose().trim())));
            Ok(Arc::new(move |messages| {
                let (url, client, bearer) = (url.clone(), client.clone(), bearer.clone());
                Box::pin(async move {
                    if format == Format::Signals {
                        // RFC 8935 §2: one token in each request.
                        for message in messages {
                            let sent = client.post(&url, "application/secevent+jwt", bearer.as_deref(), message.body).await;
                            let status = sent.map_err(|failure| failure.to_string())?;
                            if !status.is_success() {
                                return Err(format!("the answer is {status}"));
                            }
                        }
                        return Ok(());
                    }
                    let (content_type, body) = batch(format, &messages);
                    let status = client.post(&url, content_type, bearer.as_deref(), body).await.map_err(|failure| failure.to_string())?;
                    if status.is_success() { Ok(()) } else { Err(format!("the answer is {status}")) }
                })
            }))
        }
        Target::Syslog { wire, host, port, ca } => {
            let tls = outgoing::tls(ca.as_deref())?;
            let to = syslog::Receiver { wire: *wire, host: host.clone(), port: *port, tls, hostname: hostname.to_owned() };
            Ok(syslog::deliver(Arc::new(to)))
        }
    }
}

/// The messages as one body, with its media type.
fn batch(format: Format, messages: &[Message]) -> (&'static str, String) {
    let bodies: Vec<&str> = messages.iter().map(|message| message.body.as_str()).collect();
    match format {
        Format::Ocsf => ("application/json", format!("[{}]", bodies.join(","))),
        // JSON Batch Format, CloudEvents JSON §4.
        Format::CloudEvents => ("application/cloudevents-batch+json", format!("[{}]", bodies.join(","))),
        Format::Csv => {
            let lines = std::iter::once(csv::COLUMNS).chain(bodies);
            ("text/csv; charset=utf-8", lines.flat_map(|line| [line, csv::END]).collect())
        }
        Format::JsonLines | Format::Parquet | Format::Signals => {
            ("application/x-ndjson", bodies.iter().map(|body| format!("{body}\n")).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_a_list_or_lines() {
        let message = |body: &str| Message { id: String::new(), kind: String::new(), at: 0, severity: 1, body: body.to_owned() };
        let both = [message("{\"a\":1}"), message("{\"b\":2}")];
        assert_eq!(batch(Format::Ocsf, &both), ("application/json", "[{\"a\":1},{\"b\":2}]".to_owned()));
        assert_eq!(batch(Format::CloudEvents, &both[..1]), ("application/cloudevents-batch+json", "[{\"a\":1}]".to_owned()));
        let (media_type, body) = batch(Format::Csv, &both[..1]);
        assert!(media_type.starts_with("text/csv") && body == format!("{}\r\n{{\"a\":1}}\r\n", csv::COLUMNS), "{body}");
        assert_eq!(batch(Format::JsonLines, &both), ("application/x-ndjson", "{\"a\":1}\n{\"b\":2}\n".to_owned()));
    }
}
