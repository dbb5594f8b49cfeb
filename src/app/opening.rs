//! Keys that others encrypt request objects to: made, kept in the vault, published in the JWKS, replaced while serving; and opening
//! what comes.
//!
//! | Rule | Source |
//! |---|---|
//! | only where it is switched on: a private key that nobody needs is one more to lose | our own |
//! | the private half is in the vault before the event that announces it | DESIGN: rule 6 |
//! | of several nodes one makes the next key | our own |
//! | an object names its key by `kid`; without one it is for the published key that fits, so that nobody has every key tried | RFC 7516 §5.2, our own |
//! | what is inside is signed, or says that it is not; it is no second envelope | RFC 9101 §4, §6.2 |
//! | one sentence for everything that does not open | RFC 7516 §11.5 |
//!
//! The rules of their life are `chancery_core::opening`.

use std::sync::Arc;

use chancery_core::client::Client;
use chancery_core::client::metadata::EncryptionAlg;
use chancery_core::error::OAuthError;
use chancery_core::key::{KeySource, Phase as SigningPhase};
use chancery_core::opening::{self as rules, Material, Opening, Phase, Publish};
use chancery_core::time::Timestamp;
use chancery_jose::{Encrypted, KeyKind, OpeningKey, opening};
use serde_json::Value;
use zeroize::Zeroizing;

use super::context::Context;
use super::signing::Listed;
use super::vault::VaultError;
use super::work::{Seal, Stop, Work, decide, unreadable, vault_trouble};
use super::{App, seconds};

/// Kind of the claim that a key has one successor.
const SUCCESSOR: &str = "opening_successor";
/// Keys listed at most.
const MOST: u32 = 1000;

/// One private key.
struct Opener {
    key: OpeningKey,
    is_published: bool,
}

/// The keys that open, those that are published before the others.
#[derive(Clone, Default)]
pub struct Openers(Vec<Arc<Opener>>);

impl Openers {
    /// The public halves, as the JWKS holds them.
    pub fn published(&self) -> impl Iterator<Item = Value> {
        self.0.iter().filter(|own| own.is_published).map(|own| own.key.public_jwk())
    }

    fn of(&self, encrypted: &Encrypted<'_>) -> Option<&OpeningKey> {
        let mut fitting = self.0.iter().filter(|own| encrypted.fits(&own.key));
        let own = match encrypted.kid() {
            Some(kid) => fitting.find(|own| own.key.kid() == kid),
            None => fitting.find(|own| own.is_published),
        };
        own.map(|own| &own.key)
    }
}

/// What was inside.
pub(super) struct Opened {
    pub text: Zeroizing<String>,
    pub alg: EncryptionAlg,
}

fn refuse(why: impl Into<std::borrow::Cow<'static, str>>, sentence: &str) -> OAuthError {
    OAuthError::invalid_request_object(why).saying(sentence.to_owned())
}

impl App {
    /// The object inside an encrypted one.
    ///
    /// # Errors
    /// `invalid_request_object`.
    pub(super) async fn open_object(&self, client: &Client, text: &str) -> Result<Opened, OAuthError> {
        if !self.policy().encrypted_request_objects {
            return Err(refuse("encrypted", "Encrypted request objects are switched off here."));
        }
        let sealed = |why: String| refuse(why, "The request object could not be decrypted.");
        let encrypted = opening::parse(text).map_err(|why| sealed(why.to_string()))?;
        let alg = EncryptionAlg::parse(encrypted.alg().as_str()).ok_or_else(|| sealed("another alg".to_owned()))?;
        let opened = if let Some(length) = encrypted.alg().shared_len(encrypted.enc()) {
            // A client has two secrets at most.
            let keys = self.shared_keys(client, length).await?;
            let mut opened = keys.iter().filter_map(|key| encrypted.open_shared(key).ok());
            opened.next().ok_or_else(|| sealed("no secret of the client opens it".to_owned()))?
        } else {
            let keys = self.keys.current().await?;
            let key = keys.opening.of(&encrypted).ok_or_else(|| sealed("no key with its kid and alg".to_owned()))?;
            encrypted.open(key).map_err(|why| sealed(why.to_string()))?
        };
        // RFC 7519 §5.2: what is nested says so; RFC 9101 §10.8 gives it a name of its own.
        let is_nested = |cty: &str| ["jwt", "oauth-authz-req+jwt"].contains(&cty.to_ascii_lowercase().trim_start_matches("application/"));
        if encrypted.cty().is_some_and(|cty| !is_nested(cty)) {
            return Err(refuse("another cty", "cty of the encrypted request object must be JWT."));
        }
        let text = Zeroizing::new(String::from_utf8(opened.to_vec()).map_err(|_| sealed("no text".to_owned()))?);
        if opening::is_encrypted(&text) {
            return Err(refuse("encrypted twice", "What is encrypted in a request object is signed, and not encrypted again."));
        }
        Ok(Opened { text, alg })
    }

