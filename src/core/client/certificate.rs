//! Certificates of clients: does a name stand in one? RFC 8705 §2.1.
//!
//! | Rule | Source |
//! |---|---|
//! | a subject is written as a distinguished name; attributes are compared by type and value, RDN by RDN | RFC 8705 §2.1.2, RFC 4514 |
//! | a DNS name is compared without case, and a wildcard stands for nothing | RFC 5280 §7.2 |
//! | an address is compared in binary | RFC 8705 §2.1.2 |
//! | the host of an e-mail address is compared without case, the rest exactly | RFC 5280 §7.5 |
//! | a URI is compared exactly | RFC 5280 §7.4 |
//! | of several alternative names one is enough | RFC 8705 §2.1.2 |
//!
//! Values of attributes are compared exactly: being too strict refuses, being too loose would let somebody in.
//!
//! Out of scope: chains and times (the shell asks its TLS library), possession of the key (the handshake proved it).

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// The names in a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Relative distinguished names, in the order of the certificate.
    pub subject: Vec<Vec<Attribute>>,
    pub dns: Vec<String>,
    pub uris: Vec<String>,
    pub ips: Vec<IpAddr>,
    pub emails: Vec<String>,
}

/// An attribute of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Dotted.
    pub oid: String,
    /// What it says, if it is of a type that is text.
    pub text: Option<String>,
    /// The same as it was encoded.
    pub ber: Vec<u8>,
}

