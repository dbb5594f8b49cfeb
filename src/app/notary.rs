//! The notary: signs the heads of the log, with a key that is for nothing else.
//!
//! | Rule | Source |
//! |---|---|
//! | a checkpoint is a signed note: origin, size, root | C2SP tlog-checkpoint, signed-note |
//! | the private half is in the vault before the event that announces it | DESIGN: rule 6 |
//! | the key's name is the origin of the log, which never changes | docs/adr/0023 |
//! | what was signed last is the head, to the byte | docs/adr/0023 |
//! | a new key is announced and used before the old one is retired | docs/adr/0023 |
//!
//! Out of scope: when a head is signed (the ledger: once for each group commit), who gets to see it (`receipt`, `anchor`, `http`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chancery_core::error::OAuthError;
use chancery_core::seal::{self, SealLog, Seals};
use chancery_core::server::{self, Log, LogKeyCreated, LogKeyRetired, ServerEvent};
use chancery_core::time::Timestamp;
use chancery_jose::{SigningKey, ed25519};
use chancery_ledger::Notary;
use chancery_ledger::recorded::{Freshness, Head};
use chancery_tree::key::KeyType;
use chancery_tree::{Checkpoint, Note, VerifierKey};

use super::context::Context;
use super::start::error::StartError;
use super::work::{Seal, Stop, Work, decide, unreadable, vault_trouble};
use super::{App, clock, seconds};

/// How long a new key signs beside the old one before that is retired: every node has learnt of it by then.
pub const OVERLAP_MS: i64 = 60_000;

/// How often a start looks for a moment in which no other node appends between head and checkpoint.
const QUIET_LOOKS: u32 = 32;

/// Key ID of the key that this process signs with.
#[derive(Default)]
pub struct InForce(Mutex<Option<String>>);

impl InForce {
    fn is(&self, key_id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_deref() == Some(key_id)
    }

    fn set(&self, key_id: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(key_id);
    }
}

/// A key of the log, ready to sign.
struct LogKey {
    public: VerifierKey,
    private: SigningKey,
}

impl LogKey {
    fn generate(origin: &str) -> Result<Self, OAuthError> {
        let private = SigningKey::generate_ed25519().map_err(|e| OAuthError::server_error(e.to_string()))?;
        Self::new(origin, private)
    }

    fn new(origin: &str, private: SigningKey) -> Result<Self, OAuthError> {
        let broken = || OAuthError::server_error("the key of the log is no Ed25519 key");
        let public = private.ed25519_public().ok_or_else(broken)?;
        let public = VerifierKey::new(origin, KeyType::Ed25519, public)
            .map_err(|e| OAuthError::server_error(format!("the origin {origin} of the log: {e}")))?;
        Ok(Self { public, private })
    }

    fn id(&self) -> String {
        key_id(&self.public)
    }

    fn sign(&self, head: &Head) -> Result<String, String> {
        let text = Checkpoint::new(self.public.name(), head.size, head.root).to_string();
        let mut note = Note::new(text).map_err(|e| e.to_string())?;
        let signature = self.private.sign_ed25519(note.text().as_bytes()).map_err(|e| e.to_string())?;
        note.add(&self.public, signature.to_vec());
        Ok(note.to_string())
    }

    fn notary(self) -> Notary {
        Arc::new(move |head| self.sign(head).map(Into::into))
    }
}

/// 8 hexadecimal digits, as in a verifier key.
pub fn key_id(key: &VerifierKey) -> String {
    format!("{:08x}", u32::from_be_bytes(key.id()))
}

impl App {
    /// Puts the log's key in force, after making the first one where there is none, and compares what was signed last with the log.
    ///
    /// # Errors
    /// A private half that is not in the vault; a signed checkpoint that lies beyond the end of the log, is of another tree, or has no
    /// signature of ours.
    pub async fn open_notary(&self, context: &Context) -> Result<(), StartError> {
        let log = self.log_state().await?;
        if log.signing_key().is_none() {
            self.make_log_key(context).await?;
        }
        let log = self.log_state().await?;
        self.use_log_key(&log).await?;
        self.check_last_note(&log).await
    }

