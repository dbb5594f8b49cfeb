//! Log lines on stderr, pretty or JSON, and panics among them.
//!
//! | Rule | Why |
//! |---|---|
//! | `RUST_LOG` is stronger than the configuration | the usual way to look closer |
//! | the configured level is for Chancery; libraries tell warnings only | their debug lines may show what travels through them |
//! | a panic tells its place, and its message only if that is part of the program | a formatted message may quote a request |

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io;
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;

/// Starts logging. A second call changes nothing.
pub fn start(json: bool, level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(directives(level)));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // It fails only when logging has been started before.
    let _ = if json {
        lines.json().flatten_event(true).try_init()
    } else {
        lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).with_target(false).try_init()
    };
}

fn directives(level: &str) -> String {
    let others = if level == "error" { "error" } else { "warn" };
    format!("{others},chancery={level},chancery_core={level},chancery_ledger={level},chancery_projections={level}")
}

/// Panics become log lines; before logging has started they go to stderr as they are.
pub fn catch_panics() {
    let standard = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !tracing::dispatcher::has_been_set() {
            return standard(panic);
        }
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        let backtrace = Backtrace::capture();
        match backtrace.status() {
            BacktraceStatus::Captured => {
                tracing::error!(place, thread = thread.name(), why = literal(panic), %backtrace, "a bug: the program panicked");
            }
            _ => tracing::error!(place, thread = thread.name(), why = literal(panic), "a bug: the program panicked"),
        }
    }));
}

/// A message that was formatted may hold what somebody sent; a literal cannot.
fn literal<'a>(panic: &'a PanicHookInfo<'_>) -> &'a str {
    panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(not shown)")
}
