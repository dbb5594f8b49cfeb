//! Resource servers: the APIs that access tokens are for.
//!
//! | Rule | Source |
//! |---|---|
//! | an identifier is an absolute URI without a fragment, compared byte for byte | RFC 8707 §2 |
//! | a token carries the scopes that its resource server knows, and no others | RFC 8707 §2.2 |
//! | each decides the form and the life of its tokens | our own |
//! | a server that is gone takes its tokens along | our own |
//! | what the file declares the file owns | DESIGN: surface |
//!
//! Out of scope: which of them a token is for (`grant::target`).

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::account::FieldError;
use crate::client::Origin;
use crate::client::metadata::{SigningAlg, TokenFormat};
use crate::decision::Decision;
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::events;
use crate::id::ClientId;
use crate::scope::{RESERVED, STANDARD, Scope};
use crate::stream::{Event, Fact, FoldError, Stream};
use crate::time::{Seconds, Timestamp};

/// The identifier of a resource server: what `resource` asks for and `aud` says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct ResourceId(String);

impl ResourceId {
    /// Longest identifier in bytes.
    pub const MAX: usize = 512;

    /// Reads an absolute URI without a fragment; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let odd = |b: u8| !(0x21..=0x7e).contains(&b) || matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#');
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        (is_scheme && !rest.is_empty() && text.len() <= Self::MAX && !text.bytes().any(odd)).then(|| Self(text.to_string()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The stream that holds its history. A URI has characters that a stream's name has not, so its digest names it.
    pub fn stream(&self) -> String {
        alloc::format!("resource-{}", Digest::of(self.0.as_bytes()))
    }
}

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).ok_or_else(|| serde::de::Error::custom("not an absolute URI without fragment"))
    }
}

impl core::fmt::Display for ResourceId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is set for a resource server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Settings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The scopes that it knows.
    pub scope: Scope,
    pub token_format: TokenFormat,
    /// What its JWTs are signed with.
    pub signing_alg: SigningAlg,
    /// The server's lifetime without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_lifetime: Option<Seconds>,
    /// The clients that it introspects its tokens as.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub introspected_by: BTreeSet<ClientId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResourceServerRegistered {
    pub at: Timestamp,
    pub identifier: ResourceId,
    pub origin: Origin,
    pub settings: Settings,
}

/// It was set anew, or came back after it had been disabled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResourceServerChanged {
    pub at: Timestamp,
    pub before: Settings,
    pub settings: Settings,
}

/// No token is issued for it any more, and those that were are dead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResourceServerDisabled {
    pub at: Timestamp,
}

events! {
    /// The history of a resource server.
    ResourceEvent { ResourceServerRegistered = 1, ResourceServerChanged = 1, ResourceServerDisabled = 1 }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceServer {
    pub identifier: ResourceId,
    pub origin: Origin,
    pub settings: Settings,
    pub disabled: bool,
}

impl ResourceServer {
    pub fn is_active(&self) -> bool {
        !self.disabled
    }
}

impl Stream for ResourceServer {
    const KIND: &'static str = "resource";
    type Event = ResourceEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, ResourceEvent>) -> Result<Self, FoldError> {
        match (state, fact.event) {
            (None, ResourceEvent::ResourceServerRegistered(event)) => {
                Ok(Self { identifier: event.identifier.clone(), origin: event.origin, settings: event.settings.clone(), disabled: false })
            }
            (Some(server), ResourceEvent::ResourceServerChanged(event)) => {
                Ok(Self { settings: event.settings.clone(), disabled: false, ..server })
            }
            (Some(server), ResourceEvent::ResourceServerDisabled(_)) => Ok(Self { disabled: true, ..server }),
            (_, event) => Err(FoldError::OutOfOrder { name: event.event_type().name }),
        }
    }
}

/// What arrives, from the configuration file or the command line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    pub identifier: String,
    pub name: Option<String>,
    pub scope: Option<String>,
    pub token_format: Option<String>,
    pub signing_alg: Option<String>,
    /// Seconds.
    pub access_token_lifetime: Option<u32>,
    pub introspected_by: Vec<String>,
}

/// The longest life of an access token in seconds.
const LONGEST: u32 = 24 * 60 * 60;

