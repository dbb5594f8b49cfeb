//! Secrets: checked, made in development, never repeated.

use super::*;

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
