//! Signing keys: made or imported once, kept in the vault, published in the JWKS, rotated while serving.
//!
//! | Rule | Source |
//! |---|---|
//! | an RS256 key always exists | OpenID Connect Core 1.0 §15.1 |
//! | the private half is in the vault before the event that announces it | DESIGN: rule 6 |
//! | a schedule publishes the next key before it signs | OpenID Connect Core 1.0 §10.1.1 |
//! | a retired key stays published until nothing that it signed is alive | OpenID Connect Core 1.0 §10.1.1 |
//! | a key that a signer outside holds signs there and nowhere else (`external`) | our own |
//! | at the first start the keys are made in the background; who needs one waits for it | RSA takes up to a second |

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chancery_core::base64url;
use chancery_core::client::metadata::SigningAlg;
use chancery_core::error::OAuthError;
use chancery_core::key::{self, Key, KeySource, Phase};
use chancery_jose::signing::unsigned_jwt;
use chancery_jose::{Algorithm, Jwks, PublicJwk, SigningKey};
use serde::Serialize;
use tokio::sync::watch;

use super::App;
use super::context::Context;
use super::opening::Openers;
use super::published::Published;
use super::signer::{Held, Signer, SignerError};
use super::work::{Seal, Stop, Work, decide, unreadable, vault_trouble};

/// What our own tokens may be signed with. One for each of `SigningAlg::ALL`.
pub const ALGORITHMS: &[Algorithm] = Algorithm::SIGNING;

/// How long a request waits for keys that are still being made.
const PATIENCE: Duration = Duration::from_secs(10);
/// Keys listed at most.
const MOST: u32 = 1000;
/// A retired key goes when it has been retired for this long: longer than any token it signed is accepted.
pub const RETIRED_FOR_MS: i64 = 24 * 60 * 60 * 1000;

/// The keys in force. Replaced as a whole.
#[derive(Clone)]
pub struct KeySet {
    active: BTreeMap<SigningAlg, Active>,
    signer: Option<Signer>,
    /// Every published key, for verifying our own tokens.
    pub published: Jwks,
    /// Private halves of the keys that others encrypt to.
    pub opening: Openers,
    /// The JWKS document as it is served.
    pub document: Published,
}

/// A key that signs.
#[derive(Clone)]
pub enum Active {
    /// Its private half is in the vault, and here in memory.
    Kept(Arc<SigningKey>),
    /// A signer outside of this process has it.
    Elsewhere(Arc<Held>),
}

impl Active {
    pub fn kid(&self) -> &str {
        match self {
            Self::Kept(key) => key.kid(),
            Self::Elsewhere(held) => held.kid(),
        }
    }
}

/// Holds the current key set; empty until the first keys are there.
pub struct SigningKeys(watch::Sender<Option<Arc<KeySet>>>);

impl Default for SigningKeys {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl SigningKeys {
    /// The keys; waits while the first ones are being made.
    ///
    /// # Errors
    /// `temporarily_unavailable` when they are not there in time.
    pub async fn current(&self) -> Result<Arc<KeySet>, OAuthError> {
        if let Some(keys) = self.0.borrow().clone() {
            return Ok(keys);
        }
        let mut changes = self.0.subscribe();
        let waited = tokio::time::timeout(PATIENCE, changes.wait_for(Option::is_some)).await;
        match waited {
            Ok(Ok(keys)) => keys.clone().ok_or_else(|| OAuthError::temporarily_unavailable("no signing keys")),
            _ => Err(OAuthError::temporarily_unavailable("the first signing keys are still being made")),
        }
    }

    /// Are there keys yet?
    pub fn are_ready(&self) -> bool {
        self.0.borrow().is_some()
    }
}

impl KeySet {
    /// The key that signs with this algorithm.
    ///
    /// # Errors
    /// `server_error` when there is none.
    pub fn active(&self, alg: SigningAlg) -> Result<&Active, OAuthError> {
        self.active.get(&alg).ok_or_else(|| OAuthError::server_error(format!("no active {} key", alg.as_str())))
    }

