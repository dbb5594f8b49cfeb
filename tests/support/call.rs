//! One request and its answer, as bytes on a socket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::server::Server;

pub const FORM: &str = "application/x-www-form-urlencoded";

/// A request that is being put together.
pub struct Call<'a> {
    server: &'a Server,
    method: String,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Server {
    pub fn call(&self, method: &str, path: &str) -> Call<'_> {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::try_from(self.host()).unwrap());
        Call { server: self, method: method.to_owned(), path: path.to_owned(), headers, body: Vec::new() }
    }

    pub fn get(&self, path: &str) -> Call<'_> {
        self.call("GET", path)
    }

    pub fn post(&self, path: &str) -> Call<'_> {
        self.call("POST", path)
    }
}

impl Call<'_> {
    /// Adds a header; a second one of the same name stands beside the first.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.header_bytes(name, value.as_bytes())
    }

    pub fn header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        if name == "host" {
            self.headers.remove("host");
        }
        self.headers.append(name, HeaderValue::from_bytes(value).unwrap());
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// RFC 6749 §2.3.1: both parts are form-encoded first.
    pub fn basic(self, id: &str, secret: &str) -> Self {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let text = STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
        self.header("authorization", &format!("Basic {text}"))
    }

    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.header("content-type", FORM).body(body)
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub async fn send(self) -> Answer {
        let url = format!("http://{}{}", self.server.address(), self.path);
        let method = reqwest::Method::from_bytes(self.method.as_bytes()).unwrap();
        let request = self.server.http.request(method, url).headers(self.headers).body(self.body);
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|why| panic!("{why}: {} {}", self.status, self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The `error` of a JSON answer, or nothing.
    pub fn error(&self) -> String {
        let body = serde_json::from_slice::<Value>(&self.body).unwrap_or_default();
        body["error"].as_str().unwrap_or_default().to_owned()
    }

    /// Status and error at once, since both belong to every refusal.
    pub fn refusal(&self) -> (u16, String) {
        (self.status, self.error())
    }

    pub fn sentence(&self) -> String {
        self.json()["error_description"].as_str().unwrap_or_default().to_owned()
    }

    pub fn location(&self) -> &str {
        self.header("location")
    }

    /// A parameter in the query of the redirect.
    pub fn sent(&self, name: &str) -> Option<String> {
        let (_, query) = self.location().split_once('?')?;
        form_urlencoded::parse(query.as_bytes()).find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
    }

    /// The code in the redirect to the client.
    pub fn code(&self) -> String {
        self.sent("code").unwrap_or_else(|| panic!("no code: {} {} {}", self.status, self.location(), self.text()))
    }
}
