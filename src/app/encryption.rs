//! Encrypting to a client: its id_tokens, its userinfo, answers of the authorization endpoint and of introspection, where it registered that;
//! keys that are derived from its secret.
//!
//! | Rule | Source |
//! |---|---|
//! | to a key of the client for this algorithm, fetched if it is behind an address | OpenID Connect Core 1.0 §10.2 |
//! | a shared key is the left end of a SHA-2 hash of the client's secret, as long as it has to be | OpenID Connect Core 1.0 §10.2 |
//! | what is signed is signed first | OpenID Connect Core 1.0 §16.14, JARM §2.2, RFC 9701 §6 |
//! | without one there is no token: never in clear instead | our own |

use chancery_core::client::metadata::{ContentEnc, EncryptionAlg};
use chancery_core::client::{Client, Secret};
use chancery_core::error::OAuthError;
use chancery_jose::{ContentEncryption, KeyManagement, Recipient};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::context::Context;
use super::{App, random};

impl App {
    /// What was signed for the client, encrypted to it if it registered that. `cty` says that a JWT is inside (RFC 7519 §5.2).
    ///
    /// # Errors
    /// `temporarily_unavailable` when the client has no key for this that could be read.
    pub(super) async fn nested_for(
        &self,
        client: &Client,
        (alg, enc): (Option<EncryptionAlg>, Option<ContentEnc>),
        signed: String,
    ) -> Result<String, OAuthError> {
        match alg {
            None => Ok(signed),
            Some(alg) => self.encrypt_for(client, (alg, enc), Some("JWT"), signed.as_bytes()).await,
        }
    }

    /// Encrypts to the client. `cty` is `JWT` for what was signed before.
    ///
    /// # Errors
    /// `temporarily_unavailable` when the client has no key for this that could be read.
    pub(super) async fn encrypt_for(
        &self,
        client: &Client,
        (alg, enc): (EncryptionAlg, Option<ContentEnc>),
        cty: Option<&str>,
        content: &[u8],
    ) -> Result<String, OAuthError> {
        let context = Context::of_server("server", random::uuid_v7(self.clock.now_ms()).to_string());
        let unreadable = || {
            OAuthError::temporarily_unavailable(format!("{} has no key for {}", client.id, alg.as_str()))
                .saying("The public key of the client that its answers are encrypted to could not be read.")
        };
        let enc = enc.unwrap_or(ContentEnc::A128CbcHs256);
        let words = (KeyManagement::parse(alg.as_str()), ContentEncryption::parse(enc.as_str()));
        let (Some(management), Some(content_encryption)) = words else {
            return Err(OAuthError::server_error("an encryption that is registered and not known"));
        };
        let recipient = if let Some(length) = management.shared_len(content_encryption) {
            Recipient::sharing(management, self.shared_keys(client, length).await?.pop().ok_or_else(unreadable)?)
        } else {
            let keys = self.key_set_of(&context, client, None).await?.ok_or_else(unreadable)?;
            Recipient::choose(&keys, management).ok_or_else(unreadable)?
        };
        recipient.encrypt(content_encryption, cty, content).map_err(|why| OAuthError::server_error(why.to_string()))
    }

    /// The keys of so many bytes that the secrets of a client give, the newest last; none where only digests are known.
    pub(super) async fn shared_keys(&self, client: &Client, length: usize) -> Result<Vec<Zeroizing<Vec<u8>>>, OAuthError> {
        let (mut keys, now) = (Vec::new(), self.now());
        for (secret, expires_at) in &client.secrets {
            let Secret::Sealed(sealed) = secret else { continue };
            if expires_at.is_none_or(|at| now < at) {
                keys.push(shared_key(&Zeroizing::new(self.unseal(sealed).await?), length));
            }
        }
        Ok(keys)
    }
}

/// OpenID Connect Core 1.0 §10.2. `length` in bytes, 64 at most.
fn shared_key(secret: &str, length: usize) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(match length {
        0..=32 => Sha256::digest(secret).to_vec(),
        33..=48 => Sha384::digest(secret).to_vec(),
        _ => Sha512::digest(secret).to_vec(),
    });
    key.truncate(length);
    key
}
