//! The keys that a request for credentials brings: by proofs, by somebody's word for them, or by both (OpenID4VCI Appendices D and F).
//!
//! | Rule | Source |
//! |---|---|
//! | all proofs of a request have the same key attestation, or none has one | our own |
//! | beside an attestation every attested key gets a credential, not the proven ones alone | Appendix F.1, F.3 |
//! | where nobody is trusted to attest, what is attested counts as nothing | our own |
//!
//! Out of scope: what proofs and attestations have to say (`chancery_core::credential`), signatures (`chancery_jose`).

use std::collections::BTreeMap;

use chancery_core::credential::Configuration;
use chancery_core::credential::attestation::{self, Attested, ProofType};
use chancery_core::credential::proof::{self, Nonce, Said};
use chancery_core::credential::request::Proofs;
use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use chancery_core::id::ClientId;
use chancery_jose::key_attestation::{self, KeyAttestation};
use chancery_jose::{Algorithm, PublicJwk, credential_proof};
use serde_json::{Map, Value};

use crate::app::once::Once;
use crate::app::{App, seconds};

/// What the proofs bring.
pub(super) struct Proven {
    pub keys: Vec<Key>,
    /// To be claimed.
    pub nonces: BTreeMap<[u8; 32], Once>,
    /// Who vouched for the keys.
    pub attested: Option<Attested>,
}

/// A key that gets a credential.
pub(super) struct Key {
    pub jkt: Digest,
    pub jwk: Map<String, Value>,
}

impl Key {
    fn of(key: &PublicJwk) -> Self {
        Self { jkt: Digest(*key.thumbprint().as_bytes()), jwk: key.bare_members() }
    }
}

/// An attestation that holds.
struct Vouched {
    keys: Vec<PublicJwk>,
    attested: Attested,
}

/// Nonces that were seen on the way, each to be claimed.
type Seen = BTreeMap<[u8; 32], Once>;

impl App {
    /// Looks at everything that a request brings for its keys.
    ///
    /// # Errors
    /// `invalid_proof`, `invalid_nonce`; and whether it is evidence.
    pub(super) fn check_credential_proofs(
        &self,
        client: Option<&ClientId>,
        configuration: &Configuration,
        proofs: &Proofs,
    ) -> Result<Proven, proof::Refused> {
        let policy = self.policy();
        let allowed: Vec<_> =
            configuration.proof_algs.iter().filter(|alg| policy.allows(alg)).filter_map(|alg| Algorithm::parse(alg)).collect();
        let mut nonces = Seen::new();
        let (keys, vouched) = match proofs {
            Proofs::Jwt(all) => {
                let vouched = self.attestation_beside(configuration, all, &allowed, &mut nonces)?;
                let proven = self.check_jwts(client, all, (&allowed, vouched.as_ref()), &mut nonces)?;
                (vouched.as_ref().map_or(proven, |own| own.keys.iter().map(Key::of).collect()), vouched)
            }
            Proofs::Attestation(text) => {
                let vouched = self.check_key_attestation(configuration, text, (ProofType::Attestation, &allowed), &mut nonces)?;
                (vouched.keys.iter().map(Key::of).collect(), Some(vouched))
            }
        };
        Ok(Proven { keys, nonces, attested: vouched.map(|own| own.attested) })
    }

    /// The one attestation in the headers of proofs. Looked at first, and once: it says which keys the proofs may be of.
    fn attestation_beside(
        &self,
        configuration: &Configuration,
        proofs: &[String],
        allowed: &[Algorithm],
        nonces: &mut Seen,
    ) -> Result<Option<Vouched>, OAuthError> {
        if configuration.attesters.is_empty() {
            return Ok(None);
        }
        let mut texts = Vec::new();
        for text in proofs {
            texts.push(credential_proof::read(text).and_then(|own| Ok(own.key_attestation()?.map(str::to_owned))).map_err(no_proof)?);
        }
        if texts.windows(2).any(|pair| matches!(pair, [one, other] if one != other)) {
            return Err(OAuthError::invalid_proof("several attestations").saying("All proofs of a request have the same key_attestation."));
        }
        let Some(text) = texts.pop().flatten() else {
            if configuration.attestation.is_some() {
                return Err(OAuthError::invalid_proof("no attestation")
                    .saying("This credential is for attested keys: send a key_attestation in the header of each proof."));
            }
            return Ok(None);
        };
        self.check_key_attestation(configuration, &text, (ProofType::Jwt, allowed), nonces).map(Some)
    }

