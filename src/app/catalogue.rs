//! The level of the catalogue: which event types the log may hold.
//!
//! | Rule | Source |
//! |---|---|
//! | a log holds event types up to its level, so that nodes of two releases can run beside each other | DESIGN: ledger |
//! | what needs a newer type is refused until the level is raised; nothing else changes | docs/adr/0037 |
//! | the level is raised by the operator, once no older node runs; it never falls | docs/adr/0037 |

use chancery_core::error::OAuthError;
use chancery_core::server::{self, CatalogueRaised, Log};
use chancery_core::time::Timestamp;

use super::App;
use super::context::Context;
use super::work::{Seal, Stop, Work, decide, unreadable};

impl App {
    /// Raises the log to a level that this program knows; returns the level of before. `also_with_older`: although nodes are connected that
    /// know less, which then stop serving.
    ///
    /// # Errors
    /// Nodes that know less, named by their levels; a log that is beyond the level.
    pub async fn raise_catalogue(&self, context: &Context, to: u16, also_with_older: bool) -> Result<u16, OAuthError> {
        let connected = self.ledger.node_levels().await.map_err(unreadable)?;
        if let Some(older) = connected.into_iter().filter(|level| *level < to).min()
            && !also_with_older
        {
            return Err(OAuthError::conflict("older nodes run").saying(format!(
                "A node that knows catalogue level {older} only is connected to the database. It would stop serving; replace it by the program of level {to} first."
            )));
        }
        let at = self.now();
        Ok(decide!(self, context, |work| raise_once(work, to, at))?)
    }
}

async fn raise_once(mut work: Work<'_>, to: u16, at: Timestamp) -> Result<u16, Stop> {
    let mut log = work.load::<Log>(server::STREAM).await?;
    let from = log.or(|| OAuthError::server_error("the log does not begin with LogCreated"))?.level;
    if from > to {
        return Err(OAuthError::conflict(format!("the log has level {from}")).into());
    }
    if from < to {
        work.record(&mut log, vec![server::ServerEvent::from(CatalogueRaised { from, to, at }).into()], &Seal::default())?;
        work.raise(to);
        work.commit().await?;
    }
    Ok(from)
}
