//! Certificates of clients, as the connection or a trusted proxy handed them on: what stands in them, and whose they are.
//!
//! | Rule | Source |
//! |---|---|
//! | with `tls_client_auth` the chain ends at an authority that the operator trusts, and the registered name is in the certificate | RFC 8705 §2.1 |
//! | with `self_signed_tls_client_auth` the very certificate is registered in `x5c` of a key; its chain means nothing | RFC 8705 §2.2 |
//! | a certificate that is not among the keys that are known is looked for behind `jwks_uri` once more | RFC 8705 §2.2.2 |
//! | outside its own time no certificate proves anything | RFC 5280 §4.1.2.5 |
//!
//! Possession of the key was proven in the TLS handshake: ours, or the proxy's. Out of scope: names (`chancery_core::client::certificate`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_core::client::Client;
use chancery_core::client::certificate::{Attribute, Names};
use chancery_core::client::metadata::AuthMethod;
use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use serde_json::Value;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate};

use super::App;
use super::context::Context;

/// The chain that a client proved possession of, DER, leaf first and never empty.
#[derive(Clone, Debug)]
pub struct Chain(Arc<[Vec<u8>]>);

impl Chain {
    /// `None` without a leaf.
    pub fn new(chain: Vec<Vec<u8>>) -> Option<Self> {
        (!chain.is_empty()).then(|| Self(chain.into()))
    }

    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.0
    }

    fn leaf(&self) -> &[u8] {
        self.0.first().map_or(&[], Vec::as_slice)
    }

    /// What tokens are bound to (RFC 8705 §3.1).
    pub fn thumbprint(&self) -> Digest {
        Digest::of(self.leaf())
    }
}

/// Does a chain end at a trusted authority at this second? The sentence is for the log.
pub type Judge = Arc<dyn Fn(&Chain, i64) -> Result<(), String> + Send + Sync>;

/// The authorities that issue certificates for clients; they may change while the server serves.
#[derive(Default)]
pub struct Authorities(RwLock<Option<Judge>>);

impl Authorities {
    pub fn trust(&self, judge: Judge) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(judge);
    }

    fn judge(&self, chain: &Chain, at: i64) -> Result<(), String> {
        let judge = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        judge.map_or_else(|| Err("no authority is trusted".to_owned()), |judge| judge(chain, at))
    }
}

/// What a certificate says.
struct Said {
    names: Names,
    not_before: i64,
    not_after: i64,
}

impl App {
    /// Is this the client's certificate, by its registered method?
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub(super) async fn is_own_certificate(&self, context: &Context, client: &Client, chain: &Chain) -> Result<bool, OAuthError> {
        let now = self.now().numeric_date();
        let Some(said) = read(chain.leaf()).filter(|said| (said.not_before..=said.not_after).contains(&now)) else {
            tracing::debug!(client = %client.id, "a client certificate cannot be read, or it is not its time");
            return Ok(false);
        };
        match client.metadata.token_endpoint_auth_method {
            AuthMethod::TlsClientAuth => Ok(self.is_issued_to(client, chain, &said.names, now)),
            AuthMethod::SelfSignedTlsClientAuth => self.is_registered_itself(context, client, chain).await,
            _ => Ok(false),
        }
    }

    fn is_issued_to(&self, client: &Client, chain: &Chain, names: &Names, now: i64) -> bool {
        if let Err(why) = self.authorities.judge(chain, now) {
            tracing::debug!(client = %client.id, why, "the chain of a client certificate does not hold");
            return false;
        }
        // A registration has exactly one; one without any authenticates nobody.
        let mut registered = client.metadata.certificate_names().peekable();
        registered.peek().is_some() && registered.all(|(_, name)| name.is_in(names))
    }

    async fn is_registered_itself(&self, context: &Context, client: &Client, chain: &Chain) -> Result<bool, OAuthError> {
        let has = |jwks: Option<Value>| jwks.is_some_and(|jwks| leaves(&jwks).any(|leaf| leaf == chain.leaf()));
        if has(self.key_set_of(context, client, None).await?) {
            return Ok(true);
        }
        // No `kid` is empty there: it asks for keys that are not known yet.
        Ok(client.metadata.jwks_uri.is_some() && has(self.key_set_of(context, client, Some("")).await?))
    }
}

