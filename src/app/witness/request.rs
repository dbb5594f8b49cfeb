//! The body of add-checkpoint, as text.
//!
//! | Rule | Source |
//! |---|---|
//! | `old <size>`, at most 63 hashes, an empty line, a checkpoint; each line ends in a newline | C2SP tlog-witness, add-checkpoint |
//!
//! Both sides are here, so that what a log asks is what a witness reads.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_tree::{Hash, Note};

/// The largest body: the proof, and a note with the signatures of many.
pub const MOST_BYTES: usize = 64 * 1024;

/// Hashes in a proof.
const MOST_HASHES: usize = 63;

pub struct AddCheckpoint {
    /// Size of the checkpoint that was cosigned before.
    pub old: u64,
    pub proof: Vec<Hash>,
    pub note: Note,
}

impl AddCheckpoint {
    /// `None` for everything else.
    pub fn parse(body: &[u8]) -> Option<Self> {
        if body.len() > MOST_BYTES {
            return None;
        }
        let text = std::str::from_utf8(body).ok()?;
        let (head, note) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old = lines.next()?.strip_prefix("old ")?;
        let is_plain = old == "0" || (!old.starts_with('0') && !old.is_empty() && old.bytes().all(|byte| byte.is_ascii_digit()));
        let old = old.parse().ok().filter(|_| is_plain)?;
        let proof = lines.map(|line| STANDARD.decode(line).ok()?.try_into().ok()).collect::<Option<Vec<Hash>>>()?;
        if proof.len() > MOST_HASHES {
            return None;
        }
        Some(Self { old, proof, note: Note::parse(note.as_bytes()).ok()? })
    }

    /// What a log sends.
    pub fn write(old: u64, proof: &[Hash], note: &str) -> String {
        let mut body = format!("old {old}\n");
        for hash in proof {
            // Writing to a String cannot fail.
            let _ = writeln!(body, "{}", STANDARD.encode(hash));
        }
        body.push('\n');
        body.push_str(note);
        body
    }
}
