//! DESIGN.md §2, checked on the sources: who may name whom. Each failure says what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

struct Source {
    path: String,
    /// Without comments and without what stands behind `#[cfg(test)]`.
    code: String,
    lines: usize,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of the program, tests left out.
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for folder in ["src", "projections"] {
        walk(&root().join(folder), &mut found);
    }
    assert!(found.len() > 100, "the sources were not found");
    found.sort();
    let of_tests: BTreeSet<_> = found.iter().flat_map(|path| test_modules(path)).collect();
    let is_test = |path: &Path| {
        let text = path.to_str().unwrap();
        ["/tests/", "/benches/", "/examples/"].iter().any(|folder| text.contains(folder)) || of_tests.contains(path)
    };
    let relative = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    found.iter().filter(|path| !is_test(path)).map(|path| read(&relative(path), path)).collect()
}

/// The files of the modules that this one declares for tests only.
fn test_modules(path: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(path).unwrap();
    let is_root = path.file_name().is_some_and(|name| name == "mod.rs" || name == "lib.rs");
    let folder = if is_root { path.parent().unwrap().to_owned() } else { path.with_extension("") };
    let mut found = Vec::new();
    for rest in text.split("#[cfg(test)]\n").skip(1) {
        let line = rest.lines().next().unwrap_or_default();
        if let Some((_, file)) = line.split_once("#[path = \"") {
            found.push(path.with_file_name(file.trim_end_matches("\"]")));
        } else if let Some((_, name)) = line.strip_suffix(';').and_then(|line| line.rsplit_once("mod ")) {
            found.extend([folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")]);
        }
    }
    found
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn read(relative: &str, path: &Path) -> Source {
    let text = std::fs::read_to_string(path).unwrap();
    // `mod tests;` names a file of its own; only a block ends the program's part of this one.
    let end = text.match_indices("#[cfg(test)]\nmod tests {").next().map_or(text.len(), |(at, _)| at);
    let code = text[..end].lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code)).collect::<Vec<_>>().join("\n");
    Source { path: relative.to_owned(), code, lines: text.lines().count() }
}

/// Files outside `allowed` (prefixes of paths) whose code has one of the words.
fn strangers(words: &[&str], allowed: &[&str]) -> Vec<String> {
    let names =
        |source: &Source| words.iter().find(|word| source.code.contains(**word)).map(|word| format!("{} names {word}", source.path));
    sources().iter().filter(|source| !allowed.iter().any(|prefix| source.path.starts_with(prefix))).filter_map(names).collect()
}

#[test]
fn rooms_depend_in_one_direction() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("config", &[][..]),
        ("app", &["config"][..]),
        ("http", &["app", "config"][..]),
        ("pages", &["app", "config", "http"][..]),
        ("cli", &["app", "config", "http", "pages"][..]),
    ]);
    let mut forbidden = Vec::new();
    for source in sources() {
        let Some(room) = source.path.strip_prefix("src/").and_then(|rest| rest.split(['/', '.']).next()) else { continue };
        let Some(may) = allowed.get(room) else { continue };
        for other in allowed.keys().filter(|other| **other != room && !may.contains(other)) {
            // `use crate::{http, pages};` names rooms in braces.
            let grouped = source.code.split("crate::{").skip(1).any(|rest| {
                rest.split('}').next().is_some_and(|list| list.split(',').any(|one| one.trim().split("::").next() == Some(other)))
            });
            if grouped || source.code.contains(&format!("crate::{other}::")) || source.code.contains(&format!("crate::{other};")) {
                forbidden.push(format!("{} -> {other}", source.path));
            }
        }
    }
    assert!(forbidden.is_empty(), "move what is needed down into app or config, or hand it in as a value: {forbidden:#?}");
}

