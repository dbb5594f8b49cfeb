//! What the specifications demand of a server, demand by demand, with the test that holds it: the lists in `tests/spec/musts`.
//!
//! A list has sections in the order of the specification. A demand is a sentence in our words, and after it the tests
//! (`file::name` of `tests/spec`, or a program of `tests/clients` where a real client holds it) or one reason why there is none: `not built: ...`,
//! `does not apply: ...` or `departs: ...`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

use crate::golden::golden;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Specification {
    title: String,
    /// Which text was read.
    edition: String,
    /// What was passed over, and why.
    left_out: String,
    section: Vec<Section>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    at: String,
    musts: Vec<Vec<String>>,
}

/// Why a demand has no test.
const REASONS: [&str; 3] = ["not built", "does not apply", "departs"];

fn reason(text: &str) -> Option<(&'static str, &str)> {
    REASONS.iter().find_map(|kind| Some((*kind, text.strip_prefix(kind)?.strip_prefix(": ")?)))
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec")
}

/// The lists, by the names of their files.
fn lists() -> BTreeMap<String, Specification> {
    let files = std::fs::read_dir(folder().join("musts")).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let read = toml::from_str(&std::fs::read_to_string(&path).unwrap());
            (name, read.unwrap_or_else(|why| panic!("{}: {why}", path.display())))
        })
        .collect()
}

/// Is there a test of this name, which runs?
fn is_test(named: &str) -> bool {
    if named.starts_with("clients/") {
        return folder().with_file_name(named).is_file();
    }
    let Some((file, test)) = named.split_once("::") else { return false };
    let text = std::fs::read_to_string(folder().join(format!("{file}.rs"))).unwrap_or_default();
    let declared =
        |mark: &str| text.contains(&format!("#[{mark}]\nasync fn {test}()")) || text.contains(&format!("#[{mark}]\nfn {test}()"));
    declared("tokio::test") || declared("test")
}

/// `3.1.2.10` stands after `3.1.2.9`; an appendix after the numbers.
fn place(at: &str) -> Vec<(u32, &str)> {
    at.split('.').map(|part| part.parse().map_or((u32::MAX, part), |number| (number, ""))).collect()
}

#[test]
fn every_demand_names_its_tests_or_says_why_there_is_none() {
    let mut wrong = Vec::new();
    for (file, list) in lists() {
        for pair in list.section.windows(2).filter(|pair| place(&pair[0].at) >= place(&pair[1].at)) {
            wrong.push(format!("{file}: {} stands before {}", pair[0].at, pair[1].at));
        }
        for (at, must) in list.section.iter().flat_map(|section| section.musts.iter().map(|must| (&section.at, must))) {
            let [sentence, held @ ..] = &must[..] else { panic!("{file} {at}: an empty demand") };
            if held.is_empty() || !sentence.ends_with('.') {
                wrong.push(format!("{file} {at}: {sentence:?} wants a full stop, and a test or a reason"));
            }
            // A reason is the last word: what is held in part is said to be.
            for (index, text) in held.iter().enumerate().filter(|(_, text)| !is_test(text)) {
                if reason(text).is_none_or(|(_, why)| why.is_empty()) || index + 1 != held.len() {
                    wrong.push(format!("{file} {at}: {text:?} is no test of tests/spec and no reason"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn golden_of_the_lists() {
    let (mut summary, mut tables) = (String::new(), String::new());
    for list in lists().into_values() {
        let all: Vec<_> = list.section.iter().flat_map(|section| section.musts.iter().map(move |must| (&section.at, must))).collect();
        let of = |kind: Option<&str>| {
            all.iter().filter(|(_, must)| must.last().and_then(|text| reason(text)).map(|(own, _)| own) == kind).count()
        };
        let counts: Vec<_> = [None].into_iter().chain(REASONS.map(Some)).map(|kind| of(kind).to_string()).collect();
        writeln!(summary, "| {} | {} | {} |", list.title, all.len(), counts.join(" | ")).unwrap();
        write!(
            tables,
            "\n## {}\n\nText read: {}. Left out: {}\n\n| Section | Demand | Held by |\n|---|---|---|\n",
            list.title, list.edition, list.left_out
        )
        .unwrap();
        for (at, must) in all {
            let held: Vec<_> = must[1..]
                .iter()
                .map(|text| reason(text).map_or_else(|| format!("`{text}`"), |(kind, why)| format!("*{kind}*: {why}")))
                .collect();
            writeln!(tables, "| {at} | {} | {} |", must[0], held.join(", ")).unwrap();
        }
    }
    let head = "# What the specifications demand\n\nEvery MUST, MUST NOT, REQUIRED and SHALL that binds an authorization server or OpenID provider, in \
                our words, and the test of `tests/spec` that holds it through HTTP, or the real client of `tests` that does. Written from the lists in `tests/spec/musts` by \
                `UPDATE_GOLDEN=1 cargo test --test main golden`; a test fails when one that is named is not there.\n\n*Not built*: the server does \
                not do it and does not promise it. *Does not apply*: what the demand is about does not occur here. *Departs*: the server does \
                otherwise on purpose.\n\n| Specification | Demands | Held | Not built | Do not apply | Departs |\n|---|---|---|---|---|---|\n";
    golden("docs/conformance/musts.md", &format!("{head}{summary}{tables}"));
}