    async fn opener_states(&self) -> Result<Vec<Opening>, OAuthError> {
        let rows = self.ledger.rows_all("opening", None, MOST).await.map_err(unreadable)?;
        let state = |row| chancery_projections::inline::state::<Opening>(row).map(|own| own.state);
        rows.iter().map(state).collect::<Result<_, _>>().map_err(|e| OAuthError::server_error(e.to_string()))
    }

    /// The private keys in force. Those of `known` are not read again.
    pub(super) async fn openers(&self, known: &Openers) -> Result<Openers, OAuthError> {
        if !self.policy().encrypted_request_objects {
            return Ok(Openers::default());
        }
        let (mut openers, now) = (Vec::new(), self.now());
        for state in self.opener_states().await?.iter().filter(|state| state.phase != Phase::Destroyed && !rules::is_over(state, now)) {
            let is_published = state.phase == Phase::Published;
            if let Some(own) = known.0.iter().find(|own| own.key.kid() == state.kid && own.is_published == is_published) {
                openers.push((state.published_at, own.clone()));
                continue;
            }
            let missing = || OAuthError::server_error(format!("the private half of the key {} is not in the vault", state.kid));
            let der = self.vault.opening_key(&state.kid).await.map_err(vault_trouble)?.ok_or_else(missing)?;
            let key = OpeningKey::from_pkcs8_der(&der).map_err(|e| OAuthError::server_error(format!("key {}: {e}", state.kid)))?;
            if key.kid() != state.kid {
                return Err(OAuthError::server_error(format!("the vault holds another key under {}", state.kid)));
            }
            openers.push((state.published_at, Arc::new(Opener { key, is_published })));
        }
        openers.sort_by_key(|(since, own)| (!own.is_published, -since.0));
        Ok(Openers(openers.into_iter().map(|(_, own)| own).collect()))
    }