/// The certificates that keys come with (RFC 7517 §4.7), their own alone.
pub(super) fn leaves(jwks: &Value) -> impl Iterator<Item = Vec<u8>> {
    let keys = jwks.get("keys").and_then(Value::as_array).into_iter().flatten();
    keys.filter_map(|key| STANDARD.decode(key.get("x5c")?.get(0)?.as_str()?).ok())
}

/// Can it be read at all?
pub(super) fn is_certificate(der: &[u8]) -> bool {
    read(der).is_some()
}

fn read(der: &[u8]) -> Option<Said> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let attribute = |own: &x509_parser::x509::AttributeTypeAndValue<'_>| Attribute {
        oid: own.attr_type().to_id_string(),
        text: own.as_str().ok().map(str::to_owned),
        ber: encoded(own.attr_value()),
    };
    let subject = certificate.subject().iter_rdn().map(|rdn| rdn.iter().map(attribute).collect()).collect();
    let mut names = Names { subject, ..Names::default() };
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(alternative) => alternative.general_names.iter().for_each(|name| add(&mut names, name)),
            // One that cannot be read could hold anything.
            ParsedExtension::ParseError { .. } => return None,
            _ => {}
        }
    }
    let validity = certificate.validity();
    Some(Said { names, not_before: validity.not_before.timestamp(), not_after: validity.not_after.timestamp() })
}

fn add(names: &mut Names, name: &GeneralName<'_>) {
    match name {
        GeneralName::DNSName(text) => names.dns.push((*text).to_owned()),
        GeneralName::URI(text) => names.uris.push((*text).to_owned()),
        GeneralName::RFC822Name(text) => names.emails.push((*text).to_owned()),
        GeneralName::IPAddress(bytes) => names.ips.extend(address(bytes)),
        _ => {}
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).ok().map(|bytes| Ipv4Addr::from(bytes).into());
    let v6 = || <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).into());
    v4().or_else(v6)
}

/// A value with tag and length in front again, as RFC 4514 §2.4 writes it in hex. DER: the length is the shortest.
fn encoded(value: &x509_parser::asn1_rs::Any<'_>) -> Vec<u8> {
    let tag = u8::try_from(value.tag().0).unwrap_or(0x1f);
    let length = value.data.len();
    let mut out = vec![tag];
    if let Ok(short) = u8::try_from(length)
        && short < 0x80
    {
        out.push(short);
    } else {
        let bytes = length.to_be_bytes();
        let bytes: Vec<_> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        out.push(0x80 | u8::try_from(bytes.len()).unwrap_or(8));
        out.extend(bytes);
    }
    out.extend_from_slice(value.data);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_core::client::certificate::Name;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    fn certificate() -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CountryName, "GB");
        params.distinguished_name.push(DnType::OrganizationName, "Example, Ltd");
        params.distinguished_name.push(DnType::CommonName, "caf\u{e9}");
        params.subject_alt_names = vec![
            SanType::DnsName("app.example.com".try_into().unwrap()),
            SanType::URI("spiffe://example.com/app".try_into().unwrap()),
            SanType::IpAddress("192.0.2.1".parse().unwrap()),
            SanType::IpAddress("2001:db8::1".parse().unwrap()),
            SanType::Rfc822Name("ops@example.com".try_into().unwrap()),
        ];
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn rfc8705_2_1_2_every_kind_of_name_is_found() {
        let names = read(&certificate()).unwrap().names;
        for name in [
            Name::SubjectDn("CN=caf\u{e9},O=Example\\, Ltd,C=GB"),
            Name::SubjectDn("CN=#0c05636166c3a9,O=Example\\, Ltd,C=GB"),
            Name::Dns("app.example.com"),
            Name::Uri("spiffe://example.com/app"),
            Name::Ip("192.0.2.1"),
            Name::Ip("2001:db8::1"),
            Name::Email("ops@example.com"),
        ] {
            assert!(name.is_in(&names), "{name:?} {names:?}");
        }
        assert!(!Name::Ip("192.0.2.2").is_in(&names));
    }

    #[test]
    fn what_comes_after_a_certificate_makes_it_none() {
        let mut der = certificate();
        assert!(is_certificate(&der));
        der.push(0);
        assert!(!is_certificate(&der) && !is_certificate(b""));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn no_bytes_panic(at in 0_usize..600, byte in any::<u8>(), cut in 0_usize..600) {
            let mut der = certificate();
            if let Some(own) = der.get_mut(at) { *own = byte; }
            let _ = read(&der);
            der.truncate(cut);
            prop_assert!(read(&der).is_none() || cut >= der.len());
        }
    }
}
