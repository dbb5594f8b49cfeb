//! The watcher: a shell that waits for the end of a pipe, then stops the server and removes its folder.
//!
//! The kernel closes the pipe whichever way the test process ends, `kill -9` included. A `Drop` alone would leave servers behind:
//! statics are not dropped, and a test that is interrupted drops nothing.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::install::Install;
use crate::{ClusterError, io};

pub(crate) struct Watcher {
    shell: Child,
}

const SCRIPT: &str = r#"trap '' INT TERM HUP QUIT
read -r _
"$@" >/dev/null 2>&1
rm -rf "$FOLDER""#;

impl Watcher {
    pub(crate) fn start(install: &Install, folder: &Path) -> Result<Watcher, ClusterError> {
        let mut stop = install.command("pg_ctl");
        stop.args(["stop", "-m", "immediate", "-w", "-t", "30", "-D"]).arg(folder.join("data"));
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "watcher"]).arg(stop.get_program()).args(stop.get_args());
        shell.current_dir("/tmp").env("FOLDER", folder);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Watcher { shell: shell.spawn().map_err(io("starting the watcher"))? })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // Only its own child: the folder is gone when this returns.
        let _ = self.shell.wait();
    }
}
