//! The example client's side of OpenID Connect: the code flow as a careful client does it.
//!
//! | Rule | Source |
//! |---|---|
//! | endpoints come from discovery, whose issuer must be the one that was asked | OpenID Connect Discovery 1.0 §4.3 |
//! | it registers itself once, and keeps what it was given in a file of its owner | OpenID Connect Registration 1.0 §3 |
//! | state ties the answer to the browser, PKCE the code to this client, nonce the id_token to this login | RFC 9700 §2.1, §4.7.1 |
//! | `iss` of the answer is the issuer | RFC 9207 §2.4 |
//! | the id_token is verified: signature, issuer, audience, times, nonce, at_hash | OpenID Connect Core 1.0 §3.1.3.7, §3.1.3.8 |
//! | userinfo is about the same subject | OpenID Connect Core 1.0 §5.3.2 |

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_jose::{Algorithm, Jwks, RegisteredClaims, jws};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::app::clock::Clock;
use crate::app::random;

const SCOPE: &str = "openid profile email offline_access";
/// Seconds by which clocks may differ; here both are the same clock.
const LEEWAY: u32 = 10;
/// Where the registration is kept, in the data directory.
const FILE: &str = "example-client.json";

/// Who is where.
pub struct Place {
    pub issuer: String,
    /// Origin of the server.
    pub server: String,
    /// Origin of the example application.
    pub own: String,
    pub data_dir: PathBuf,
}

#[derive(Deserialize)]
struct Provider {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: String,
    jwks_uri: String,
    registration_endpoint: String,
    end_session_endpoint: String,
}

#[derive(Serialize, Deserialize)]
struct Registration {
    client_id: String,
    client_secret: String,
    redirect_uris: Vec<String>,
}

/// A registered client of a provider.
pub struct Client {
    http: reqwest::Client,
    provider: Provider,
    registration: Registration,
    pub place: Place,
}

/// What has to be remembered while the person is away.
#[derive(Clone)]
pub struct Pending {
    pub state: String,
    nonce: String,
    verifier: String,
    /// Milliseconds since the epoch.
    pub began_at: i64,
}

/// Somebody is signed in.
#[derive(Clone)]
pub struct Login {
    pub tokens: Tokens,
    pub id_token_claims: Map<String, Value>,
    pub id_token_alg: String,
    pub userinfo: Map<String, Value>,
    pub began_at: i64,
    /// When the tokens were asked for.
    pub exchanged_at: i64,
}

#[derive(Clone, Deserialize)]
pub struct Tokens {
    pub access_token: String,
    #[serde(default)]
    pub expires_in: u64,
    pub refresh_token: Option<String>,
    pub id_token: Option<String>,
    #[serde(default)]
    pub scope: String,
}

/// A refusal in the words of the protocol.
#[derive(Debug, thiserror::Error)]
#[error("{error}: {description}")]
pub struct Refused {
    pub error: String,
    pub description: String,
}

fn secret() -> String {
    URL_SAFE_NO_PAD.encode(random::bytes::<32>())
}

impl Client {
    /// Waits until the provider answers, and registers unless that was done before.
    pub async fn connect(http: reqwest::Client, place: Place, pause: Duration) -> anyhow::Result<Self> {
        let address = format!("{}/.well-known/openid-configuration", place.issuer);
        let provider: Provider = loop {
            match http.get(&address).send().await {
                Ok(answer) if answer.status().is_success() => break answer.json().await.context("the discovery document")?,
                _ => tokio::time::sleep(pause).await,
            }
        };
        ensure!(provider.issuer == place.issuer, "the discovery document is of another issuer");
        let mut client = Self {
            http,
            provider,
            registration: Registration { client_id: String::new(), client_secret: String::new(), redirect_uris: Vec::new() },
            place,
        };
        client.registration = match client.kept().await {
            Some(kept) => kept,
            None => client.register().await?,
        };
        Ok(client)
    }

    fn redirect_uri(&self) -> String {
        format!("{}/callback", self.place.own)
    }

    /// The registration of an earlier run, if the server still knows it.
    async fn kept(&self) -> Option<Registration> {
        let text = fs::read(self.place.data_dir.join(FILE)).ok()?;
        let kept: Registration = serde_json::from_slice(&text).ok()?;
        let shown = self.http.get(format!("{}/clients/{}", self.place.server, kept.client_id)).send().await.ok()?;
        (shown.status().is_success() && kept.redirect_uris == [self.redirect_uri()]).then_some(kept)
    }

    async fn register(&self) -> anyhow::Result<Registration> {
        let metadata = json!({
            "client_name": "Example client",
            "redirect_uris": [self.redirect_uri()],
            "post_logout_redirect_uris": [format!("{}/", self.place.own)],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_basic",
            "id_token_signed_response_alg": "ES256",
            "scope": SCOPE,
        });
        let answer = self.http.post(&self.provider.registration_endpoint).json(&metadata).send().await?;
        let registration: Registration = read(answer).await.context("the registration")?;
        let file = self.place.data_dir.join(FILE);
        let _ = fs::remove_file(&file);
        let mut opened =
            fs::File::options().write(true).create_new(true).mode(0o600).open(&file).with_context(|| file.display().to_string())?;
        opened.write_all(&serde_json::to_vec(&registration)?)?;
        Ok(registration)
    }

