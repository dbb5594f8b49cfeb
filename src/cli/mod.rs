//! The command line: what an operator types, and nothing that decides.
//!
//! | Room | Commands |
//! |---|---|
//! | [`serve`], [`feeding`] | `serve` (also without a command), `openapi` |
//! | [`demo`] | the server with an example client application |
//! | [`migrate`], [`config`], [`doctor`] | before serving |
//! | [`backup`] | copies of the embedded database |
//! | [`keys`], [`token`], [`user`], [`client`], [`session`], [`resource`], [`credential`] | operators' commands, through [`operate`]: over the [`socket`] of the running server or directly |
//! | [`audit`], [`projections`], [`replay`], [`feeds`] | the log, what is folded from it, and where it goes |
//! | [`logging`], [`print`], [`instant`], [`outcome`], [`password`] | what the commands have in common |
//!
//! Exit codes: 0 done, 1 the check failed or the command was refused (what and where on stderr), 2 wrong usage.
//! No secret is an argument: a command line can be read by every user of the machine.

pub mod archive;
pub mod audit;
pub mod backup;
pub mod certificates;
pub mod client;
pub mod config;
pub mod credential;
pub mod demo;
pub mod doctor;
pub mod feeding;
pub mod feeds;
pub mod instant;
pub mod keys;
pub mod ledger;
pub mod logging;
pub mod migrate;
pub mod openapi;
pub mod operate;
pub mod outcome;
pub mod password;
mod paths;
pub mod print;
pub mod projections;
pub mod replay;
pub mod resource;
pub mod serve;
pub mod session;
pub mod signal;
pub mod socket;
pub mod token;
pub mod user;
pub mod watched;
pub mod witness;

#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::thread;

use anyhow::Context as _;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::app::random;
use crate::app::start::Opening;
use crate::config::{Config, Flags, Sources, resolve};

const EXAMPLES: &str = "\
Examples:
  chancery                                  serve on localhost:3000 with embedded SQLite
  chancery demo                             the server with an example client application
  chancery config example > chancery.toml   every setting with its default
  chancery --config chancery.toml doctor    check a set-up before serving
  chancery user create --email alice@example.com --admin
  chancery token --scope 'admin audit:read'
  chancery audit tail --follow
  chancery audit verify

Secrets come from the environment, a file or a prompt, never from the command line.
Exit codes: 0 done, 1 the check failed or the command was refused, 2 wrong usage.";

/// An event-sourced OAuth 2.0 / OpenID Connect authorization server.
///
/// No event, no token: every action is in the log before it has an effect, and the log can be verified.
#[derive(Parser)]
#[command(name = "chancery", version, after_help = EXAMPLES, disable_help_subcommand = true, term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
    #[command(flatten, next_help_heading = "Configuration")]
    flags: Flags,
}

#[derive(Args)]
struct ServeArgs {
    /// The issuer really moved: accept another one than the log's, and record it
    #[arg(long)]
    change_issuer: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT; what `chancery` without a command does
    Serve(ServeArgs),
    /// Serve for development, with an example client application that shows claims, tokens and events
    Demo(demo::Args),
    /// Bring the PostgreSQL schema to this program's level, with the owner's DATABASE_URL
    Migrate,
    /// Check a set-up without starting it
    Doctor(doctor::Args),
    /// Show or check the configuration
    #[command(subcommand)]
    Config(config::Command),
    /// Print the OpenAPI document
    Openapi(openapi::Args),
    /// Signing keys and the master key
    #[command(subcommand)]
    Keys(keys::Command),
    /// Mint an operator's token; it alone goes to stdout
    Token(token::Args),
    /// Accounts
    #[command(subcommand)]
    User(user::Command),
    /// Clients
    #[command(subcommand)]
    Client(client::Command),
    /// Signed-in browsers
    #[command(subcommand)]
    Session(session::Command),
    /// Resource servers: the APIs that access tokens are for
    #[command(subcommand)]
    Resource(resource::Command),
    /// Credentials for wallets
    #[command(subcommand)]
    Credential(credential::Command),
    /// Read, export and verify the log
    #[command(subcommand)]
    Audit(audit::Command),
    /// The log as a whole: move it to another database, raise it after an upgrade
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Cosign the checkpoints of somebody else's log
    Witness(witness::Args),
    /// Copy the embedded database while the server serves
    #[command(subcommand)]
    Backup(backup::Command),
    /// The log for other systems
    #[command(subcommand)]
    Feeds(feeds::Command),
    /// What is folded from the log
    #[command(subcommand)]
    Projections(projections::Command),
    /// Fold the log up to a moment into a database for an auditor
    Replay(replay::Args),
}

