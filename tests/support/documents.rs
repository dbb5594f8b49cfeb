//! A client's own web server: documents by path, each with a status and header lines, and who asked for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rcgen::SanType;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::mtls::{Authority, Identity};

#[derive(Clone, Default)]
struct Document {
    /// 0 never answers.
    status: u16,
    /// Each with its line end.
    headers: String,
    body: String,
}

pub struct Documents {
    pub origin: String,
    documents: Arc<Mutex<BTreeMap<String, Document>>>,
    asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Documents {
    pub async fn start() -> Self {
        Self::begin(None).await
    }

    /// Over TLS, for `localhost` and 127.0.0.1.
    pub async fn start_tls(authority: &Authority) -> Self {
        let names = vec![SanType::DnsName("localhost".try_into().unwrap()), SanType::IpAddress([127, 0, 0, 1].into())];
        Self::start_as(&authority.issue("documents", names)).await
    }

    /// Over TLS at `localhost`, whoever the certificate names.
    pub async fn start_as(identity: &Identity) -> Self {
        Self::begin(Some(identity.acceptor())).await
    }

    async fn begin(tls: Option<TlsAcceptor>) -> Self {
        let socket = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let origin = if tls.is_some() { format!("https://localhost:{}", address.port()) } else { format!("http://{address}") };
        let documents: Arc<Mutex<BTreeMap<String, Document>>> = Arc::default();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (kept, seen) = (documents.clone(), asked.clone());
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                let (kept, seen, tls) = (kept.clone(), seen.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => answer_one(stream, &kept, &seen).await,
                        // Whoever trusts another authority hangs up.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                answer_one(stream, &kept, &seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { origin, documents, asked, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    pub fn put(&self, path: &str, body: impl ToString) {
        self.answer(path, 200, "", body);
    }

    pub fn answer(&self, path: &str, status: u16, headers: &str, body: impl ToString) {
        let document = Document { status, headers: headers.to_owned(), body: body.to_string() };
        self.documents.lock().unwrap().insert(path.to_owned(), document);
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|own| *own == path).count()
    }
}

async fn answer_one(mut stream: impl AsyncRead + AsyncWrite + Unpin, kept: &Mutex<BTreeMap<String, Document>>, seen: &Mutex<Vec<String>>) {
    let mut sent = Vec::new();
    while !sent.ends_with(b"\r\n\r\n") {
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => break,
            Ok(length) => sent.extend_from_slice(&part[..length]),
        }
    }
    let head = String::from_utf8(sent).unwrap();
    let Some(path) = head.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()) else { return };
    seen.lock().unwrap().push(path.to_owned());
    let missing = Document { status: 404, ..Document::default() };
    let Document { status, headers, body } = kept.lock().unwrap().get(path).cloned().unwrap_or(missing);
    if status == 0 {
        return std::future::pending().await;
    }
    let answer = format!("HTTP/1.1 {status} x\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

impl Drop for Documents {
    fn drop(&mut self) {
        self.task.abort();
    }
}
