//! Authorities, certificates, and callers who show them over real TLS, without our own code.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chancery_core::digest::Digest;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, SanType};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::call::Answer;

/// The name under which clients reach the listener for certificates.
pub const HOST: &str = "mtls.localhost:8443";

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// As the one authority that somebody trusts.
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }

    pub fn pem(&self) -> String {
        pem("CERTIFICATE", self.0.der())
    }

    /// For C=GB, O=Example, Ltd and this name.
    pub fn issue(&self, name: &str, alternative: Vec<SanType>) -> Identity {
        self.issue_with(name, alternative, |_| ())
    }

    pub fn issue_with(&self, name: &str, alternative: Vec<SanType>, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let (mut params, key) = (params(name, alternative), KeyPair::generate().unwrap());
        change(&mut params);
        let leaf = params.signed_by(&key, &self.0).unwrap();
        Identity { chain: vec![leaf.der().clone()], key }
    }

    /// Somebody whom somebody between vouches for; the one between as a proxy writes it.
    pub fn through(&self, between: &str, name: &str, alternative: Vec<SanType>) -> (String, Identity) {
        let mut own = params(between, Vec::new());
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let middle = Self(CertifiedIssuer::signed_by(own, KeyPair::generate().unwrap(), &self.0).unwrap());
        (format!(":{}:", STANDARD.encode(middle.0.der())), middle.issue(name, alternative))
    }
}

fn params(name: &str, alternative: Vec<SanType>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "GB");
    params.distinguished_name.push(DnType::OrganizationName, "Example, Ltd");
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names = alternative;
    params
}

impl Identity {
    pub fn self_signed(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self { chain: vec![params(name, Vec::new()).self_signed(&key).unwrap().der().clone()], key }
    }

    /// With the key of another: whoever shows it does not hold the right one.
    pub fn with_key_of(self, other: Self) -> Self {
        Self { key: other.key, ..self }
    }

    /// For a server of its own.
    pub fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let key: PrivateKeyDer<'static> = PrivatePkcs8KeyDer::from(self.key.serialize_der()).into();
        TlsAcceptor::from(Arc::new(config.with_single_cert(self.chain.clone(), key).unwrap()))
    }

    /// RFC 8705 §3.1.
    pub fn x5t(&self) -> String {
        URL_SAFE_NO_PAD.encode(Digest::of(&self.chain[0]).0)
    }

    /// As a trusted proxy writes it (RFC 9440 §2.2).
    pub fn field(&self) -> String {
        format!(":{}:", STANDARD.encode(&self.chain[0]))
    }

    /// Its key as a JWK with the certificate (RFC 7517 §4.7).
    pub fn jwks(&self) -> Value {
        let point = self.key.public_key_raw();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..65]), "x5c": [STANDARD.encode(&self.chain[0])],
        }] })
    }

    /// Certificate and key as PEM files.
    pub fn write(&self, directory: &TempDir, name: &str) -> (String, String) {
        let (cert, key) = (directory.path().join(format!("{name}.crt")), directory.path().join(format!("{name}.key")));
        let chain: String = self.chain.iter().map(|der| pem("CERTIFICATE", der)).collect();
        std::fs::write(&cert, chain).unwrap();
        std::fs::write(&key, pem("PRIVATE KEY", &self.key.serialize_der())).unwrap();
        (cert.to_str().unwrap().to_owned(), key.to_str().unwrap().to_owned())
    }
}

fn pem(kind: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}

/// Calls one address over TLS, with a certificate or without.
pub struct Caller<'a> {
    pub address: SocketAddr,
    pub server: &'a Authority,
    pub identity: Option<&'a Identity>,
    pub version: &'static rustls::SupportedProtocolVersion,
}

impl Caller<'_> {
    fn config(&self) -> Arc<ClientConfig> {
        let roots = self.server.roots();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_protocol_versions(&[self.version]).unwrap().with_root_certificates(roots);
        Arc::new(match self.identity {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key: PrivateKeyDer<'static> = PrivatePkcs8KeyDer::from(own.key.serialize_der()).into();
                // Shown as it is, even where the key is not that of the certificate.
                let shown = CertifiedKey::new(own.chain.clone(), any_supported_type(&key).unwrap());
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
            }
        })
    }

    /// The certificate that the server shows.
    pub async fn shown(&self) -> Vec<u8> {
        let stream = self.connect().await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }

    async fn connect(&self) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let socket = TcpStream::connect(self.address).await.unwrap();
        TlsConnector::from(self.config()).connect(ServerName::try_from("mtls.localhost").unwrap(), socket).await
    }

    /// Does the server answer at all? A handshake that it refuses may end after the client believes it done.
    pub async fn is_answered(&self) -> bool {
        let Ok(mut stream) = self.connect().await else { return false };
        let request = format!("GET /oidc/jwks HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n");
        let mut bytes = Vec::new();
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.read_to_end(&mut bytes).await;
        bytes.starts_with(b"HTTP/1.1 200 ")
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await
    }

    pub async fn post_json(&self, path: &str, authorization: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let head = format!("POST {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\ncontent-type: application/json\r\n");
        self.send(&format!("{head}authorization: {authorization}\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await
    }

    pub async fn get(&self, path: &str, authorization: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\nauthorization: {authorization}\r\n\r\n")).await
    }

    async fn send(&self, request: &str) -> Answer {
        let mut stream = self.connect().await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        // A peer that closes without saying so has still answered.
        let _ = stream.read_to_end(&mut bytes).await;
        let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let head = std::str::from_utf8(&bytes[..at]).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.parse::<reqwest::header::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        Answer { status, headers, body: bytes[at + 4..].to_vec() }
    }
}
