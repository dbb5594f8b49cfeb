//! The configuration from sources to sentences.

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
    let config = read(&mut reader, &[], &[], &[]);
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

#[test]
fn hostile_values_are_refused_with_a_sentence() {
    let cases = [
        ("cache_mb = 99999999999999999999999999999999999999999999", "cache_mb: \""),
        ("cache_mb = -1", "cache_mb: \"-1\" is out of bounds; write 1 to 65536."),
        ("cache_mb = 1.5", "cache_mb: is a fraction; write a whole number."),
        ("cache_mb = \"many\"", "cache_mb: \"many\" is not a whole number; write 1 to 65536."),
        ("cache_mb = true", "cache_mb: is true or false; write a whole number."),
        ("lifetimes.code = -5", "lifetimes.code: \"-5\" is negative; a duration is at least 0."),
        ("lifetimes.code = 9223372036854775807", "lifetimes.code: \"9223372036854775807\" is out of bounds"),
        ("lifetimes.code = \"99999999999999999999d\"", "lifetimes.code: \"99999999999999999999d\" is out of bounds"),
        ("lifetimes.code = \"soon\"", "lifetimes.code: \"soon\" is not a duration; write seconds, or 90s, 10m, 1h, 14d."),
        ("lifetimes.code = 1.5", "lifetimes.code: is a fraction; write seconds"),
        ("lifetimes.code = 2026-11-21", "lifetimes.code: is a date; write seconds"),
        ("lifetimes.refresh_idle = \"91d\"", "lifetimes.refresh_idle: is longer than lifetimes.refresh_absolute"),
        ("lifetimes.session_idle = \"91d\"", "lifetimes.session_idle: is longer than lifetimes.session_absolute"),
        ("data_dir = \"a\\u0000b\"", "data_dir: holds a control character"),
        ("data_dir = \"\"", "data_dir: is empty; remove it or give it a value."),
        ("data_dir = 5", "data_dir: is a number; write text in quotes."),
        ("master_key = \"a\\u0000b\"", "master_key: holds a control character such as NUL; remove it."),
        ("listen = []", "listen: is empty; name at least one address"),
        ("listen = \"a:b\"", "listen: \"a:b\" is not an address to listen on"),
        ("listen = 3000", "listen: is a number; write a list"),
        ("dev = \"maybe\"", "dev: \"maybe\" is neither true nor false; write true, false, 1 or 0."),
        ("dev = 1", "dev: is a number; write true or false."),
        ("registration = \"opne\"", "registration: \"opne\" is not one of open, initial_access_token. Did you mean open?"),
        ("log.format = \"xml\"", "log.format: \"xml\" is not one of pretty, json."),
        ("allowed_origins = [\"*\"]", "allowed_origins: * is not allowed; list each origin that may call."),
        (
            "allowed_origins = [\"https://a.example/x\"]",
            "allowed_origins: \"https://a.example/x\" is not how browsers write the origin; write https://a.example.",
        ),
        ("trusted_proxies = [\"10.0.0.1/8\"]", "trusted_proxies: \"10.0.0.1/8\" has bits beyond the prefix; did you mean 10.0.0.0/8?"),
        (
            "rate_limits.login_failures_per_account = \"10\"",
            "rate_limits.login_failures_per_account: \"10\" is not a rate; write COUNT/WINDOW such as 10/15m, or off.",
        ),
        ("tls.cert = \"x\"", "tls.cert: is set without tls.key; set both or neither."),
        ("tls.key = \"x\"", "tls.key: is set without tls.cert; set both or neither."),
        ("scrypt.ln = 40", "scrypt.ln: \"40\" is out of bounds; write 1 to 20."),
    ];
    for (toml, expected) in cases {
        Typed::file(toml).refused(expected);
    }
    let bad_utf8 = Typed::nothing().env("OIDC_ISSUER", OsString::from_vec(vec![0xff, 0xfe]));
    bad_utf8.refused("issuer: is not valid UTF-8; set it again as plain text.");
    let long = Typed::file(&format!("registration = \"{}\"", "x".repeat(100_000)));
    assert!(long.problems()[0].len() < 300);
}

