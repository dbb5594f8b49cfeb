//! Carrying out an operator's command: by the running server, or directly when none runs.
//!
//! | Database | Server | Who does it |
//! |---|---|---|
//! | SQLite | answers on its socket | the server |
//! | SQLite | does not | this process, which holds the log's lock meanwhile |
//! | PostgreSQL | whatever | this process, as one more node |

use anyhow::bail;
use chancery_ledger::error::OpenError;
use serde_json::Value;

use super::serve::guarded_get;
use super::socket;
use crate::app::clock::Clock;
use crate::app::context::Context;
use crate::app::operator::Command;
use crate::app::start::{self, Opening, StartError};
use crate::app::{App, random};
use crate::config::{Config, Database, Secrets};

/// # Errors
/// A sentence for the operator.
pub async fn operate(config: Config, command: Command) -> anyhow::Result<Value> {
    if let Database::Sqlite(path) = &config.database {
        if let Some(answer) = socket::ask(&config.data_dir, &command).await? {
            return answer.into_result();
        }
        // A mistyped directory should not become a new, empty log.
        if !path.exists() && !may_begin_a_log(&command) {
            bail!("there is no log in {}; name the right directory with --data-dir", config.data_dir.display());
        }
    }
    let secrets = config.secrets(random::fill)?;
    let app = open(config, &secrets).await?;
    let outcome = directly(&app, &secrets, command).await;
    app.ledger.close().await;
    outcome
}

fn may_begin_a_log(command: &Command) -> bool {
    matches!(
        command,
        Command::UserCreate { .. }
            | Command::ClientCreate { .. }
            | Command::Invite { .. }
            | Command::Token { .. }
            | Command::KeysRotate { .. }
    )
}

/// Opens the application for a command of this process.
///
/// # Errors
/// As for `start::open`, with what to do when a server holds the log.
pub async fn open(config: Config, secrets: &Secrets) -> anyhow::Result<App> {
    match start::open(config, secrets, Clock::System, Opening::default()).await {
        Err(StartError::Ledger(OpenError::Locked(file))) => {
            bail!("another process has {file} open and does not answer on its control socket; stop it, or wait until it has started")
        }
        opened => {
            let app = opened?;
            app.remote.connect(guarded_get(&app)?);
            Ok(app)
        }
    }
}

async fn directly(app: &App, secrets: &Secrets, command: Command) -> anyhow::Result<Value> {
    let context = Context::of_server("operator", random::uuid_v7(app.now().0).to_string());
    let refused = |error| anyhow::anyhow!(socket::sentence(&error));
    if matches!(command, Command::KeysRotate { .. }) {
        let imported = secrets.jwks_private_key.as_ref().map(|pem| pem.expose());
        app.ensure_keys(&context, imported).await.map_err(refused)?;
    }
    app.operate(&context, command).await.map_err(refused)
}
