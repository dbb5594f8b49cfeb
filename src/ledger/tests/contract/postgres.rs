//! PostgreSQL: the fixture. What only it has is tested beside the back end, where its parts can be reached.

use std::sync::OnceLock;

use chancery_ledger::error::OpenError;
use chancery_ledger::{Ledger, Options};
use chancery_test_postgres::{Cluster, Fsync};

use crate::fixture::Fixture;

pub struct Postgres {
    url: String,
}

/// One cluster for all tests of this program. It ends with the program, however that ends.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    // A machine without PostgreSQL fails here, with a sentence: a skipped contract would look like a kept one.
    CLUSTER.get_or_init(|| Cluster::start_new(Fsync::Off).unwrap_or_else(|why| panic!("{why}")))
}

impl Fixture for Postgres {
    async fn new() -> Result<Self, String> {
        let url = cluster().database().unwrap_or_else(|why| panic!("{why}"));
        chancery_ledger::postgres::migrate(&url).await.unwrap_or_else(|why| panic!("{why}"));
        Ok(Self { url })
    }

    async fn open(&self, options: Options) -> Result<Ledger, OpenError> {
        Ledger::open_postgres(&self.url, options).await
    }

    fn address(&self) -> String {
        self.url.clone()
    }

    /// What a killed client had sent already its back end may still read and commit: counting waits for it.
    async fn settled(&self) {
        const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        let (client, connection) = tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        // A minute at most.
        for _ in 0..12_000 {
            if client.query_one(OTHERS, &[]).await.unwrap().get::<_, i64>(0) == 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("back ends of a killed client do not end");
    }
}
