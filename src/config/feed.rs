//! `[[feed]]`: what of the log goes where, and in which form.
//!
//! | Rule | Why |
//! |---|---|
//! | names are unique | a feed's place in the log is kept under its name |
//! | syslog without TLS only to this machine, unless `plain = true` | events tell who did what |
//! | signals go to a webhook, for a client | RFC 8935; what they say is about its users |
//! | personal data in clear never without TLS | an operator's own network is not private either |

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use url::Url;

use super::declared::Fields;
use super::fields::FEED;
use super::file::Entry;
use super::problem::{Problem, shown};
use super::reader;
use super::secret::Secret;

/// One feed.
#[derive(Clone)]
pub struct Feed {
    /// Lower-case letters, digits and hyphens, at most 32.
    pub name: String,
    pub format: Format,
    pub to: Target,
    /// Personal data is opened for this receiver.
    pub is_clear: bool,
    /// A new feed begins with position 0 instead of with what comes.
    pub from_beginning: bool,
    /// Types of events; empty: all.
    pub types: BTreeSet<String>,
    /// For the Authorization header of a webhook.
    pub bearer: Option<Secret>,
    /// Signals: the client that receives them.
    pub receiver: Option<String>,
    /// A stream that the client manages by itself; never from the file.
    pub managed: Option<Managed>,
}

/// What of the log a client wants to hear, by its own stream of signals.
#[derive(Clone)]
pub struct Managed {
    pub stream_id: String,
    /// URIs of event types.
    pub delivered: BTreeSet<String>,
    /// What was recorded before this is not told. Milliseconds since the epoch.
    pub since: i64,
    /// The whole Authorization header of its endpoint.
    pub authorization: Option<Secret>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Ocsf,
    CloudEvents,
    JsonLines,
    /// Records with a line of names, RFC 4180.
    Csv,
    /// Files of columns, Apache Parquet.
    Parquet,
    /// Security event tokens for a client.
    Signals,
}

/// Where the events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    File(PathBuf),
    Webhook(Url),
    Syslog { wire: Wire, host: String, port: u16, ca: Option<PathBuf> },
}

/// How syslog messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// RFC 5425.
    Tls,
    /// RFC 6587, octet counting.
    Tcp,
    /// RFC 5426.
    Udp,
}

impl Target {
    /// For people: without what may be secret in a URL.
    pub fn shown(&self) -> String {
        match self {
            Self::File(path) => format!("file {}", path.display()),
            Self::Webhook(url) => format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default()),
            Self::Syslog { wire, host, port, .. } => {
                let wire = match wire {
                    Wire::Tls => "tls",
                    Wire::Tcp => "tcp",
                    Wire::Udp => "udp",
                };
                format!("syslog+{wire}://{host}:{port}")
            }
        }
    }
}

/// The feeds, in the order of the file.
pub(super) fn read(entries: &[Entry], problems: &mut Vec<Problem>) -> Vec<Feed> {
    let mut names = BTreeSet::new();
    entries.iter().filter_map(|entry| one(Fields { entry, known: FEED, problems }, &mut names)).collect()
}

