//! `chancery client`: clients, by the operator. The words are those of RFC 7591 §2.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::operate::operate;
use super::outcome::usage;
use super::{blocking, print};
use crate::app::operator;
use crate::config::{Config, value};

/// Largest metadata that is read: it has to fit a line of the control socket.
const LONGEST: u64 = 60 * 1024;

#[derive(Subcommand)]
pub enum Command {
    /// Register a client; its secret is shown this once
    #[command(after_help = "\
Examples:
  chancery client create --name 'My app' --redirect-uri https://app.example/callback
  chancery client create --name worker --grant-type client_credentials --scope reports
  chancery client create --json metadata.json")]
    Create(Box<Create>),
    /// List the clients
    List {
        /// As JSON, one client a line
        #[arg(long)]
        json: bool,
    },
    /// Close a client; its tokens end at once
    Disable {
        /// Its client_id
        client_id: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Open a closed client again; what is left of its grants lives on
    Enable {
        /// Its client_id
        client_id: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Hand out another registration access token; the one before is dead (RFC 7592)
    Token {
        /// Its client_id
        client_id: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Let somebody register clients: an initial access token, which alone goes to stdout (RFC 7591)
    #[command(after_help = "\
Examples:
  chancery client invite --uses 1 --expires-in 24h
  chancery client invite --uses 50 --expires-in 30d --scope 'openid profile' --redirect-host app.example")]
    Invite(Box<Invite>),
    /// List the initial access tokens
    Invitations {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Take an initial access token back; the clients that came by it stay
    Uninvite {
        /// Its id, as invitations lists it
        invitation: String,
    },
    /// Show a client as it is registered
    Show {
        /// Its client_id
        client_id: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args)]
pub struct Invite {
    /// Clients that it is good for
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    uses: u32,
    /// How long it lives: 1h, 7d; at most 366d
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = lifetime)]
    expires_in: u32,
    /// The most that its clients may be registered for
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// Grant types that its clients may use; may be repeated
    #[arg(long, value_name = "GRANT")]
    grant_type: Vec<String>,
    /// How its clients may authenticate; may be repeated
    #[arg(long, value_name = "METHOD")]
    auth_method: Vec<String>,
    /// Hosts of their redirect URIs; may be repeated
    #[arg(long, value_name = "HOST")]
    redirect_host: Vec<String>,
    /// The whole answer as JSON
    #[arg(long)]
    json: bool,
}

fn lifetime(text: &str) -> Result<u32, String> {
    value::duration(text).and_then(|seconds| u32::try_from(seconds).map_err(|error| error.to_string()))
}

#[derive(clap::Args)]
pub struct Create {
    /// Read the metadata of RFC 7591 from a file, or - for standard input; answers in JSON
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "name", "redirect_uri", "post_logout_redirect_uri", "grant_type", "auth_method", "scope", "alg", "application_type", "introspect",
    ])]
    json: Option<PathBuf>,
    /// client_name, shown to people
    #[arg(long)]
    name: Option<String>,
    /// Where codes are sent; may be repeated
    #[arg(long, value_name = "URL")]
    redirect_uri: Vec<String>,
    /// Where people land after logout; may be repeated
    #[arg(long, value_name = "URL")]
    post_logout_redirect_uri: Vec<String>,
    /// authorization_code, refresh_token or client_credentials; may be repeated
    #[arg(long, value_name = "GRANT")]
    grant_type: Vec<String>,
    /// client_secret_basic, client_secret_post, private_key_jwt or none
    #[arg(long, value_name = "METHOD")]
    auth_method: Option<String>,
    /// Space-separated scopes it may ask for
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// RS256, PS256, ES256, ES384, ES512 or EdDSA, for its id_tokens
    #[arg(long)]
    alg: Option<String>,
    /// web or native
    #[arg(long, value_name = "TYPE")]
    application_type: Option<String>,
    /// May introspect the tokens of others
    #[arg(long)]
    introspect: bool,
}

pub async fn run(config: Config, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Create(create) => {
            let speaks_json = create.json.is_some();
            let metadata = metadata(*create).await?;
            let answer = operate(config, operator::Command::ClientCreate { metadata }).await?;
            if speaks_json { Ok(print::json(&answer)?) } else { created(&answer) }
        }
        Command::Show { client_id, json } => {
            let answer = operate(config, operator::Command::ClientShow { client_id }).await?;
            if json { Ok(print::json(&answer)?) } else { show(&answer) }
        }
        Command::Token { client_id, json } => {
            let answer = operate(config, operator::Command::ClientAccess { client_id }).await?;
            if json { Ok(print::json(&answer)?) } else { Ok(print::line(text(&answer, "registration_access_token"))?) }
        }
        Command::Invite(invite) => invited(config, *invite).await,
        Command::Invitations { json } => invitations(config, json).await,
        Command::Uninvite { invitation } => {
            let answer = operate(config, operator::Command::InvitationRevoke { invitation }).await?;
            Ok(print::line(format_args!("The initial access token {} is revoked.", text(&answer, "invitation")))?)
        }
        Command::List { json } => list(config, json).await,
        Command::Disable { client_id, json } => stand(config, operator::Command::ClientDisable { client_id }, json, "is closed").await,
        Command::Enable { client_id, json } => stand(config, operator::Command::ClientEnable { client_id }, json, "is open").await,
    }
}

