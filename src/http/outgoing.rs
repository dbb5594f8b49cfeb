//! Requests that the server makes: to addresses that its operator configured, and to nobody else's.
//!
//! | Rule | Why |
//! |---|---|
//! | connect, handshake, request and answer together are bounded in time, the answer in size | a slow receiver must cost nothing |
//! | redirects are not followed | the operator named the place |
//! | https is checked against the system's roots | - |
//!
//! Addresses that clients choose need a guard of another kind; they do not come through here.

use std::convert::Infallible;
use std::future::poll_fn;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper_util::rt::TokioIo;
use poem::http::{Request, header};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::app::anchor::Post;

/// For everything together.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of an answer.
const MOST_BYTES: usize = 64 * 1024;

/// A function that posts. Without roots of the system every https server is refused.
///
/// # Errors
/// The library of TLS refuses its own defaults.
pub fn post() -> Result<Post, rustls::Error> {
    let tls = connector(system())?;
    Ok(Arc::new(move |url, content_type, body| {
        let tls = tls.clone();
        Box::pin(async move { timeout(PATIENCE, send(tls, url, content_type, body)).await.map_err(|_| "no answer in time".to_owned())? })
    }))
}

/// TLS to a place of the operator, whose certificate is checked against those in a PEM file, or the system's.
///
/// # Errors
/// A file that cannot be read or holds no certificate.
pub fn tls(ca: Option<&Path>) -> Result<TlsConnector, String> {
    let roots = match ca {
        None => system(),
        Some(path) => {
            let broken = |error: &dyn std::fmt::Display| format!("the certificates in {} cannot be read: {error}", path.display());
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| broken(&error))? {
                roots.add(certificate.map_err(|error| broken(&error))?).map_err(|error| broken(&error))?;
            }
            if roots.is_empty() {
                return Err(broken(&"there is none"));
            }
            roots
        }
    };
    connector(roots).map_err(|error| error.to_string())
}

/// The system's roots. Broken certificates among them are its affair.
fn system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn connector(roots: RootCertStore) -> Result<TlsConnector, rustls::Error> {
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(tls)))
}

async fn send(tls: TlsConnector, url: Url, content_type: &'static str, body: Vec<u8>) -> Result<(u16, Vec<u8>), String> {
    let host = url.host_str().ok_or("the address has no host")?.to_owned();
    let port = url.port_or_known_default().ok_or("the address has no port")?;
    let authority = url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
    let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let request = Request::post(target)
        .header(header::HOST, authority)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::USER_AGENT, concat!("chancery/", env!("CARGO_PKG_VERSION")))
        .body(Whole(Some(Bytes::from(body))))
        .map_err(|error| error.to_string())?;
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let socket = TcpStream::connect((bare.as_str(), port)).await.map_err(|error| format!("connecting: {error}"))?;
    if url.scheme() == "https" {
        let name = ServerName::try_from(bare).map_err(|error| error.to_string())?;
        let stream = tls.connect(name, socket).await.map_err(|error| format!("TLS: {error}"))?;
        return exchange(stream, request).await;
    }
    exchange(socket, request).await
}

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, request: Request<Whole>) -> Result<(u16, Vec<u8>), String> {
    let failed = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let driver = Driver(tokio::spawn(connection));
    let response = sender.send_request(request).await.map_err(failed)?;
    let status = response.status().as_u16();
    let (mut body, mut bytes) = (response.into_body(), Vec::new());
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame.map_err(failed)?.into_data() {
            if bytes.len() + data.len() > MOST_BYTES {
                return Err("the answer is too long".to_owned());
            }
            bytes.extend_from_slice(&data);
        }
    }
    drop(driver);
    Ok((status, bytes))
}

/// A body that is there as a whole.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    // Known, so that it is sent with its length.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// Ends the connection with the exchange, however that ends.
struct Driver(tokio::task::JoinHandle<hyper::Result<()>>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}
