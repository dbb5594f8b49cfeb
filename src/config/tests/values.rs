//! What a value may be, wherever it was typed.

use super::*;

#[test]
fn hostile_values_are_refused_with_a_sentence() {
    let cases = [
        ("cache_mb = 99999999999999999999999999999999999999999999", "cache_mb: \""),
        ("cache_mb = -1", "cache_mb: \"-1\" is out of bounds; write 1 to 65536."),
        ("cache_mb = 1.5", "cache_mb: is a fraction; write a whole number."),
        ("cache_mb = \"many\"", "cache_mb: \"many\" is not a whole number; write 1 to 65536."),
        ("cache_mb = true", "cache_mb: is true or false; write a whole number."),
        ("threads = 1025", "threads: \"1025\" is out of bounds; write 0 to 1024."),
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
fn rfc8628_5_1_user_codes_are_held_against_the_guesses_that_are_let_through() {
    let digits = |mask: &str| Typed::nothing().set("device.user_code_charset=digits").set(&format!("device.user_code_mask={mask}"));
    // 600 in a quarter of an hour, of which a code of ten minutes can see two.
    assert_eq!(digits("***-***-***").config().user_codes.mask(), "***-***-***");
    digits("****-****").refused("device.user_code_mask: has 100000000 codes, too few for 1200 guesses in the life of one");
    assert_eq!(digits("****-****").set("rate_limits.user_code_failures=30/15m").config().user_codes.codes(), 100_000_000);
    digits("***-***-***").set("lifetimes.device_code=1h").refused("device.user_code_mask: has 1000000000 codes, too few for 3000 guesses");
    digits("***-***-***")
        .set("rate_limits.user_code_failures=off")
        .refused("device.user_code_mask: has 1000000000 codes, too few for no limit");
    Typed::nothing().set("rate_limits.user_code_failures=off").config();
    Typed::nothing().set("device.user_code_mask=****x****").refused("device.user_code_mask: is a mask of at most 32 characters");
}
