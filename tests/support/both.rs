//! The same test on both back ends.

use std::sync::Arc;

use chancery_test_postgres::{Cluster, Fsync};

use super::mtls::Authority;
use super::server::Server;

/// Runs a test on SQLite and on PostgreSQL, each with fresh data.
pub async fn on_both(toml: &str, test: impl AsyncFn(&Server)) {
    test(&Server::with(&[], toml).await).await;
    let cluster = Cluster::start_new(Fsync::Off).unwrap();
    let url = cluster.database().unwrap();
    chancery_ledger::postgres::migrate(&url).await.unwrap();
    test(&Server::with(&[("DATABASE_URL", &url)], toml).await).await;
}

/// The same for servers that fetch from this authority's.
pub async fn on_both_with(authority: &Arc<Authority>, toml: &str, test: impl AsyncFn(Server, &Authority)) {
    test(Server::fetching(authority, &[], toml).await, authority.as_ref()).await;
    let cluster = Cluster::start_new(Fsync::Off).unwrap();
    let url = cluster.database().unwrap();
    chancery_ledger::postgres::migrate(&url).await.unwrap();
    test(Server::fetching(authority, &[("DATABASE_URL", &url)], toml).await, authority.as_ref()).await;
}