    /// Notices a key that another node announced.
    ///
    /// # Errors
    /// `temporarily_unavailable`; a private half that is not in the vault.
    pub async fn refresh_notary(&self) -> Result<(), OAuthError> {
        let log = self.log_state().await?;
        self.use_log_key(&log).await
    }

    /// A new key signs from now on. The old one is retired when every node knows the new one.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn rotate_log_key(&self, context: &Context) -> Result<String, OAuthError> {
        let key_id = self.make_log_key(context).await?;
        self.refresh_notary().await?;
        Ok(key_id)
    }

    /// Retires keys that a newer one has followed for long enough, and destroys their private halves.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn retire_log_keys(&self, context: &Context) -> Result<(), OAuthError> {
        let log = self.log_state().await?;
        let Some(newest) = log.signing_key().filter(|key| key.created_at.0 + OVERLAP_MS <= self.now().0) else { return Ok(()) };
        for old in log.keys.iter().filter(|key| key.retired_at.is_none() && key.key_id != newest.key_id) {
            decide!(self, context, |work| self.retire_once(work, &old.key_id))?;
            self.vault.destroy_log_key(&old.key_id).await.map_err(vault_trouble)?;
        }
        Ok(())
    }

    /// Every key of the log, the oldest first.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn log_state(&self) -> Result<Arc<Log>, OAuthError> {
        let loaded = self.load::<Log>(server::STREAM, Freshness::Fresh).await?;
        loaded.state.ok_or_else(|| OAuthError::server_error("the log does not begin with LogCreated"))
    }

    /// Vault first, then the event: a key without event signs nothing that anybody accepts.
    async fn make_log_key(&self, context: &Context) -> Result<String, OAuthError> {
        let log = self.log_state().await?;
        let had = log.keys.len();
        let key = LogKey::generate(&log.origin)?;
        let (id, vkey) = (key.id(), key.public.to_string());
        let der = key.private.to_pkcs8_der().map_err(|e| OAuthError::server_error(e.to_string()))?;
        self.vault.put_log_key(&id, &der).await.map_err(vault_trouble)?;
        // The commit that announces the first key is the first one that is signed.
        if log.signing_key().is_none() {
            self.ledger.set_notary(key.notary());
        }
        let event = LogKeyCreated { key_id: id.clone(), vkey, at: self.now() };
        decide!(self, context, |work| announce_once(work, event.clone(), had))?;
        Ok(id)
    }

    async fn retire_once(&self, mut work: Work<'_>, key_id: &str) -> Result<(), Stop> {
        let mut log = work.load::<Log>(server::STREAM).await?;
        let state = log.or(|| OAuthError::server_error("there is no log"))?;
        if state.keys.iter().any(|key| key.key_id == key_id && key.retired_at.is_none()) {
            let event = LogKeyRetired { key_id: key_id.to_owned(), at: self.now() };
            work.record(&mut log, vec![ServerEvent::from(event).into()], &Seal::default())?;
        }
        work.commit().await.map(drop)
    }

    async fn use_log_key(&self, log: &Log) -> Result<(), OAuthError> {
        let own = log.signing_key().ok_or_else(|| OAuthError::server_error("the log has no key"))?;
        if self.log_key.is(&own.key_id) {
            return Ok(());
        }
        let der = self.vault.log_key(&own.key_id).await.map_err(vault_trouble)?;
        let der = der.ok_or_else(|| {
            OAuthError::server_error(format!("the private half of the log's key {} is not in the vault: restore the vault", own.key_id))
        })?;
        let private = SigningKey::from_pkcs8_der(&der).map_err(|e| OAuthError::server_error(format!("the log's key: {e}")))?;
        let key = LogKey::new(&log.origin, private)?;
        if key.public.to_string() != own.vkey {
            return Err(OAuthError::server_error(format!("the vault holds another key than {}", own.vkey)));
        }
        self.ledger.set_notary(key.notary());
        self.log_key.set(own.key_id.clone());
        Ok(())
    }

    /// The checkpoint has to be of the last commit: whoever rewrites the log could as well put an older one back, or none.
    async fn check_last_note(&self, log: &Log) -> Result<(), StartError> {
        let wrong = |what: &str| Err(StartError::OtherCheckpoint { what: what.to_owned() });
        for _ in 0..QUIET_LOOKS {
            let before = self.ledger.head().await?;
            let Some(note) = self.ledger.note().await? else { return wrong("there is none, although the log has a key") };
            if self.ledger.head().await? != before {
                continue;
            }
            return match judge(log, &note, &before) {
                Ok(checkpoint) if checkpoint.size == before.size => Ok(()),
                Ok(_) => wrong("it is older than the last commit"),
                Err(what) => wrong(what),
            };
        }
        // Other nodes append all the time; they looked at it when they started.
        Ok(())
    }

    /// Seals the log if nothing was appended for this long. Of several nodes one does it.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn seal_when_quiet(&self, context: &Context, after: Duration) -> Result<(), OAuthError> {
        decide!(self, context, |work| self.seal_once(work, after))?;
        Ok(())
    }

    async fn seal_once(&self, mut work: Work<'_>, after: Duration) -> Result<(), Stop> {
        let at = self.now();
        // First the stream, then the head: whoever seals in between makes this round lose.
        let mut seals = work.load::<Seals>(&seal::stream(&clock::day(at.0))).await?;
        let head = self.ledger.head().await.map_err(unreadable)?;
        let decision = seal::decide(&SealLog { quiet_since: Timestamp(head.recorded_at), after: seconds(after), at });
        work.record(&mut seals, decision.events, &Seal::default())?;
        work.commit().await.map(drop)
    }
}

