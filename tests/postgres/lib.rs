//! A throw-away PostgreSQL cluster for tests: started, stopped, started again, gone when the test process is gone.
//!
//! | Rule | Why |
//! |---|---|
//! | a machine without PostgreSQL fails the test with a sentence | a skipped test looks like a green one |
//! | as root everything runs as the user `postgres` | the server refuses root |
//! | data and socket live in a short folder below `/tmp` | a socket path has 107 bytes; the user must be able to reach it |
//! | a watcher holds the end of a pipe and cleans up when it closes | statics are never dropped, and tests are killed |
//! | databases belong to a role that is no superuser | privileges that a test checks would not be checked for a superuser |
//!
//! Out of scope: schemas, connections. The fixture knows no SQL beyond `CREATE DATABASE`.

mod install;
mod watcher;

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use install::Install;
use watcher::Watcher;

/// The role that owns the databases: may log in and create roles, is no superuser.
pub const OWNER: &str = "chancery_owner";
/// A role that may log in and owns nothing; a test grants it what it wants to try.
pub const GUEST: &str = "chancery_guest";

#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("PostgreSQL is not on this machine: install Debian package postgresql (looked in {looked})")]
    Missing { looked: String },
    #[error("PostgreSQL refuses root, and there is no user `postgres` to run it as: install Debian package postgresql, which makes one")]
    NoUser,
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
    #[error("{command} failed: {output}")]
    Failed { command: String, output: String },
}

/// Whether the cluster waits for its disk. `Off` for tests of behaviour, `On` for tests of durability and for figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    On,
    Off,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Connections are cut, transactions rolled back, a clean shutdown.
    Fast,
    /// As if the power went: recovery runs at the next start.
    Immediate,
}

/// A running cluster. Dropping it, or the death of this process however it comes, stops the server and removes its folder.
pub struct Cluster {
    install: Install,
    folder: PathBuf,
    port: u16,
    databases: AtomicU32,
    _watcher: Watcher,
}

