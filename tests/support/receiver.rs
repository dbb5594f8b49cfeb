//! An address of a client to which the server posts: answers with a status, keeps what came.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A request, and how it was answered.
#[derive(Clone)]
pub struct Received {
    /// Request line and headers.
    pub head: String,
    pub body: String,
    pub status: u16,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| line.split_once(": ").is_some_and(|(own, _)| own.eq_ignore_ascii_case(name));
        self.head.lines().find(|line| of(line)).and_then(|line| Some(line.split_once(": ")?.1))
    }
}

pub struct Receiver {
    pub uri: String,
    port: u16,
    kept: Arc<Mutex<Vec<Received>>>,
    status: Arc<Mutex<u16>>,
    task: tokio::task::JoinHandle<()>,
}

impl Receiver {
    pub async fn start() -> Self {
        Self::at(0, Arc::default()).await
    }

    pub async fn at(port: u16, kept: Arc<Mutex<Vec<Received>>>) -> Self {
        let socket = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let status = Arc::new(Mutex::new(200));
        let (all, answers) = (kept.clone(), status.clone());
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = socket.accept().await.unwrap();
                let mut sent = Vec::new();
                // The body is short and its end is known: one read may bring head and body apart.
                while parts_of(&sent).is_none() {
                    let mut part = [0; 4096];
                    match stream.read(&mut part).await {
                        Ok(0) | Err(_) => break,
                        Ok(length) => sent.extend_from_slice(&part[..length]),
                    }
                }
                let status = *answers.lock().unwrap();
                if let Some((head, body)) = parts_of(&sent) {
                    all.lock().unwrap().push(Received { head, body, status });
                }
                let location = "Location: /elsewhere\r\n";
                let _ = stream.write_all(format!("HTTP/1.1 {status} x\r\n{location}Content-Length: 0\r\n\r\n").as_bytes()).await;
            }
        });
        Self { uri: format!("http://127.0.0.1:{port}/told"), port, kept, status, task }
    }

    /// What came, the oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.kept.lock().unwrap().clone()
    }

    pub fn answers(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }

    /// Nobody listens any more.
    pub async fn stop(self) -> (u16, Arc<Mutex<Vec<Received>>>) {
        self.task.abort();
        let _ = self.task.await;
        (self.port, self.kept)
    }
}

/// Head and body of a whole request.
fn parts_of(bytes: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8(bytes.to_vec()).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    assert!(head.starts_with("POST /told HTTP/1.1\r\n"), "{head}");
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok())?;
    (body.len() == length).then(|| (head.to_owned(), body.to_owned()))
}
