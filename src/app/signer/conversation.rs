//! One program that signs: a line of JSON in, a line of JSON out.
//!
//! | Question | Answer |
//! |---|---|
//! | `{"ask":"public","key":NAME}` | `{"jwk":{...}}` (RFC 7517) |
//! | `{"ask":"sign","key":NAME,"alg":"ES256","message":BASE64URL}` | `{"signature":BASE64URL}`, as JWS wants it (RFC 7515 §5.1, RFC 7518 §3) |
//! | any | `{"error":SENTENCE}`: it goes on |
//!
//! The next question comes after the answer to the last. The program ends when its input does.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::SignerError;
use crate::config::table::SETTINGS;

/// Bytes of an answer: an RSA key of 8192 bits has 1.5 KiB.
const LONGEST_ANSWER: u64 = 16 * 1024;
/// Characters of a refusal that are told on.
const LONGEST_SENTENCE: usize = 300;

pub struct Conversation {
    /// Stopped when it is dropped.
    _program: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Conversation {
    /// # Errors
    /// `NotStarted`.
    pub fn start(command: &[String]) -> Result<Self, SignerError> {
        let not_started = |why: String| SignerError::NotStarted(why);
        let (program, arguments) = command.split_first().ok_or_else(|| not_started("no command".to_owned()))?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        // What configures this server, its secrets among it, is none of the program's business.
        for (name, _) in std::env::vars_os() {
            let is_ours = |name: &str| name.starts_with("CHANCERY_") || SETTINGS.iter().any(|setting| setting.variable() == name);
            if name.to_str().is_some_and(is_ours) {
                command.env_remove(name);
            }
        }
        let mut child = command.spawn().map_err(|error| not_started(format!("{program}: {error}")))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else { return Err(not_started("no pipes".to_owned())) };
        Ok(Self { _program: child, input, output: BufReader::new(output) })
    }

    /// # Errors
    /// `Ended`, `Odd`, `Refused`.
    pub async fn ask(&mut self, question: &Value) -> Result<Value, SignerError> {
        let line = format!("{question}\n");
        self.input.write_all(line.as_bytes()).await.map_err(|_| SignerError::Ended)?;
        self.input.flush().await.map_err(|_| SignerError::Ended)?;
        let mut answer = Vec::new();
        let read = (&mut self.output).take(LONGEST_ANSWER).read_until(b'\n', &mut answer).await.map_err(|_| SignerError::Ended)?;
        if read == 0 {
            return Err(SignerError::Ended);
        }
        if answer.last() != Some(&b'\n') {
            return Err(SignerError::Odd("a line without an end"));
        }
        let answer: Value = serde_json::from_slice(&answer).map_err(|_| SignerError::Odd("a line that is no JSON"))?;
        match answer.get("error") {
            None => Ok(answer),
            Some(Value::String(why)) => {
                let told = why.chars().filter(|one| !one.is_control()).take(LONGEST_SENTENCE).collect();
                Err(SignerError::Refused(told))
            }
            Some(_) => Err(SignerError::Odd("the member error is no text")),
        }
    }
}
