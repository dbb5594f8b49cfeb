//! What `chancery doctor` says about a configuration, before anything is started.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::mode::Mode;
use super::secret::{self, MasterKey};
use super::{COOKIE_FILE, Config, Database, MASTER_FILE, Registration, Sources, resolve};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Ok,
    Warn,
    Fail,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    pub sentence: String,
}

/// Checks everything that can be known without starting. Reads files, writes none.
pub fn check(sources: &Sources) -> Vec<Finding> {
    let merged = sources.merge();
    let mut report = Report(Vec::new());
    match resolve(sources) {
        Err(problems) => problems.0.iter().for_each(|problem| report.add(Level::Fail, problem.to_string())),
        Ok(config) => valid(&config, &mut report),
    }
    if let Some(file) = merged.file.as_ref().filter(|file| is_open(file) && holds_a_secret(sources)) {
        report.add(Level::Warn, format!("{} holds secrets and can be read by others; run chmod 600 on it", file.display()));
    }
    for (name, near) in merged.strangers {
        report.add(Level::Warn, format!("the environment variable {name} is not a setting and has no effect.{near}"));
    }
    report.0
}

struct Report(Vec<Finding>);

impl Report {
    fn add(&mut self, level: Level, sentence: impl Into<String>) {
        self.0.push(Finding { level, sentence: sentence.into() });
    }
}

fn valid(config: &Config, report: &mut Report) {
    report.add(Level::Ok, format!("the configuration is valid; mode {}, issuer {}", config.mode.as_str(), config.issuer.as_str()));
    match &config.database {
        Database::Sqlite(path) => report.add(Level::Ok, format!("embedded SQLite in {}", path.display())),
        Database::Postgres(_) => report.add(Level::Ok, "PostgreSQL"),
    }
    match config.mode {
        Mode::Development => development(config, report),
        Mode::Production => production(config, report),
    }
    let pairs = [("tls.cert", "tls.key", &config.tls), ("mtls.cert", "mtls.key", &config.mtls.tls)];
    let files = pairs.iter().filter_map(|(cert, key, tls)| tls.as_ref().map(|tls| [(*cert, &tls.cert), (*key, &tls.key)])).flatten();
    for (key, file) in files.chain(config.mtls.client_ca.iter().map(|file| ("mtls.client_ca", file))) {
        match std::fs::File::open(file) {
            Ok(_) if key.ends_with(".key") && is_open(file) => {
                report.add(Level::Warn, format!("{key} {} can be read by others; run chmod 600 on it", file.display()));
            }
            Ok(_) => report.add(Level::Ok, format!("{key} {} can be read", file.display())),
            Err(error) => report.add(Level::Fail, format!("{key} {} cannot be read: {error}", file.display())),
        }
    }
    credentials(config, report);
    if !config.mtls.is_on() && (config.mtls.url.is_some() || config.mtls.client_ca.is_some()) {
        report.add(Level::Warn, "no client certificate can come in: mtls.listen is empty and mtls.proxy_header is off");
    }
    if config.mtls.proxy_header && config.trusted_proxies.is_empty() {
        report.add(Level::Fail, "mtls.proxy_header is on but trusted_proxies is empty: no certificate can come in");
    }
}

/// What stands in the file and does nothing, or lets in whoever comes.
fn credentials(config: &Config, report: &mut Report) {
    for own in config.key_attesters.iter().filter(|own| !config.credentials.iter().any(|one| one.key_attesters.contains(&own.name))) {
        report.add(
            Level::Warn,
            format!("no credential names the key_attester {} in key_attesters: nothing that it attests counts", own.name),
        );
    }
    if config.credential_settings.anonymous_access && config.credentials.is_empty() {
        report.add(Level::Warn, "credentials.anonymous_access is on but there is no [[credential]]: nobody is let in");
    }
}

fn development(config: &Config, report: &mut Report) {
    if config.listen.iter().any(|listener| !listener.ip().to_canonical().is_loopback()) {
        report.add(Level::Warn, "development mode listens on an address that others may reach (CHANCERY_DEV)");
    }
    if !config.scrypt.is_strong() {
        report.add(Level::Warn, "password hashing is weaker than OWASP asks; production would refuse it");
    }
    for name in [COOKIE_FILE, MASTER_FILE] {
        let file = config.data_dir.join(name);
        if is_open(&file) {
            report.add(Level::Warn, format!("{} can be read by others; run chmod 600 on it", file.display()));
        }
    }
    if config.given.cookie.as_ref().is_some_and(|given| given.all().any(|secret| secret::is_weak(secret.expose())))
        || config.given.master.as_ref().is_some_and(|(key, _)| MasterKey::is_weak(key))
    {
        report.add(Level::Warn, "a secret is a pattern that can be guessed; production would refuse it");
    }
}

fn production(config: &Config, report: &mut Report) {
    if config.registration == Registration::Open {
        report.add(Level::Warn, "anybody may register clients; set registration = \"initial_access_token\"");
    }
    let is_public = config.listen.iter().any(|listener| !listener.ip().to_canonical().is_loopback());
    if config.tls.is_none() && is_public {
        report.add(
            Level::Warn,
            "plain http is served beyond loopback; set tls.cert and tls.key, or let only the proxy that ends TLS reach it",
        );
    }
    if config.tls.is_none() && config.trusted_proxies.is_empty() {
        report.add(Level::Warn, "TLS ends elsewhere but trusted_proxies is empty, so every request seems to come from the proxy's address");
    }
    if config.trusted_proxies.iter().any(|network| network.is_everything()) {
        report.add(Level::Warn, "trusted_proxies names the whole internet: anybody can choose the address that limits and events see");
    }
    for origin in config.allowed_origins.iter().filter(|origin| origin.starts_with("http://")) {
        report.add(Level::Warn, format!("allowed_origins has {origin}, whose pages can be changed on the way; use https"));
    }
    if let Some((_, Some(file))) = config.given.master.as_ref().filter(|(_, file)| file.as_deref().is_some_and(is_open)) {
        report.add(Level::Warn, format!("the master key in {} can be read by others; run chmod 600 on it", file.display()));
    }
}

/// Whether group or others may read a file.
fn is_open(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|about| about.permissions().mode() & 0o044 != 0)
}

fn holds_a_secret(sources: &Sources) -> bool {
    let merged = sources.merge();
    let plain = |raw: &super::given::Raw| matches!(raw, super::given::Raw::Text(text) if !text.starts_with("file:"));
    let in_file = |given: &super::given::Given| matches!(given.origin, super::Origin::File { .. }) && plain(&given.raw);
    let setting = merged.settings.iter().any(|(key, given)| super::table::find(key).is_some_and(|s| s.is_secret()) && in_file(given));
    let entry = merged.clients.iter().chain(&merged.users).flat_map(|entry| &entry.fields);
    setting || entry.into_iter().any(|(field, given)| matches!(*field, "client_secret" | "password") && in_file(given))
}
