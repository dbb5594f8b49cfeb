//! Documents that others rely on, byte for byte. `UPDATE_GOLDEN=1 cargo test --test main golden` writes them anew.

use std::path::Path;

use serde_json::Value;

use crate::support::Server;

/// Compares with the file, or writes it.
pub fn golden(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == text, "{path} has changed; look at the difference after UPDATE_GOLDEN=1 cargo test --test main golden");
}

fn pretty(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap();
    serde_json::to_string_pretty(&value).unwrap() + "\n"
}

/// One row for each test that names a specification: the table cannot promise what is not tested.
#[test]
fn conformance() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec");
    let mut rows = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let Some(name) = line.strip_prefix("async fn ").and_then(|rest| rest.split('(').next()) else { continue };
            if let Some((specification, section, sentence)) = cited(name) {
                rows.push((specification, section, format!("{sentence} | `{}::{name}` |", file.trim_end_matches(".rs"))));
            }
        }
    }
    rows.sort();
    let rows: Vec<_> = rows.iter().map(|(specification, section, rest)| format!("| {specification} | {section} | {rest}")).collect();
    let head = "# Conformance\n\nEach rule with the test in `tests/spec` that holds it through HTTP. Written by \
                `UPDATE_GOLDEN=1 cargo test --test main golden`; the rules themselves have more tests beside the code.\n\n\
                [conformance/musts.md](conformance/musts.md) goes the other way: demand by demand of each specification, with its test; \
                [conformance/peer.md](conformance/peer.md) sets us beside oidc-provider; \
                [conformance/attacks.md](conformance/attacks.md) lists what attackers try.\n\n\
                | Specification | Section | Rule | Test |\n|---|---|---|---|\n";
    // What is written by hand: every test that it names has to be there.
    let plans = include_str!("golden/certification.md");
    for named in plans.split('`').filter(|word| word.contains("::")) {
        let (file, test) = named.split_once("::").unwrap();
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/spec/{file}.rs"))).unwrap_or_default();
        assert!(text.contains(&format!("async fn {test}(")), "tests/golden/certification.md names {named}, which is not there");
    }
    golden("docs/conformance.md", &format!("{head}{}\n{plans}", rows.join("\n")));
}

/// Every test that the list of attacks names is there: `file::test` of `tests/spec`, or with its path.
#[test]
fn attacks() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = std::fs::read_to_string(root.join("docs/conformance/attacks.md")).unwrap();
    let mut named = 0;
    for (place, test) in list.split('`').filter_map(|word| word.split_once("::")).filter(|(place, _)| *place != "file") {
        let file = if place.contains('/') { format!("{place}.rs") } else { format!("tests/spec/{place}.rs") };
        let text = std::fs::read_to_string(root.join(&file)).unwrap_or_default();
        assert!(text.contains(&format!("fn {test}(")), "docs/conformance/attacks.md names {place}::{test}, which is not there");
        named += 1;
    }
    assert!(named > 40, "{named}");
}

