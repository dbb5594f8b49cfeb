//! Goldens of the levels: `schema/levels/<level>.txt` lists what each brought. `UPDATE_GOLDEN=1` writes those that no release has.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use std::path::PathBuf;

use super::*;

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "schema", "levels"].iter().collect()
}

fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

fn list(level: u16) -> String {
    let lines: BTreeSet<_> = brought_by(level).into_iter().map(|(kind, own)| format!("{kind} {} {}\n", own.name, own.schema)).collect();
    lines.into_iter().collect()
}

#[test]
fn what_a_released_level_brought_is_frozen() {
    for level in 1..=level() {
        let path = folder().join(format!("{level}.txt"));
        if updating() && level > RELEASED {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&path, list(level)).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        let advice = match level > RELEASED {
            true => "run with UPDATE_GOLDEN=1 and read the difference",
            false => "programs that know this level are out: a new type or schema says `since` the next level",
        };
        assert_eq!(list(level), golden, "{}: {advice}", path.display());
    }
}

#[test]
fn levels_follow_each_other_without_a_gap_and_one_at_most_is_unreleased() {
    for level in 1..=level() {
        assert!(!brought_by(level).is_empty(), "level {level} brings nothing");
    }
    assert!(level() - RELEASED <= 1, "one release is one level");
    if updating() {
        return;
    }
    let lists = std::fs::read_dir(folder()).unwrap().count();
    assert_eq!(lists, usize::from(level()), "a list for each level and nothing else");
}

#[test]
fn older_schemas_came_with_older_levels() {
    let all: Vec<_> = (1..=level()).flat_map(brought_by).collect();
    for (kind, own) in &all {
        let older = all.iter().filter(|(other, one)| other == kind && one.name == own.name && one.schema < own.schema);
        for (_, one) in older {
            assert!(one.since < own.since, "{} {} is of a level before schema {}", own.name, one.schema, own.schema);
        }
    }
}
