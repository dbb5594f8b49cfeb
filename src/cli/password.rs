//! Where a password comes from: typed twice without echo, a pipe, or a file. Never an argument.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

use super::blocking;
use super::outcome::usage;

/// Longest input that is read; the rules for passwords are the application's.
const LONGEST: u64 = 4096;

#[derive(Clone, clap::Args)]
pub struct Source {
    /// Read the password from the first line of standard input
    #[arg(long, conflicts_with = "password_file")]
    password_stdin: bool,
    /// Read the password from the first line of a file
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Source {
    /// # Errors
    /// No terminal and no other source, two texts that differ, a file that cannot be read.
    pub async fn read(self) -> anyhow::Result<Zeroizing<String>> {
        blocking(move || match (self.password_stdin, self.password_file) {
            (true, _) => first_line(io::stdin().lock()).context("standard input"),
            (false, Some(file)) => {
                let opened = std::fs::File::open(&file);
                opened.map_err(anyhow::Error::new).and_then(first_line).with_context(|| file.display().to_string())
            }
            (false, None) => prompt(),
        })
        .await
    }
}

fn first_line(input: impl io::Read) -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    input.take(LONGEST).read_to_string(&mut text)?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        bail!("there is no password on the first line");
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn prompt() -> anyhow::Result<Zeroizing<String>> {
    if !io::stdin().is_terminal() {
        return Err(usage("there is no terminal to ask for a password; use --password-stdin or --password-file FILE"));
    }
    let first = Zeroizing::new(rpassword::prompt_password("Password: ")?);
    let again = Zeroizing::new(rpassword::prompt_password("Once more: ")?);
    if *first != *again {
        bail!("the two passwords differ");
    }
    Ok(first)
}
