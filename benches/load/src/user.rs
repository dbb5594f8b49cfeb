//! A virtual user: one connection, one session, and the protocol steps the workloads are made of.

use std::rc::Rc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hyper::Method;
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded};

use crate::config::{ClientAuth, Config};
use crate::http::{Connection, Payload, Response, Result};

/// The discovery document, read once per run.
pub struct Endpoints {
    metadata: Value,
    pub discovery: Url,
}

impl Endpoints {
    pub async fn discover(base: &Url) -> Result<Self> {
        let address = format!("{}/.well-known/openid-configuration", base.as_str().trim_end_matches('/'));
        let discovery = Url::parse(&address).map_err(|e| e.to_string())?;
        let metadata = Connection::new(base).get(&discovery).await?.expect(200)?.json()?;
        Ok(Self { metadata, discovery })
    }

    /// Stands in where no discovery document is needed.
    pub fn none(base: &Url) -> Self {
        Self { metadata: Value::Null, discovery: base.clone() }
    }

    pub fn get(&self, name: &str) -> Result<Url> {
        let text = self.metadata[name].as_str().ok_or_else(|| format!("discovery has no {name}"))?;
        Url::parse(text).map_err(|e| format!("{name}: {e}"))
    }
}

pub struct Tokens {
    pub access: String,
    pub refresh: Option<String>,
    pub id: Option<String>,
}

impl Tokens {
    fn read(response: Response) -> Result<Self> {
        let body = response.expect(200)?.json()?;
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        Ok(Self { access: text("access_token").ok_or("no access_token")?, refresh: text("refresh_token"), id: text("id_token") })
    }
}

pub struct User {
    pub config: Rc<Config>,
    pub endpoints: Rc<Endpoints>,
    pub connection: Connection,
    authorization: Option<String>,
    /// Durations of the steps of the operation under way, in microseconds.
    pub steps: Vec<(&'static str, u64)>,
}

/// A PKCE pair and the request parameters around it.
pub struct Attempt {
    pub verifier: String,
    pub parameters: Vec<(&'static str, String)>,
}

impl User {
    pub fn new(config: Rc<Config>, endpoints: Rc<Endpoints>) -> Self {
        let authorization = (config.client_auth == ClientAuth::Basic).then(|| {
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", encode(&config.client_id), encode(&config.client_secret));
            format!("Basic {}", STANDARD.encode(pair))
        });
        let connection = Connection::new(&config.base_url);
        Self { config, endpoints, connection, authorization, steps: Vec::new() }
    }

    /// A request as the client, authenticated.
    async fn post_as_client(&mut self, endpoint: &str, fields: &[(&str, &str)]) -> Result<Response> {
        let url = self.endpoints.get(endpoint)?;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        if self.config.client_auth == ClientAuth::Post {
            form.append_pair("client_id", &self.config.client_id);
            form.append_pair("client_secret", &self.config.client_secret);
        }
        let payload = Payload { authorization: self.authorization.as_deref(), form: Some(form.finish()), ..Payload::default() };
        self.connection.send(Method::POST, &url, payload).await
    }

    pub async fn client_credentials(&mut self) -> Result<Tokens> {
        let config = Rc::clone(&self.config);
        let mut fields = vec![("grant_type", "client_credentials")];
        if !config.client_scope.is_empty() {
            fields.push(("scope", &config.client_scope));
        }
        if let Some(resource) = &config.resource {
            fields.push(("resource", resource));
        }
        Tokens::read(self.post_as_client("token_endpoint", &fields).await?)
    }

    pub fn new_attempt(&self) -> Attempt {
        let random = || URL_SAFE_NO_PAD.encode(std::array::from_fn::<u8, 32, _>(|_| fastrand::u8(..)));
        let verifier = random();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let parameters = vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.config.client_id.clone()),
            ("redirect_uri", self.config.redirect_uri.clone()),
            ("scope", self.config.scope.clone()),
            ("state", random()),
            ("nonce", random()),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256".to_owned()),
        ];
        Attempt { verifier, parameters }
    }

    pub fn authorize_url(&self, parameters: &[(&str, String)]) -> Result<Url> {
        let mut url = self.endpoints.get("authorization_endpoint")?;
        url.query_pairs_mut().extend_pairs(parameters);
        Ok(url)
    }