#[test]
fn packages_below_know_nothing_of_those_above() {
    let above =
        ["chancery::", "chancery_projections", "chancery_ledger", "chancery_jose", "chancery_core", "chancery_tree", "chancery_verify"];
    for (folder, may) in [
        ("src/core/", &[][..]),
        ("src/jose/", &[][..]),
        ("src/signer/", &[][..]),
        ("src/tree/", &[][..]),
        ("src/ledger/", &["chancery_tree"][..]),
        ("src/verify/", &["chancery_core", "chancery_tree", "chancery_verify"][..]),
        ("projections/", &["chancery_core", "chancery_ledger", "chancery_tree"][..]),
    ] {
        for source in sources().iter().filter(|source| source.path.starts_with(folder)) {
            let named = above.iter().find(|name| !may.contains(name) && source.code.contains(**name));
            assert_eq!(named, None, "{} reaches up: the dependency goes the other way (DESIGN.md §2)", source.path);
        }
    }
}

#[test]
fn only_http_pages_and_cli_name_the_web_framework() {
    let found = strangers(&["poem::", "poem_openapi", "hyper::", "askama"], &["src/http/", "src/pages/", "src/cli/"]);
    assert!(found.is_empty(), "put headers, forms and pages into src/http or src/pages and hand plain values on: {found:#?}");
}

#[test]
fn only_the_ledger_names_a_database() {
    let found = strangers(&["rusqlite", "tokio_postgres", "deadpool"], &["src/ledger/"]);
    assert!(found.is_empty(), "put SQL into src/ledger, behind an operation of its contract: {found:#?}");
}

/// Where `rustls::crypto::aws_lc_rs` is chosen as the provider of TLS.
const TLS: [&str; 5] = ["src/http/guarded.rs", "src/http/outgoing.rs", "src/http/tls.rs", "src/ledger/postgres/connect.rs", "src/main.rs"];

/// Verifies one kind of signature, without the library of the server: an auditor's program shares as little with it as it can.
const VERIFIER: &str = "src/verify/signature.rs";

#[test]
fn only_jose_signs_and_only_these_hold_other_cryptography() {
    let found =
        strangers(&["aws_lc_rs::signature", "aws_lc_rs::rsa", "biscuit", "jsonwebtoken", "ed25519_dalek"], &["src/jose/", VERIFIER]);
    assert!(found.is_empty(), "sign and verify through chancery_jose: {found:#?}");
    let allowed = ["src/jose/", "src/app/vault/", "src/app/random.rs", "src/app/mint.rs", "src/http/cookies.rs", "src/http/csrf.rs"];
    let found = strangers(&["aws_lc_rs::", "use aws_lc_rs"], &[&allowed[..], &TLS].concat());
    assert!(found.is_empty(), "use the vault (AEAD, MAC), app::random or http::cookies, or argue for a new entry here: {found:#?}");
}

