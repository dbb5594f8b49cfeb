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
use crate::client::metadata::{ContentEnc, EncryptionAlg, SigningAlg, TokenFormat};
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

/// What of this server may be named as a resource. A token for it has no audience.
#[derive(Clone, Copy, Debug, Default)]
pub struct Own<'a> {
    /// URL of userinfo.
    pub userinfo: &'a str,
    /// The identifier under which credentials are issued; `None`: none are.
    pub credential_issuer: Option<&'a str>,
}

impl Own<'_> {
    pub fn is_userinfo(&self, text: &str) -> bool {
        self.userinfo == text
    }

    pub fn is_credential_issuer(&self, text: &str) -> bool {
        self.credential_issuer == Some(text)
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
    /// Its JWTs are encrypted to a key of its own, after they were signed (RFC 9068 §4, §6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
}

/// What a resource server's tokens are encrypted with, and to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Encryption {
    pub alg: EncryptionAlg,
    pub enc: ContentEnc,
    /// Its public keys.
    #[cfg_attr(feature = "schema", schemars(with = "serde_json::Map<String, serde_json::Value>"))]
    pub jwks: serde_json::Value,
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
    pub encryption_alg: Option<String>,
    pub encryption_enc: Option<String>,
    /// A JWK set with a public key for it.
    pub jwks: Option<serde_json::Value>,
}

/// What is said of encryption, if anything: an algorithm with a public key, and A128CBC-HS256 where no content encryption is named.
fn encryption(asked: &Asked, add: &mut impl FnMut(&'static str, &str)) -> Option<Encryption> {
    let Some(alg) = asked.encryption_alg.as_deref() else {
        for (field, is_there) in [("encryption_enc", asked.encryption_enc.is_some()), ("jwks", asked.jwks.is_some())] {
            if is_there {
                add(field, "encryption_alg is missing.");
            }
        }
        return None;
    };
    // A key that both share would have to stand in the configuration and in the log.
    let alg = EncryptionAlg::ALL.iter().copied().find(|own| own.as_str() == alg && !own.is_shared());
    let words = |all: &mut dyn Iterator<Item = &'static str>| all.collect::<Vec<_>>().join(", ");
    if alg.is_none() {
        let all = words(&mut EncryptionAlg::ALL.iter().filter(|own| !own.is_shared()).map(|own| own.as_str()));
        add("encryption_alg", &alloc::format!("Use one of {all}."));
    }
    let enc = match asked.encryption_enc.as_deref() {
        None => Some(ContentEnc::A128CbcHs256),
        Some(text) => ContentEnc::ALL.iter().copied().find(|own| own.as_str() == text),
    };
    if enc.is_none() {
        add("encryption_enc", &alloc::format!("Use one of {}.", words(&mut ContentEnc::ALL.iter().map(|own| own.as_str()))));
    }
    if asked.jwks.is_none() {
        add("jwks", "Encryption needs a public key of the resource server.");
    }
    if asked.token_format.as_deref().is_some_and(|format| format != TokenFormat::Jwt.as_str()) {
        add("encryption_alg", "Only JWTs are encrypted.");
    }
    Some(Encryption { alg: alg?, enc: enc?, jwks: asked.jwks.clone()? })
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
    let encryption = encryption(asked, &mut add);
    match (identifier, scope, token_format, signing_alg, introspected_by) {
        (Some(identifier), Ok(scope), Some(token_format), Some(signing_alg), Some(introspected_by)) if wrong.is_empty() => {
            let access_token_lifetime = asked.access_token_lifetime.map(Seconds);
            let name = asked.name.clone();
            let settings = Settings { name, scope, token_format, signing_alg, access_token_lifetime, introspected_by, encryption };
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
