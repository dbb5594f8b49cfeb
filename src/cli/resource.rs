//! `chancery resource`: the APIs that access tokens are for (RFC 8707).

use clap::Subcommand;
use serde_json::{Value, json};

use super::operate::operate;
use super::print;
use crate::app::operator;
use crate::config::Config;

#[derive(Subcommand)]
pub enum Command {
    /// Register a resource server, or set it anew
    #[command(after_help = "\
Examples:
  chancery resource set https://api.example --scope 'orders:read orders:write'
  chancery resource set https://api.example --scope orders:read --format opaque --introspected-by orders-backend")]
    Set(Box<Set>),
    /// Every resource server
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// No more tokens for it; those that were issued are dead
    Disable {
        /// Its identifier
        identifier: String,
    },
}

#[derive(clap::Args)]
pub struct Set {
    /// An absolute URI: what clients send as resource, and what tokens have as aud
    identifier: String,
    /// What people read
    #[arg(long)]
    name: Option<String>,
    /// The scopes that it knows, space-separated
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// jwt or opaque
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// RS256, PS256, ES256, ES384, ES512 or EdDSA, for its JWTs
    #[arg(long)]
    alg: Option<String>,
    /// Seconds that its access tokens live
    #[arg(long, value_name = "SECONDS")]
    lifetime: Option<u32>,
    /// A client_id that it introspects its tokens as; may be repeated
    #[arg(long, value_name = "CLIENT_ID")]
    introspected_by: Vec<String>,
    /// Encrypts its JWTs with this, such as ECDH-ES or RSA-OAEP-256
    #[arg(long, value_name = "ALG", requires = "jwks")]
    encryption_alg: Option<String>,
    /// The content encryption; default A128CBC-HS256
    #[arg(long, value_name = "ENC", requires = "encryption_alg")]
    encryption_enc: Option<String>,
    /// Its public keys for that, as the JSON of a JWK set
    #[arg(long, value_name = "JSON", value_parser = jwks)]
    jwks: Option<Value>,
}

fn jwks(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|_| "write the JSON of a JWK set: {\"keys\":[...]}".to_owned())
}

pub async fn run(config: Config, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Set(set) => {
            let settings = json!({
                "identifier": set.identifier,
                "name": set.name,
                "scope": set.scope,
                "token_format": set.format,
                "signing_alg": set.alg,
                "access_token_lifetime": set.lifetime,
                "introspected_by": set.introspected_by,
                "encryption_alg": set.encryption_alg,
                "encryption_enc": set.encryption_enc,
                "jwks": set.jwks,
            });
            let answer = operate(config, operator::Command::ResourceSet { settings }).await?;
            Ok(print::line(format_args!("{} is set.", text(&answer, "identifier")))?)
        }
        Command::List { json } => {
            let answer = operate(config, operator::Command::ResourceList).await?;
            if json { Ok(print::json(&answer)?) } else { list(&answer) }
        }
        Command::Disable { identifier } => {
            let answer = operate(config, operator::Command::ResourceDisable { identifier }).await?;
            Ok(print::line(format_args!("{} is disabled.", text(&answer, "identifier")))?)
        }
    }
}

fn list(answer: &Value) -> anyhow::Result<()> {
    let servers = answer.get("resources").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if servers.is_empty() {
        return Ok(print::line("There are no resource servers.")?);
    }
    for server in servers {
        let (form, alg) = (text(&server["settings"], "token_format"), text(&server["settings"], "signing_alg"));
        let form = if form == "jwt" { format!("{form} {alg}") } else { form };
        let state = if server["disabled"] == true { "disabled" } else { "active" };
        print::line(format_args!("{:<9} {form:<10} {}  {}", state, text(server, "identifier"), text(&server["settings"], "scope")))?;
    }
    Ok(())
}

fn text(value: &Value, member: &str) -> String {
    print::plain(value.get(member).and_then(Value::as_str).unwrap_or_default())
}
