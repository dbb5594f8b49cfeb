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
    eprintln!("chancery: {error:#}");
    match error.downcast_ref::<WrongUsage>() {
        Some(_) => ExitCode::from(2),
        None => ExitCode::from(1),
    }
}
