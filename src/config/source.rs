//! What the operator typed: flags, environment and a TOML file, merged with the origin of each value.
//!
//! Precedence: flag, then environment, then file, then default. An empty environment variable counts as not set, because
//! container files pass `NAME=` for what nobody chose.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::file::{self, Entry};
use super::given::{Given, Raw};
use super::nearest::suggestion;
use super::problem::{Origin, Problem, shown};
use super::table::{self, SETTINGS};

/// Command line flags that concern the configuration. Secrets have none: a command line can be read by every user.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// TOML file to read [env: CHANCERY_CONFIG]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Address to listen on, IP:PORT or localhost:PORT; may be repeated
    #[arg(long, value_name = "ADDRESS", global = true)]
    pub listen: Vec<String>,
    /// Address for health and metrics alone, without a token; may be repeated
    #[arg(long, value_name = "ADDRESS", global = true)]
    pub ops_listen: Vec<String>,
    /// Where the embedded database, the vault and the local socket live
    #[arg(long, value_name = "DIRECTORY", global = true)]
    pub data_dir: Option<String>,
    /// Base of the issuer; /oidc is appended unless it ends so [env: OIDC_ISSUER]
    #[arg(long, value_name = "URL", global = true)]
    pub issuer: Option<String>,
    /// Stay in development although a listener is not on a loopback address
    #[arg(long, global = true)]
    pub dev: bool,
    /// pretty or json
    #[arg(long, value_name = "FORMAT", global = true)]
    pub log_format: Option<String>,
    /// error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", global = true)]
    pub log_level: Option<String>,
    /// Any other setting that is not secret, by its name in the TOML file; may be repeated
    #[arg(long, value_name = "KEY=VALUE", global = true)]
    pub set: Vec<String>,
}

/// All places where settings come from.
#[derive(Clone, Default)]
pub struct Sources {
    pub flags: Flags,
    pub environment: Vec<(OsString, OsString)>,
}

/// The outcome of merging.
pub struct Merged {
    pub settings: BTreeMap<&'static str, Given>,
    pub clients: Vec<Entry>,
    pub users: Vec<Entry>,
    pub resources: Vec<Entry>,
    pub feeds: Vec<Entry>,
    pub details: Vec<Entry>,
    pub exchanges: Vec<Entry>,
    pub issuers: Vec<Entry>,
    pub attesters: Vec<Entry>,
    pub credentials: Vec<Entry>,
    pub key_attesters: Vec<Entry>,
    pub problems: Vec<Problem>,
    /// Variables that look like ours and are not, with the known one that is closest.
    pub strangers: Vec<(String, String)>,
    pub file: Option<PathBuf>,
}

impl Sources {
    /// The flags and the environment of this process.
    pub fn of_process(flags: &Flags) -> Self {
        Self { flags: flags.clone(), environment: std::env::vars_os().collect() }
    }

    /// Reads the file, if one is named, and lets the stronger source win.
    pub fn merge(&self) -> Merged {
        let mut problems = Vec::new();
        let named = self.flags.config.clone().map(|path| (path, Origin::Flag("--config"))).or_else(|| {
            let path = self.variable("CHANCERY_CONFIG").filter(|value| !value.is_empty())?;
            Some((PathBuf::from(path), Origin::Environment("CHANCERY_CONFIG".to_owned())))
        });
        let parsed = named.as_ref().map(|(path, origin)| file::read(path, origin, &mut problems)).unwrap_or_default();
        let mut settings = parsed.settings;
        settings.extend(self.environment_settings(&mut problems));
        settings.extend(self.flag_settings(&mut problems));
        let file = named.map(|(path, _)| path);
        Merged {
            settings,
            clients: parsed.clients,
            users: parsed.users,
            resources: parsed.resources,
            feeds: parsed.feeds,
            details: parsed.details,
            exchanges: parsed.exchanges,
            issuers: parsed.issuers,
            attesters: parsed.attesters,
            credentials: parsed.credentials,
            key_attesters: parsed.key_attesters,
            problems,
            strangers: self.strangers(),
            file,
        }
    }

