//! One keep-alive HTTP/1.1 connection with a cookie jar: what a browser or a back end would hold.

use std::collections::BTreeMap;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderMap, LOCATION, SET_COOKIE};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::Url;

pub type Result<T> = std::result::Result<T, String>;

pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Response {
    pub fn expect(self, status: u16) -> Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        let body = String::from_utf8_lossy(&self.body);
        let head: String = body.chars().take(300).collect();
        Err(format!("status {} where {status} was due: {head}", self.status))
    }

    pub fn location(&self) -> Option<&str> {
        self.headers.get(LOCATION)?.to_str().ok()
    }

    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).map_err(|e| format!("not JSON: {e}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What a request carries besides its method and address.
#[derive(Default)]
pub struct Payload<'a> {
    pub authorization: Option<&'a str>,
    pub form: Option<String>,
    pub with_cookies: bool,
}

pub struct Connection {
    address: String,
    sender: Option<SendRequest<Full<Bytes>>>,
    /// By name only: one jar talks to one server, and the newest value of a name wins.
    cookies: BTreeMap<String, String>,
}

impl Connection {
    pub fn new(base: &Url) -> Self {
        let host = base.host_str().unwrap_or("127.0.0.1");
        let port = base.port_or_known_default().unwrap_or(80);
        Self { address: format!("{host}:{port}"), sender: None, cookies: BTreeMap::new() }
    }

    pub fn forget_cookies(&mut self) {
        self.cookies.clear();
    }

    pub async fn get(&mut self, url: &Url) -> Result<Response> {
        self.send(Method::GET, url, Payload::default()).await
    }

    pub async fn send(&mut self, method: Method, url: &Url, payload: Payload<'_>) -> Result<Response> {
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let authority = url.authority().to_owned();
        let mut request = Request::builder().method(method).uri(path).header(HOST, authority);
        if let Some(value) = payload.authorization {
            request = request.header(AUTHORIZATION, value);
        }
        if payload.with_cookies && !self.cookies.is_empty() {
            let pairs: Vec<_> = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
            request = request.header(COOKIE, pairs.join("; "));
        }
        if payload.form.is_some() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let body = Full::new(Bytes::from(payload.form.unwrap_or_default()));
        let request = request.body(body).map_err(|e| e.to_string())?;

        let sender = self.sender().await?;
        let answer = match sender.send_request(request).await {
            Ok(answer) => answer,
            Err(e) => {
                self.sender = None;
                return Err(format!("connection: {e}"));
            }
        };
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|e| format!("body: {e}"))?.to_bytes();
        if payload.with_cookies {
            self.store_cookies(&head.headers);
        }
        Ok(Response { status: head.status.as_u16(), headers: head.headers, body })
    }

    async fn sender(&mut self) -> Result<&mut SendRequest<Full<Bytes>>> {
        let usable = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            let stream = TcpStream::connect(&self.address).await.map_err(|e| e.to_string())?;
            stream.set_nodelay(true).map_err(|e| e.to_string())?;
            let (sender, driver) = handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
            tokio::task::spawn_local(driver);
            self.sender = Some(sender);
        }
        self.sender.as_mut().ok_or_else(|| "no connection".to_owned())
    }

    fn store_cookies(&mut self, headers: &HeaderMap) {
        for line in headers.get_all(SET_COOKIE).iter().filter_map(|v| v.to_str().ok()) {
            let mut parts = line.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let expired = parts.any(|attribute| {
                let attribute = attribute.to_ascii_lowercase();
                attribute == "max-age=0" || attribute.starts_with("expires=thu, 01 jan 1970")
            });
            if expired || value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}
