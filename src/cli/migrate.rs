//! `chancery migrate`: the schema of PostgreSQL, made and changed by its owner alone.

use crate::cli::print;
use crate::config::{Config, Database};

pub async fn run(config: Config) -> anyhow::Result<()> {
    let Database::Postgres(url) = &config.database else {
        print::line(
            "Nothing to do: embedded SQLite brings its files up to date when it opens them. Set DATABASE_URL to migrate PostgreSQL.",
        )?;
        return Ok(());
    };
    chancery_ledger::postgres::migrate(url.expose()).await?;
    print::line(
        "The schema is up to date. Serve as a user that is a member of the role chancery_serve: GRANT chancery_serve TO that_user.",
    )?;
    Ok(())
}
