//! The program: one crypto provider for TLS, then the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all: with two providers compiled in and none chosen, the first TLS configuration would panic. It fails only if one is
    // installed already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    chancery::cli::main()
}
