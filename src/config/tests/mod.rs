//! The configuration from sources to sentences.

mod mode;
mod secrets;
mod values;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::Duration;

use super::check::{Level, check};
use super::*;

const COOKIE: &str = "pQ3x8kL0vZr5TnYw2sHd7uJc4mBf6gAe";
const MASTER: &str = "Ea0zUX3dNxbWbZ2sVfGqj5xKc8TTo4Yw1mLr9uPhk7s=";

/// A directory with a TOML file, and sources that read it.
struct Typed {
    directory: tempfile::TempDir,
    sources: Sources,
}

impl Typed {
    fn file(toml: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("chancery.toml");
        std::fs::write(&path, toml).unwrap();
        let flags = Flags { config: Some(path), ..Flags::default() };
        Self { directory, sources: Sources { flags, environment: Vec::new() } }
    }

    fn nothing() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), sources: Sources::default() }
    }

    /// What production needs.
    fn production(toml: &str) -> Self {
        let typed = Self::file(toml);
        typed.env("OIDC_ISSUER", "https://id.example").env("OIDC_COOKIE_SECRET", COOKIE).env("CHANCERY_MASTER_KEY", MASTER)
    }

    fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.sources.environment.retain(|(known, _)| known != name);
        self.sources.environment.push((name.into(), value.into()));
        self
    }

    fn set(mut self, typed: &str) -> Self {
        self.sources.flags.set.push(typed.to_owned());
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn config(&self) -> Config {
        resolve(&self.sources).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// `key: sentence` of every problem.
    fn problems(&self) -> Vec<String> {
        let problems = resolve(&self.sources).err().expect("refused");
        problems.0.iter().map(|problem| format!("{}: {}", problem.key, problem.sentence)).collect()
    }

    /// That there is one problem, which begins with `expected`.
    fn refused(&self, expected: &str) {
        let problems = self.problems();
        assert!(problems.len() == 1 && problems[0].starts_with(expected), "expected {expected:?}, got {problems:#?}");
    }
}

fn env(name: &str, value: &str) -> Typed {
    Typed::nothing().env(name, value)
}

#[test]
fn nothing_typed_is_development_on_both_loopbacks() {
    let config = Typed::nothing().config();
    assert_eq!((config.mode, config.issuer.as_str()), (Mode::Development, "http://localhost:3000/oidc"));
    assert_eq!(config.listen.iter().map(ToString::to_string).collect::<Vec<_>>(), ["127.0.0.1:3000", "[::1]:3000"]);
    assert_eq!((config.registration, config.pkce, config.cache_mb), (Registration::Open, PkceRequired::Public, 8));
    assert!(matches!(&config.database, Database::Sqlite(path) if path == &PathBuf::from("./chancery-data/chancery.db")));
    assert_eq!((config.lifetimes.code, config.lifetimes.refresh_absolute), (Duration::from_secs(60), Duration::from_secs(90 * 86_400)));
    assert_eq!(config.scrypt, Scrypt { ln: 17, r: 8, p: 1, permits: None, queue: 64 });
    assert_eq!(config.rate_limits.login_failures_per_account, Some(Rate { count: 10, window: Duration::from_secs(900) }));
    assert_eq!(config.rate_limits.token_requests_per_client, None);
    assert!(config.trusted_proxies.is_empty() && config.tls.is_none() && config.clients.is_empty());
}

#[test]
fn every_row_of_the_table_is_read_and_digested() {
    let mut reader = Reader::new(Default::default(), Vec::new());
    let config = read(&mut reader, &Sources::default().merge());
    let all: Vec<_> = table::SETTINGS.iter().map(|setting| setting.key).collect();
    assert!(all.iter().all(|key| reader.asked.contains(key)) && reader.asked.len() == all.len());
    let digested = config.canonical();
    // `dev` decides the mode, which stands in its place.
    for setting in table::SETTINGS.iter().filter(|setting| !setting.is_secret() && setting.key != "dev") {
        assert!(digested.contains_key(setting.key), "{}", setting.key);
    }
}

#[test]
fn the_example_parses_back_to_the_defaults() {
    let example = Typed::file(&example::example()).config();
    assert_eq!(example.canonical(), Typed::nothing().config().canonical());
    for setting in table::SETTINGS {
        let name = setting.key.rsplit('.').next().unwrap();
        assert!(example::example().lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{name} = "))), "{}", setting.key);
    }
}

#[test]
fn the_samples_of_the_example_are_of_the_right_shape() {
    let directory = tempfile::tempdir().unwrap();
    // Comments with an assignment become settings; files that secrets name are there.
    let mut text = String::new();
    for line in example::example().lines() {
        match line.strip_prefix("# ") {
            // A feed goes to one kind of place; what belongs to the others has tests of its own.
            Some(typed) if typed.starts_with("bearer = ") || typed.starts_with("client = ") => {}
            Some(typed) if typed.starts_with("[[") || typed.split_once(" = ").is_some_and(|(name, _)| !name.contains(' ')) => {
                text.push_str(typed);
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (name, content) in [("chancery-cookie", COOKIE), ("chancery-master", MASTER), ("jwks.pem", pem), ("demo-app", COOKIE)] {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        text = text.replace(&format!("/run/secrets/{name}"), path.to_str().unwrap());
    }
    let config = Typed::file(&text).config();
    assert!(matches!(config.database, Database::Postgres(_)) && config.tls.is_some());
    assert_eq!((config.clients.len(), config.users.len()), (1, 1));
    assert_eq!((config.clients[0].refresh_grace_seconds, config.clients[0].default_max_age), (10, Some(3_600)));
    assert_eq!(config.clients[0].client_secret.as_ref().map(Secret::expose), Some(COOKIE));
}

#[test]
fn flags_beat_the_environment_which_beats_the_file_which_beats_the_default() {
    let typed = Typed::file("cache_mb = 2\n[log]\nlevel = \"debug\"\n[lifetimes]\ncode = 30");
    assert_eq!((typed.config().cache_mb, typed.config().log.level), (2, "debug"));
    let typed = typed.env("CHANCERY_CACHE_MB", "3").env("CHANCERY_LOG_LEVEL", "warn");
    assert_eq!((typed.config().cache_mb, typed.config().log.level), (3, "warn"));
    let mut typed = typed.set("cache_mb=4").set("log.level=trace");
    assert_eq!((typed.config().cache_mb, typed.config().log.level), (4, "trace"));
    typed.sources.flags.log_level = Some("error".to_owned());
    assert_eq!(typed.config().log.level, "error");
    assert_eq!(typed.config().lifetimes.code, Duration::from_secs(30));
    assert_eq!(typed.env("CHANCERY_CACHE_MB", "").config().cache_mb, 4);
}

#[test]
fn the_file_is_named_by_flag_or_environment() {
    let typed = Typed::file("cache_mb = 7");
    let path = typed.path("chancery.toml");
    assert_eq!(Typed::nothing().env("CHANCERY_CONFIG", path.as_os_str()).config().cache_mb, 7);
    env("CHANCERY_CONFIG", "/nowhere.toml").refused("config: the file /nowhere.toml cannot be read: No such file");
    env("CHANCERY_CONFIG", "/").refused("config: the file / cannot be read: it is not a file");
    std::fs::write(&path, b"cache_mb = \xff").unwrap();
    Typed::nothing().env("CHANCERY_CONFIG", path.as_os_str()).refused("config: the file");
}

#[test]
fn problems_come_all_at_once_with_key_and_origin() {
    let mut typed = Typed::file("\n\ncach_mb = 1\n[lifetimes]\ncode = \"2h\"\n").env("OIDC_ISSUER", "nonsense").set("scrypt.p=99");
    typed.sources.flags.listen = vec!["here".to_owned()];
    let file = typed.path("chancery.toml");
    let text = resolve(&typed.sources).err().unwrap().to_string();
    for expected in [
        format!("cach_mb ({}:3): is not a setting. Did you mean cache_mb?", file.display()),
        format!("lifetimes.code ({}:5): \"2h\" is out of bounds; write 1s to 600s.", file.display()),
        "issuer (environment variable OIDC_ISSUER): \"nonsense\" is not a URL; write https://your.host.".to_owned(),
        "scrypt.p (flag --set): \"99\" is out of bounds; write 1 to 16.".to_owned(),
        "listen (flag --listen): \"here\" is not an address to listen on".to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected}\nnot in\n{text}");
    }
}

#[test]
fn the_file_refuses_what_it_does_not_know() {
    let cases = [
        ("isuer = \"x\"", "isuer: is not a setting. Did you mean issuer?"),
        ("zzzzzzzz = 1", "zzzzzzzz: is not a setting."),
        ("[lifetime]\ncode = 1", "lifetime: is not a setting."),
        ("[lifetimes]\ncod = 1", "lifetimes.cod: is not a setting. Did you mean lifetimes.code?"),
        ("lifetimes = 5", "lifetimes: is a section; write [lifetimes] and its keys below."),
        ("\"lifetimes.code\" = 5", "\"lifetimes.code\": is quoted as one word; write it without the quotes."),
        ("cache_mb = 1\ncache_mb = 2", "config: is not TOML: duplicate key"),
        ("cache_mb = ", "config: is not TOML: "),
        ("client = 5", "client: is a list of tables; write [[client]] and its fields below."),
        ("[client]\nclient_id = \"a\"", "client: is a list of tables"),
        (
            "[[client]]\nclient_id = \"a\"\nredirect_uri = \"x\"",
            "client[1].redirect_uri: is not a field of client. Did you mean redirect_uris?",
        ),
        ("[[client]]\nclient_name = \"a\"", "client[1].client_id: is missing; every entry needs one."),
        (
            "[[client]]\nclient_id = \"a\"\n[[client]]\nclient_id = \"a\"",
            "client[2].client_id: is declared twice; give each client its own.",
        ),
        ("[[client]]\nclient_id = \"a\"\njwks = \"{}\"", "client[1].jwks: is not the JSON text of a JWK set"),
        (
            "[[client]]\nclient_id = \"a\"\nrefresh_grace_seconds = 61",
            "client[1].refresh_grace_seconds: \"61\" is out of bounds; write 0 to 60.",
        ),
        ("[[client]]\nclient_id = \"a\"\nredirect_uris = [1]", "client[1].redirect_uris: is a list of something else than text"),
        ("[[user]]\nemail = \"a@b\"", "user[1].password: is missing; every entry needs one."),
        ("[[user]]\nemail = \"a@b\"\npassword = \"x\"\n[[user]]\nemail = \"A@B\"\npassword = \"y\"", "user[2].email: is declared twice"),
    ];
    for (toml, expected) in cases {
        Typed::file(toml).refused(expected);
    }
}