/// Reads a checkpoint of a log and compares it with the head.
///
/// # Errors
/// What is wrong with it: another log, a size beyond the end, another root, no signature of a key of the log.
pub fn judge(log: &Log, note: &str, head: &Head) -> Result<Checkpoint, &'static str> {
    let note = Note::parse(note.as_bytes()).map_err(|_| "it is no signed note")?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|_| "it is no checkpoint")?;
    if checkpoint.origin != log.origin {
        return Err("it is of another log");
    }
    if checkpoint.size > head.size {
        return Err("the log is shorter than what was signed");
    }
    if checkpoint.size == head.size && checkpoint.root != head.root {
        return Err("the log has another root than what was signed");
    }
    let mut keys = log.keys.iter().filter_map(|key| key.vkey.parse::<VerifierKey>().ok());
    if !keys.any(|key| note.verify(&key, ed25519::verify).is_ok()) {
        return Err("no key of this log has signed it");
    }
    Ok(checkpoint)
}

async fn announce_once(mut work: Work<'_>, event: LogKeyCreated, had: usize) -> Result<(), Stop> {
    let mut log = work.load::<Log>(server::STREAM).await?;
    let state = log.or(|| OAuthError::server_error("there is no log"))?;
    // Of nodes that start at once one announces the first key.
    if state.keys.len() == had {
        work.record(&mut log, vec![ServerEvent::from(event).into()], &Seal::default())?;
    }
    work.commit().await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tlog_checkpoint_a_head_is_signed_as_a_note() {
        let key = LogKey::generate("log.example/oidc").unwrap();
        let vkey = key.public.clone();
        let head = Head { size: 3, root: [7; 32], recorded_at: 1 };
        let text = key.notary()(&head).unwrap();
        let note = Note::parse(text.as_bytes()).unwrap();
        assert_eq!(Checkpoint::parse(note.text()).unwrap(), Checkpoint::new("log.example/oidc", 3, [7; 32]));
        assert!(note.verify(&vkey, ed25519::verify).is_ok());
        let theirs = signed_note::StandardVerifier::new(&vkey.to_string()).unwrap();
        let parsed = signed_note::Note::from_bytes(text.as_bytes()).unwrap();
        parsed.verify(&signed_note::VerifierList::new(vec![Box::new(theirs)])).unwrap();
    }
}
