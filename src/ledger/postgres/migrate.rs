//! The schema's levels: made by the owner, only looked at by who serves.
//!
//! | Rule | Why |
//! |---|---|
//! | migrating twice changes nothing; two at once wait for each other (advisory lock) | every node of a roll-out may run it |
//! | a level is applied and recorded in one transaction | a broken-off migration left nothing |
//! | serving refuses a level below and above its own | below: statements fail late; above: rules it does not know |
//! | the role that serves can add events and can neither change nor remove them | DESIGN.md, audit trail |

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::connect::{ROLE, Session, Target};
use super::said::said;
use crate::error::OpenError;

/// One step of the schema: its statements run once, in order, in one transaction.
const LEVELS: [&[&str]; 6] = [
    &[include_str!("../../../schema/ledger/postgres/0001_init.sql"), include_str!("../../../schema/vault/postgres/0001_init.sql")],
    &[include_str!("../../../schema/ledger/postgres/0002_notes.sql")],
    &[include_str!("../../../schema/ledger/postgres/0003_moved.sql")],
    &[include_str!("../../../schema/ledger/postgres/0004_digests.sql")],
    &[include_str!("../../../schema/ledger/postgres/0005_level.sql")],
    &[include_str!("../../../schema/ledger/postgres/0006_archived.sql")],
];

/// Any number, as long as each program that migrates uses the same.
const LOCK: i64 = 0x6368_616e_6365_7279;

const ROLE_SQL: &str = "DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'chancery_serve') THEN
        CREATE ROLE chancery_serve NOLOGIN;
    END IF;
    BEGIN
        SET LOCAL ROLE chancery_serve;
        SET LOCAL ROLE NONE;
    EXCEPTION WHEN insufficient_privilege THEN
        GRANT chancery_serve TO CURRENT_USER;
    END;
END $$";

/// Brings the schemas `chancery` and `vault` to this program's level, and makes the role `chancery_serve` with what it may do.
///
/// `owner_url` names a user who may create schemas in the database and, the first time, roles. Where another user serves, the owner
/// lets it: `GRANT chancery_serve TO that_user`.
///
/// # Errors
/// `TooNew` for a database of a newer program; `Unavailable` with what the server said.
pub async fn migrate(owner_url: &str) -> Result<(), OpenError> {
    let target = Target::parse(owner_url).map_err(OpenError::Unavailable)?;
    let client = target.session(Session::AsLoggedIn).await.map_err(unavailable)?;
    // Waits for as long as another migration runs; the lock goes with the session.
    client
        .batch_execute(&format!("SET statement_timeout = 0; SET lock_timeout = 0; SELECT pg_advisory_lock({LOCK})"))
        .await
        .map_err(unavailable)?;
    make_role(&client).await?;
    let found = level(&client).await.map_err(unavailable)?;
    let known = LEVELS.len() as u32;
    if found > known {
        return Err(OpenError::TooNew { found, known });
    }
    for (level, steps) in (1u32..).zip(LEVELS).skip(found as usize) {
        let record = "CREATE SCHEMA IF NOT EXISTS chancery; \
             CREATE TABLE IF NOT EXISTS chancery.migrations (level integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now()); \
             GRANT SELECT ON chancery.migrations TO chancery_serve;";
        let sql = format!("BEGIN; {}; {record} INSERT INTO chancery.migrations (level) VALUES ({level}); COMMIT", steps.join(";"));
        client.batch_execute(&sql).await.map_err(unavailable)?;
    }
    Ok(())
}

/// Roles belong to the whole cluster: another database of it may make or grant the same one at the same moment.
async fn make_role(client: &Client) -> Result<(), OpenError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match client.batch_execute(ROLE_SQL).await {
            Ok(()) => return Ok(()),
            Err(e) if attempt < 5 && e.code() != Some(&SqlState::INSUFFICIENT_PRIVILEGE) && !e.is_closed() => {}
            Err(e) => {
                let hint = format!("a superuser can make it: CREATE ROLE {ROLE} NOLOGIN; GRANT {ROLE} TO the owner");
                return Err(OpenError::Unavailable(format!("the role {ROLE} cannot be made or granted: {}; {hint}", said(&e))));
            }
        }
    }
}

/// 0 for a database without our schema.
async fn level(client: &Client) -> Result<u32, tokio_postgres::Error> {
    match client.query_one("SELECT coalesce(max(level), 0) FROM chancery.migrations", &[]).await {
        Ok(row) => Ok(row.try_get::<_, i32>(0)?.cast_unsigned()),
        Err(e) if matches!(e.code(), Some(c) if *c == SqlState::UNDEFINED_TABLE || *c == SqlState::INVALID_SCHEMA_NAME) => Ok(0),
        Err(e) => Err(e),
    }
}

/// Whether a program of this level can serve from the database, as the role of `client`.
pub(crate) async fn check(client: &Client, strict_role: bool) -> Result<(), OpenError> {
    let known = LEVELS.len() as u32;
    let found = match level(client).await {
        Ok(found) => found,
        // A role that was granted nothing cannot even look.
        Err(e) if e.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            let hint =
                format!("the user of the URL may not read the schema: run `chancery migrate` as the owner, then GRANT {ROLE} TO that user");
            return Err(OpenError::Unavailable(hint));
        }
        Err(e) => return Err(unavailable(e)),
    };
    if found < known {
        return Err(OpenError::NeedsMigration { found, known });
    }
    if found > known {
        return Err(OpenError::TooNew { found, known });
    }
    if strict_role {
        let sql = "SELECT bool_or(has_table_privilege('chancery.events', right_)) OR pg_has_role((SELECT relowner FROM pg_class WHERE oid = \
             'chancery.events'::regclass), 'MEMBER') FROM unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS r (right_)";
        let strong: bool = client.query_one(sql, &[]).await.and_then(|row| row.try_get(0)).map_err(unavailable)?;
        if strong {
            return Err(OpenError::RoleTooStrong);
        }
    }
    Ok(())
}

fn unavailable(e: tokio_postgres::Error) -> OpenError {
    OpenError::Unavailable(said(&e))
}
