//! A browser without script: keeps cookies, follows redirects on our origin, reads forms and submits them.

use std::collections::BTreeMap;

use super::call::Answer;
use super::server::Server;

/// Redirects on our own origin in a row; more is a loop.
const MOST_HOPS: usize = 8;

#[derive(Clone)]
pub struct Browser<'a> {
    pub server: &'a Server,
    pub cookies: BTreeMap<String, String>,
    /// Where the last answer came from.
    pub at: String,
}

/// A form as it stands on a page.
#[derive(Debug)]
pub struct Form {
    pub action: String,
    pub hidden: Vec<(String, String)>,
}

impl<'a> Browser<'a> {
    pub fn new(server: &'a Server) -> Self {
        Self { server, cookies: BTreeMap::new(), at: "/".to_owned() }
    }

    /// One GET, without following.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[]).await
    }

    /// A GET that follows redirects as long as they stay on our origin.
    pub async fn open(&mut self, path: &str) -> Answer {
        let answer = self.get(path).await;
        self.follow(answer).await
    }

    /// Submits the first form of a page with these fields added, and follows.
    pub async fn submit(&mut self, page: &Answer, fields: &[(&str, &str)]) -> Answer {
        let form = form_of(&page.text());
        let hidden: Vec<_> = form.hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = self.send("POST", &form.action, &[&hidden, fields].concat()).await;
        self.follow(answer).await
    }

    /// One form POST, without following.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send("POST", path, fields).await
    }

    /// The `Cookie` header.
    pub fn cookie(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    async fn send(&mut self, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut call = self.server.call(method, path).header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        if !self.cookies.is_empty() {
            call = call.header("cookie", &self.cookie());
        }
        if method == "POST" {
            call = call.form(fields).header("origin", &self.server.origin);
        }
        let answer = call.send().await;
        for cookie in answer.headers.get_all("set-cookie") {
            self.keep(cookie.to_str().unwrap());
        }
        self.at = path.to_owned();
        answer
    }

    pub fn keep(&mut self, cookie: &str) {
        let (name, rest) = cookie.split_once('=').unwrap();
        let value = rest.split(';').next().unwrap();
        if cookie.contains("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    async fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..MOST_HOPS {
            let Some(path) = self.own_path(&answer) else { return answer };
            answer = self.get(&path).await;
        }
        panic!("redirects in a circle at {}", self.at);
    }

    fn own_path(&self, answer: &Answer) -> Option<String> {
        let location = answer.location();
        if location.starts_with('/') {
            return Some(location.to_owned());
        }
        location.strip_prefix(&self.server.origin).filter(|rest| rest.starts_with('/')).map(str::to_owned)
    }
}

/// The first form of a page.
pub fn form_of(html: &str) -> Form {
    let start = html.find("<form").unwrap_or_else(|| panic!("no form: {html}"));
    let form = &html[start..start + html[start..].find("</form>").unwrap()];
    let action = attribute(form.split('>').next().unwrap(), "action").unwrap();
    let inputs = form.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap());
    let hidden = inputs
        .filter(|tag| attribute(tag, "type").as_deref() == Some("hidden"))
        .map(|tag| (attribute(tag, "name").unwrap(), attribute(tag, "value").unwrap_or_default()))
        .collect();
    Form { action, hidden }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(unescaped(rest.split('"').next()?))
}

/// The character references that the templates write.
fn unescaped(text: &str) -> String {
    let references = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    references.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
