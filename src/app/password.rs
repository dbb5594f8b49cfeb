//! Password hashes: scrypt, bounded, so that logins cannot exhaust memory.
//!
//! | Rule | Source |
//! |---|---|
//! | N = 2^17, r = 8, p = 1 or an equal | OWASP Password Storage Cheat Sheet |
//! | one hash takes 128 MiB: at most one per processor runs, a bounded queue waits, the rest is 503 | measured |
//! | hashing takes the processor only as far as others leave it | `docs/adr/0056-hashing-behind-everything-else.md` |
//! | an unknown account costs the same time as a known one | OWASP user enumeration |
//! | a hash with weaker parameters is replaced at the next login | OWASP |

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use chancery_core::error::OAuthError;
use scrypt::password_hash::{CustomizedPasswordHasher as _, PasswordVerifier as _};
use scrypt::phc::PasswordHash;
use scrypt::{Params, Scrypt};
use tokio::sync::{Semaphore, oneshot};

use crate::config::Scrypt as Wanted;

/// Parameters beyond these would be an attack on our own memory, whoever wrote the hash.
const MOST_LN: u8 = 20;

/// The hasher of this process.
pub struct Passwords {
    params: Params,
    wanted: (u8, u32, u32),
    permits: Arc<Semaphore>,
    permitted: usize,
    waiting: AtomicUsize,
    most_waiting: usize,
    /// What an unknown account is checked against.
    nobody: tokio::sync::OnceCell<String>,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    pub correct: bool,
    /// Right, but hashed with other parameters than are wanted now.
    pub outdated: bool,
}

/// How busy the hasher is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub running: usize,
    pub waiting: usize,
    /// One more is refused.
    pub most_waiting: usize,
}

impl Passwords {
    /// # Errors
    /// Parameters that scrypt refuses.
    pub fn new(wanted: &Wanted) -> Result<Self, String> {
        let params = Params::new(wanted.ln, wanted.r, wanted.p).map_err(|e| format!("scrypt: {e}"))?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let permitted = wanted.permits.unwrap_or(processors);
        Ok(Self {
            params,
            wanted: (wanted.ln, wanted.r, wanted.p),
            permits: Arc::new(Semaphore::new(permitted)),
            permitted,
            waiting: AtomicUsize::new(0),
            most_waiting: wanted.queue,
            nobody: tokio::sync::OnceCell::new(),
        })
    }

    /// How busy it is.
    pub fn load(&self) -> Load {
        Load {
            running: self.permitted.saturating_sub(self.permits.available_permits()),
            waiting: self.waiting.load(Ordering::Relaxed),
            most_waiting: self.most_waiting,
        }
    }

    /// A PHC string of this password.
    ///
    /// # Errors
    /// `temporarily_unavailable` when too many wait.
    pub async fn hash(&self, password: &str) -> Result<String, OAuthError> {
        let (params, password) = (self.params, zeroize::Zeroizing::new(password.to_owned()));
        self.run(move || {
            let salt = super::random::bytes::<16>();
            Scrypt::new()
                .hash_password_with_params(password.as_bytes(), &salt, params)
                .map(|hash| hash.to_string())
                .map_err(|e| OAuthError::server_error(format!("scrypt: {e}")))
        })
        .await?
    }

    /// Checks a password; without a hash it takes as long and is wrong.
    ///
    /// # Errors
    /// `temporarily_unavailable` when too many wait, `server_error` for a hash that is none.
    pub async fn check(&self, password: &str, hash: Option<&str>) -> Result<Checked, OAuthError> {
        let known = hash.is_some();
        let hash = match hash {
            Some(hash) => hash.to_owned(),
            None => self.nobody.get_or_try_init(|| self.hash("nobody has this password")).await?.clone(),
        };
        let (wanted, password) = (self.wanted, zeroize::Zeroizing::new(password.to_owned()));
        self.run(move || {
            let parsed = PasswordHash::new(&hash).map_err(|_| OAuthError::server_error("a stored password hash is malformed"))?;
            let params = Params::try_from(&parsed).map_err(|_| OAuthError::server_error("a stored password hash has odd parameters"))?;
            if params.log_n() > MOST_LN || params.r() > 16 || params.p() > 16 {
                return Err(OAuthError::server_error("a stored password hash asks for too much memory"));
            }
            let correct = Scrypt::new().verify_password(password.as_bytes(), &parsed).is_ok();
            let outdated = correct && (params.log_n(), params.r(), params.p()) != wanted;
            Ok(Checked { correct: correct && known, outdated: outdated && known })
        })
        .await?
    }

    async fn run<T: Send + 'static>(&self, hashing: impl FnOnce() -> T + Send + 'static) -> Result<T, OAuthError> {
        let place = Place::take(&self.waiting, self.most_waiting)?;
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| OAuthError::server_error("the hasher has stopped"))?;
        drop(place);
        let (reply, answer) = oneshot::channel();
        // A thread of its own: the rank that it gives up cannot be had back, and the runtime's threads serve others after us.
        let hasher = thread::Builder::new().name("hasher".into()).spawn(move || {
            step_back();
            let done = hashing();
            drop(permit);
            // A request that went away does not want the answer.
            let _ = reply.send(done);
        });
        hasher.map_err(|e| OAuthError::temporarily_unavailable(format!("no thread to hash a password on: {e}")))?;
        answer.await.map_err(|_| OAuthError::server_error("hashing ended unexpectedly"))
    }
}

/// How far hashing stands back, in steps of `nice`: ten steps leave it a tenth of a processor that somebody else wants too.
#[cfg(target_os = "linux")]
const STANDS_BACK: i32 = 10;

/// Lets all other threads go first: a storm of logins must not take the processor from those who only show a token.
#[cfg(target_os = "linux")]
fn step_back() {
    // On Linux this is the calling thread alone. Refused only where nobody may change any rank; then hashing is as before.
    if let Err(error) = rustix::process::nice(STANDS_BACK) {
        tracing::debug!(%error, "hashing keeps its rank");
    }
}

/// Elsewhere a rank belongs to the whole process.
#[cfg(not(target_os = "linux"))]
fn step_back() {}

/// A place in the bounded queue; given back when the request goes away, too.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, most: usize) -> Result<Self, OAuthError> {
        if waiting.fetch_add(1, Ordering::AcqRel) >= most {
            waiting.fetch_sub(1, Ordering::AcqRel);
            return Err(OAuthError::temporarily_unavailable("too many passwords are being hashed"));
        }
        Ok(Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    fn rank() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    fn passwords() -> Passwords {
        Passwords::new(&Wanted { ln: 1, r: 8, p: 1, permits: Some(1), queue: 1 }).unwrap()
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn hashing_stands_back_and_nobody_else_does() {
        let before = rank();
        assert_eq!(passwords().run(rank).await.unwrap(), (before + STANDS_BACK).min(19));
        let others = tokio::task::spawn_blocking(rank).await.unwrap();
        assert_eq!((rank(), others), (before, before));
    }

    #[tokio::test]
    async fn a_hash_that_panics_fails_alone_and_gives_its_permit_back() {
        let passwords = passwords();
        let ended: Result<(), _> = passwords.run(|| panic!("on purpose")).await;
        assert_eq!(ended.unwrap_err().code(), "server_error");
        assert_eq!(passwords.run(|| 7).await.unwrap(), 7);
    }
}
