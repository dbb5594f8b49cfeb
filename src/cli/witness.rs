//! `chancery witness`: a small server for a third party, who sees that a log only ever grows.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_jose::SigningKey;
use chancery_tree::VerifierKey;

use super::outcome::usage;
use super::{logging, print, signal};
use crate::app::clock::Clock;
use crate::app::witness::Witness;
use crate::config::Flags;
use crate::http::limits::ConnectionLimits;
use crate::http::listen::{self, Listener};
use crate::http::witness::Routes;

#[derive(clap::Args)]
#[command(after_help = "\
Example, on a machine that the operator of the log has no access to:
  chancery witness --name witness.example/w1 --key witness.pem --state witness.json \\
    --log 'id.example/oidc+3b1d...+AZ...' --listen 0.0.0.0:8080

It prints its own verifier key, which the log's operator puts into proof.witnesses with the address.
The key and the state are all that it has: back up both, and never go back to an older state.")]
pub struct Args {
    /// Name of this witness in its signatures, an address without scheme
    #[arg(long, value_name = "NAME")]
    name: String,
    /// File with the private key (PKCS#8 PEM, Ed25519); made when it is absent
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// File that remembers the last checkpoint of each log
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Verifier key of a log; its name is the log's origin. May be given several times
    #[arg(long = "log", value_name = "VKEY", required = true)]
    logs: Vec<String>,
}

/// Where a witness listens unless `--listen` says otherwise.
const ADDRESS: &str = "127.0.0.1:3010";

/// Serves until SIGTERM or SIGINT.
pub async fn run(flags: &Flags, args: Args) -> anyhow::Result<()> {
    logging::start(false, "info");
    let typed = if flags.listen.is_empty() { vec![ADDRESS.to_owned()] } else { flags.listen.clone() };
    let parse = |text: String| text.parse().map_err(|_| usage(format!("--listen {text} is not an address such as {ADDRESS}")));
    let addresses = typed.into_iter().map(parse).collect::<anyhow::Result<Vec<SocketAddr>>>()?;
    let read = |text: &String| text.parse::<VerifierKey>().map_err(|error| usage(format!("--log {text}: {error}")));
    let logs = args.logs.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    let witness = Witness::open(&args.name, key(&args.key)?, logs, &args.state)?;
    print::line(witness.public())?;
    let sockets = listen::bind(&addresses).await?;
    for socket in &sockets {
        tracing::info!(address = %socket.local_addr()?, logs = args.logs.len(), "witnessing");
    }
    let routes = Routes { witness: Arc::new(witness), clock: Clock::System };
    let listeners = sockets.into_iter().map(|socket| Listener { socket, tls: None, asks: false }).collect();
    listen::serve(listeners, listen::app(routes), ConnectionLimits::default(), signal::stop()).await;
    Ok(())
}

/// The key in the file, or a new one that is kept there for its owner alone.
fn key(path: &Path) -> anyhow::Result<SigningKey> {
    match std::fs::read_to_string(path) {
        Ok(pem) => Ok(SigningKey::from_pem(&pem).with_context(|| path.display().to_string())?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = SigningKey::generate_ed25519()?;
            let text = STANDARD.encode(key.to_pkcs8_der()?);
            let mut options = File::options();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path).with_context(|| path.display().to_string())?;
            // An Ed25519 key is one line of base64.
            write!(file, "-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")?;
            file.sync_all()?;
            Ok(key)
        }
        Err(error) => bail!("{}: {error}", path.display()),
    }
}
