//! Finding PostgreSQL's programs and the user that may run them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{ClusterError, io, run};

/// PostgreSQL's programs, and who runs them.
pub(crate) struct Install {
    bin: PathBuf,
    pub(crate) run_as: Option<User>,
}

/// The user `postgres` of Debian's package.
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Install {
    pub(crate) fn find() -> Result<Install, ClusterError> {
        let bin = find_bin()?;
        // Our own process's folder in /proc belongs to the effective user.
        let uid = std::fs::metadata("/proc/self").map_err(io("asking who runs the test"))?.uid();
        let run_as = if uid == 0 { Some(postgres_user()?) } else { None };
        Ok(Install { bin, run_as })
    }

    /// The command `program`, as the user that the server may run as.
    pub(crate) fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = match self.run_as {
            None => Command::new(program),
            Some(_) => {
                let mut command = Command::new("runuser");
                command.args(["-u", "postgres", "--"]).arg(program);
                command
            }
        };
        // The test's own folder may be closed to the user; settings of the shell must not reach the server.
        command.current_dir("/tmp").env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
        command
    }

    /// Runs `program` to its end and gives its output.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> Result<String, ClusterError> {
        let mut command = self.command(program);
        command.args(args);
        // The server inherits its starter's output; a pipe would stay open, and be waited for, as long as it lives.
        if program == "pg_ctl" {
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).stdin(std::process::Stdio::null());
            let status = command.status().map_err(io("running pg_ctl"))?;
            return if status.success() { Ok(String::new()) } else { Err(failed(program, args, status.to_string())) };
        }
        let output = run(command)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(failed(program, args, format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))))
    }
}

fn failed(program: &str, args: &[&str], output: String) -> ClusterError {
    ClusterError::Failed { command: format!("{program} {}", args.join(" ")), output }
}

/// Debian's folders first, the newest version before older ones; then `pg_config`; then `PATH`.
fn find_bin() -> Result<PathBuf, ClusterError> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten() {
        let version = entry.file_name().to_string_lossy().parse().unwrap_or(0);
        found.push((version, entry.path().join("bin")));
    }
    found.sort();
    if let Some((_, bin)) = found.into_iter().rev().find(|(_, bin)| is_whole(bin)) {
        return Ok(bin);
    }
    let mut config = Command::new("pg_config");
    config.arg("--bindir");
    if let Ok(output) = run(config) {
        let bin = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        if is_whole(&bin) {
            return Ok(bin);
        }
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|folder| is_whole(folder))
        .ok_or(ClusterError::Missing { looked: "/usr/lib/postgresql/*/bin, pg_config --bindir, PATH".to_owned() })
}

fn is_whole(bin: &Path) -> bool {
    ["initdb", "pg_ctl", "psql", "postgres"].iter().all(|program| bin.join(program).is_file())
}

fn postgres_user() -> Result<User, ClusterError> {
    let users = std::fs::read_to_string("/etc/passwd").map_err(io("reading /etc/passwd"))?;
    let line = users.lines().find(|line| line.starts_with("postgres:")).ok_or(ClusterError::NoUser)?;
    let mut ids = line.split(':').skip(2).map(str::parse::<u32>);
    match (ids.next(), ids.next()) {
        (Some(Ok(uid)), Some(Ok(gid))) => Ok(User { uid, gid }),
        _ => Err(ClusterError::NoUser),
    }
}
