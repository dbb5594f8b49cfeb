//! Errors of PostgreSQL in words.

/// What the server said; the error's own text is only "db error".
pub(crate) fn said(e: &tokio_postgres::Error) -> String {
    match e.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => {
            let cause = std::error::Error::source(e).map(|source| format!(": {source}")).unwrap_or_default();
            format!("{e}{cause}")
        }
    }
}