/// `rfc9700_2_1_1_a_wrong_verifier` cites RFC 9700, section 2.1.1.
fn cited(name: &str) -> Option<(String, String, String)> {
    let books = [
        ("oidc_core_", "OpenID Connect Core 1.0"),
        ("oidc_registration_", "OpenID Connect Dynamic Client Registration 1.0"),
        ("oidc_discovery_", "OpenID Connect Discovery 1.0"),
        ("oidc_rp_logout_", "OpenID Connect RP-Initiated Logout 1.0"),
        ("frontchannel_", "OpenID Connect Front-Channel Logout 1.0"),
        ("session_management_", "OpenID Connect Session Management 1.0"),
        ("rp_metadata_choices_", "OpenID Connect RP Metadata Choices 1.0"),
        ("form_post_", "OAuth 2.0 Form Post Response Mode"),
        ("web_message_", "OAuth 2.0 Web Message Response Mode (draft-sakimura-oauth-wmrm-01)"),
        ("jarm_", "JWT Secured Authorization Response Mode (JARM)"),
        (
            "abca_",
            "OAuth 2.0 Attestation-Based Client Authentication (draft-ietf-oauth-attestation-based-client-auth-10, and what is known of 12)",
        ),
        ("openid4vci_", "OpenID for Verifiable Credential Issuance 1.0 (OpenID4VCI)"),
        ("cimd_", "OAuth Client ID Metadata Document (draft-ietf-oauth-client-id-metadata-document-02)"),
        ("ciba_", "OpenID Connect Client-Initiated Backchannel Authentication 1.0 (CIBA)"),
        ("oauth21_", "OAuth 2.1 (draft-ietf-oauth-v2-1)"),
        ("fapi_ciba_", "FAPI: Client Initiated Backchannel Authentication Profile (FAPI-CIBA)"),
        ("fapi1_advanced_", "FAPI 1.0 Part 2: Advanced"),
        ("fapi2_security_", "FAPI 2.0 Security Profile"),
        ("fapi2_message_signing_", "FAPI 2.0 Message Signing"),
        ("backchannel_", "OpenID Connect Back-Channel Logout 1.0"),
        ("initiating_registration_", "Initiating User Registration via OpenID Connect 1.0"),
        ("multiple_response_types_", "OAuth 2.0 Multiple Response Types"),
    ];
    let (book, rest) = match books.iter().find_map(|(prefix, book)| Some(((*book).to_owned(), name.strip_prefix(prefix)?))) {
        Some(found) => found,
        None => {
            let (number, rest) = name.strip_prefix("rfc")?.split_once('_')?;
            (format!("RFC {number}"), rest)
        }
    };
    // An appendix has a letter, which only the first word can be: "a" begins sentences.
    let is_section = |(index, word): &(usize, &str)| word.bytes().all(|byte| byte.is_ascii_digit()) || (*index == 0 && word.len() == 1);
    let words: Vec<_> = rest.split('_').collect();
    let section: Vec<_> = words.iter().copied().enumerate().take_while(is_section).map(|(_, word)| word.to_uppercase()).collect();
    Some((book, section.join("."), words[section.len()..].join(" ")))
}

/// A variable of the runtime below us: it counts for nothing, and what stands in it can end nothing.
#[test]
fn a_number_of_threads_that_is_none_does_no_harm() {
    for wrong in ["abc", "0", "", "99999999999999999999"] {
        let program = std::process::Command::new(env!("CARGO_BIN_EXE_chancery"));
        let output = { program }.args(["config", "example"]).env_clear().env("TOKIO_WORKER_THREADS", wrong).output().unwrap();
        assert!(output.status.success(), "{wrong:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// What `--help` says, of the program and of each of its commands.
#[test]
fn help() {
    let help = |arguments: &[&str]| {
        let program = std::process::Command::new(env!("CARGO_BIN_EXE_chancery"));
        let output = { program }.args(arguments).arg("--help").env_clear().env("COLUMNS", "100").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let mut text = String::new();
    let mut waiting = vec![Vec::<String>::new()];
    while let Some(command) = waiting.pop() {
        let arguments: Vec<_> = command.iter().map(String::as_str).collect();
        let page = help(&arguments);
        text.push_str(&format!("$ chancery {}\n\n{page}\n", [&arguments[..], &["--help"]].concat().join(" ")));
        let listed = page.split("\nCommands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap_or_default();
        let names = listed.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).filter(|name| !name.is_empty());
        let mut below: Vec<_> = names.map(|name| [&command[..], &[name.to_owned()]].concat()).collect();
        below.reverse();
        waiting.extend(below);
    }
    golden("tests/golden/help.txt", &text);
}

#[tokio::test]
async fn openapi() {
    let server = Server::start().await;
    let answer = server.get("/openapi.json").send().await;
    assert_eq!(answer.status, 200);
    golden("openapi/openapi.json", &pretty(&answer.text()));
}

#[tokio::test]
async fn discovery() {
    let server = Server::start().await;
    let answer = server.get("/oidc/.well-known/openid-configuration").send().await;
    golden("tests/golden/openid-configuration.json", &pretty(&answer.text()));
}