#[test]
fn set_takes_known_settings_that_are_not_secret() {
    Typed::nothing().set("cache_mb").refused("cache_mb: has no value; write --set KEY=VALUE.");
    Typed::nothing().set("cach_mb=1").refused("\"cach_mb\": is not a setting. Did you mean cache_mb?");
    let secret = Typed::nothing().set("cookie_secret=hunter2hunter2");
    secret.refused("cookie_secret: is a secret, and a command line can be read by every user; set OIDC_COOKIE_SECRET instead.");
    assert!(!resolve(&secret.sources).err().unwrap().to_string().contains("hunter2"));
    assert_eq!(Typed::nothing().set("allowed_origins=https://a.example, https://b.example").config().allowed_origins.len(), 2);
}

#[test]
fn the_database_is_postgresql_or_unset() {
    for good in ["postgres://chancery@db/chancery", "postgresql://a:b@h1:1,h2:2/x?sslmode=require"] {
        assert!(matches!(env("DATABASE_URL", good).config().database, Database::Postgres(url) if url.expose() == good));
    }
    let cases = [
        ("kurrentdb://h:2113", "database_url: KurrentDB is not supported yet; use postgres://"),
        ("esdb://h:2113", "database_url: KurrentDB is not supported yet"),
        ("mysql://h/x", "database_url: MySQL is not supported; use postgres://"),
        ("sqlite:///x.db", "database_url: SQLite needs no URL; unset it"),
        ("postgres://", "database_url: names no host"),
        ("hunter2@db", "database_url: is not a postgres:// or postgresql:// URL"),
        ("redis://u:hunter2@db", "database_url: is not a postgres:// or postgresql:// URL"),
    ];
    for (url, expected) in cases {
        env("DATABASE_URL", url).refused(expected);
        assert!(!env("DATABASE_URL", url).problems()[0].contains("hunter2"));
    }
    env("EVENT_STORE_URL", "kurrentdb://h").refused("event_store_url: KurrentDB is not supported yet; unset it");
    assert!(resolve(&env("EVENT_STORE_URL", "").sources).is_ok());
}

#[test]
fn secrets_are_checked_and_never_repeated() {
    let rsa = "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----";
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nhunter2\n-----END ENCRYPTED PRIVATE KEY-----";
    let cases = [
        ("OIDC_COOKIE_SECRET", "hunter2", "cookie_secret: has a secret of fewer than 32 characters; make one with"),
        ("OIDC_COOKIE_SECRET", &format!("{COOKIE},hunter2"), "cookie_secret: has a secret of fewer than 32 characters"),
        ("OIDC_COOKIE_SECRET", &format!("{COOKIE},{COOKIE}"), "cookie_secret: has the same secret twice"),
        ("OIDC_COOKIE_SECRET", &format!("{COOKIE},{COOKIE}2,{COOKIE}3"), "cookie_secret: has more than two secrets"),
        ("CHANCERY_MASTER_KEY", "hunter2", "master_key: is not 32 bytes in base64 or hex; make one with `openssl rand -base64 32`."),
        ("CHANCERY_MASTER_KEY", "file:/nowhere", "master_key: names the file /nowhere, which cannot be read: No such file"),
        ("CHANCERY_MASTER_KEY", "file:/", "master_key: names the file /, which cannot be read: it is not a file."),
        ("JWKS_PRIVATE_KEY", "hunter2", "jwks_private_key: is not one PEM block"),
        ("JWKS_PRIVATE_KEY", rsa, "jwks_private_key: is not PKCS#8; convert it with `openssl pkcs8 -topk8 -nocrypt"),
        ("JWKS_PRIVATE_KEY", locked, "jwks_private_key: is encrypted; decrypt it with"),
    ];
    for (name, value, expected) in cases {
        env(name, value).refused(expected);
        assert!(!env(name, value).problems()[0].contains("hunter2") && !env(name, value).problems()[0].contains(COOKIE));
    }
    // The parser of TOML would quote the whole line.
    let torn = Typed::file("cookie_secret = \"hunter2hunter2\nissuer = 5");
    assert!(torn.problems().iter().all(|problem| problem.starts_with("config: is not TOML") && !problem.contains("hunter2")));
    // Bytes that stand in a file.
    let typed = Typed::nothing();
    std::fs::write(typed.path("empty"), " \n").unwrap();
    std::fs::write(typed.path("large"), "x".repeat(70_000)).unwrap();
    for (file, why) in [("empty", "it is empty"), ("large", "it is larger than 65536 bytes")] {
        let value = format!("file:{}", typed.path(file).display());
        assert!(env("OIDC_COOKIE_SECRET", &value).problems()[0].ends_with(&format!("which cannot be read: {why}.")));
    }
}