/// Validates what was asked and fills in the defaults: JWTs, RS256.
///
/// # Errors
/// Every bad field with a sentence, all at once.
pub fn validate(asked: &Asked) -> Result<(ResourceId, Settings), Vec<FieldError>> {
    let mut wrong: Vec<FieldError> = Vec::new();
    let mut add = |field: &'static str, problem: &str| wrong.push(FieldError { field, problem: problem.to_string() });
    let identifier = ResourceId::parse(&asked.identifier);
    if identifier.is_none() {
        add("identifier", "Use an absolute URI without a fragment, such as https://api.example.com.");
    }
    if asked.name.as_deref().is_some_and(|name| name.is_empty() || name.len() > 256 || name.chars().any(char::is_control)) {
        add("name", "Use 1 to 256 bytes without control characters.");
    }
    let scope = Scope::parse(asked.scope.as_deref().unwrap_or_default());
    match &scope {
        Err(error) => add("scope", &error.description),
        Ok(scope) if RESERVED.iter().chain(STANDARD).any(|taken| scope.has(taken)) => {
            add("scope", "The scopes of OpenID Connect and of the management interface belong to this server.");
        }
        Ok(_) => {}
    }
    let token_format = asked.token_format.as_deref().map_or(Some(TokenFormat::Jwt), TokenFormat::parse);
    if token_format.is_none() {
        add("token_format", "Use jwt or opaque.");
    }
    let signing_alg = asked.signing_alg.as_deref().map_or(Some(SigningAlg::Rs256), SigningAlg::parse);
    if signing_alg.is_none() {
        add("signing_alg", "Use RS256, PS256, ES256, ES384, ES512 or EdDSA.");
    }
    if asked.access_token_lifetime.is_some_and(|seconds| seconds == 0 || seconds > LONGEST) {
        add("access_token_lifetime", "Use 1 to 86400 seconds.");
    }
    let introspected_by: Option<BTreeSet<_>> = asked.introspected_by.iter().map(|id| ClientId::parse(id)).collect();
    if introspected_by.as_ref().is_none_or(|clients| clients.len() > 50) {
        add("introspected_by", "Use at most 50 client_ids.");
    }
    match (identifier, scope, token_format, signing_alg, introspected_by) {
        (Some(identifier), Ok(scope), Some(token_format), Some(signing_alg), Some(introspected_by)) if wrong.is_empty() => {
            let access_token_lifetime = asked.access_token_lifetime.map(Seconds);
            let settings = Settings { name: asked.name.clone(), scope, token_format, signing_alg, access_token_lifetime, introspected_by };
            Ok((identifier, settings))
        }
        _ => Err(wrong),
    }
}

/// A resource server as it shall be.
pub struct Set {
    pub identifier: ResourceId,
    pub settings: Settings,
    pub origin: Origin,
    pub at: Timestamp,
}

/// Makes it so. Idempotent: an event only when something changes.
pub fn set(server: Option<&ResourceServer>, cmd: &Set) -> Decision<ResourceEvent, ()> {
    let (identifier, settings, at) = (cmd.identifier.clone(), cmd.settings.clone(), cmd.at);
    let Some(server) = server else {
        let event = ResourceServerRegistered { identifier, settings, origin: cmd.origin, at };
        return Decision::accept(alloc::vec![event.into()], ());
    };
    if server.origin != cmd.origin {
        return Decision::refuse(owned_elsewhere(server.origin));
    }
    if server.settings == settings && server.is_active() {
        return Decision::accept(Vec::new(), ());
    }
    Decision::accept(alloc::vec![ResourceServerChanged { before: server.settings.clone(), settings, at }.into()], ())
}

/// Disables it. Disabling it twice says nothing new.
pub fn disable(server: &ResourceServer, by: Origin, at: Timestamp) -> Decision<ResourceEvent, ()> {
    if server.origin != by {
        return Decision::refuse(owned_elsewhere(server.origin));
    }
    let events = if server.is_active() { alloc::vec![ResourceServerDisabled { at }.into()] } else { Vec::new() };
    Decision::accept(events, ())
}

fn owned_elsewhere(owner: Origin) -> OAuthError {
    OAuthError::conflict("another owner").saying(match owner {
        Origin::Declared => "The configuration file owns this resource server; change it there.",
        _ => "This resource server was made by a command; change or disable it by one.",
    })
}

#[cfg(test)]
mod tests;
