//! Keys that live outside of this process: a program of the operator's choice signs with them, asked over its standard input and output.
//!
//! | Rule | Source |
//! |---|---|
//! | what comes back is checked under the public key before anybody sees it: a wrong signature is no token | our own |
//! | never another key instead: whoever cannot sign says so | our own |
//! | so many programs at once, so many that wait, so long for each answer | our own |
//! | a program that ended, was too slow or spoke nonsense is stopped; the next question starts another one, a second later at the soonest | our own |
//! | what went wrong last is told by the health of the server until something was signed again | our own |
//!
//! Out of scope: the conversation itself (`conversation`), which key signs what (`app::signing`), PKCS#11 (`chancery-signer`).

mod conversation;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chancery_core::base64url;
use chancery_core::error::OAuthError;
use chancery_jose::{Algorithm, PublicJwk};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::config;
use conversation::Conversation;

/// Questions that wait for a program. One more is refused at once.
const MOST_WAITING: usize = 256;
/// After a failure no program is started for so long.
const PAUSE: Duration = Duration::from_secs(1);
/// What is signed to see whether signing works. No token: those are base64url, and have no spaces.
const PROBE: &str = "chancery asks whether you can sign";

/// Why there is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    #[error("a signer holds the key {0}, and signer.command names none")]
    Unnamed(String),
    #[error("the signer could not be started: {0}")]
    NotStarted(String),
    #[error("the signer ended, or closed its output")]
    Ended,
    #[error("the signer failed a moment ago, and is started again soon")]
    Pausing,
    #[error("the signer did not answer in time")]
    Slow,
    #[error("too many signatures are waiting for the signer")]
    Busy,
    #[error("the signer said what is no answer: {0}")]
    Odd(&'static str),
    #[error("the signer refused: {0}")]
    Refused(String),
    #[error("the signer's signature is not one of the key {0}")]
    Wrong(String),
}

impl From<SignerError> for OAuthError {
    fn from(error: SignerError) -> Self {
        Self::temporarily_unavailable(error.to_string()).saying("Nothing can be signed at the moment; try again in a moment.")
    }
}

/// A key that the signer holds.
#[derive(Clone)]
pub struct Held {
    /// What the signer calls it.
    pub name: String,
    pub public: PublicJwk,
}

impl Held {
    /// As it is published.
    pub fn kid(&self) -> &str {
        self.public.kid().unwrap_or_default()
    }
}

/// The programs, and what is known of them. Clones are handles on the same ones.
#[derive(Clone)]
pub struct Signer(Arc<Inner>);

struct Inner {
    command: Vec<String>,
    patience: Duration,
    turns: Semaphore,
    waiting: AtomicUsize,
    /// Programs that have nothing to do.
    idle: Mutex<Vec<Conversation>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    trouble: Option<SignerError>,
    /// When something was signed last.
    signed_at: Option<Instant>,
    paused_until: Option<Instant>,
}

impl Signer {
    pub fn new(config: &config::Signer) -> Self {
        Self(Arc::new(Inner {
            command: config.command.clone(),
            patience: config.timeout,
            turns: Semaphore::new(config.processes),
            waiting: AtomicUsize::new(0),
            idle: Mutex::default(),
            state: Mutex::default(),
        }))
    }

    /// What went wrong last; `None` when something was signed after it.
    pub fn trouble(&self) -> Option<SignerError> {
        lock(&self.0.state).trouble.clone()
    }

    /// Whether nothing was signed for so long, or something is wrong.
    pub fn wants_probe(&self, after: Duration) -> bool {
        let state = lock(&self.0.state);
        state.trouble.is_some() || state.signed_at.is_none_or(|at| at.elapsed() >= after)
    }

    /// The public half of a key, with the `kid` that it is published under.
    ///
    /// # Errors
    /// What the signer said, or why it said nothing.
    pub async fn public(&self, name: &str) -> Result<PublicJwk, SignerError> {
        let answer = self.noting(self.ask(json!({ "ask": "public", "key": name })).await)?;
        let key = PublicJwk::from_value(answer.get("jwk").unwrap_or(&Value::Null));
        let key = self.noting(key.map_err(|_| SignerError::Odd("the member jwk is no public key that this server uses")))?;
        let kid = key.thumbprint().to_string();
        Ok(key.with_kid(kid))
    }

    /// The signature of a message, in the form that JWS wants, checked.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn sign(&self, held: &Held, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let question = json!({ "ask": "sign", "key": held.name, "alg": alg.as_str(), "message": base64url::encode(message) });
        let answer = self.noting(self.ask(question).await)?;
        let signature = answer.get("signature").and_then(Value::as_str).and_then(base64url::decode);
        let signature = self.noting(signature.ok_or(SignerError::Odd("the member signature is not base64url")))?;
        if !held.public.verifies(alg, message, &signature) {
            return self.noting(Err(SignerError::Wrong(held.kid().to_owned())));
        }
        let mut state = lock(&self.0.state);
        (state.trouble, state.signed_at) = (None, Some(Instant::now()));
        Ok(signature)
    }

    /// Signs what is no token, to see whether it can.
    ///
    /// # Errors
    /// As for [`Self::sign`].
    pub async fn probe(&self, held: &Held, alg: Algorithm) -> Result<(), SignerError> {
        self.sign(held, alg, PROBE.as_bytes()).await.map(drop)
    }

    fn noting<T>(&self, outcome: Result<T, SignerError>) -> Result<T, SignerError> {
        if let Err(error) = &outcome {
            lock(&self.0.state).trouble = Some(error.clone());
        }
        outcome
    }

    async fn ask(&self, question: Value) -> Result<Value, SignerError> {
        let inner = self.0.clone();
        if inner.waiting.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING {
            inner.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(SignerError::Busy);
        }
        // In a task of its own: a caller who hangs up must not break a conversation off, which would stop the program.
        let asked = tokio::spawn(async move {
            let answer = timeout(inner.patience, inner.exchange(&question)).await.unwrap_or(Err(SignerError::Slow));
            inner.waiting.fetch_sub(1, Ordering::Relaxed);
            if let Err(error) = &answer
                && !matches!(error, SignerError::Refused(_) | SignerError::Busy | SignerError::Pausing)
            {
                lock(&inner.state).paused_until = Some(Instant::now() + PAUSE);
            }
            answer
        });
        asked.await.map_err(|_| SignerError::Ended)?
    }
}

impl Inner {
    async fn exchange(&self, question: &Value) -> Result<Value, SignerError> {
        // It is never closed.
        let _turn = self.turns.acquire().await.map_err(|_| SignerError::Ended)?;
        let kept = lock(&self.idle).pop();
        if let Some(mut conversation) = kept {
            match conversation.ask(question).await {
                // It ended while nobody looked. A question changes nothing, so that another one may be asked the same.
                Err(SignerError::Ended) => {}
                outcome => return self.after(conversation, outcome),
            }
        }
        if lock(&self.state).paused_until.is_some_and(|until| Instant::now() < until) {
            return Err(SignerError::Pausing);
        }
        let mut conversation = Conversation::start(&self.command)?;
        let outcome = conversation.ask(question).await;
        self.after(conversation, outcome)
    }

    /// Whoever answered is asked again; the others are stopped by being dropped.
    fn after(&self, conversation: Conversation, outcome: Result<Value, SignerError>) -> Result<Value, SignerError> {
        if matches!(outcome, Ok(_) | Err(SignerError::Refused(_))) {
            lock(&self.idle).push(conversation);
        }
        outcome
    }
}

/// A panic elsewhere leaves what is whole: each change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
