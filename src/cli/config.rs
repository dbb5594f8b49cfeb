//! `chancery config`: every setting, and what is wrong with the ones that were typed.

use anyhow::bail;
use clap::Subcommand;

use super::print;
use crate::config::check::{Finding, Level, check};
use crate::config::{Flags, Sources, example};

#[derive(Subcommand)]
pub enum Command {
    /// Print a TOML file with every setting, its meaning and its default
    Example,
    /// Check flags, environment and file; exit code 1 if something has to be mended
    Check,
}

pub fn run(flags: &Flags, command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Example => Ok(print::line(example::example().trim_end())?),
        Command::Check => {
            let findings = check(&Sources::of_process(flags));
            findings.iter().try_for_each(show)?;
            fail_on(&findings)
        }
    }
}

/// One line of a report.
pub fn show(finding: &Finding) -> std::io::Result<()> {
    print::line(format_args!("{:<5} {}", word(finding.level), print::plain(&finding.sentence)))
}

pub fn word(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Warn => "warn",
        Level::Fail => "FAIL",
    }
}

/// An error if anything failed.
pub fn fail_on(findings: &[Finding]) -> anyhow::Result<()> {
    match findings.iter().filter(|finding| finding.level == Level::Fail).count() {
        0 => Ok(()),
        1 => bail!("one check failed"),
        many => bail!("{many} checks failed"),
    }
}
