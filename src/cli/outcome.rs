//! How a command ends: 0 done, 1 the check failed or the command was refused, 2 wrong usage.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// The command was typed in a way that cannot work, although the parser of the command line let it pass.
#[derive(Debug)]
pub struct WrongUsage(pub String);

impl fmt::Display for WrongUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongUsage {}

/// An error that ends with exit code 2.
pub fn usage(sentence: impl Into<String>) -> anyhow::Error {
    WrongUsage(sentence.into()).into()
}

/// Says what went wrong, on stderr.
pub fn exit_code(outcome: anyhow::Result<()>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    // The reader of our output has seen enough: `chancery audit tail | head` is no failure.
    if error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)) {
        return ExitCode::SUCCESS;
    }
    eprintln!("chancery: {}", sentence(&error));
    match error.downcast_ref::<WrongUsage>() {
        Some(_) => ExitCode::from(2),
        None => ExitCode::from(1),
    }
}

/// The causes, from the outermost on. Many errors repeat their cause in their own words; nobody wants to read it twice.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow::anyhow!("no such file").context("cannot read x: no such file").context("start");
        assert_eq!(sentence(&error), "start: cannot read x: no such file");
    }
}