/// Parses, runs and turns the outcome into an exit code.
pub fn main() -> ExitCode {
    logging::catch_panics();
    let cli = Cli::parse();
    if cli.serve.change_issuer && cli.command.is_some() {
        Cli::command().error(ErrorKind::ArgumentConflict, "--change-issuer belongs to `chancery serve`").exit();
    }
    let asked = match &cli.command {
        None | Some(Command::Serve(_)) => configuration(&cli.flags).map(|config| config.threads),
        Some(_) => Ok(None),
    };
    let runtime = asked.and_then(|threads| runtime(threads.unwrap_or_else(one_is_spare)));
    outcome::exit_code(runtime.and_then(|runtime| runtime.block_on(run(cli))))
}

/// The writer of the log has a thread of its own, which is busy whenever the others are
/// (docs/adr/0036-a-processor-for-the-writer.md).
fn one_is_spare() -> NonZeroUsize {
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(processors - 1).unwrap_or(NonZeroUsize::MIN)
}

fn runtime(threads: NonZeroUsize) -> anyhow::Result<Runtime> {
    // Said outright: the runtime would otherwise read TOKIO_WORKER_THREADS, and panic over what is no number.
    Builder::new_multi_thread().worker_threads(threads.get()).enable_all().build().context("no threads")
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let flags = &cli.flags;
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => {
            let config = configuration(flags)?;
            logging::start(config.log.json, config.log.level);
            let secrets = config.secrets(random::fill)?;
            serve::run(config, secrets, Opening { change_issuer: args.change_issuer, level: None }).await
        }
        Command::Demo(args) => demo::run(flags, &args).await,
        Command::Openapi(args) => openapi::run(&args),
        Command::Config(command) => config::run(flags, &command),
        Command::Doctor(args) => doctor::run(flags, &args).await,
        Command::Migrate => migrate::run(quiet(flags)?).await,
        Command::Keys(command) => keys::run(quiet(flags)?, command).await,
        Command::Token(args) => token::run(quiet(flags)?, args).await,
        Command::User(command) => user::run(quiet(flags)?, command).await,
        Command::Client(command) => client::run(quiet(flags)?, command).await,
        Command::Session(command) => session::run(quiet(flags)?, command).await,
        Command::Resource(command) => resource::run(quiet(flags)?, command).await,
        Command::Credential(command) => credential::run(quiet(flags)?, command).await,
        Command::Audit(command) => audit::run(quiet(flags)?, command).await,
        Command::Ledger(command) => ledger::run(quiet(flags)?, command).await,
        Command::Witness(args) => witness::run(flags, args).await,
        Command::Backup(command) => backup::run(quiet(flags)?, command).await,
        Command::Feeds(command) => feeds::run(quiet(flags)?, command).await,
        Command::Projections(command) => projections::run(quiet(flags)?, command).await,
        Command::Replay(args) => replay::run(quiet(flags)?, args).await,
    }
}

fn configuration(flags: &Flags) -> anyhow::Result<Config> {
    resolve(&Sources::of_process(flags)).map_err(anyhow::Error::new)
}

/// For commands that answer on stdout: only warnings are told besides.
fn quiet(flags: &Flags) -> anyhow::Result<Config> {
    let config = configuration(flags)?;
    logging::start(config.log.json, "warn");
    Ok(config)
}

/// Runs work that waits for a person or for standard input where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("interrupted")?
}