/// A name that a certificate is registered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    SubjectDn(&'a str),
    Dns(&'a str),
    Uri(&'a str),
    Ip(&'a str),
    Email(&'a str),
}

impl Name<'_> {
    /// Bytes of the text. It may be empty, which `check` refuses.
    #[allow(clippy::len_without_is_empty, reason = "an empty name is a problem that has its own sentence")]
    pub const fn len(&self) -> usize {
        match self {
            Self::SubjectDn(text) | Self::Dns(text) | Self::Uri(text) | Self::Ip(text) | Self::Email(text) => text.len(),
        }
    }

    /// Can a certificate have this name at all?
    ///
    /// # Errors
    /// A sentence for the registrant.
    pub fn check(&self) -> Result<(), &'static str> {
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        let (holds, problem) = match self {
            Self::SubjectDn(text) => (parse(text).is_some(), "Write a distinguished name as RFC 4514 does, such as CN=app,O=Example,C=GB."),
            Self::Dns(text) => (plain(text) && !text.contains(['*', ':', '/', '@']), "Write one DNS name, without a wildcard."),
            Self::Uri(text) => (plain(text) && text.contains(':'), "Write an absolute URI."),
            Self::Ip(text) => (text.parse::<IpAddr>().is_ok(), "Write an IPv4 or IPv6 address."),
            Self::Email(text) => (
                plain(text) && text.split_once('@').is_some_and(|(local, host)| !local.is_empty() && !host.is_empty()),
                "Write an e-mail address.",
            ),
        };
        if holds { Ok(()) } else { Err(problem) }
    }

    /// Does it stand in the certificate?
    pub fn is_in(&self, names: &Names) -> bool {
        match self {
            Self::SubjectDn(text) => parse(text).is_some_and(|wanted| is_subject(&wanted, &names.subject)),
            Self::Dns(text) => names.dns.iter().any(|own| own.eq_ignore_ascii_case(text)),
            Self::Uri(text) => names.uris.iter().any(|own| own == text),
            Self::Ip(text) => text.parse::<IpAddr>().is_ok_and(|wanted| names.ips.contains(&wanted)),
            Self::Email(text) => names.emails.iter().any(|own| is_mailbox(own, text)),
        }
    }
}

fn is_mailbox(own: &str, wanted: &str) -> bool {
    match (own.rsplit_once('@'), wanted.rsplit_once('@')) {
        (Some((own, own_host)), Some((wanted, host))) => own == wanted && own_host.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// A value in a distinguished name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Text(String),
    /// `#` and the encoding in hex.
    Ber(Vec<u8>),
}

type Wanted = Vec<Vec<(String, Value)>>;

fn is_subject(wanted: &Wanted, subject: &[Vec<Attribute>]) -> bool {
    let is = |own: &Attribute, (oid, value): &(String, Value)| {
        own.oid == *oid
            && match value {
                Value::Text(text) => own.text.as_ref() == Some(text),
                Value::Ber(bytes) => own.ber == *bytes,
            }
    };
    // Within one RDN the order means nothing.
    let is_rdn = |wanted: &Vec<(String, Value)>, own: &Vec<Attribute>| {
        wanted.len() == own.len()
            && wanted.iter().all(|one| own.iter().any(|own| is(own, one)))
            && own.iter().all(|own| wanted.iter().any(|one| is(own, one)))
    };
    wanted.len() == subject.len() && wanted.iter().zip(subject).all(|(wanted, own)| is_rdn(wanted, own))
}

/// Names of attribute types: RFC 4514 §3, and those that certificates of organisations have besides.
const TYPES: [(&str, &str); 19] = [
    ("CN", "2.5.4.3"),
    ("SN", "2.5.4.4"),
    ("serialNumber", "2.5.4.5"),
    ("C", "2.5.4.6"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("STREET", "2.5.4.9"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("title", "2.5.4.12"),
    ("businessCategory", "2.5.4.15"),
    ("postalCode", "2.5.4.17"),
    ("GN", "2.5.4.42"),
    ("organizationIdentifier", "2.5.4.97"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("emailAddress", "1.2.840.113549.1.9.1"),
    ("E", "1.2.840.113549.1.9.1"),
    ("jurisdictionC", "1.3.6.1.4.1.311.60.2.1.3"),
];

/// Reads a distinguished name (RFC 4514 §3), first RDN of the certificate first: the text has them the other way round.
fn parse(text: &str) -> Option<Wanted> {
    let mut rdns: Wanted = alloc::vec![Vec::new()];
    let mut rest = text;
    loop {
        let (kind, after) = rest.split_once('=')?;
        let (value, end, after) = value(after)?;
        rdns.last_mut()?.push((oid(kind.trim_matches(' '))?, value));
        match end {
            None => break,
            Some(',') => rdns.push(Vec::new()),
            Some(_) => {}
        }
        rest = after;
    }
    rdns.reverse();
    Some(rdns)
}

fn oid(kind: &str) -> Option<String> {
    if let Some((_, oid)) = TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind)) {
        return Some((*oid).into());
    }
    let is_dotted = kind.contains('.') && kind.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    is_dotted.then(|| kind.into())
}

/// A value, what ended it (`,` or `+`), and what comes after that.
fn value(text: &str) -> Option<(Value, Option<char>, &str)> {
    let text = text.trim_start_matches(' ');
    if let Some(hex) = text.strip_prefix('#') {
        let end = hex.find([',', '+']);
        let (digits, after) = end.map_or((hex, ""), |at| (&hex[..at], &hex[at + 1..]));
        let ended = end.and_then(|at| hex[at..].chars().next());
        return Some((Value::Ber(bytes_of(digits.trim_end_matches(' '))?), ended, after));
    }
    let mut bytes = Vec::new();
    // Spaces at the end count only when they are escaped.
    let mut kept = 0;
    let mut chars = text.char_indices();
    let mut end = None;
    while let Some((at, c)) = chars.next() {
        match c {
            ',' | '+' => {
                end = Some((at, c));
                break;
            }
            '"' | ';' | '<' | '>' | '\0' => return None,
            '\\' => {
                let (at, next) = chars.next()?;
                if next.is_ascii_hexdigit() {
                    chars.next()?;
                    bytes.push(*bytes_of(text.get(at..at + 2)?)?.first()?);
                } else if " \"#+,;<=>\\".contains(next) {
                    bytes.push(u8::try_from(next).ok()?);
                } else {
                    return None;
                }
                kept = bytes.len();
            }
            c => {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                if c != ' ' {
                    kept = bytes.len();
                }
            }
        }
    }
    bytes.truncate(kept);
    let value = Value::Text(String::from_utf8(bytes).ok()?);
    Some(match end {
        Some((at, c)) => (value, Some(c), &text[at + 1..]),
        None => (value, None, ""),
    })
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    if hex.is_empty() || !hex.len().is_multiple_of(2) || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attribute(oid: &str, text: &str) -> Attribute {
        Attribute { oid: oid.into(), text: Some(text.into()), ber: [&[0x0c, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat() }
    }

    /// C=GB, then O and OU in one RDN, then CN.
    fn names() -> Names {
        Names {
            subject: [
                [attribute("2.5.4.6", "GB")].into(),
                [attribute("2.5.4.10", "Example, Ltd"), attribute("2.5.4.11", "Ops")].into(),
                [attribute("2.5.4.3", "app ")].into(),
            ]
            .into(),
            dns: ["App.example.com".into(), "*.example.org".into()].into(),
            uris: ["spiffe://example.com/app".into()].into(),
            ips: ["2001:db8::1".parse().unwrap(), "192.0.2.1".parse().unwrap()].into(),
            emails: ["Ops@Example.com".into()].into(),
        }
    }

    #[test]
    fn rfc8705_2_1_2_the_subject_is_compared_as_a_name_and_not_as_text() {
        for dn in [
            "CN=app\\ ,O=Example\\, Ltd+OU=Ops,C=GB",
            "cn=app\\20, ou=Ops + o=Example\\2C Ltd, c=GB",
            "2.5.4.3=app\\ ,2.5.4.11=Ops+2.5.4.10=Example\\, Ltd,2.5.4.6=GB",
            "CN=#0c0461707020,O=Example\\, Ltd+OU=Ops,C=GB ",
        ] {
            assert!(Name::SubjectDn(dn).is_in(&names()), "{dn}");
        }
        for dn in [
            "CN=app,O=Example\\, Ltd+OU=Ops,C=GB",
            "C=GB,O=Example\\, Ltd+OU=Ops,CN=app\\ ",
            "CN=app\\ ,O=Example\\, Ltd,OU=Ops,C=GB",
            "CN=app\\ ,O=Example\\, Ltd+O=Example\\, Ltd,C=GB",
            "CN=app\\ ,C=GB",
            "CN=APP\\ ,O=Example\\, Ltd+OU=Ops,C=GB",
            "CN=#0c03617070,O=Example\\, Ltd+OU=Ops,C=GB",
            "",
        ] {
            assert!(!Name::SubjectDn(dn).is_in(&names()), "{dn}");
        }
    }

    #[test]
    fn rfc4514_3_what_is_no_distinguished_name() {
        for bad in
            ["", "app", "=app", "CN", "CN=a,", "CN=a;O=b", "XX=a", "CN=\\x", "CN=\\2", "CN=a\"b", "CN=#0", "CN=#", "1..2=a", "CN=\\ff"]
        {
            assert!(Name::SubjectDn(bad).check().is_err(), "{bad}");
        }
    }

    #[test]
    fn rfc8705_2_1_2_the_four_alternative_names() {
        for name in [
            Name::Dns("app.EXAMPLE.com"),
            Name::Uri("spiffe://example.com/app"),
            Name::Ip("2001:DB8:0::1"),
            Name::Ip("192.0.2.1"),
            Name::Email("Ops@example.COM"),
        ] {
            assert!(name.is_in(&names()) && name.check().is_ok(), "{name:?}");
        }
        for name in [
            Name::Dns("a.example.org"),
            Name::Dns("example.com"),
            Name::Uri("spiffe://EXAMPLE.com/app"),
            Name::Ip("192.0.2.2"),
            Name::Ip("::ffff:192.0.2.1"),
            Name::Email("ops@example.com"),
        ] {
            assert!(!name.is_in(&names()), "{name:?}");
        }
        assert!(Name::Dns("*.example.org").check().is_err(), "a wildcard would be anybody's");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\PC\\\\#=+,]{0,40}") {
            let _ = (Name::SubjectDn(&text).is_in(&names()), Name::SubjectDn(&text).check());
        }
    }
}
