//! Storing a plan: its columns as arrays, one statement per table, all in one flight with COMMIT.
//!
//! A pipelined COMMIT answers Ok after a failed statement, because the server turns it into a rollback and calls that a success. So the commit
//! counts only if every statement's own answer is Ok.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Statement};
use uuid::Uuid;

use super::sql::Statements;
use crate::backend::Done;
use crate::hashed::HashSet;
use crate::plan::{ClaimChange, Plan};
use crate::write::{Row, RowWrite};

/// How the flight that ends in COMMIT ended.
pub(crate) enum Flight {
    Committed,
    /// The server refused a statement: nothing is stored, and the connection is out of the transaction.
    Refused(Error),
    /// The answer of COMMIT, or of a statement before it, did not arrive.
    Lost(Error),
}

/// Runs a statement unless it has nothing to do, so that the flight holds only what is needed.
async fn run<const N: usize>(client: &Client, needed: bool, statement: &Statement, params: [&(dyn ToSql + Sync); N]) -> Result<(), Error> {
    if !needed {
        return Ok(());
    }
    client.execute(statement, &params).await.map(drop)
}

/// `kinds`: the (type, schema) pairs of the plan that may be new to the log.
#[allow(clippy::too_many_arguments)] // what one flight needs
pub(crate) async fn store(
    client: &Client,
    s: &Statements,
    plan: &Plan<'_>,
    set: i32,
    kinds: &HashSet<(&str, u16)>,
    done: &Done,
    node: &str,
) -> Flight {
    let events = &plan.events;
    let positions: Vec<i64> = events.iter().map(|e| e.position.cast_signed()).collect();
    let ids: Vec<Uuid> = events.iter().map(|e| e.id).collect();
    let streams: Vec<&str> = events.iter().map(|e| e.stream).collect();
    let versions: Vec<i64> = events.iter().map(|e| e.version.cast_signed()).collect();
    let types: Vec<&str> = events.iter().map(|e| e.kind).collect();
    let schemas: Vec<i32> = events.iter().map(|e| i32::from(e.schema)).collect();
    let times: Vec<i64> = events.iter().map(|e| e.recorded_at).collect();
    let leaves: Vec<&[u8]> = events.iter().map(|e| &e.leaf[..]).collect();
    let hashes: Vec<&[u8]> = events.iter().map(|e| &e.leaf_hash[..]).collect();

    let rows = RowColumns::of(plan.rows.iter().copied());
    let (taken, released): (Vec<&ClaimChange<'_>>, Vec<&ClaimChange<'_>>) = plan.claims.iter().partition(|claim| claim.owner.is_some());
    let taken_kinds: Vec<&str> = taken.iter().map(|c| c.kind).collect();
    let taken_keys: Vec<&[u8]> = taken.iter().map(|c| c.key).collect();
    let owners: Vec<Option<&str>> = taken.iter().map(|c| c.owner).collect();
    let released_kinds: Vec<&str> = released.iter().map(|c| c.kind).collect();
    let released_keys: Vec<&[u8]> = released.iter().map(|c| c.key).collect();

    let levels: Vec<i32> = plan.subtrees.iter().map(|t| t.level.cast_signed()).collect();
    let indexes: Vec<i64> = plan.subtrees.iter().map(|t| t.index.cast_signed()).collect();
    let tile_hashes: Vec<&[u8]> = plan.subtrees.iter().map(|t| &t.hash[..]).collect();
    let (new_kinds, new_schemas): (Vec<&str>, Vec<i32>) = kinds.iter().map(|(kind, schema)| (*kind, i32::from(*schema))).unzip();

    let (head, note) = (done.head, done.note.as_deref());
    let (size, frontier, root) = (head.size.cast_signed(), plan.head.frontier.encode(), &head.root[..]);
    let rows_digest = plan.head.rows.map(|sum| sum.encode().to_vec());
    let level = i32::from(done.level);
    let news = format!("{node} {size}");

    // The order of the futures is the order on the wire; `biased` keeps it.
    let (a, b, c, d, e, f, g, h, i, committed) = tokio::join!(
        biased;
        run(client, !events.is_empty(), &s.insert_events,
            [&positions, &ids, &streams, &versions, &types, &schemas, &times, &leaves, &hashes]),
        run(client, !rows.keys.is_empty(), &s.upsert_rows,
            [&set, &rows.tables, &rows.keys, &rows.versions, &rows.bodies, &rows.i0, &rows.i1, &rows.expires_at]),
        run(client, !rows.gone_keys.is_empty(), &s.delete_rows, [&set, &rows.gone_tables, &rows.gone_keys]),
        run(client, !taken.is_empty(), &s.take_claims, [&taken_kinds, &taken_keys, &owners]),
        run(client, !released.is_empty(), &s.release_claims, [&released_kinds, &released_keys]),
        run(client, !levels.is_empty(), &s.insert_subtrees, [&levels, &indexes, &tile_hashes]),
        run(client, !new_kinds.is_empty(), &s.insert_kinds, [&new_kinds, &new_schemas]),
        run(client, true, &s.update_head, [&size, &frontier, &root, &head.recorded_at, &note, &rows_digest, &level]),
        run(client, !events.is_empty(), &s.notify, [&news]),
        run(client, true, &s.commit, []),
    );
    let statements = [a, b, c, d, e, f, g, h, i].into_iter().collect::<Result<(), Error>>();
    match (statements, committed) {
        (Ok(()), Ok(())) => Flight::Committed,
        // An answer of the server: the transaction cannot have been committed after it.
        (Err(refused), _) if refused.as_db_error().is_some() => Flight::Refused(refused),
        // No answer: the server may have worked on through the pipeline, COMMIT included.
        (Err(lost), _) => Flight::Lost(lost),
        // Even a server that says "terminating" may have committed first.
        (Ok(()), Err(lost)) => Flight::Lost(lost),
    }
}

/// The columns of the rows to put and of those to delete.
#[derive(Default)]
pub(crate) struct RowColumns<'a> {
    pub tables: Vec<&'a str>,
    pub keys: Vec<&'a str>,
    pub versions: Vec<i64>,
    pub bodies: Vec<&'a [u8]>,
    pub i0: Vec<Option<&'a str>>,
    pub i1: Vec<Option<&'a str>>,
    pub expires_at: Vec<Option<i64>>,
    pub gone_tables: Vec<&'a str>,
    pub gone_keys: Vec<&'a str>,
}

impl<'a> RowColumns<'a> {
    /// Each (table, key) must come once: a statement cannot upsert one row twice.
    pub(crate) fn of(writes: impl Iterator<Item = &'a RowWrite>) -> RowColumns<'a> {
        let mut columns = RowColumns::default();
        for write in writes {
            match write {
                RowWrite::Upsert(row) => columns.put(row),
                RowWrite::Delete { table, key } => {
                    columns.gone_tables.push(table);
                    columns.gone_keys.push(key);
                }
            }
        }
        columns
    }

    fn put(&mut self, row: &'a Row) {
        self.tables.push(row.table);
        self.keys.push(&row.key);
        self.versions.push(row.version.cast_signed());
        self.bodies.push(&row.body);
        self.i0.push(row.index[0].as_deref());
        self.i1.push(row.index[1].as_deref());
        self.expires_at.push(row.expires_at);
    }
}
