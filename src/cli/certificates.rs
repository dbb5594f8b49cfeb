//! TLS of `serve`: what its listeners show, and the files that are read again while it serves.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use rustls::ServerConfig;

use crate::app::App;
use crate::config::{Config, Tls};
use crate::http::tls::{self, Served};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(10);

/// What the listeners need.
pub struct Certificates {
    pub usual: Option<Arc<ServerConfig>>,
    /// Of the listener that asks for certificates.
    pub asking: Option<Arc<ServerConfig>>,
    /// What is read again when its files change.
    pub files: Vec<Arc<Served>>,
}

/// Reads what the configuration names.
///
/// # Errors
/// The first file that is wrong.
pub fn read(config: &Config) -> anyhow::Result<Certificates> {
    let mut files = Vec::new();
    let mut served = |tls: &Option<Tls>, asks: bool| {
        let Some(tls) = tls else { return Ok(None) };
        let own = Served::read(&tls.cert, &tls.key).map_err(|why| anyhow!("{why}"))?;
        files.push(own.clone());
        own.config(asks).map(Some).map_err(anyhow::Error::from)
    };
    let (usual, asking) = (served(&config.tls, false)?, served(&config.mtls.tls, true)?);
    Ok(Certificates { usual, asking, files })
}

/// Trusts the authorities for client certificates.
///
/// # Errors
/// What is wrong with their file.
pub fn trust(app: &App) -> Result<(), String> {
    let Some(file) = &app.config.mtls.client_ca else { return Ok(()) };
    app.authorities.trust(tls::authorities(file)?.0);
    Ok(())
}

/// Reads the files again from time to time. What is wrong with one is said once, until it changes.
pub async fn follow(app: App, certificates: Certificates) {
    let mut said = Vec::new();
    // The first look trusts what the start trusted already.
    let mut trusted = None;
    loop {
        tokio::time::sleep(EVERY).await;
        let (files, file) = (certificates.files.clone(), app.config.mtls.client_ca.clone());
        let look = move || {
            let served: Vec<_> = files.iter().map(|own| own.read_again()).collect();
            (served, file.map(|file| tls::authorities(&file)))
        };
        let Ok((served, authorities)) = tokio::task::spawn_blocking(look).await else { return };
        let mut wrong = Vec::new();
        for read in served {
            match read {
                Ok(true) => tracing::info!("another TLS certificate is served from now on"),
                Ok(false) => {}
                Err(why) => wrong.push(why),
            }
        }
        match authorities {
            Some(Ok((judge, digest))) => {
                app.authorities.trust(judge);
                if trusted.replace(digest).is_some_and(|before| before != digest) {
                    tracing::info!("other authorities for client certificates are trusted from now on");
                }
            }
            Some(Err(why)) => wrong.push(why),
            None => {}
        }
        for why in wrong.iter().filter(|why| !said.contains(*why)) {
            tracing::warn!(why, "a changed TLS file is not taken; the one before stays");
        }
        said = wrong;
    }
}