fn one(mut fields: Fields<'_>, names: &mut BTreeSet<String>) -> Option<Feed> {
    let name = fields.text("name");
    let format = match fields.read("format", reader::choice) {
        Some("ocsf") => Some(Format::Ocsf),
        Some("cloudevents") => Some(Format::CloudEvents),
        Some("jsonl") => Some(Format::JsonLines),
        Some("csv") => Some(Format::Csv),
        Some("parquet") => Some(Format::Parquet),
        Some("ssf") => Some(Format::Signals),
        _ => None,
    };
    let is_clear = fields.read("personal", reader::choice) == Some("clear");
    let from_beginning = fields.read("from", reader::choice) == Some("beginning");
    let is_plain = fields.read("plain", reader::boolean).unwrap_or_default();
    let (ca, bearer) = (fields.text("ca").map(PathBuf::from), fields.secret("bearer"));
    let types = fields.list("types").unwrap_or_default().into_iter().collect();
    let to = fields.text("to").and_then(|typed| match target(&typed, ca.clone()) {
        Ok(target) => Some(target),
        Err(sentence) => {
            fields.refuse("to", sentence);
            None
        }
    });
    if let Some(name) = &name {
        let is_good = name.len() <= 32 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !is_good {
            fields.refuse("name", format!("{} is not made of lower-case letters, digits and hyphens, 32 at most.", shown(name)));
        } else if !names.insert(name.clone()) {
            fields.refuse("name", "is used twice; its place in the log is kept under it.".to_owned());
        }
    }
    if let Some(Target::Syslog { wire: Wire::Tcp | Wire::Udp, host, .. }) = &to {
        let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if !is_here && is_clear {
            fields.refuse("personal", "is clear, which needs TLS; write syslog+tls:// or personal = \"sealed\".".to_owned());
        } else if !is_here && !is_plain {
            fields
                .refuse("to", "leaves this machine without TLS; write syslog+tls://, or plain = true if that is what you want.".to_owned());
        }
    }
    if let Some(Target::Webhook(url)) = &to
        && url.scheme() == "http"
        && is_clear
    {
        fields.refuse("personal", "is clear, which needs https.".to_owned());
    }
    if format == Some(Format::Csv) && is_clear {
        fields.refuse("personal", "is clear, for which CSV has no column; write format = \"jsonl\".".to_owned());
    }
    if format == Some(Format::Csv) && matches!(to, Some(Target::Syslog { .. })) {
        fields.refuse("to", "is syslog, which carries JSON; CSV goes to a file or a webhook.".to_owned());
    }
    if format == Some(Format::Parquet) {
        if !cfg!(feature = "parquet") {
            fields.refuse("format", "is parquet, which this program was built without (cargo feature parquet).".to_owned());
        }
        if !matches!(to, None | Some(Target::File(_))) {
            fields.refuse("to", "is no directory; Parquet files are written to file:DIRECTORY.".to_owned());
        }
    }
    let receiver = fields.text("client");
    if format == Some(Format::Signals) {
        if receiver.is_none() {
            fields.refuse("client", "is missing; signals are for a client, whose sub and sid they name.".to_owned());
        }
        if !matches!(to, None | Some(Target::Webhook(_))) {
            fields.refuse("to", "is no webhook; signals are pushed by https (RFC 8935).".to_owned());
        }
        if is_clear {
            fields.refuse("personal", "is clear; signals hold no personal data.".to_owned());
        }
    } else if receiver.is_some() {
        fields.refuse("client", "is for the format ssf alone.".to_owned());
    }
    if bearer.is_some() && !matches!(to, None | Some(Target::Webhook(_))) {
        fields.refuse("bearer", "is for webhooks alone.".to_owned());
    }
    if ca.is_some() && !matches!(to, None | Some(Target::Syslog { wire: Wire::Tls, .. })) {
        fields.refuse("ca", "is for syslog+tls:// alone.".to_owned());
    }
    Some(Feed { name: name?, format: format?, to: to?, is_clear, from_beginning, types, bearer, receiver, managed: None })
}

fn target(typed: &str, ca: Option<PathBuf>) -> Result<Target, String> {
    const FORMS: &str = "is none of file:PATH, https://HOST/PATH, syslog+tls://HOST:PORT, syslog+tcp:// and syslog+udp://.";
    if let Some(path) = typed.strip_prefix("file:").filter(|path| !path.is_empty()) {
        return Ok(Target::File(PathBuf::from(path)));
    }
    let url = Url::parse(typed).map_err(|_| FORMS.to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("may have no user and no password in its URL; a webhook has bearer for that.".to_owned());
    }
    let (wire, port) = match url.scheme() {
        "https" | "http" if url.has_host() => return Ok(Target::Webhook(url)),
        "syslog+tls" => (Wire::Tls, 6514),
        "syslog+tcp" => (Wire::Tcp, 601),
        "syslog+udp" => (Wire::Udp, 514),
        _ => return Err(FORMS.to_owned()),
    };
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| FORMS.to_owned())?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Target::Syslog { wire, host, port: url.port().unwrap_or(port), ca })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_file_a_webhook_or_a_syslog_receiver() {
        assert_eq!(target("file:/var/log/a.jsonl", None).unwrap(), Target::File("/var/log/a.jsonl".into()));
        assert_eq!(target("https://siem.example/in?key=secret", None).unwrap().shown(), "https://siem.example");
        let tls = target("syslog+tls://[::1]", None).unwrap();
        assert_eq!(tls, Target::Syslog { wire: Wire::Tls, host: "::1".into(), port: 6514, ca: None });
        assert_eq!(target("syslog+udp://127.0.0.1:5140", None).unwrap().shown(), "syslog+udp://127.0.0.1:5140");
        for bad in ["", "file:", "ftp://a", "syslog://a", "https://u:p@a", "syslog+tls://", "/var/log/a"] {
            assert!(target(bad, None).is_err(), "{bad}");
        }
    }
}
