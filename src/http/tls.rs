//! TLS that we serve: certificates that change on disk, and the question for those of clients.
//!
//! | Rule | Source |
//! |---|---|
//! | certificate and key are read again when their files change; a pair that does not fit stays out and the old one serves on | our own |
//! | a listener asks for certificates only if it is the one for that: browsers would ask people | RFC 8705 §5 |
//! | any certificate may come in, and possession of its key is proven; whose it is each client's registration says | RFC 8705 §2 |
//! | TLS 1.2 has the cipher suites that BCP 195 recommends, and no others | RFC 9325 §4.2, FAPI 2.0 Security Profile §5.2.2, FAPI 1.0 Part 2 §8.5 |
//! | a chain ends at an authority of the operator's file, for client authentication | RFC 8705 §2.1, RFC 5280 §6 |

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use sha2::{Digest as _, Sha256};

use crate::app::certificate::Judge;

/// A certificate and its key, as they stand in their files.
#[derive(Debug)]
pub struct Served {
    cert: PathBuf,
    key: PathBuf,
    now: RwLock<(Arc<CertifiedKey>, [u8; 32])>,
}

impl Served {
    /// Reads both files.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(cert: &Path, key: &Path) -> Result<Arc<Self>, String> {
        let now = RwLock::new(read_pair(cert, key)?);
        Ok(Arc::new(Self { cert: cert.to_owned(), key: key.to_owned(), now }))
    }

    /// Reads them again; whether they are others than before.
    ///
    /// # Errors
    /// What is wrong with them. What was served before is served on.
    pub fn read_again(&self) -> Result<bool, String> {
        let read = read_pair(&self.cert, &self.key)?;
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = now.1 != read.1;
        if is_new {
            *now = read;
        }
        Ok(is_new)
    }

    /// A configuration that serves it; `asks` callers for certificates.
    ///
    /// # Errors
    /// TLS without its ciphers.
    pub fn config(self: &Arc<Self>, asks: bool) -> Result<Arc<ServerConfig>, Error> {
        let provider = Arc::new(recommended());
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let builder = if asks { builder.with_client_cert_verifier(Arc::new(Anybody(provider))) } else { builder.with_no_client_auth() };
        let mut config = builder.with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// What we serve with: every suite of TLS 1.3, and those of TLS 1.2 that RFC 9325 §4.2 recommends.
fn recommended() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|own| own.tls13().is_some() || SUITES_OF_TLS12.contains(&own.suite()));
    provider
}

const SUITES_OF_TLS12: [CipherSuite; 4] = [
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
];

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now.read().unwrap_or_else(PoisonError::into_inner).0.clone())
    }
}

fn read_pair(cert: &Path, key: &Path) -> Result<(Arc<CertifiedKey>, [u8; 32]), String> {
    let (chain, first) = certificates(cert)?;
    let pem = std::fs::read(key).map_err(|error| format!("the key {} cannot be read: {error}", key.display()))?;
    let digest = Sha256::new_with_prefix(first).chain_update(&pem).finalize().into();
    let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| format!("the key {} cannot be read: {error}", key.display()))?;
    let pair = CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider());
    let pair = pair.map_err(|error| format!("{} and {} do not fit: {error}", cert.display(), key.display()))?;
    Ok((Arc::new(pair), digest))
}

/// The certificates of a PEM file, with the digest of the file.
fn certificates(file: &Path) -> Result<(Vec<CertificateDer<'static>>, [u8; 32]), String> {
    let wrong = |why: String| format!("the certificate {} cannot be read: {why}", file.display());
    let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().map_err(|error| wrong(error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong("it holds none".to_owned()));
    }
    Ok((chain, Sha256::digest(&pem).into()))
}

/// Who trusts the authorities in a file, with the digest of the file.
///
/// # Errors
/// What is wrong with it.
pub fn authorities(file: &Path) -> Result<(Judge, [u8; 32]), String> {
    let (found, digest) = certificates(file)?;
    let mut roots = RootCertStore::empty();
    for one in found {
        roots.add(one).map_err(|error| format!("{} holds a certificate that is no authority: {error}", file.display()))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(aws_lc_rs::default_provider()));
    let verifier = verifier.build().map_err(|error| format!("{}: {error}", file.display()))?;
    let judge: Judge = Arc::new(move |chain, at| {
        let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at).unwrap_or(0)));
        let ders: Vec<_> = chain.certificates().iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let (leaf, between) = ders.split_first().ok_or("no certificate")?;
        verifier.verify_client_cert(leaf, between, at).map(drop).map_err(|error| error.to_string())
    });
    Ok((judge, digest))
}

/// Lets every certificate in whose key was proven.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: callers choose the certificate themselves.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(&self, _: &CertificateDer<'_>, _: &[CertificateDer<'_>], _: UnixTime) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