#[test]
fn a_key_in_the_environment_may_have_its_line_ends_written_out() {
    let typed = env("JWKS_PRIVATE_KEY", "-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----\\n");
    let directory = typed.path("data");
    let typed = typed.env("CHANCERY_DATA_DIR", directory.as_os_str());
    let secrets = typed.config().secrets(|bytes| bytes.fill(1)).ok().unwrap();
    assert_eq!(secrets.jwks_private_key.unwrap().expose(), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----");
}

#[test]
fn development_makes_its_secrets_and_warns() {
    let typed = Typed::nothing();
    let data = typed.path("data");
    let typed = typed.env("CHANCERY_DATA_DIR", data.as_os_str());
    let first = typed.config().secrets(|bytes| bytes.fill(9)).ok().unwrap();
    let second = typed.config().secrets(|bytes| bytes.fill(8)).ok().unwrap();
    assert_eq!(first.master_key.expose(), &[9; 32]);
    assert_eq!((second.master_key.expose(), second.cookie.current.expose()), (first.master_key.expose(), first.cookie.current.expose()));
    assert_eq!((first.warnings.len(), second.warnings.len()), (2, 2));
    assert!(first.warnings[0].contains("was made") && second.warnings[1].contains("set CHANCERY_MASTER_KEY in production"));
    std::fs::write(data.join(MASTER_FILE), "torn").unwrap();
    let problems = typed.config().secrets(|bytes| bytes.fill(7)).err().unwrap().to_string();
    assert!(problems.contains("is not 32 bytes in base64 or hex") && problems.contains("Restore the file from a backup"), "{problems}");
    let given = typed.env("OIDC_COOKIE_SECRET", format!("{COOKIE}, {COOKIE}-old")).env("CHANCERY_MASTER_KEY", MASTER);
    let secrets = given.config().secrets(|_| panic!("nothing is missing")).ok().unwrap();
    assert!(secrets.warnings.is_empty() && secrets.cookie.all().count() == 2 && secrets.cookie.current.expose() == COOKIE);
    let blocked = env("CHANCERY_DATA_DIR", "/dev/null/x").config().secrets(|_| {}).err().unwrap().to_string();
    assert!(blocked.contains("cannot be kept in /dev/null/x/"), "{blocked}");
}

#[test]
fn the_mode_is_development_only_if_everything_is_local() {
    let mode = |typed: Typed| typed.config().mode;
    assert_eq!(mode(env("OIDC_ISSUER", "http://127.0.0.1:4000")), Mode::Development);
    assert_eq!(mode(env("CHANCERY_LISTEN", "localhost:4000")), Mode::Development);
    assert_eq!(mode(env("CHANCERY_LISTEN", "0.0.0.0:3000").env("CHANCERY_DEV", "1")), Mode::Development);
    assert_eq!(mode(Typed::production("")), Mode::Production);
    assert_eq!(mode(Typed::production("").env("OIDC_ISSUER", "https://localhost:3000")), Mode::Production);
    assert_eq!(Typed::production("").config().registration, Registration::InitialAccessToken);
    assert_eq!(Typed::production("registration = \"open\"").config().registration, Registration::Open);
    env("CHANCERY_LISTEN", "0.0.0.0:3000").refused("listen: 0.0.0.0:3000 can be reached from elsewhere while the issuer http://localhost:3000/oidc is for development; listen on 127.0.0.1, set CHANCERY_DEV=1");
    env("CHANCERY_LISTEN", "127.0.0.1:1,[::]:3000").refused("listen: [::]:3000 can be reached from elsewhere");
    Typed::production("dev = true").refused("dev: is set although the issuer https://id.example/oidc is not http on loopback; unset it");
    env("CHANCERY_DEV", "1").env("OIDC_ISSUER", "http://id.example").refused("dev: is set although the issuer");
}

#[test]
fn production_refuses_everything_unsafe_at_once() {
    let typed = Typed::file(
        "scrypt.ln = 10\n[[client]]\nclient_id = \"a\"\nclient_secret = \"hunter2\"\n[[user]]\nemail = \"a@b\"\npassword = \"hunter2\"",
    );
    let problems = typed.env("OIDC_ISSUER", "http://id.example").problems();
    let expected = [
        "issuer: is plain http; set OIDC_ISSUER to an https address",
        "cookie_secret: is not set; set OIDC_COOKIE_SECRET to the output of `openssl rand -base64 32`.",
        "master_key: is not set; set CHANCERY_MASTER_KEY to the output of",
        "client[1].client_secret: of \"a\" has fewer than 32 characters or is a pattern; make one with",
        "user[1]: is for development only; remove it and use `chancery user create`.",
        "scrypt.ln: with scrypt.r and scrypt.p is weaker than OWASP asks; use ln = 17, r = 8, p = 1.",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected) && !problem.contains("hunter2"), "{problem}");
    }
    let short = Typed::production("\n[[client]]\nclient_id = \"a\"\nclient_secret = \"short\"");
    let line = format!("{}:4", short.path("chancery.toml").display());
    assert!(resolve(&short.sources).err().unwrap().to_string().contains(&line));
    Typed::production("").env("OIDC_COOKIE_SECRET", "a".repeat(40)).refused("cookie_secret: is a pattern that can be guessed");
    Typed::production("").env("OIDC_COOKIE_SECRET", format!("{COOKIE},{}", "ab".repeat(20))).refused("cookie_secret: is a pattern");
    Typed::production("").env("CHANCERY_MASTER_KEY", "00".repeat(32)).refused("master_key: is a pattern that can be guessed");
    for equal in ["scrypt.ln = 16\nscrypt.p = 2", "scrypt.ln = 15\nscrypt.p = 3", "scrypt.ln = 18"] {
        Typed::production(equal).config();
    }
}

