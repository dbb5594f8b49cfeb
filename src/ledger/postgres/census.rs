//! Row sets as a whole: how far each is, and all of its rows counted.

use std::collections::BTreeMap;

use deadpool_postgres::Object;
use tokio_postgres::{Error, Row as PgRow};

use crate::digest::{Census, Columns, Digest, SetState};

/// Number, checkpoint and digest of a set; `$1` is its name, or NULL for the inline one.
pub(super) const SET_STATE: &str = "SELECT sets.id, CASE WHEN head.inline_set = sets.id THEN head.inline_checkpoint ELSE sets.checkpoint END, \
     CASE WHEN head.inline_set = sets.id THEN head.inline_digest ELSE sets.digest END FROM chancery.sets CROSS JOIN chancery.head \
     WHERE CASE WHEN $1::text IS NULL THEN sets.id = head.inline_set ELSE sets.name = $1::text END";

pub(super) fn set_state(row: &PgRow) -> Result<(i32, SetState), Error> {
    let digest = row.try_get::<_, Option<&[u8]>>(2)?.and_then(Digest::decode);
    Ok((row.try_get(0)?, SetState { checkpoint: row.try_get::<_, i64>(1)?.cast_unsigned(), digest }))
}

/// Rows of one page of a census.
const CENSUS_PAGE: i64 = 2_000;

/// Pages of one snapshot, so that a large set is neither one long statement nor all in memory.
pub(super) async fn census(client: &Object, set: Option<String>) -> Result<Option<Census>, Error> {
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let found = client.query_opt(SET_STATE, &[&set]).await?;
    let Some((id, state)) = found.as_ref().map(set_state).transpose()? else {
        client.batch_execute("COMMIT").await?;
        return Ok(None);
    };
    let mut census = Census { state, tables: BTreeMap::new() };
    let sql = "SELECT tbl, key, version, body, i0, i1, expires_at FROM chancery.rows WHERE set_id = $1 AND (tbl, key) > ($2, $3) \
         ORDER BY tbl, key LIMIT $4";
    let statement = client.prepare_cached(sql).await?;
    let (mut table, mut key) = (String::new(), String::new());
    loop {
        let page = client.query(&statement, &[&id, &table, &key, &CENSUS_PAGE]).await?;
        let Some(last) = page.last() else { break };
        (table, key) = (last.try_get(0)?, last.try_get(1)?);
        for row in &page {
            census.count(&columns(row)?);
        }
    }
    client.batch_execute("COMMIT").await?;
    Ok(Some(census))
}

/// `tbl, key, version, body, i0, i1, expires_at`, borrowed from the answer.
pub(super) fn columns(row: &PgRow) -> Result<Columns<'_>, Error> {
    Ok(Columns {
        table: row.try_get(0)?,
        key: row.try_get(1)?,
        version: row.try_get::<_, i64>(2)?.cast_unsigned(),
        body: row.try_get(3)?,
        index: [row.try_get(4)?, row.try_get(5)?],
        expires_at: row.try_get(6)?,
    })
}