fn text<'a>(answer: &'a Value, member: &str) -> &'a str {
    answer.get(member).and_then(Value::as_str).unwrap_or_default()
}

async fn invited(config: Config, invite: Invite) -> anyhow::Result<()> {
    let mut policy = Map::new();
    let lists = [("grant_types", invite.grant_type), ("auth_methods", invite.auth_method), ("redirect_hosts", invite.redirect_host)];
    policy.extend(lists.into_iter().filter(|(_, list)| !list.is_empty()).map(|(member, list)| (member.to_owned(), json!(list))));
    policy.extend(invite.scope.map(|scope| ("scope".to_owned(), json!(scope))));
    let policy = serde_json::from_value(Value::Object(policy)).map_err(|error| usage(format!("the policy cannot be read: {error}")))?;
    let answer = operate(config, operator::Command::Invite { policy, uses: invite.uses, seconds: invite.expires_in }).await?;
    if invite.json {
        return Ok(print::json(&answer)?);
    }
    print::line(text(&answer, "initial_access_token"))?;
    eprintln!("invitation {}, good for {} clients until {}", text(&answer, "invitation"), invite.uses, text(&answer, "expires_at"));
    Ok(())
}

async fn invitations(config: Config, json: bool) -> anyhow::Result<()> {
    let answer = operate(config, operator::Command::InvitationList).await?;
    for own in answer.get("invitations").and_then(Value::as_array).into_iter().flatten() {
        if json {
            print::line(own)?;
            continue;
        }
        let count = |member: &str| own.get(member).and_then(Value::as_u64).unwrap_or_default();
        let (used, uses) = (count("used"), count("uses"));
        print::line(format_args!("{}  {}  {used}/{uses}  {}", text(own, "invitation"), text(own, "state"), text(own, "expires_at")))?;
    }
    Ok(())
}

async fn stand(config: Config, command: operator::Command, json: bool, what: &str) -> anyhow::Result<()> {
    let answer = operate(config, command).await?;
    if json {
        return Ok(print::json(&answer)?);
    }
    Ok(print::line(format_args!("The client {} {what}.", print::words(answer.get("client_id"))))?)
}

/// Page by page: an answer of the control socket has an end.
async fn list(config: Config, json: bool) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let answer = operate(config.clone(), operator::Command::ClientList { after }).await?;
        for client in answer.get("clients").and_then(Value::as_array).into_iter().flatten() {
            if json {
                print::line(client)?;
                continue;
            }
            let word = |member: &str| print::plain(&print::words(client.get(member)));
            let state = if client.get("disabled") == Some(&Value::Bool(true)) { "closed" } else { "open" };
            print::line(format_args!("{}  {state}  {}  {}", word("client_id"), word("origin"), word("client_name")))?;
        }
        match answer.get("next").and_then(Value::as_str) {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(()),
        }
    }
}

async fn metadata(create: Create) -> anyhow::Result<Value> {
    if let Some(file) = create.json {
        let text = blocking(move || read(&file)).await?;
        return serde_json::from_str(&text).map_err(|error| usage(format!("the metadata is not JSON: {error}")));
    }
    let mut metadata = Map::new();
    let lists = [
        ("redirect_uris", create.redirect_uri),
        ("post_logout_redirect_uris", create.post_logout_redirect_uri),
        ("grant_types", create.grant_type),
    ];
    for (member, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        metadata.insert(member.to_owned(), json!(list));
    }
    let texts = [
        ("client_name", create.name),
        ("token_endpoint_auth_method", create.auth_method),
        ("scope", create.scope),
        ("id_token_signed_response_alg", create.alg),
        ("application_type", create.application_type),
    ];
    for (member, text) in texts {
        metadata.extend(text.map(|text| (member.to_owned(), json!(text))));
    }
    if create.introspect {
        metadata.insert("introspect".to_owned(), json!(true));
    }
    if metadata.is_empty() {
        return Err(usage("a client needs metadata: --redirect-uri URL, or --grant-type client_credentials, or --json FILE; see --help"));
    }
    Ok(Value::Object(metadata))
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = match file.to_str() {
        Some("-") => std::io::stdin().lock().take(LONGEST).read_to_string(&mut text),
        _ => std::fs::File::open(file).with_context(|| file.display().to_string())?.take(LONGEST).read_to_string(&mut text),
    };
    read.with_context(|| file.display().to_string())?;
    Ok(text)
}

fn created(answer: &Value) -> anyhow::Result<()> {
    let text = |member: &str| answer.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    print::pairs(&[("client_id", text("client_id")), ("client_secret", text("client_secret"))])?;
    if answer.get("client_secret").is_some_and(Value::is_string) {
        eprintln!("The secret is shown this once; the log keeps only its digest.");
    }
    Ok(())
}

fn show(answer: &Value) -> anyhow::Result<()> {
    let own = ["client_id", "origin", "disabled"];
    let mut pairs: Vec<(&str, String)> = own.iter().map(|member| (*member, print::words(answer.get(*member)))).collect();
    let metadata = answer.get("metadata").and_then(Value::as_object);
    pairs.extend(metadata.into_iter().flatten().map(|(member, value)| (member.as_str(), print::words(Some(value)))));
    Ok(print::pairs(&pairs)?)
}