#[test]
fn the_master_key_of_production_lies_outside_the_data_directory() {
    let typed = Typed::production("");
    let (data, outside) = (typed.path("data"), typed.path("master"));
    std::fs::create_dir(&data).unwrap();
    let inside = data.join("master");
    std::fs::write(&inside, MASTER).unwrap();
    std::fs::write(&outside, MASTER).unwrap();
    let link = typed.path("link");
    std::os::unix::fs::symlink(&inside, &link).unwrap();
    let mut typed = typed.env("CHANCERY_DATA_DIR", data.as_os_str());
    for (file, refused) in [(&inside, true), (&link, true), (&outside, false)] {
        typed = typed.env("CHANCERY_MASTER_KEY", format!("file:{}", file.display()));
        if refused {
            typed.refused("master_key: is kept in");
        } else {
            assert_eq!(typed.config().secrets(|_| {}).ok().unwrap().warnings.len(), 0);
        }
    }
    // Written in a file that lies there.
    let toml = data.join("chancery.toml");
    std::fs::write(&toml, format!("master_key = \"{MASTER}\"")).unwrap();
    typed.sources.flags.config = Some(toml);
    typed.env("CHANCERY_MASTER_KEY", "").refused("master_key: is kept in");
}

#[test]
fn the_digest_follows_settings_and_not_secrets() {
    let digest = |typed: &Typed| typed.config().digest();
    let plain = Typed::nothing();
    assert_eq!(digest(&plain), digest(&Typed::nothing()));
    assert_ne!(digest(&plain), digest(&env("CHANCERY_CACHE_MB", "17")));
    assert_eq!(digest(&plain), digest(&env("OIDC_COOKIE_SECRET", COOKIE).env("CHANCERY_MASTER_KEY", MASTER)));
    assert_eq!(digest(&env("DATABASE_URL", "postgres://a:b@c")), digest(&env("DATABASE_URL", "postgres://a:x@c")));
    let client = |more: &str| Typed::file(&format!("[[client]]\nclient_id = \"a\"\n{more}"));
    assert_ne!(digest(&client("")), digest(&client("response_types = []")));
    assert_ne!(digest(&client("client_secret = \"x\"")), digest(&client("")));
    assert_eq!(digest(&client("client_secret = \"x\"")), digest(&client("client_secret = \"y\"")));
    let canonical = format!("{:?}", client("client_secret = \"hunter2\"").config().canonical());
    assert!(!canonical.contains("hunter2"));
}

