//! What to load, with what, for how long.

use clap::{Parser, ValueEnum};
use url::Url;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// Any GET (--path): the HTTP ceiling.
    Get,
    Discovery,
    Jwks,
    /// Token issue by the client alone.
    ClientCredentials,
    /// authorize -> code -> tokens, signed in and consented beforehand.
    CodeFlow,
    /// The same, pushed: PAR -> authorize -> code -> tokens.
    ParFlow,
    /// From an empty cookie jar: login form, consent, code, tokens.
    Login,
    Refresh,
    Introspect,
    Userinfo,
    Revoke,
    Par,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClientAuth {
    Basic,
    Post,
}

#[derive(Parser, Debug)]
#[command(name = "chancery-load", about = "Load on an OAuth 2.0 / OpenID Connect authorization server; prints one JSON object")]
pub struct Config {
    /// Issuer: discovery is read from <base-url>/.well-known/openid-configuration
    #[arg(long)]
    pub base_url: Url,
    #[arg(long, value_enum)]
    pub workload: Workload,
    /// Virtual users, each with its own keep-alive connection
    #[arg(long, default_value_t = 32)]
    pub concurrency: usize,
    /// Seconds measured
    #[arg(long, default_value_t = 5.0)]
    pub duration: f64,
    /// Seconds of load before the measurement
    #[arg(long, default_value_t = 1.0)]
    pub warmup: f64,
    /// Seconds of a window: operations so far and their cost, window by window, beside the whole (not for revoke)
    #[arg(long, value_parser = seconds)]
    pub series: Option<f64>,
    #[arg(long, default_value = "bench-rs256")]
    pub client_id: String,
    #[arg(long, default_value = "bench-secret-0123456789abcdef0123456789abcdef")]
    pub client_secret: String,
    #[arg(long, value_enum, default_value = "basic")]
    pub client_auth: ClientAuth,
    #[arg(long, default_value = "http://127.0.0.1:9999/callback")]
    pub redirect_uri: String,
    #[arg(long, default_value = "openid profile email")]
    pub scope: String,
    /// Scope of client_credentials requests; empty: none is asked for
    #[arg(long, default_value = "api:read")]
    pub client_scope: String,
    /// RFC 8707 resource sent with client_credentials requests
    #[arg(long)]
    pub resource: Option<String>,
    #[arg(long, default_value = "alice@example.com")]
    pub username: String,
    #[arg(long, default_value = "correct horse battery staple")]
    pub password: String,
    /// Name of the login form's user field
    #[arg(long, default_value = "login")]
    pub username_field: String,
    /// Name of the login form's password field
    #[arg(long, default_value = "password")]
    pub password_field: String,
    /// name=value sent with forms without a password: the consent button
    #[arg(long, default_value = "decision=allow")]
    pub consent_field: Vec<String>,
    /// Path of the get workload
    #[arg(long, default_value = "/")]
    pub path: String,
    /// Tokens each user holds for introspect and userinfo, and revokes per batch
    #[arg(long, default_value_t = 4)]
    pub tokens_per_user: usize,
    /// name:pid of a server process tree whose CPU and memory to account; repeatable
    #[arg(long)]
    pub server: Vec<String>,
    /// Copied into the result
    #[arg(long, default_value = "")]
    pub label: String,
}

/// A length of time that is one.
fn seconds(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|seconds: &f64| *seconds >= 0.05 && seconds.is_finite()).ok_or_else(|| "seconds, at least 0.05".to_owned())
}

impl Config {
    /// Process trees to account, by name.
    pub fn servers(&self) -> Result<Vec<(String, u32)>, String> {
        self.server
            .iter()
            .map(|text| {
                let (name, pid) = text.split_once(':').ok_or("--server takes name:pid")?;
                let pid = pid.parse().map_err(|e| format!("--server {text}: {e}"))?;
                Ok((name.to_owned(), pid))
            })
            .collect()
    }
}