#[test]
fn the_verifier_needs_few_packages_and_no_network_or_database() {
    let allowed = BTreeSet::from([
        "base64",
        "block-buffer",
        "bytes",
        "cfg-if",
        "chancery-core",
        "chancery-tree",
        "chancery-verify",
        "cpufeatures",
        "crypto-common",
        "curve25519-dalek",
        "curve25519-dalek-derive",
        "digest",
        "ed25519",
        "ed25519-dalek",
        "generic-array",
        "itoa",
        "libc",
        "memchr",
        "proc-macro2",
        "quote",
        "ryu",
        "serde",
        "serde_core",
        "serde_derive",
        "serde_json",
        "sha2",
        "signature",
        "subtle",
        "syn",
        "thiserror",
        "thiserror-impl",
        "typenum",
        "unicode-ident",
        "uuid",
        "version_check",
        "zeroize",
        "zmij",
    ]);
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tree = std::process::Command::new(cargo)
        .args(["tree", "--offline", "--locked", "-p", "chancery-verify", "-e", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "cargo tree: {}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).unwrap();
    let names: BTreeSet<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    let extra: Vec<_> = names.difference(&allowed).collect();
    assert!(
        extra.is_empty(),
        "chancery-verify depends on {extra:?}: an auditor has to read them all; do without, or argue for an entry here"
    );
}

#[test]
fn only_the_clock_reads_time() {
    let found = strangers(&["SystemTime::now", "Utc::now", "Uuid::now_v7"], &["src/app/clock.rs"]);
    assert!(found.is_empty(), "take the time as a value, or from app::clock::Clock: {found:#?}");
}

#[test]
fn only_random_reads_entropy() {
    let words = ["SystemRandom", "getrandom", "rand::", "OsRng", "Uuid::new_v4", "thread_rng"];
    // Signing takes the generator of its library as an argument (RSA blinding, ECDSA).
    let found: Vec<_> = strangers(&words, &["src/app/random.rs", "src/jose/"]).into_iter().filter(|one| !one.ends_with("rand::")).collect();
    assert!(found.is_empty(), "take bytes as a value, or app::random::fill as a function: {found:#?}");
}

#[test]
fn the_rules_know_no_std_and_few_packages() {
    let lib = std::fs::read_to_string(root().join("src/core/lib.rs")).unwrap();
    assert!(
        lib.contains("#![cfg_attr(not(test), no_std)]") || lib.contains("#![no_std]"),
        "src/core is no_std: it has no clock, disk or network"
    );
    let allowed = BTreeSet::from([
        "block-buffer",
        "bytes",
        "cfg-if",
        "chancery-core",
        "cpufeatures",
        "crypto-common",
        "digest",
        "generic-array",
        "itoa",
        "libc",
        "memchr",
        "proc-macro2",
        "quote",
        "ryu",
        "serde",
        "serde_core",
        "serde_derive",
        "serde_json",
        "sha2",
        "subtle",
        "syn",
        "thiserror",
        "thiserror-impl",
        "typenum",
        "unicode-ident",
        "uuid",
        "version_check",
        "zmij",
    ]);
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tree = std::process::Command::new(cargo)
        .args(["tree", "--offline", "--locked", "-p", "chancery-core", "-e", "normal", "--prefix", "none", "--format", "{lib}|{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "cargo tree: {}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).unwrap();
    let names: BTreeSet<_> = text.lines().filter_map(|line| line.split_once('|')?.1.split(' ').next()).collect();
    let extra: Vec<_> = names.difference(&allowed).collect();
    assert!(names.contains("serde") && extra.is_empty(), "chancery-core depends on {extra:?}: keep it pure, or argue for an entry here");
}

#[test]
fn nothing_gives_up_where_it_could_answer() {
    let found = strangers(&[".unwrap()", "panic!(", "todo!(", "unimplemented!(", "dbg!("], &[]);
    assert!(found.is_empty(), "return an error, or match: {found:#?}");
    let marks = ["TODO", "FIXME", "XXX"];
    for path in sources().iter().map(|source| root().join(&source.path)) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!marks.iter().any(|mark| text.contains(mark)), "{}: do it, or open an issue", path.display());
    }
}

#[test]
fn files_stay_small() {
    /// Above the soft limit of CONVENTIONS.md §5, with the most that each may have. Lower a number when a file shrinks.
    const KNOWN: &[(&str, usize)] = &[];
    let most = |path: &str| KNOWN.iter().find(|(known, _)| *known == path).map_or(400, |(_, most)| *most);
    let long: Vec<_> = sources()
        .iter()
        .filter(|source| source.lines > most(&source.path))
        .map(|source| format!("{}: {}", source.path, source.lines))
        .collect();
    assert!(long.is_empty(), "split by what the parts are: {long:#?}");
}

#[test]
fn every_module_says_first_what_it_is() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|source| !source.path.ends_with("main.rs"))
        .filter(|source| !std::fs::read_to_string(root().join(&source.path)).unwrap().starts_with("//! "))
        .map(|source| source.path)
        .collect();
    assert!(silent.is_empty(), "begin the file with a sentence in a module doc: {silent:#?}");
}