#[test]
fn doctor_hears_what_is_wrong_and_what_is_doubtful() {
    let said = |typed: &Typed, level: Level| -> Vec<String> {
        check(&typed.sources).into_iter().filter(|finding| finding.level == level).map(|finding| finding.sentence).collect()
    };
    let has = |lines: &[String], part: &str| assert!(lines.iter().any(|line| line.contains(part)), "{part:?} not in {lines:#?}");
    assert!(said(&Typed::nothing(), Level::Warn).is_empty() && said(&Typed::nothing(), Level::Fail).is_empty());
    has(&said(&Typed::nothing(), Level::Ok), "the configuration is valid; mode development, issuer http://localhost:3000/oidc");
    has(&said(&env("OIDC_ISSUER", "x"), Level::Fail), "issuer (environment variable OIDC_ISSUER): \"x\" is not a URL");
    has(
        &said(&env("CHANCERY_CACHE_MD", "1"), Level::Warn),
        "\"CHANCERY_CACHE_MD\" is not a setting and has no effect. Did you mean CHANCERY_CACHE_MB?",
    );
    has(&said(&env("CHANCERY_LISTEN", "0.0.0.0:1").env("CHANCERY_DEV", "1"), Level::Warn), "development mode listens on an address");
    has(&said(&env("OIDC_COOKIE_SECRET", &"a".repeat(40)), Level::Warn), "production would refuse it");
    let typed = Typed::production("registration = \"open\"\nlisten = \"0.0.0.0:3000\"\nallowed_origins = [\"http://a.example\"]\n");
    let warned = said(&typed, Level::Warn);
    for part in [
        "anybody may register clients",
        "plain http is served beyond loopback",
        "trusted_proxies is empty",
        "allowed_origins has http://a.example",
    ] {
        has(&warned, part);
    }
    has(&said(&Typed::production("trusted_proxies = [\"0.0.0.0/0\"]"), Level::Warn), "names the whole internet");
    has(&said(&Typed::production("[tls]\ncert = \"/nowhere\"\nkey = \"/nowhere\""), Level::Fail), "tls.cert /nowhere cannot be read");
    has(
        &said(&Typed::file(&format!("cookie_secret = \"{COOKIE}\"")), Level::Warn),
        "holds secrets and can be read by others; run chmod 600",
    );
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_configuration_panic(text in "(?s).{0,200}", name in 0..table::SETTINGS.len()) {
        let setting = &table::SETTINGS[name];
        let _ = resolve(&env(&setting.variable(), &text).sources);
        let mut problems = Vec::new();
        file::parse(std::path::Path::new("x"), &text, &mut problems);
        file::parse(std::path::Path::new("x"), &format!("{} = {text}", setting.key), &mut problems);
    }
}

#[test]
fn the_certification_profile_switches_on_what_it_says_and_serves_in_production() {
    let config = Typed::production(include_str!("../../profiles/oidc-certification.toml")).config();
    assert_eq!((config.mode, config.registration, config.front_channel), (Mode::Production, Registration::Open, true));
    assert_eq!(config.rate_limits.client_registrations_per_address, None);
    assert!(!Typed::nothing().config().front_channel);
}