impl Cluster {
    /// Makes and starts a cluster on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// `Missing` or `NoUser` where PostgreSQL cannot run; what its programs said where they failed.
    pub fn start_new(fsync: Fsync) -> Result<Cluster, ClusterError> {
        let install = Install::find()?;
        let folder = tempfile::Builder::new().prefix("chpg").tempdir_in("/tmp").map_err(io("making a folder in /tmp"))?.keep();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).map_err(io("closing the folder"))?;
        if let Some(user) = &install.run_as {
            chown(&folder, Some(user.uid), Some(user.gid)).map_err(io("handing the folder to postgres"))?;
        }
        let watcher = Watcher::start(&install, &folder)?;
        let data = folder.join("data");
        install.run("initdb", &["-A", "trust", "-N", "-U", "postgres", "-E", "UTF8", "--locale=C", "-D", &text(&data)])?;
        let mut cluster = Cluster { install, folder, port: 0, databases: AtomicU32::new(0), _watcher: watcher };
        // Between finding a free port and listening on it somebody else may take it.
        for attempt in 1.. {
            cluster.port = free_port()?;
            cluster.configure(fsync)?;
            match cluster.start() {
                Ok(()) => break,
                Err(e) if attempt == 5 => return Err(e),
                Err(_) => {}
            }
        }
        cluster.psql(&format!("CREATE ROLE {OWNER} LOGIN CREATEROLE"))?;
        cluster.psql(&format!("CREATE ROLE {GUEST} LOGIN"))?;
        Ok(cluster)
    }

    /// A fresh, empty database that belongs to [`OWNER`], as the URL of the owner.
    ///
    /// # Errors
    /// What the server said.
    pub fn database(&self) -> Result<String, ClusterError> {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql(&format!("CREATE DATABASE {name} OWNER {OWNER} TEMPLATE template0"))?;
        Ok(self.url(OWNER, &name))
    }

    /// The URL by which `user` reaches `database` over TCP.
    #[must_use]
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// The folder of the Unix socket, for the parameter `host`.
    #[must_use]
    pub fn socket_folder(&self) -> &Path {
        &self.folder
    }

    /// The same port of 127.0.0.1 over all stops and starts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts the stopped server again, on the same port, and waits until it answers.
    ///
    /// # Errors
    /// The end of the server's log.
    pub fn start(&self) -> Result<(), ClusterError> {
        let log = self.folder.join("log");
        let started = self.install.run("pg_ctl", &["start", "-w", "-t", "60", "-D", &text(&self.data()), "-l", &text(&log)]);
        started.map(drop).map_err(|e| match (e, std::fs::read_to_string(&log)) {
            (ClusterError::Failed { command, output }, Ok(log)) => {
                let from = log.len().saturating_sub(2_000);
                ClusterError::Failed { command, output: format!("{output}\n{}", log.get(from..).unwrap_or(&log)) }
            }
            (e, _) => e,
        })
    }

    /// Stops the server; databases and URLs stay.
    ///
    /// # Errors
    /// What `pg_ctl` said.
    pub fn stop(&self, how: Stop) -> Result<(), ClusterError> {
        let mode = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        self.install.run("pg_ctl", &["stop", "-w", "-t", "60", "-m", mode, "-D", &text(&self.data())]).map(drop)
    }

    /// Runs one statement as the superuser in the database `postgres`.
    ///
    /// # Errors
    /// What the server said.
    pub fn psql(&self, sql: &str) -> Result<String, ClusterError> {
        self.psql_in("postgres", sql)
    }

    /// Runs one statement as the superuser in `database`.
    ///
    /// # Errors
    /// What the server said.
    pub fn psql_in(&self, database: &str, sql: &str) -> Result<String, ClusterError> {
        let port = self.port.to_string();
        let folder = text(&self.folder);
        self.install.run(
            "psql",
            &["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h", &folder, "-p", &port, "-d", database, "-c", sql],
        )
    }

    /// What `pg_dump` says of one schema of a database: SQL that makes it again.
    ///
    /// # Errors
    /// What `pg_dump` said.
    pub fn dump(&self, database: &str, schema: &str) -> Result<String, ClusterError> {
        let (port, folder, schema) = (self.port.to_string(), text(&self.folder), format!("--schema={schema}"));
        self.install.run("pg_dump", &["-U", "postgres", "-h", &folder, "-p", &port, "-d", database, &schema])
    }

    /// Runs a file of SQL as the superuser in `database`.
    ///
    /// # Errors
    /// What the server said.
    pub fn load(&self, database: &str, file: &Path) -> Result<(), ClusterError> {
        let (port, folder, file) = (self.port.to_string(), text(&self.folder), text(file));
        let common = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h", &folder, "-p", &port, "-d", database, "-f", &file];
        self.install.run("psql", &common).map(drop)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn configure(&self, fsync: Fsync) -> Result<(), ClusterError> {
        let on_off = if fsync == Fsync::On { "on" } else { "off" };
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\nfsync = {on_off}\nfull_page_writes = {on_off}\n\
             max_connections = 200\nshared_buffers = 64MB\nlog_min_messages = warning\n",
            self.port,
            self.folder.display()
        );
        // Written whole each time: a later attempt replaces the port.
        let path = self.data().join("postgresql.auto.conf");
        std::fs::write(path, settings).map_err(io("writing the settings"))
    }
}

fn free_port() -> Result<u16, ClusterError> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(io("looking for a free port"))?;
    Ok(listener.local_addr().map_err(io("looking for a free port"))?.port())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn io(what: &str) -> impl FnOnce(std::io::Error) -> ClusterError {
    move |source| ClusterError::Io { what: what.to_owned(), source }
}

/// Runs a program to its end and keeps its output away from the terminal of the test.
fn run(mut command: Command) -> Result<Output, ClusterError> {
    command.stdin(Stdio::null());
    let name = command.get_program().to_string_lossy().into_owned();
    command.output().map_err(|source| ClusterError::Io { what: format!("running {name}"), source })
}

#[cfg(test)]
mod tests {
    use super::{Cluster, Fsync, OWNER, Stop};

    #[test]
    fn databases_outlive_a_stop_and_nothing_outlives_the_cluster() {
        let cluster = Cluster::start_new(Fsync::Off).unwrap();
        let url = cluster.database().unwrap();
        let name = url.rsplit('/').next().unwrap().to_owned();
        assert_eq!(
            cluster.psql_in(&name, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()").unwrap().trim(),
            OWNER
        );
        cluster.stop(Stop::Immediate).unwrap();
        assert!(cluster.psql("SELECT 1").is_err());
        cluster.start().unwrap();
        cluster.stop(Stop::Fast).unwrap();
        cluster.start().unwrap();
        assert_eq!(cluster.psql_in(&name, "SELECT 7").unwrap().trim(), "7");
        let folder = cluster.socket_folder().to_owned();
        let port = cluster.port();
        drop(cluster);
        assert!(!folder.exists());
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}
