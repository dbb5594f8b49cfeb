//! Attestations of keys: who keeps the keys of a wallet, and how well (OpenID4VCI Appendix D).
//!
//! | Rule | Source |
//! |---|---|
//! | who may attest is the operator's word, for each credential | Appendix D, §13.4 |
//! | beside a proof it has an end; it has not ended, and is not of the future | Appendix D.1 |
//! | where levels are demanded, one of those that it states is among them | §12.2.4, Appendix D.2 |
//! | it attests no more keys than a batch may have: each gets a credential | Appendix F.1, F.3, §12.2.4 |
//! | its `nonce` is one of ours and recent, with either type of proof: there is a nonce endpoint | Appendix F.1, F.3 |
//! | `certification` is a URL | Appendix D.1 |
//!
//! How old it is says its nonce, not `iat`: Appendix F.4 leaves the choice, and the clock of the nonce is ours.
//!
//! Out of scope: signature and types (`chancery_jose::key_attestation`), whether `status` still holds: it is not followed.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::proof::{self, Nonce};
use crate::error::OAuthError;
use crate::resource::ResourceId;
use crate::time::Seconds;

/// How keys come to an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProofType {
    /// A proof that each of them, or one of those that were attested, is in somebody's hands (Appendix F.1).
    Jwt,
    /// The word of the attester alone (Appendix F.3).
    Attestation,
}

impl ProofType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Attestation => "attestation",
        }
    }
}

/// What an attestation must say: `key_attestations_required`. The default is that there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Required {
    /// Levels that are enough, any of them; `None`: whatever it says.
    pub key_storage: Option<BTreeSet<String>>,
    pub user_authentication: Option<BTreeSet<String>>,
}

impl Required {
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn check(&self) -> Result<(), String> {
        let is_level = |text: &String| (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        for (name, levels) in self.parts() {
            if levels.is_some_and(|all| all.is_empty() || all.len() > 8 || !all.iter().all(is_level)) {
                return Err(format!("{name} of its key_attestations_required has 1 to 8 words such as iso_18045_moderate"));
            }
        }
        Ok(())
    }

    fn parts(&self) -> [(&'static str, Option<&BTreeSet<String>>); 2] {
        [("key_storage", self.key_storage.as_ref()), ("user_authentication", self.user_authentication.as_ref())]
    }

    /// As the metadata say it (§12.2.4).
    pub fn document(&self) -> Value {
        self.parts().into_iter().filter_map(|(name, levels)| Some((String::from(name), json!(levels?)))).collect()
    }
}

/// Who vouched for the keys of credentials, and what they said, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attested {
    /// The operator's name for them.
    pub attester: String,
    /// How well the keys are kept, in words of Appendix D.2 or of the attester.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub key_storage: BTreeSet<String>,
    /// How the keys came: whether one of them was proven besides.
    pub proof_type: ProofType,
    /// How well their use is guarded.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub user_authentication: BTreeSet<String>,
}

/// What the attestation says.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Seconds since 1970, as the others.
    pub iat: i64,
    pub exp: Option<i64>,
    pub nbf: Option<i64>,
    pub nonce: Nonce,
    /// How many keys are attested.
    pub keys: usize,
    pub key_storage: Option<&'a [String]>,
    pub user_authentication: Option<&'a [String]>,
    pub certification: Option<&'a str>,
}

/// What it is held against.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    pub proof_type: ProofType,
    pub required: Option<&'a Required>,
    /// Keys in one request.
    pub batch: u32,
    pub now: i64,
    pub tolerance: Seconds,
}

