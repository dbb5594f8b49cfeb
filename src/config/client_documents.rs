//! Clients that are the document behind their name (CIMD): whether there are any, of which hosts, and what they may ask for.

use chancery_core::scope::{RESERVED, Scope};

use super::problem::shown;
use super::reader::Reader;
use super::value;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientDocuments {
    pub enabled: bool,
    /// Empty: of every host.
    pub(super) allowed_hosts: Vec<Host>,
    pub(super) denied_hosts: Vec<Host>,
    /// The most that they may ask for.
    pub scopes: Scope,
}

/// One host, or all below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Exactly(String),
    /// With the dot in front.
    Below(String),
}

impl Host {
    fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("*.") {
            Some(parent) => Ok(Self::Below(format!(".{}", value::host(parent)?))),
            None => value::host(text).map(Self::Exactly),
        }
    }

    fn is(&self, host: &str) -> bool {
        match self {
            Self::Exactly(own) => own == host,
            Self::Below(parent) => host.len() > parent.len() && host.ends_with(parent.as_str()),
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exactly(host) => f.write_str(host),
            Self::Below(parent) => write!(f, "*{parent}"),
        }
    }
}

impl ClientDocuments {
    /// May the document come from there? Who is denied is, whatever is allowed besides.
    pub fn admits(&self, host: &str) -> bool {
        let among = |list: &[Host]| list.iter().any(|own| own.is(host));
        self.enabled && !among(&self.denied_hosts) && (self.allowed_hosts.is_empty() || among(&self.allowed_hosts))
    }
}

pub(super) fn read(reader: &mut Reader) -> ClientDocuments {
    ClientDocuments {
        enabled: reader.boolean("client_documents.enabled"),
        allowed_hosts: reader.list("client_documents.allowed_hosts", Host::parse),
        denied_hosts: reader.list("client_documents.denied_hosts", Host::parse),
        scopes: reader.list("client_documents.scopes", one_scope).iter().fold(Scope::default(), |all, one| all.union(one)),
    }
}

fn one_scope(text: &str) -> Result<Scope, String> {
    match Scope::parse(text) {
        Ok(_) if RESERVED.contains(&text) => Err(format!("{} is reserved for operators.", shown(text))),
        Ok(scope) if scope.iter().eq([text]) => Ok(scope),
        _ => Err(format!("{} is not one scope.", shown(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(allowed: &[&str], denied: &[&str]) -> ClientDocuments {
        let hosts = |list: &[&str]| list.iter().map(|text| Host::parse(text).unwrap()).collect();
        ClientDocuments { enabled: true, allowed_hosts: hosts(allowed), denied_hosts: hosts(denied), scopes: Scope::default() }
    }

    #[test]
    fn hosts_are_allowed_and_denied_by_name_or_by_what_they_are_below() {
        let own = documents(&["Client.example", "*.apps.example"], &["bad.apps.example"]);
        for (host, admitted) in [
            ("client.example", true),
            ("x.client.example", false),
            ("apps.example", false),
            ("a.apps.example", true),
            ("a.b.apps.example", true),
            ("evilapps.example", false),
            ("bad.apps.example", false),
            ("other.example", false),
        ] {
            assert_eq!(own.admits(host), admitted, "{host}");
        }
        assert!(documents(&[], &[]).admits("anybody.example") && !documents(&[], &["*.evil.example"]).admits("x.evil.example"));
        assert!(!ClientDocuments { enabled: false, ..documents(&["client.example"], &[]) }.admits("client.example"));
        for bad in ["", "*", "*.", "https://client.example", "client.example/x", "a b"] {
            assert!(Host::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn scopes_of_operators_are_nobodys() {
        assert!(one_scope("openid").is_ok());
        for bad in ["admin", "audit:read", "openid email", "", "a\"b"] {
            assert!(one_scope(bad).is_err(), "{bad}");
        }
    }
}
