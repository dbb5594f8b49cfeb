//! A witness: looks at the checkpoints of logs and cosigns each that is an extension of the one before. Run by a third party.
//!
//! | Rule | Source |
//! |---|---|
//! | the order of the checks and what each refuses with | C2SP tlog-witness, add-checkpoint |
//! | compared and stored under one lock, on the disk before the answer | the same |
//! | `cosignature/v1`, the time in seconds | C2SP tlog-cosignature |
//!
//! A witness has no database, knows no events and trusts nobody: it holds one checkpoint of each log.
//!
//! Out of scope: HTTP (`http::witness`), the log's side (`anchor`).

mod request;
mod state;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use chancery_jose::{SigningKey, ed25519};
use chancery_tree::hash::empty_root;
use chancery_tree::key::{BadKey, KeyType};
use chancery_tree::note::{Signature, signed_bytes};
use chancery_tree::proof::{Tree, verify_consistency};
use chancery_tree::{Checkpoint, Note, VerifierKey};

pub use request::{AddCheckpoint, MOST_BYTES};
pub use state::StateError;
use state::{Seen, State};

/// Why a checkpoint is not cosigned. What each means in HTTP stands in C2SP tlog-witness.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400.
    #[error("{0}")]
    Malformed(&'static str),
    /// 404.
    #[error("this witness does not know the log")]
    UnknownLog,
    /// 403.
    #[error("no known key of the log has signed the checkpoint")]
    Untrusted,
    /// 409, with the size that was cosigned last.
    #[error("the last checkpoint that was cosigned has {0} entries")]
    Conflict(u64),
    /// 422.
    #[error("{0}")]
    Inconsistent(&'static str),
    /// 500.
    #[error("the state cannot be written: {0}")]
    State(String),
}

/// A witness with its key and the logs that it knows.
pub struct Witness {
    public: VerifierKey,
    private: SigningKey,
    /// Keys under the origins of their logs.
    logs: Vec<VerifierKey>,
    state: Mutex<State>,
}

/// Why a witness does not start.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    #[error("the key is no Ed25519 key")]
    Key,
    #[error("the name of the witness: {0}")]
    Name(#[from] BadKey),
    #[error(transparent)]
    State(#[from] StateError),
}

impl Witness {
    /// `logs`: the verifier keys of the logs; the name of each is the origin of its log.
    ///
    /// # Errors
    /// A key of another kind; a state file that cannot be read, or that another process holds.
    pub fn open(name: &str, private: SigningKey, logs: Vec<VerifierKey>, state: &Path) -> Result<Self, NotStarted> {
        let public = private.ed25519_public().ok_or(NotStarted::Key)?;
        let public = VerifierKey::new(name, KeyType::Cosignature, public)?;
        Ok(Self { public, private, logs, state: Mutex::new(State::open(state)?) })
    }

    /// What others configure to trust this witness.
    pub fn public(&self) -> &VerifierKey {
        &self.public
    }

    /// Looks at a checkpoint and cosigns it. `now` in seconds. Returns the signature line.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn add_checkpoint(&self, body: &[u8], now: u64) -> Result<String, Refusal> {
        let asked = AddCheckpoint::parse(body).ok_or(Refusal::Malformed("the body is not an add-checkpoint request"))?;
        let checkpoint = Checkpoint::parse(asked.note.text()).map_err(|_| Refusal::Malformed("the note is not a checkpoint"))?;
        let signatures = self.trusted(&asked.note, &checkpoint.origin)?;
        if asked.old > checkpoint.size {
            return Err(Refusal::Malformed("the old size is larger than the checkpoint"));
        }
        // Until the state is on the disk nobody else compares.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = state.of(&checkpoint.origin);
        let (size, root) = seen.map_or((0, empty_root()), |seen| (seen.size, seen.root));
        if asked.old != size {
            return Err(Refusal::Conflict(size));
        }
        if checkpoint.size == 0 && checkpoint.root != empty_root() {
            return Err(Refusal::Inconsistent("an empty log has the root of the empty tree"));
        }
        let (first, second) = (Tree { size, root: &root }, Tree { size: checkpoint.size, root: &checkpoint.root });
        if !verify_consistency(first, second, &asked.proof) {
            return Err(Refusal::Inconsistent("the consistency proof does not hold"));
        }
        let mut note = Note::new(asked.note.text()).map_err(|_| Refusal::Malformed("the note is not a checkpoint"))?;
        signatures.into_iter().for_each(|signature| note.push(signature));
        note.push(self.cosign(&asked.note, now)?);
        let note = note.to_string();
        // Ours is the last line.
        let line = note.lines().next_back().map(|line| format!("{line}\n")).unwrap_or_default();
        let seen = Seen { size: checkpoint.size, root: checkpoint.root, note };
        state.put(checkpoint.origin, seen).map_err(|error| Refusal::State(error.to_string()))?;
        Ok(line)
    }

    /// The last checkpoint that was cosigned, by the SHA-256 of the origin in hex.
    pub fn checkpoint(&self, origin_hash: &str) -> Option<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).by_hash(origin_hash).map(|seen| seen.note.clone())
    }

    /// The signatures of the note by known keys of the log. A known key whose signature does not hold spoils the note.
    fn trusted(&self, note: &Note, origin: &str) -> Result<Vec<Signature>, Refusal> {
        let mut known = self.logs.iter().filter(|key| key.name() == origin).peekable();
        if known.peek().is_none() {
            return Err(Refusal::UnknownLog);
        }
        let mut good = Vec::new();
        for key in known {
            let own = |signature: &&Signature| signature.name == key.name() && signature.key_id == key.id();
            let signed: Vec<_> = note.signatures().iter().filter(own).cloned().collect();
            if !signed.is_empty() {
                note.verify(key, ed25519::verify).map_err(|_| Refusal::Untrusted)?;
                good.extend(signed);
            }
        }
        if good.is_empty() { Err(Refusal::Untrusted) } else { Ok(good) }
    }

    fn cosign(&self, note: &Note, now: u64) -> Result<Signature, Refusal> {
        let failed = |_| Refusal::State("the cosignature cannot be made".to_owned());
        let signature = self.private.sign_ed25519(&signed_bytes(note.text(), Some(now))).map_err(failed)?;
        let bytes = [&now.to_be_bytes()[..], &signature].concat();
        Ok(Signature { name: self.public.name().to_owned(), key_id: self.public.id(), bytes })
    }
}

#[cfg(test)]
mod tests;
