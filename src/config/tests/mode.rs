//! Development or production, and what each refuses.

use super::*;

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
    let idle = "[credentials]\nanonymous_access = true\n[[key_attester]]\nname = \"meadow\"\njwks = '{\"keys\":[]}'\n";
    for part in ["no credential names the key_attester meadow", "nobody is let in"] {
        has(&said(&Typed::file(idle), Level::Warn), part);
    }
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
    let config = Typed::production(include_str!("../../../profiles/oidc-certification.toml")).config();
    assert_eq!((config.mode, config.registration, config.front_channel), (Mode::Production, Registration::Open, true));
    assert_eq!(config.rate_limits.client_registrations_per_address, None);
    assert!(!Typed::nothing().config().front_channel);
}
