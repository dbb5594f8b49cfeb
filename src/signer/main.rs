//! Signs for Chancery with keys of a PKCS#11 token. A program of its own, so that what the maker of a token wrote in C runs outside of the server:
//! what it breaks, it breaks there.
//!
//! | Room | What |
//! |---|---|
//! | here | arguments, and the conversation: a line of JSON in, a line of JSON out |
//! | `question` | what is asked |
//! | `token` | keys of the token: made, found, read, used |
//!
//! The other side is `src/app/signer` of the server, which checks every signature.

mod question;
mod token;

use std::io::{BufRead as _, Read as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use question::Question;
use token::{Alg, Token};

/// Signs for Chancery with keys of a PKCS#11 token. Without a command it answers questions on its standard input.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The PKCS#11 module, such as /usr/lib/softhsm/libsofthsm2.so
    #[arg(long, value_name = "FILE")]
    module: PathBuf,
    /// The label of the token
    #[arg(long, value_name = "LABEL")]
    token: String,
    /// File with the PIN of its user
    #[arg(long, value_name = "FILE")]
    pin_file: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Make a key that never leaves the token
    Generate {
        /// RS256, PS256, ES256, ES384 or ES512
        #[arg(long, value_parser = Alg::parse)]
        alg: Alg,
        /// What it is called: as in signer.keys of the server
        #[arg(long, value_name = "NAME")]
        key: String,
    },
    /// Print the public half of a key
    Public {
        #[arg(long, value_name = "NAME")]
        key: String,
    },
}

/// Bytes of a question: a token of the server and its envelope.
const LONGEST_QUESTION: u64 = 128 * 1024;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let pin = Zeroizing::new(std::fs::read_to_string(&arguments.pin_file).with_context(|| arguments.pin_file.display().to_string())?);
    let token = Token::open(&arguments.module, &arguments.token, pin.trim())?;
    match arguments.command {
        None => answer_all(&token),
        Some(Command::Generate { alg, key }) => say(&token.generate(alg, &key)?),
        Some(Command::Public { key }) => say(&token.public(&key)?),
    }
}

fn say(answer: &Value) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{answer}")?;
    Ok(output.flush()?)
}

/// Until the input ends.
fn answer_all(token: &Token) -> anyhow::Result<()> {
    let mut input = std::io::stdin().lock();
    loop {
        let mut line = Vec::new();
        if input.by_ref().take(LONGEST_QUESTION).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') {
            bail!("a question of more than {LONGEST_QUESTION} bytes, or one without an end");
        }
        let answer = Question::read(&line).and_then(|question| match question {
            Question::Public { key } => Ok(json!({ "jwk": token.public(&key)? })),
            Question::Sign { key, alg, message } => Ok(json!({ "signature": token::text(&token.sign(&key, alg, &message)?) })),
        });
        match answer {
            Ok(answer) => say(&answer)?,
            Err(error) => {
                say(&json!({ "error": format!("{error:#}") }))?;
                // A token that was pulled, or a session that it ended: a fresh process begins anew, and the server starts one.
                if token::is_lost(&error) {
                    return Err(error);
                }
            }
        }
    }
}
