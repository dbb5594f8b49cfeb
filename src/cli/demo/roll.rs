//! The events of a login: asked of `/audit/events` with a token that the demo mints as the operator it is.
//!
//! Each question is an event itself, so looking at the page makes the log grow.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::app::operator::Command;
use crate::cli::socket;

/// The index follows the log; it is asked again for this long.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);
const TOKEN_SECONDS: u32 = 24 * 60 * 60;

pub struct Roll {
    http: reqwest::Client,
    server: String,
    data_dir: PathBuf,
    token: Mutex<Option<String>>,
}

impl Roll {
    pub fn new(http: reqwest::Client, server: String, data_dir: PathBuf) -> Self {
        Self { http, server, data_dir, token: Mutex::default() }
    }

    /// What happened to this account since `from_ms`, and to the requests that led to it; as far as `until_ms` at least.
    pub async fn of(&self, subject: &str, from_ms: i64, until_ms: i64) -> anyhow::Result<Vec<Value>> {
        let at = |event: &Value| event["recorded_at"].as_i64().unwrap_or_default();
        let mut events = Vec::new();
        for _ in 0..TRIES {
            events = self.ask("subject", subject).await?;
            events.retain(|event| at(event) >= from_ms);
            if events.iter().any(|event| at(event) >= until_ms) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        // A request begins before anybody knows whose it is; its later events name its stream.
        let mut requests: Vec<String> = events.iter().filter_map(interaction).collect();
        requests.sort();
        requests.dedup();
        for request in requests {
            for event in self.ask("stream", &request).await? {
                if !events.iter().any(|own| own["position"] == event["position"]) {
                    events.push(event);
                }
            }
        }
        events.sort_by_key(|event| event["position"].as_u64());
        Ok(events)
    }

    async fn ask(&self, filter: &str, value: &str) -> anyhow::Result<Vec<Value>> {
        let mut token = self.token.lock().await;
        for _ in 0..2 {
            let bearer = match token.as_ref() {
                Some(known) => known.clone(),
                None => token.insert(self.mint().await?).clone(),
            };
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs([(filter, value), ("limit", "1000")]).finish();
            let answer = self.http.get(format!("{}/audit/events?{query}", self.server)).bearer_auth(bearer).send().await?;
            if answer.status() == reqwest::StatusCode::UNAUTHORIZED {
                *token = None;
                continue;
            }
            ensure!(answer.status().is_success(), "the server answered {} to a question about its log", answer.status());
            let mut answer: Value = answer.json().await?;
            return match answer["events"].take() {
                Value::Array(events) => Ok(events),
                _ => Ok(Vec::new()),
            };
        }
        anyhow::bail!("the server does not accept the token that it minted")
    }

    async fn mint(&self) -> anyhow::Result<String> {
        let command = Command::Token { scope: "audit:read".to_owned(), seconds: TOKEN_SECONDS };
        let answer = socket::ask(&self.data_dir, &command).await?.context("the server's control socket is gone")?.into_result()?;
        answer["access_token"].as_str().map(str::to_owned).context("an answer without a token")
    }
}

fn interaction(event: &Value) -> Option<String> {
    let stream = event["stream"].as_str().filter(|stream| stream.starts_with("interaction-")).map(str::to_owned);
    stream.or_else(|| event["data"]["interaction"].as_str().map(|id| format!("interaction-{id}")))
}