    fn check_jwts(
        &self,
        client: Option<&ClientId>,
        proofs: &[String],
        (allowed, vouched): (&[Algorithm], Option<&Vouched>),
        nonces: &mut Seen,
    ) -> Result<Vec<Key>, proof::Refused> {
        let held = proof::Held {
            client,
            issuer: &self.endpoints.issuer,
            now: self.now().numeric_date(),
            lifetime: seconds(self.config.dpop.proof_lifetime),
            tolerance: seconds(self.config.lifetimes.clock_tolerance),
        };
        let attested = vouched.map(|own| own.keys.as_slice());
        let mut keys = Vec::new();
        for text in proofs {
            let found = credential_proof::read(text).and_then(|own| own.verify(allowed, attested)).map_err(no_proof)?;
            let nonce = self.nonce_of(found.nonce.as_deref(), nonces);
            let said = Said { iss: found.iss.as_deref(), aud: &found.aud, iat: found.iat, exp: found.exp, nbf: found.nbf, nonce };
            proof::check(&said, &held)?;
            keys.push(Key::of(&found.key));
        }
        Ok(keys)
    }

    fn check_key_attestation(
        &self,
        configuration: &Configuration,
        text: &str,
        (proof_type, allowed): (ProofType, &[Algorithm]),
        nonces: &mut Seen,
    ) -> Result<Vouched, OAuthError> {
        let (attester, found) = self.attester_of(configuration, text, allowed)?;
        let said = attestation::Said {
            iat: found.iat,
            exp: found.exp,
            nbf: found.nbf,
            nonce: self.nonce_of(found.nonce.as_deref(), nonces),
            keys: found.keys.len(),
            key_storage: found.key_storage.as_deref(),
            user_authentication: found.user_authentication.as_deref(),
            certification: found.certification.as_deref(),
        };
        let held = attestation::Held {
            proof_type,
            required: configuration.attestation.as_ref(),
            batch: self.details.credentials.batch,
            now: self.now().numeric_date(),
            tolerance: seconds(self.config.lifetimes.clock_tolerance),
        };
        attestation::check(&said, &held)?;
        let attested = Attested {
            attester,
            key_storage: found.key_storage.into_iter().flatten().collect(),
            proof_type,
            user_authentication: found.user_authentication.into_iter().flatten().collect(),
        };
        Ok(Vouched { keys: found.keys, attested })
    }

    /// Whose word it is, of those who count for this credential.
    fn attester_of(
        &self,
        configuration: &Configuration,
        text: &str,
        allowed: &[Algorithm],
    ) -> Result<(String, KeyAttestation), OAuthError> {
        let mut why = "nobody may attest keys for this credential".to_owned();
        for name in &configuration.attesters {
            let Some(attester) = self.key_attesters.0.get(name) else { continue };
            match key_attestation::verify(text, &attester.keys, allowed) {
                Ok(found) if attester.issuer.is_some() && found.iss.is_some() && attester.issuer != found.iss => {
                    "iss is not the attester".clone_into(&mut why);
                }
                Ok(found) => return Ok((name.clone(), found)),
                Err(error) => why = error.to_string(),
            }
        }
        let sentence =
            "The key attestation is none that this issuer accepts: look at typ, alg, who signed it, attested_keys and the other claims.";
        Err(OAuthError::invalid_proof(why).saying(sentence))
    }

    /// What a nonce is worth; one that is recent is remembered for the append.
    fn nonce_of(&self, nonce: Option<&str>, seen: &mut Seen) -> Nonce {
        let Some(nonce) = nonce else { return Nonce::Absent };
        let Some((digest, once)) = self.recent_nonce(nonce) else { return Nonce::Unknown };
        seen.insert(digest.0, once);
        Nonce::Recent
    }
}

fn no_proof(why: credential_proof::CredentialProofError) -> OAuthError {
    let sentence = "A proof is none that this issuer accepts: look at typ, alg, jwk, key_attestation, the claims and the signature.";
    OAuthError::invalid_proof(why.to_string()).saying(sentence)
}