    /// The keys that the signer holds.
    pub(super) fn elsewhere(&self) -> impl Iterator<Item = (SigningAlg, Arc<Held>)> {
        self.active.iter().filter_map(|(alg, key)| match key {
            Active::Elsewhere(held) => Some((*alg, held.clone())),
            Active::Kept(_) => None,
        })
    }

    /// Signs a JWT of the type `JWT` with the active key.
    ///
    /// # Errors
    /// `server_error`; `temporarily_unavailable` when the signer that holds the key does not sign.
    pub async fn sign(&self, alg: SigningAlg, claims: &impl Serialize) -> Result<String, OAuthError> {
        self.sign_as(alg, "JWT", claims).await
    }

    /// The same with another type, such as `at+jwt`.
    ///
    /// # Errors
    /// As for [`Self::sign`].
    pub async fn sign_as(&self, alg: SigningAlg, typ: &str, claims: &impl Serialize) -> Result<String, OAuthError> {
        let failed = |error| OAuthError::server_error(format!("signing: {error}"));
        let held = match self.active(alg)? {
            Active::Kept(key) => return key.sign_jwt(algorithm(alg), Some(typ), claims).map_err(failed),
            Active::Elsewhere(held) => held.clone(),
        };
        let signer = self.signer.as_ref().ok_or_else(|| SignerError::Unnamed(held.kid().to_owned()))?;
        let mut token = unsigned_jwt(algorithm(alg), held.kid(), Some(typ), claims).map_err(failed)?;
        let signature = signer.sign(&held, algorithm(alg), token.as_bytes()).await?;
        token.push('.');
        token.push_str(&base64url::encode(&signature));
        Ok(token)
    }
}

pub(super) fn algorithm(alg: SigningAlg) -> Algorithm {
    match alg {
        SigningAlg::Rs256 => Algorithm::RS256,
        SigningAlg::Ps256 => Algorithm::PS256,
        SigningAlg::Es256 => Algorithm::ES256,
        SigningAlg::Es384 => Algorithm::ES384,
        SigningAlg::Es512 => Algorithm::ES512,
        SigningAlg::EdDsa => Algorithm::EdDSA,
    }
}

/// One published key, for lists.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    pub kid: String,
    pub alg: &'static str,
    pub phase: Phase,
    pub source: KeySource,
    pub planned_at: i64,
    pub activated_at: Option<i64>,
    pub retired_at: Option<i64>,
}

impl App {
    pub(super) async fn key_states(&self) -> Result<Vec<Key>, OAuthError> {
        let rows = self.ledger.rows_all("key", None, MOST).await.map_err(unreadable)?;
        rows.iter()
            .map(|row| {
                chancery_projections::inline::state::<Key>(row).map(|own| own.state).map_err(|e| OAuthError::server_error(e.to_string()))
            })
            .collect()
    }