    /// The code in the redirect to the client, if that is where this leads.
    pub fn code_in(&self, location: &str) -> Option<Result<String>> {
        let url = location.starts_with(&self.config.redirect_uri).then(|| Url::parse(location).ok())??;
        let value = |name| url.query_pairs().find(|(k, _)| k == name).map(|(_, v)| v.into_owned());
        Some(value("code").ok_or_else(|| format!("no code in {location}")))
    }

    /// A browser navigation or form submission, cookies and all.
    pub async fn browse(&mut self, method: Method, url: &Url, form: Option<String>) -> Result<Response> {
        self.connection.send(method, url, Payload { form, with_cookies: true, ..Payload::default() }).await
    }

    /// authorize -> code with the session at hand.
    async fn code(&mut self, parameters: &[(&'static str, String)]) -> Result<String> {
        let url = self.authorize_url(parameters)?;
        let answer = self.browse(Method::GET, &url, None).await?;
        let location = answer.location().ok_or_else(|| format!("authorize: status {}", answer.status))?;
        self.code_in(location).ok_or_else(|| format!("interaction asked: {location}"))?
    }

    pub async fn redeem(&mut self, code: &str, verifier: &str) -> Result<Tokens> {
        let redirect_uri = self.config.redirect_uri.clone();
        let fields = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &redirect_uri), ("code_verifier", verifier)];
        let tokens = Tokens::read(self.post_as_client("token_endpoint", &fields).await?)?;
        if tokens.id.is_none() {
            return Err("no id_token".to_owned());
        }
        Ok(tokens)
    }

    pub async fn code_flow(&mut self, pushed: bool) -> Result<Tokens> {
        let attempt = self.new_attempt();
        let begun = Instant::now();
        let parameters = match pushed {
            true => vec![("client_id", self.config.client_id.clone()), ("request_uri", self.push(&attempt).await?)],
            false => attempt.parameters,
        };
        let pushed_at = Instant::now();
        let code = self.code(&parameters).await?;
        let authorized_at = Instant::now();
        let tokens = self.redeem(&code, &attempt.verifier).await?;
        if tokens.refresh.is_none() {
            return Err("no refresh_token".to_owned());
        }
        if pushed {
            self.steps.push(("par", (pushed_at - begun).as_micros() as u64));
        }
        self.steps.push(("authorize", (authorized_at - pushed_at).as_micros() as u64));
        self.steps.push(("token", authorized_at.elapsed().as_micros() as u64));
        Ok(tokens)
    }

    /// Pushes an authorization request; returns its request_uri.
    pub async fn push(&mut self, attempt: &Attempt) -> Result<String> {
        let fields: Vec<(&str, &str)> = attempt.parameters.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let answer = self.post_as_client("pushed_authorization_request_endpoint", &fields).await?;
        let body = answer.expect(201)?.json()?;
        body["request_uri"].as_str().map(str::to_owned).ok_or_else(|| "no request_uri".to_owned())
    }

    pub async fn refresh(&mut self, token: &str) -> Result<Tokens> {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        Tokens::read(self.post_as_client("token_endpoint", &fields).await?)
    }

    pub async fn introspect(&mut self, token: &str) -> Result<()> {
        let fields = [("token", token), ("token_type_hint", "access_token")];
        let body = self.post_as_client("introspection_endpoint", &fields).await?.expect(200)?.json()?;
        match body["active"].as_bool() {
            Some(true) => Ok(()),
            _ => Err(format!("not active: {body}")),
        }
    }

    pub async fn userinfo(&mut self, token: &str) -> Result<()> {
        let url = self.endpoints.get("userinfo_endpoint")?;
        let bearer = format!("Bearer {token}");
        let payload = Payload { authorization: Some(&bearer), ..Payload::default() };
        let body = self.connection.send(Method::GET, &url, payload).await?.expect(200)?.json()?;
        body["sub"].as_str().map(|_| ()).ok_or_else(|| "no sub".to_owned())
    }

    pub async fn revoke(&mut self, token: &str) -> Result<()> {
        let fields = [("token", token), ("token_type_hint", "access_token")];
        self.post_as_client("revocation_endpoint", &fields).await?.expect(200).map(|_| ())
    }
}
