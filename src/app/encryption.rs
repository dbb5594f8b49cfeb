//! Encrypting to a client: its id_tokens and its userinfo, where it registered that.
//!
//! | Rule | Source |
//! |---|---|
//! | to a key of the client for this algorithm, fetched if it is behind an address | OpenID Connect Core 1.0 §10.2 |
//! | without one there is no token: never in clear instead | our own |

use chancery_core::client::Client;
use chancery_core::client::metadata::{ContentEnc, EncryptionAlg};
use chancery_core::error::OAuthError;
use chancery_jose::{ContentEncryption, KeyManagement, Recipient};

use super::context::Context;
use super::{App, random};

impl App {
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
        let keys = self.key_set_of(&context, client, None).await?.ok_or_else(unreadable)?;
        let recipient = Recipient::choose(&keys, management).ok_or_else(unreadable)?;
        recipient.encrypt(content_encryption, cty, content).map_err(|why| OAuthError::server_error(why.to_string()))
    }
}
