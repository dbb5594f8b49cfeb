use crate::config::Flags;
#[derive(clap::Args)]
pub struct Args {}
pub async fn run(_flags: &Flags, _args: &Args) -> anyhow::Result<()> { Ok(()) }
