//! Certificates of clients (RFC 8705): where they come in, and who issues them.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::reader::Reader;
use super::{Tls, value};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mtls {
    /// Where callers are asked for a certificate.
    pub listen: Vec<SocketAddr>,
    /// Origin at which clients reach that.
    pub url: Option<String>,
    /// What is shown there.
    pub tls: Option<Tls>,
    /// The authorities for `tls_client_auth`.
    pub client_ca: Option<PathBuf>,
    /// Trusted proxies hand certificates on (RFC 9440).
    pub proxy_header: bool,
}

impl Mtls {
    /// Do certificates of clients reach the server at all?
    pub fn is_on(&self) -> bool {
        !self.listen.is_empty() || self.proxy_header
    }

    /// `mtls.id.example:8443`.
    pub fn authority(&self) -> Option<&str> {
        self.url.as_deref().and_then(|url| url.split_once("://")).map(|(_, authority)| authority)
    }
}

pub(super) fn read(reader: &mut Reader, usual: Option<&Tls>) -> Mtls {
    let listen: Vec<SocketAddr> = reader.list("mtls.listen", value::listener).into_iter().flatten().collect();
    let url = reader.text("mtls.url").and_then(|text| match value::origin(&text) {
        Ok(origin) if origin.starts_with("https://") => Some(origin),
        Ok(_) => {
            reader.refuse("mtls.url", "is not https; certificates travel over TLS only.");
            None
        }
        Err(sentence) => {
            reader.refuse("mtls.url", sentence);
            None
        }
    });
    let own = pair(reader, "mtls.cert", "mtls.key");
    let mtls = Mtls {
        tls: own.or_else(|| usual.cloned()).filter(|_| !listen.is_empty()),
        url,
        client_ca: reader.text("mtls.client_ca").map(PathBuf::from),
        proxy_header: reader.boolean("mtls.proxy_header"),
        listen,
    };
    if !mtls.listen.is_empty() && mtls.tls.is_none() {
        reader.refuse("mtls.listen", "needs mtls.cert and mtls.key, or tls.cert and tls.key.");
    }
    if !mtls.listen.is_empty() && mtls.url.is_none() {
        reader.refuse("mtls.url", "is not set; it is what clients are told in mtls_endpoint_aliases, such as \"https://mtls.id.example\".");
    }
    mtls
}

/// A certificate and its key: both or neither.
pub(super) fn pair(reader: &mut Reader, cert: &'static str, key: &'static str) -> Option<Tls> {
    match (reader.text(cert), reader.text(key)) {
        (Some(cert), Some(key)) => return Some(Tls { cert: cert.into(), key: key.into() }),
        (Some(_), None) => reader.refuse(cert, format!("is set without {key}; set both or neither.")),
        (None, Some(_)) => reader.refuse(key, format!("is set without {cert}; set both or neither.")),
        (None, None) => {}
    }
    None
}