    /// Every key that was ever announced, those for encryption behind the others.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn list_keys(&self) -> Result<Vec<Listed>, OAuthError> {
        let mut keys = self.key_states().await?;
        keys.sort_by_key(|key| key.planned_at);
        Ok(keys
            .into_iter()
            .map(|key| Listed {
                kid: key.kid,
                alg: key.alg.as_str(),
                phase: key.phase,
                source: key.source,
                planned_at: key.planned_at.0,
                activated_at: key.activated_at.map(|at| at.0),
                retired_at: key.retired_at.map(|at| at.0),
            })
            .chain(self.list_openers().await?)
            .collect())
    }

    /// Reads the keys from log and vault and puts them into force. Other nodes' rotations come in this way too.
    ///
    /// # Errors
    /// `server_error` when a private key is missing or does not fit its public half.
    pub async fn refresh_keys(&self) -> Result<bool, OAuthError> {
        let states = self.key_states().await?;
        let mut active: BTreeMap<SigningAlg, (chancery_core::time::Timestamp, Active)> = BTreeMap::new();
        let mut published = Vec::new();
        for state in states.iter().filter(|state| state.is_published()) {
            let jwk: serde_json::Value =
                serde_json::from_str(&state.public_jwk).map_err(|e| OAuthError::server_error(format!("key {}: {e}", state.kid)))?;
            let jwk = PublicJwk::from_value(&jwk).map_err(|e| OAuthError::server_error(format!("key {}: {e}", state.kid)))?;
            published.push(jwk.clone());
            let Some(since) = state.activated_at.filter(|_| state.phase == Phase::Active) else { continue };
            let key = match &state.held_as {
                None => Active::Kept(Arc::new(self.kept(&state.kid).await?)),
                Some(name) => Active::Elsewhere(Arc::new(Held { name: name.clone(), public: jwk })),
            };
            // The newest active one signs.
            if active.get(&state.alg).is_none_or(|(other, _)| *other < since) {
                active.insert(state.alg, (since, key));
            }
        }
        if !SigningAlg::ALL.iter().all(|alg| active.contains_key(alg)) {
            return Ok(false);
        }
        let published = Jwks::new(published);
        let known = self.keys.0.borrow().as_ref().map(|keys| keys.opening.clone()).unwrap_or_default();
        let opening = self.openers(&known).await?;
        let mut document = serde_json::to_value(&published).map_err(|e| OAuthError::server_error(e.to_string()))?;
        if let Some(keys) = document["keys"].as_array_mut() {
            keys.extend(opening.published());
        }
        let document = Published::json(&document);
        let active = active.into_iter().map(|(alg, (_, key))| (alg, key)).collect();
        let signer = self.signer.clone();
        self.keys.0.send_replace(Some(Arc::new(KeySet { active, signer, published, opening, document })));
        Ok(true)
    }

    /// The private half of a key, from the vault.
    async fn kept(&self, kid: &str) -> Result<SigningKey, OAuthError> {
        let der = self.vault.signing_key(kid).await.map_err(vault_trouble)?;
        let der = der.ok_or_else(|| OAuthError::server_error(format!("the private half of the active key {kid} is not in the vault")))?;
        let key = SigningKey::from_pkcs8_der(&der).map_err(|e| OAuthError::server_error(format!("key {kid}: {e}")))?;
        if key.kid() != kid {
            return Err(OAuthError::server_error(format!("the vault holds another key under {kid}")));
        }
        Ok(key)
    }

    /// Makes what is missing: the imported key, those of the signer, then one for each algorithm that has none.
    ///
    /// # Errors
    /// `server_error` for a PEM that is no usable key, with the remedy in its sentence.
    pub async fn ensure_keys(&self, context: &Context, imported: Option<&str>) -> Result<(), OAuthError> {
        if let Some(pem) = imported {
            let key = SigningKey::from_pem(pem).map_err(|e| OAuthError::server_error(format!("JWKS_PRIVATE_KEY: {e}")))?;
            let alg = SigningAlg::ALL.iter().copied().find(|alg| key.serves(algorithm(*alg)));
            let alg = alg.ok_or_else(|| {
                OAuthError::server_error("JWKS_PRIVATE_KEY: use an RSA key, an EC key on P-256, P-384 or P-521, or an Ed25519 key")
            })?;
            let known = self.key_states().await?;
            if !known.iter().any(|own| own.kid == key.kid()) {
                self.install(context, key, alg, KeySource::Imported).await?;
            }
        }
        self.take_up_external(context).await?;
        for alg in SigningAlg::ALL {
            let known = self.key_states().await?;
            if !known.iter().any(|own| own.alg == *alg && own.phase == Phase::Active) {
                self.install(context, generate(*alg).await?, *alg, KeySource::Generated).await?;
            }
        }
        // First those that sign, for which somebody may be waiting.
        self.refresh_keys().await?;
        if self.make_due_openers(context).await? {
            self.refresh_keys().await?;
        }
        Ok(())
    }

    /// A new key signs from now on, whether or not clients know it; the old ones stay published while their tokens live.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn rotate_keys(&self, context: &Context, alg: SigningAlg) -> Result<String, OAuthError> {
        if let Some(kid) = self.sign_externally_now(context, alg).await? {
            return Ok(kid);
        }
        let kid = self.install(context, generate(alg).await?, alg, KeySource::Generated).await?;
        self.refresh_keys().await?;
        Ok(kid)
    }

    /// The keys that sign with this algorithm stop doing so in this unit of work.
    pub(super) async fn retire_active(&self, work: &mut Work<'_>, alg: SigningAlg) -> Result<(), Stop> {
        for other in self.key_states().await?.iter().filter(|other| other.alg == alg && other.phase == Phase::Active) {
            let mut other = work.load::<Key>(&key::stream(&other.kid)).await?;
            if let Some(state) = other.state.clone() {
                let decision = key::advance(&state, Phase::Retired, self.now());
                work.record(&mut other, decision.events, &Seal::default())?;
            }
        }
        Ok(())
    }

    /// Vault first, then the event: a key without event is never used, an event without key would stop the server.
    async fn install(&self, context: &Context, key: SigningKey, alg: SigningAlg, source: KeySource) -> Result<String, OAuthError> {
        let public = self.keep(&key, alg).await?;
        decide!(self, context, |work| self.install_once(work, key.kid(), alg, &public, source))?;
        Ok(key.kid().to_owned())
    }

    /// Puts the private half into the vault; gives the public JWK as text.
    pub(super) async fn keep(&self, key: &SigningKey, alg: SigningAlg) -> Result<String, OAuthError> {
        let der = key.to_pkcs8_der().map_err(|e| OAuthError::server_error(e.to_string()))?;
        match self.vault.put_signing_key(key.kid(), &der).await {
            // A start that broke off between vault and log left it there.
            Ok(()) | Err(super::vault::VaultError::AlreadyExists { .. }) => {}
            Err(error) => return Err(vault_trouble(error)),
        }
        let public = key
            .public_jwk()
            .clone()
            .with_alg(algorithm(alg))
            .ok_or_else(|| OAuthError::server_error("the key does not serve its algorithm"))?;
        serde_json::to_string(&public.with_kid(key.kid().to_owned())).map_err(|e| OAuthError::server_error(e.to_string()))
    }

    async fn install_once(&self, mut work: Work<'_>, kid: &str, alg: SigningAlg, public_jwk: &str, source: KeySource) -> Result<(), Stop> {
        let at = self.now();
        let mut own = work.load::<Key>(&key::stream(kid)).await?;
        if own.state.is_some() {
            return Ok(());
        }
        self.retire_active(&mut work, alg).await?;
        let plan = key::Plan {
            kid: kid.to_owned(),
            alg,
            public_jwk: public_jwk.to_owned(),
            source,
            activate: true,
            signs_at: None,
            held_as: None,
            at,
        };
        work.record(&mut own, key::plan(&plan).events, &Seal::default())?;
        work.commit().await.map(drop)
    }

    /// Takes keys out of the JWKS whose tokens are all over, and destroys their private halves.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn remove_retired_keys(&self, context: &Context) -> Result<u32, OAuthError> {
        let at = self.now();
        let mut removed = 0;
        for key in self.key_states().await? {
            if key.phase != Phase::Retired || key.retired_at.is_none_or(|since| at.0 < since.0 + RETIRED_FOR_MS) {
                continue;
            }
            decide!(self, context, |work| self.remove_once(work, &key.kid))?;
            self.vault.destroy_signing_key(&key.kid).await.map_err(vault_trouble)?;
            removed += 1;
        }
        if removed > 0 {
            self.refresh_keys().await?;
        }
        Ok(removed)
    }

    async fn remove_once(&self, mut work: Work<'_>, kid: &str) -> Result<(), Stop> {
        let mut loaded = work.load::<Key>(&key::stream(kid)).await?;
        let Some(state) = loaded.state.clone() else { return Ok(()) };
        let decision = key::advance(&state, Phase::Gone, self.now());
        work.record(&mut loaded, decision.events, &Seal::default())?;
        work.commit().await.map(drop)
    }
}

/// RSA generation takes up to a second of CPU, so never on an async worker.
pub(super) async fn generate(alg: SigningAlg) -> Result<SigningKey, OAuthError> {
    tokio::task::spawn_blocking(move || SigningKey::generate(algorithm(alg)))
        .await
        .map_err(|_| OAuthError::server_error("key generation ended unexpectedly"))?
        .map_err(|e| OAuthError::server_error(format!("key generation: {e}")))
}
