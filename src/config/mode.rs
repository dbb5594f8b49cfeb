//! Development or production: decided by the issuer, never by a switch alone.
//!
//! | Rule | Source |
//! |---|---|
//! | development: the issuer is http on loopback, and every listener too unless `dev` is set | FEATURES §9 |
//! | everything else is production | - |
//! | production: https issuer | OpenID Connect Discovery §3, RFC 9700 §2.6 |
//! | production: strong secrets from the operator, the master key outside the data directory | DESIGN §5, §6 |
//! | production: no declared users, declared client secrets of at least 32 characters | FEATURES §4 |
//! | production: password hashing at OWASP strength | OWASP Password Storage |
//!
//! Out of scope: what development checks of each request (Host, forwarding headers) stands in `http`.

use super::reader::Reader;
use super::secret::{self, SHORTEST};
use super::{Config, Database};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Development,
    Production,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }
}

/// The mode; `None` after a contradiction that was reported, since the rules of neither would help then.
pub fn decide(config: &Config, dev: bool, reader: &mut Reader) -> Option<Mode> {
    let local = config.issuer.is_loopback() && !config.issuer.is_https();
    if dev && !local {
        reader.refuse(
            "dev",
            format!(
                "is set although the issuer {} is not http on loopback; unset it, or use http://localhost:3000.",
                config.issuer.as_str()
            ),
        );
        return None;
    }
    if !local {
        return Some(Mode::Production);
    }
    if let Some(open) = config
        .listen
        .iter()
        .chain(&config.mtls.listen)
        .chain(&config.ops_listen)
        .find(|listener| !listener.ip().to_canonical().is_loopback())
        && !dev
    {
        reader.refuse(
            "listen",
            format!(
                "{open} can be reached from elsewhere while the issuer {} is for development; listen on 127.0.0.1, set CHANCERY_DEV=1 if a \
                 container needs it, or set OIDC_ISSUER to the https address that people use.",
                config.issuer.as_str()
            ),
        );
        return None;
    }
    Some(Mode::Development)
}

/// What production refuses.
pub fn production(config: &Config, reader: &mut Reader) {
    if !config.issuer.is_https() {
        reader.refuse(
            "issuer",
            "is plain http; set OIDC_ISSUER to an https address (TLS may end here with tls.cert and tls.key, or in a proxy).",
        );
    }
    match &config.given.cookie {
        None => reader.refuse("cookie_secret", "is not set; set OIDC_COOKIE_SECRET to the output of `openssl rand -base64 32`."),
        Some(found) if found.all().any(|secret| secret::is_weak(secret.expose())) => {
            reader.refuse("cookie_secret", "is a pattern that can be guessed; make one with `openssl rand -base64 32`.");
        }
        Some(_) => {}
    }
    match &config.given.master {
        None => reader.refuse(
            "master_key",
            "is not set; set CHANCERY_MASTER_KEY to the output of `openssl rand -base64 32` and keep a copy apart from the backups.",
        ),
        Some((key, _)) if key.is_weak() => {
            reader.refuse("master_key", "is a pattern that can be guessed; make one with `openssl rand -base64 32`.");
        }
        Some((_, Some(file))) if secret::is_inside(file, &config.data_dir) => reader.refuse(
            "master_key",
            format!("is kept in {}, inside the data directory; move it elsewhere, or a stolen backup opens itself.", file.display()),
        ),
        Some(_) => {}
    }
    let short = |client: &super::DeclaredClient| {
        client.client_secret.as_ref().is_some_and(|secret| secret.expose().chars().count() < SHORTEST || secret::is_weak(secret.expose()))
    };
    for (index, client) in config.clients.iter().enumerate().filter(|(_, client)| short(client)) {
        let sentence = format!(
            "of {} has fewer than {SHORTEST} characters or is a pattern; make one with `openssl rand -base64 32`.",
            super::problem::shown(&client.client_id)
        );
        reader.refuse_entry("client", index, "client_secret", sentence);
    }
    for index in 0..config.users.len() {
        reader.refuse_entry("user", index, "", "is for development only; remove it and use `chancery user create`.".to_owned());
    }
    if !config.scrypt.is_strong() {
        reader.refuse("scrypt.ln", "with scrypt.r and scrypt.p is weaker than OWASP asks; use ln = 17, r = 8, p = 1.");
    }
    if let Database::Sqlite(path) = &config.database
        && path.starts_with("/dev/shm")
    {
        reader.refuse("data_dir", "is in memory and would be lost; use a directory on a disk.");
    }
}