    fn variable(&self, name: &str) -> Option<&OsString> {
        self.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    fn environment_settings(&self, problems: &mut Vec<Problem>) -> BTreeMap<&'static str, Given> {
        let mut found = BTreeMap::new();
        for setting in SETTINGS {
            let name = setting.variable();
            let Some(value) = self.variable(&name).filter(|value| !value.is_empty()) else { continue };
            let origin = Origin::Environment(name);
            match value.to_str() {
                Some(text) => {
                    found.insert(setting.key, Given { raw: Raw::Text(text.to_owned()), origin });
                }
                None => problems.push(Problem {
                    key: setting.key.to_owned(),
                    origin,
                    sentence: "is not valid UTF-8; set it again as plain text.".to_owned(),
                }),
            }
        }
        // Ignoring it would leave an operator believing that events go there.
        if self.variable("EVENT_STORE_URL").is_some_and(|value| !value.is_empty()) {
            problems.push(Problem {
                key: "event_store_url".to_owned(),
                origin: Origin::Environment("EVENT_STORE_URL".to_owned()),
                sentence: "KurrentDB is not supported yet; unset it, and set DATABASE_URL for PostgreSQL.".to_owned(),
            });
        }
        found
    }

    fn flag_settings(&self, problems: &mut Vec<Problem>) -> BTreeMap<&'static str, Given> {
        let flags = &self.flags;
        let mut found = BTreeMap::new();
        // The weakest of the flags first, so that a flag of its own wins.
        for typed in &flags.set {
            let origin = Origin::Flag("--set");
            let (key, value) = typed.split_once('=').map_or((typed.as_str(), None), |(key, value)| (key.trim(), Some(value)));
            let sentence = match (table::find(key), value) {
                (Some(setting), _) if setting.is_secret() => {
                    format!("is a secret, and a command line can be read by every user; set {} instead.", setting.variable())
                }
                (Some(setting), Some(value)) => {
                    found.insert(setting.key, Given { raw: Raw::Text(value.to_owned()), origin });
                    continue;
                }
                (Some(_), None) => "has no value; write --set KEY=VALUE.".to_owned(),
                (None, _) => {
                    let near = suggestion(key, SETTINGS.iter().map(|setting| setting.key));
                    problems.push(Problem { key: shown(key), origin, sentence: format!("is not a setting.{near}") });
                    continue;
                }
            };
            problems.push(Problem { key: key.to_owned(), origin, sentence });
        }
        let single = [
            ("data_dir", "--data-dir", &flags.data_dir),
            ("issuer", "--issuer", &flags.issuer),
            ("log.format", "--log-format", &flags.log_format),
            ("log.level", "--log-level", &flags.log_level),
        ];
        for (key, flag, value) in single {
            if let Some(value) = value {
                found.insert(key, Given { raw: Raw::Text(value.clone()), origin: Origin::Flag(flag) });
            }
        }
        if !flags.listen.is_empty() {
            found.insert("listen", Given { raw: Raw::List(flags.listen.clone()), origin: Origin::Flag("--listen") });
        }
        if !flags.ops_listen.is_empty() {
            found.insert("ops.listen", Given { raw: Raw::List(flags.ops_listen.clone()), origin: Origin::Flag("--ops-listen") });
        }
        if flags.dev {
            found.insert("dev", Given { raw: Raw::Boolean(true), origin: Origin::Flag("--dev") });
        }
        found
    }

    /// Not refused: container platforms invent `CHANCERY_PORT` and the like for a service of that name.
    fn strangers(&self) -> Vec<(String, String)> {
        let known: Vec<String> = SETTINGS.iter().map(table::Setting::variable).chain(["CHANCERY_CONFIG".to_owned()]).collect();
        let ours = self.environment.iter().filter_map(|(name, _)| name.to_str()).filter(|name| name.starts_with("CHANCERY_"));
        ours.filter(|name| !known.iter().any(|k| k == name))
            .map(|name| (shown(name), suggestion(name, known.iter().map(String::as_str))))
            .collect()
    }
}
