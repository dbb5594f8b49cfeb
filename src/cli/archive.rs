//! `chancery ledger archive`: old events leave the database for a directory.
//!
//! | Step | Why |
//! |---|---|
//! | the whole log is exported to the directory, or what is new added | the directory is what any verifier accepts |
//! | the verifier of auditors reads all of it | nothing leaves before somebody has read its copy |
//! | its files are forced to the disk | a crash must not find neither |
//! | the log says that the segment is archived | the event stands before its effect |
//! | the bytes leave the database, except what is held | and an interrupted run goes on from here |

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use chancery_ledger::archive::prune::Pruner;
use chancery_ledger::relocate::Place;
use chancery_projections::audit::moment::{Moment, size_at};
use chancery_tree::tile::{Content, TILE_WIDTH, Tile};
use chancery_verify::export::{Asked, Export, Whole};
use chancery_verify::signature;

use super::outcome::usage;
use super::print::{self, Progress};
use super::{audit, blocking, socket};
use crate::app::archiving::{self, Pruned};
use crate::app::clock::Clock;
use crate::app::context::Context;
use crate::app::start::{self, Opening};
use crate::app::{moving, random};
use crate::config::{Config, Secrets};

#[derive(clap::Args)]
pub struct Args {
    /// Events before this time or position go, as far as they can
    #[arg(long, value_name = "MOMENT", value_parser = audit::questions::parse_moment)]
    pub before: Moment,
    /// Directory of the archive; `archive.directory` without it
    #[arg(long, value_name = "DIRECTORY")]
    pub to: Option<PathBuf>,
    /// Verify the archive with the keys in this file and no others
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

pub async fn run(config: Config, args: Args) -> anyhow::Result<()> {
    socket::refuse_while_running(&config).await?;
    let secrets = config.secrets(random::fill)?;
    let (until, pruned, directory) = archive(config, &secrets, Clock::System, args).await?;
    print::line(format_args!(
        "{} events before position {until} have left the database; {} stay because they are held.",
        pruned.moved, pruned.held
    ))?;
    eprintln!("They are in {0}. Keep it, and name it as archive.directory wherever old events are read.", directory.display());
    Ok(())
}

/// All of it, for a server that is stopped, or on PostgreSQL with the owner's URL. Returns the end of the segment, what became of it,
/// and where it is.
///
/// # Errors
/// The first thing that is not as it should be; nothing has left the database unless the log says that it is archived.
pub async fn archive(mut config: Config, secrets: &Secrets, clock: Clock, args: Args) -> anyhow::Result<(u64, Pruned, PathBuf)> {
    let Some(directory) = args.to.or_else(|| config.archive.clone()) else {
        return Err(usage("name the directory with --to, or with the setting archive.directory"));
    };
    // Where events are that left earlier.
    config.archive = Some(directory.clone());
    let keys = args.key.as_deref().map(signature::keys).transpose().map_err(anyhow::Error::msg)?.unwrap_or_default();
    let app = start::open(config.clone(), secrets, clock.clone(), Opening::default()).await?;
    let sealed = async {
        let wanted = match args.before {
            Moment::Position(position) => position,
            Moment::Time(ms) => size_at(&app.ledger, ms.saturating_sub(1)).await?,
        };
        let until = app.segment_end(wanted).await.map_err(said)?.max(app.archived().await.map_err(said)?);
        if until == 0 {
            bail!(
                "there is nothing to archive yet: the last thousand events always stay, and so does what the audit index or a feed has not read"
            );
        }
        audit::tiles::run(&app.ledger, &directory).await?;
        let whole = verify(&directory, keys).await?;
        if whole.size < until {
            bail!("the archive holds {} events, the segment ends at {until}", whole.size);
        }
        sync(&directory, until)?;
        let context = Context::of_server("operator", random::uuid_v7(app.now().0).to_string()).as_operator("local");
        app.record_segment(&context, until).await.map_err(said)?;
        Ok((until, app.held().await.map_err(said)?))
    }
    .await;
    app.ledger.close().await;
    drop(app);
    let (until, held) = sealed?;
    let place: Place = moving::place(&config.database);
    let mut pruner = Pruner::open(&place, &start::options(&config, &clock)).await?;
    let progress = Progress::new("archived");
    let pruned = archiving::prune(&mut pruner, &held, until, |done| progress.at(done, until)).await?;
    drop(progress);
    if pruned.moved > 0 {
        pruner.shrink().await?;
    }
    Ok((until, pruned, directory))
}

fn said(error: chancery_core::error::OAuthError) -> anyhow::Error {
    anyhow::anyhow!(socket::sentence(&error))
}

async fn verify(directory: &Path, keys: Vec<chancery_tree::VerifierKey>) -> anyhow::Result<Whole> {
    let export = Export::new(directory);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let asked = Asked { keys, threads, ..Asked::default() };
    let verified = blocking(move || {
        let progress = Progress::new("verified");
        Ok(chancery_verify::export::verify(&export, &asked, |done, all| progress.at(done, all)))
    });
    verified.await?.map_err(|finding| anyhow::anyhow!("the archive is not whole, and nothing has left the database: {finding}"))
}

/// Forces the bundles of the segment to the disk, and the directories that name them.
fn sync(directory: &Path, until: u64) -> anyhow::Result<()> {
    let mut folders = std::collections::BTreeSet::from([directory.to_owned()]);
    for index in 0..until / TILE_WIDTH {
        let path = directory.join(Tile { content: Content::Entries, index, width: 256 }.to_string());
        File::open(&path).and_then(|file| file.sync_all()).with_context(|| path.display().to_string())?;
        folders.extend(path.ancestors().skip(1).take_while(|folder| folder.starts_with(directory)).map(Path::to_owned));
    }
    for folder in folders {
        File::open(&folder).and_then(|file| file.sync_all()).with_context(|| folder.display().to_string())?;
    }
    Ok(())
}
