//! Signing keys that change by themselves, or because an operator asked.
//!
//! | Rule | Source |
//! |---|---|
//! | the next key is in the JWKS before it signs, longer than clients cache that | OpenID Connect Core 1.0 §10.1.1 |
//! | an operator's rotation waits as long as clients cache the JWKS; one that cannot wait (a key that leaked) signs at once | our own |
//! | of several nodes one plans: a key has one successor | our own |
//!
//! Out of scope: when something is due (`chancery_core::key::due`), how keys are kept and published (`signing`).

use chancery_core::client::metadata::SigningAlg;
use chancery_core::error::OAuthError;
use chancery_core::key::{self, Change, Key, KeySource, Phase, Schedule};
use chancery_core::time::{Seconds, Timestamp};
use chancery_jose::SigningKey;

use super::context::Context;
use super::signing::generate;
use super::work::{Seal, Stop, Work, decide, vault_trouble};
use super::{App, seconds};

/// Kind of the claim that a key has one successor.
const SUCCESSOR: &str = "key_successor";

/// The key that will follow another one.
struct Successor {
    key: SigningKey,
    alg: SigningAlg,
    /// `kid` of the one before.
    after: String,
    signs_at: Option<Timestamp>,
}

impl App {
    /// Publishes and activates keys as the schedule asks.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn rotate_due_keys(&self, context: &Context) -> Result<(), OAuthError> {
        let ahead = seconds(self.config.keys.publish_ahead);
        let schedule = self.config.keys.rotate_every.map(|every| Schedule { every: seconds(every), ahead });
        let mut changed = false;
        for alg in SigningAlg::ALL {
            match key::due(&self.key_states().await?, *alg, schedule.as_ref(), self.now()) {
                Change::Nothing => continue,
                Change::Plan { after } => {
                    let successor = Successor { key: generate(*alg).await?, alg: *alg, after, signs_at: None };
                    self.plan_successor(context, &successor).await?;
                }
                Change::Activate { kid } => decide!(self, context, |work| self.activate_once(work, &kid, *alg))?,
            }
            changed = true;
        }
        changed |= self.make_due_openers(context).await?;
        if changed {
            self.refresh_keys().await?;
        }
        Ok(())
    }

    /// Publishes a new key that signs as soon as every client can know it; one that was published long enough before signs at once. Gives
    /// `kid` and the moment.
    ///
    /// # Errors
    /// `conflict` while another one is on its way; `temporarily_unavailable`.
    pub async fn rotate_keys_later(&self, context: &Context, alg: SigningAlg) -> Result<(String, Timestamp), OAuthError> {
        let (at, ahead) = (self.now(), self.known_after());
        let states = self.key_states().await?;
        let own = |phase| states.iter().filter(move |key| key.alg == alg && key.phase == phase);
        let on_its_way = || {
            OAuthError::conflict("planned")
                .saying("The next key is published already and signs soon; ask again in some minutes, or use --now.")
        };
        if let Some(planned) = own(Phase::Planned).min_by_key(|key| key.planned_at) {
            if at < planned.planned_at.plus(ahead) {
                return Err(on_its_way());
            }
            decide!(self, context, |work| self.activate_once(work, &planned.kid, alg))?;
            self.refresh_keys().await?;
            return Ok((planned.kid.clone(), at));
        }
        if let Some(refused) = self.externally_held(alg) {
            return Err(refused);
        }
        let active = own(Phase::Active).max_by_key(|key| key.activated_at);
        let after = active.map(|key| key.kid.clone()).ok_or_else(|| OAuthError::server_error("no key signs"))?;
        let successor = Successor { key: generate(alg).await?, alg, after, signs_at: Some(at.plus(ahead)) };
        self.plan_successor(context, &successor).await?;
        self.refresh_keys().await?;
        if !self.key_states().await?.iter().any(|key| key.kid == successor.key.kid()) {
            return Err(on_its_way());
        }
        Ok((successor.key.kid().to_owned(), at.plus(ahead)))
    }

    /// How long after its publication every client knows a key: twice as long as the JWKS may be cached.
    pub(super) fn known_after(&self) -> Seconds {
        Seconds(seconds(self.config.keys.publish_ahead).0.min(600))
    }

    /// How long clients may cache the JWKS.
    pub fn jwks_max_age(&self) -> Seconds {
        Seconds(self.known_after().0 / 2)
    }

    async fn plan_successor(&self, context: &Context, successor: &Successor) -> Result<(), OAuthError> {
        let public = self.keep(&successor.key, successor.alg).await?;
        match decide!(self, context, |work| self.plan_once(work, successor, &public)) {
            // Another node planned it a moment ago: its key will sign, and this one's private half goes.
            Err(Stop::Taken(_)) => {
                self.vault.destroy_signing_key(successor.key.kid()).await.map_err(vault_trouble)?;
                Ok(())
            }
            other => Ok(other?),
        }
    }

    async fn plan_once(&self, mut work: Work<'_>, successor: &Successor, public_jwk: &str) -> Result<(), Stop> {
        let (kid, alg) = (successor.key.kid().to_owned(), successor.alg);
        let mut own = work.load::<Key>(&key::stream(&kid)).await?;
        let plan = key::Plan {
            kid,
            alg,
            public_jwk: public_jwk.to_owned(),
            source: KeySource::Generated,
            activate: false,
            signs_at: successor.signs_at,
            held_as: None,
            at: self.now(),
        };
        work.record(&mut own, key::plan(&plan).events, &Seal::default())?;
        work.take(SUCCESSOR, successor.after.as_bytes().to_vec(), successor.key.kid().to_owned());
        work.commit().await.map(drop)
    }

    pub(super) async fn activate_once(&self, mut work: Work<'_>, kid: &str, alg: SigningAlg) -> Result<(), Stop> {
        let mut own = work.load::<Key>(&key::stream(kid)).await?;
        let Some(state) = own.state.clone().filter(|state| state.phase == Phase::Planned) else { return Ok(()) };
        self.retire_active(&mut work, alg).await?;
        let decision = key::advance(&state, Phase::Active, self.now());
        work.record(&mut own, decision.events, &Seal::default())?;
        work.commit().await.map(drop)
    }
}