/// Holds an attestation, whose signature is right, against the request.
///
/// # Errors
/// `invalid_proof`, `invalid_nonce`.
pub fn check(said: &Said<'_>, held: &Held<'_>) -> Result<(), OAuthError> {
    let refuse = |why: &'static str, sentence: &str| Err(OAuthError::invalid_proof(why).saying(sentence));
    if held.proof_type == ProofType::Jwt && said.exp.is_none() {
        return refuse("an attestation without end", "The key attestation has no exp, which it needs beside a proof.");
    }
    let tolerance = i64::from(held.tolerance.0);
    let ahead = held.now.saturating_add(tolerance);
    if said.exp.is_some_and(|exp| exp.saturating_add(tolerance) <= held.now) {
        return refuse("an attestation that has ended", "The key attestation has expired.");
    }
    if said.iat > ahead || said.nbf.is_some_and(|nbf| nbf > ahead) {
        return refuse("an attestation of the future", "The key attestation is of the future: look at iat and at the clock.");
    }
    if said.certification.is_some_and(|own| ResourceId::parse(own).is_none()) {
        return refuse("certification", "certification in the key attestation is no URL.");
    }
    for (name, demanded) in held.required.map(Required::parts).into_iter().flatten() {
        let stated = if name == "key_storage" { said.key_storage } else { said.user_authentication };
        let is_enough = |all: &BTreeSet<String>| stated.is_some_and(|own| own.iter().any(|one| all.contains(one)));
        if !demanded.is_none_or(is_enough) {
            return Err(OAuthError::invalid_proof("attested, but not well enough")
                .saying(format!("{name} in the key attestation has none of the values that this credential needs.")));
        }
    }
    // None is left out in silence: the wallet could not tell which.
    let most = held.batch.max(1);
    if u32::try_from(said.keys).map_or(true, |keys| keys > most) {
        return Err(OAuthError::invalid_proof("too many attested keys")
            .saying(format!("attested_keys has more keys than get credentials in one request, which are {most}.")));
    }
    // Last: whoever hears that the nonce is all that is wrong has proven the rest.
    proof::check_nonce(said.nonce)
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    const SAID: Said<'static> = Said {
        iat: NOW,
        exp: Some(NOW + 60),
        nbf: None,
        nonce: Nonce::Recent,
        keys: 2,
        key_storage: None,
        user_authentication: None,
        certification: None,
    };

    fn held(proof_type: ProofType, required: Option<&Required>) -> Held<'_> {
        Held { proof_type, required, batch: 2, now: NOW, tolerance: Seconds(15) }
    }

    fn judge(proof_type: ProofType, required: Option<&Required>, change: impl FnOnce(&mut Said<'_>)) -> &'static str {
        let mut said = SAID;
        change(&mut said);
        check(&said, &held(proof_type, required)).map_or_else(|error| error.code(), |()| "ok")
    }

    fn jwt(change: impl FnOnce(&mut Said<'_>)) -> &'static str {
        judge(ProofType::Jwt, None, change)
    }

    fn levels(all: &[&str]) -> Vec<String> {
        all.iter().map(|own| String::from(*own)).collect()
    }

    #[test]
    fn openid4vci_d_1_an_attestation_beside_a_proof_has_an_end_and_none_is_over() {
        assert_eq!(jwt(|_| ()), "ok");
        assert_eq!(jwt(|said| said.exp = None), "invalid_proof");
        assert_eq!(judge(ProofType::Attestation, None, |said| said.exp = None), "ok");
        for proof_type in [ProofType::Jwt, ProofType::Attestation] {
            let judge = |change: fn(&mut Said<'_>)| judge(proof_type, None, change);
            assert_eq!((judge(|said| said.exp = Some(NOW - 14)), judge(|said| said.exp = Some(NOW - 15))), ("ok", "invalid_proof"));
            assert_eq!((judge(|said| said.iat = NOW + 15), judge(|said| said.iat = NOW + 16)), ("ok", "invalid_proof"));
            assert_eq!((judge(|said| said.nbf = Some(NOW + 15)), judge(|said| said.nbf = Some(NOW + 16))), ("ok", "invalid_proof"));
            assert_eq!(judge(|said| said.iat = 0), "ok", "its nonce says how old it is");
        }
        for far in [i64::MIN, i64::MAX] {
            let _ = jwt(|said| (said.iat, said.exp, said.nbf) = (far, Some(far), Some(far)));
        }
    }

    #[test]
    fn openid4vci_12_2_4_one_of_the_stated_levels_is_among_the_demanded() {
        let required = Required {
            key_storage: Some(levels(&["iso_18045_high", "iso_18045_moderate"]).into_iter().collect()),
            user_authentication: None,
        };
        let (high, basic) = (levels(&["x", "iso_18045_high"]), levels(&["iso_18045_basic"]));
        let judge = |key_storage: Option<&[String]>, user_authentication: Option<&[String]>| {
            let said = Said { key_storage, user_authentication, ..SAID };
            check(&said, &held(ProofType::Jwt, Some(&required))).map_or_else(|error| error.code(), |()| "ok")
        };
        assert_eq!(judge(None, None), "invalid_proof", "nothing is said");
        assert_eq!(judge(None, Some(&high)), "invalid_proof", "of something else");
        assert_eq!(judge(Some(&basic), None), "invalid_proof");
        assert_eq!(judge(Some(&high), None), "ok");
        assert_eq!(
            check(&SAID, &held(ProofType::Jwt, Some(&Required::default()))).map_or_else(|error| error.code(), |()| "ok"),
            "ok",
            "that there is one is enough"
        );
        assert_eq!(required.document(), json!({ "key_storage": ["iso_18045_high", "iso_18045_moderate"] }));
        assert_eq!(Required::default().document(), json!({}));
        for bad in [vec![], levels(&[""]), levels(&["a b"]), levels(&["\u{e4}"])] {
            let bad = Required { user_authentication: Some(bad.into_iter().collect()), key_storage: None };
            assert!(bad.check().is_err(), "{bad:?}");
        }
        assert!(required.check().is_ok() && Required::default().check().is_ok());
    }

    #[test]
    fn openid4vci_f_3_each_attested_key_gets_a_credential_or_none_does() {
        assert_eq!((jwt(|said| said.keys = 1), jwt(|said| said.keys = 3)), ("ok", "invalid_proof"));
    }

    #[test]
    fn openid4vci_f_3_its_nonce_is_one_of_ours() {
        assert_eq!(jwt(|said| said.nonce = Nonce::Absent), "invalid_proof");
        assert_eq!(jwt(|said| said.nonce = Nonce::Unknown), "invalid_nonce");
        assert_eq!(jwt(|said| (said.nonce, said.keys) = (Nonce::Unknown, 3)), "invalid_proof", "not to whom the rest does not hold");
        assert_eq!(jwt(|said| said.certification = Some("none")), "invalid_proof");
        assert_eq!(jwt(|said| said.certification = Some("https://wallet.example/certified")), "ok");
    }
}