    /// Makes the keys that are missing or have served their time, where they are wanted. Says whether there were any.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub(super) async fn make_due_openers(&self, context: &Context) -> Result<bool, OAuthError> {
        if !self.policy().encrypted_request_objects {
            return Ok(false);
        }
        let (every, mut made) = (self.config.keys.rotate_every.map(seconds), false);
        for material in Material::ALL {
            if rules::is_due(&self.opener_states().await?, *material, every, self.now()) {
                self.replace_opener(context, *material).await?;
                made = true;
            }
        }
        Ok(made)
    }

    /// Other keys are published from now on; gives their kids.
    ///
    /// # Errors
    /// `invalid_request` where they are switched off; `temporarily_unavailable`.
    pub(super) async fn rotate_openers(&self, context: &Context) -> Result<Vec<String>, OAuthError> {
        if !self.policy().encrypted_request_objects {
            return Err(OAuthError::invalid_request("switched off")
                .saying("There are no keys for encrypted requests: request_objects.encrypted is off."));
        }
        for material in Material::ALL {
            self.replace_opener(context, *material).await?;
        }
        self.refresh_keys().await?;
        let states = self.opener_states().await?;
        Ok(Material::ALL.iter().filter_map(|material| rules::published(&states, *material)).map(|own| own.kid.clone()).collect())
    }

    async fn replace_opener(&self, context: &Context, material: Material) -> Result<(), OAuthError> {
        let before = rules::published(&self.opener_states().await?, material).map(|own| own.kid.clone());
        let kind = match material {
            Material::Rsa => KeyKind::Rsa,
            Material::P256 => KeyKind::P256,
            Material::P384 => KeyKind::P384,
            Material::P521 => KeyKind::P521,
            Material::X25519 => KeyKind::X25519,
        };
        // RSA takes up to a second of CPU, so never on an async worker.
        let (key, der) = tokio::task::spawn_blocking(move || OpeningKey::generate(kind))
            .await
            .map_err(|_| OAuthError::server_error("key generation ended unexpectedly"))?
            .map_err(|e| OAuthError::server_error(format!("key generation: {e}")))?;
        match self.vault.put_opening_key(key.kid(), &der).await {
            Ok(()) | Err(VaultError::AlreadyExists { .. }) => {}
            Err(error) => return Err(vault_trouble(error)),
        }
        let publish = Publish { kid: key.kid().to_owned(), material, public_jwk: key.public_jwk().to_string(), at: self.now() };
        match decide!(self, context, |work| replace_once(work, &publish, before.as_deref())) {
            // Another node was first: its key it is.
            Err(Stop::Taken(_)) => self.vault.destroy_opening_key(key.kid()).await.map(drop).map_err(vault_trouble),
            other => Ok(other?),
        }
    }

    /// Destroys the private halves that nothing is on its way to; says how many.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn destroy_old_openers(&self, context: &Context) -> Result<u32, OAuthError> {
        let mut destroyed = 0;
        for state in self.opener_states().await?.iter().filter(|state| rules::is_over(state, self.now())) {
            decide!(self, context, |work| destroy_once(work, &state.kid, self.now()))?;
            self.vault.destroy_opening_key(&state.kid).await.map_err(vault_trouble)?;
            destroyed += 1;
        }
        Ok(destroyed)
    }

    /// Every key that was ever announced.
    pub(super) async fn list_openers(&self) -> Result<Vec<Listed>, OAuthError> {
        let phase = |own: &Opening| match own.phase {
            Phase::Published => SigningPhase::Active,
            Phase::Withdrawn => SigningPhase::Retired,
            Phase::Destroyed => SigningPhase::Gone,
        };
        let listed = |own: Opening| Listed {
            alg: match own.material {
                Material::Rsa => "RSA-OAEP",
                Material::P256 | Material::P384 | Material::P521 | Material::X25519 => "ECDH-ES",
            },
            phase: phase(&own),
            source: KeySource::Generated,
            planned_at: own.published_at.0,
            activated_at: Some(own.published_at.0),
            retired_at: own.withdrawn_at.map(|at| at.0),
            kid: own.kid,
        };
        let mut states = self.opener_states().await?;
        states.sort_by_key(|own| own.published_at);
        Ok(states.into_iter().map(listed).collect())
    }
}

/// The successor is published and the one before withdrawn, or neither.
async fn replace_once(mut work: Work<'_>, publish: &Publish, before: Option<&str>) -> Result<(), Stop> {
    if let Some(before) = before {
        let mut loaded = work.load::<Opening>(&rules::stream(before)).await?;
        let decision = rules::withdraw(loaded.or(|| OAuthError::server_error("the key before is gone"))?, publish.at);
        work.record(&mut loaded, decision.events, &Seal::default())?;
    }
    let mut own = work.load::<Opening>(&rules::stream(&publish.kid)).await?;
    work.record(&mut own, rules::publish(publish).events, &Seal::default())?;
    let after = before.unwrap_or_else(|| publish.material.as_str());
    work.take(SUCCESSOR, after.as_bytes().to_vec(), publish.kid.clone());
    work.commit().await.map(drop)
}

async fn destroy_once(mut work: Work<'_>, kid: &str, at: Timestamp) -> Result<(), Stop> {
    let mut loaded = work.load::<Opening>(&rules::stream(kid)).await?;
    let decision = rules::destroy(loaded.or(|| OAuthError::server_error("the key is gone"))?, at);
    work.record(&mut loaded, decision.events, &Seal::default())?;
    work.commit().await.map(drop)
}
