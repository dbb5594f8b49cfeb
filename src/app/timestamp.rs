//! What an authority of RFC 3161 is asked for a timestamp of a checkpoint, and what its answer is worth.
//!
//! | Rule | Source |
//! |---|---|
//! | only a hash leaves; the authority learns nothing of the log | RFC 3161 §1 |
//! | the answer is for this hash and this nonce, or it is none | RFC 3161 §2.2 |
//! | the token stands below the checkpoint as a line whose key id is of no other kind | C2SP signed-note |
//!
//! The signature of the authority is not checked here: a token that nobody can verify later is worth nothing to an auditor, who checks it with the certificates that he trusts.

use chancery_tree::Note;
use chancery_tree::note::Signature;
use chancery_verify::timestamp::{granted, key_id, read, request};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::random;

/// RFC 3161 §3.4.
pub const QUERY: &str = "application/timestamp-query";

/// What an authority is asked.
pub struct Query<'a> {
    text: &'a str,
    imprint: [u8; 32],
    nonce: [u8; 8],
}

impl<'a> Query<'a> {
    pub fn of(text: &'a str) -> Self {
        let mut nonce = random::bytes::<8>();
        // Positive and minimal, whatever was drawn.
        nonce[0] = nonce[0] & 0x3f | 0x40;
        Self { text, imprint: Sha256::digest(text).into(), nonce }
    }

    /// What goes to the authority, as a [`QUERY`].
    pub fn body(&self) -> Vec<u8> {
        request(&self.imprint, &self.nonce)
    }

    /// A note of the text with nothing but the line of the authority.
    ///
    /// # Errors
    /// Why the reply is none.
    pub fn answered(&self, authority: &Url, reply: &[u8]) -> Result<Note, String> {
        let token = granted(reply)?;
        let said = read(token)?;
        if said.imprint != self.imprint || said.nonce != Some(&self.nonce[..]) {
            return Err("the answer is for another request".to_owned());
        }
        if said.rfc3339().is_none() {
            return Err("the answer names no time".to_owned());
        }
        // The place without scheme: a name in a note has no spaces and no plus.
        let name = authority.host_str().ok_or("the address has no host")?.replace([' ', '+'], "_");
        let mut note = Note::new(self.text).map_err(|error| error.to_string())?;
        note.push(Signature { key_id: key_id(&name), name, bytes: token.to_vec() });
        Ok(note)
    }
}
