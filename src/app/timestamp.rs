//! Asking an authority of RFC 3161 for a timestamp of a checkpoint.
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

use super::anchor::Post;
use super::random;

/// RFC 3161 §3.4.
const QUERY: &str = "application/timestamp-query";

/// A note of this text with nothing but the line of the authority.
///
/// # Errors
/// Why there is none.
pub async fn ask(post: &Post, authority: &Url, text: &str) -> Result<Note, String> {
    let imprint: [u8; 32] = Sha256::digest(text).into();
    let mut nonce = random::bytes::<8>();
    // Positive and minimal, whatever was drawn.
    nonce[0] = nonce[0] & 0x3f | 0x40;
    let (status, reply) = post(authority.clone(), QUERY, request(&imprint, &nonce)).await?;
    if !(200..=299).contains(&status) {
        return Err(format!("the answer is {status}"));
    }
    let token = granted(&reply)?;
    let said = read(token)?;
    if said.imprint != imprint || said.nonce != Some(&nonce[..]) {
        return Err("the answer is for another request".to_owned());
    }
    if said.rfc3339().is_none() {
        return Err("the answer names no time".to_owned());
    }
    // The place without scheme: a name in a note has no spaces and no plus.
    let name = authority.host_str().ok_or("the address has no host")?.replace([' ', '+'], "_");
    let mut note = Note::new(text).map_err(|error| error.to_string())?;
    note.push(Signature { key_id: key_id(&name), name, bytes: token.to_vec() });
    Ok(note)
}