    /// Where to send the browser, and what to remember.
    pub fn begin(&self) -> (String, Pending) {
        let pending = Pending { state: secret(), nonce: secret(), verifier: secret(), began_at: Clock::System.now_ms() };
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(pending.verifier.as_bytes()));
        let query = [
            ("response_type", "code"),
            ("client_id", &self.registration.client_id),
            ("redirect_uri", &self.redirect_uri()),
            ("scope", SCOPE),
            ("state", &pending.state),
            ("nonce", &pending.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            // OpenID Connect Core 1.0 §11: without it, offline_access is ignored.
            ("prompt", "consent"),
        ];
        (format!("{}?{}", self.provider.authorization_endpoint, form(&query)), pending)
    }

    /// The answer came back with the state that was sent.
    pub async fn finish(&self, pending: &Pending, answer: &BTreeMap<String, String>) -> anyhow::Result<Login> {
        if answer.get("iss") != Some(&self.provider.issuer) {
            bail!("the answer is of another issuer");
        }
        if let Some(error) = answer.get("error") {
            let description = answer.get("error_description").cloned().unwrap_or_default();
            return Err(Refused { error: error.clone(), description }.into());
        }
        let code = answer.get("code").context("the answer has neither code nor error")?;
        let exchanged_at = Clock::System.now_ms();
        let tokens = self
            .token(&[
                ("grant_type", "authorization_code"),
                ("code", code),
                ("redirect_uri", &self.redirect_uri()),
                ("code_verifier", &pending.verifier),
            ])
            .await?;
        let id_token = tokens.id_token.as_deref().context("there is no id_token")?;
        let (claims, alg) = self.verify(id_token, Some(&pending.nonce), &tokens.access_token).await?;
        let userinfo = self.userinfo(&tokens.access_token, claims.get("sub")).await?;
        Ok(Login { tokens, id_token_claims: claims, id_token_alg: alg, userinfo, began_at: pending.began_at, exchanged_at })
    }

    /// Trades the refresh token; the new tokens take the place of the old.
    pub async fn refresh(&self, login: &Login) -> anyhow::Result<Login> {
        let token = login.tokens.refresh_token.as_deref().context("there is no refresh token")?;
        let exchanged_at = Clock::System.now_ms();
        let mut tokens = self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await?;
        let mut next = Login { exchanged_at, ..login.clone() };
        if let Some(id_token) = &tokens.id_token {
            (next.id_token_claims, next.id_token_alg) = self.verify(id_token, None, &tokens.access_token).await?;
            // OpenID Connect Core 1.0 §12.2.
            ensure!(next.id_token_claims.get("sub") == login.id_token_claims.get("sub"), "the new id_token is about somebody else");
        }
        next.userinfo = self.userinfo(&tokens.access_token, login.id_token_claims.get("sub")).await?;
        tokens.refresh_token = tokens.refresh_token.or_else(|| login.tokens.refresh_token.clone());
        tokens.id_token = tokens.id_token.or_else(|| login.tokens.id_token.clone());
        next.tokens = tokens;
        Ok(next)
    }

    /// Where to send the browser to end the login at the provider too.
    pub fn logout(&self, login: &Login) -> String {
        let back = format!("{}/", self.place.own);
        let mut query = vec![("client_id", self.registration.client_id.as_str()), ("post_logout_redirect_uri", &back)];
        query.extend(login.tokens.id_token.as_deref().map(|token| ("id_token_hint", token)));
        format!("{}?{}", self.provider.end_session_endpoint, form(&query))
    }

    async fn token(&self, parameters: &[(&str, &str)]) -> anyhow::Result<Tokens> {
        let registration = &self.registration;
        let request = self.http.post(&self.provider.token_endpoint).basic_auth(&registration.client_id, Some(&registration.client_secret));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form(parameters));
        read(request.send().await?).await
    }

    async fn userinfo(&self, access_token: &str, sub: Option<&Value>) -> anyhow::Result<Map<String, Value>> {
        let answer = self.http.get(&self.provider.userinfo_endpoint).bearer_auth(access_token).send().await?;
        let claims: Map<String, Value> = read(answer).await?;
        ensure!(claims.get("sub") == sub, "userinfo is about somebody else");
        Ok(claims)
    }

    async fn verify(&self, token: &str, nonce: Option<&str>, access_token: &str) -> anyhow::Result<(Map<String, Value>, String)> {
        let keys = self.http.get(&self.provider.jwks_uri).send().await?.bytes().await?;
        let keys = Jwks::parse(&keys)?;
        let verified = jws::parse(token)?.verify(&keys, &[Algorithm::ES256])?;
        let claims = RegisteredClaims::parse(&verified.payload)?;
        ensure!(claims.iss.as_deref() == Some(&self.provider.issuer), "the id_token is of another issuer");
        ensure!(claims.is_for(&self.registration.client_id), "the id_token is for another client");
        claims.validate_times(Clock::System.now_ms().div_euclid(1000), LEEWAY)?;
        let claim = |name: &str| claims.all.get(name).and_then(Value::as_str);
        ensure!(nonce.is_none() || claim("nonce") == nonce, "the id_token is of another login");
        let digest = Sha256::digest(access_token.as_bytes());
        let at_hash = URL_SAFE_NO_PAD.encode(&digest[..16]);
        ensure!(claim("at_hash").is_none_or(|found| found == at_hash), "the id_token came with another access token");
        Ok((claims.all, verified.header.alg().to_string()))
    }
}

fn form(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// The body of a success, or the refusal in the words of the protocol.
async fn read<T: serde::de::DeserializeOwned>(answer: reqwest::Response) -> anyhow::Result<T> {
    let status = answer.status();
    let body: Value = answer.json().await.with_context(|| format!("an answer with the status {status} that is not JSON"))?;
    if status.is_success() {
        return serde_json::from_value(body).context("an answer of another form");
    }
    let text = |member: &str| body.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    Err(Refused { error: text("error"), description: text("error_description") }.into())
}
