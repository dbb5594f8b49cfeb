//! Whatever is changed in an export shows, and the position is named. The counts are printed.

use std::fs;
use std::path::{Path, PathBuf};

use chancery_verify::Finding;
use chancery_verify::export::{Asked, Export, verify};

use crate::story;

const FLIPS: usize = 200;

fn check(folder: &Path, since: Option<&str>) -> Result<(), Finding> {
    let since = since.map(|text| text.as_bytes().to_vec());
    verify(&Export::new(folder), &Asked { keys: vec![story::key()], since, with_schemas: false, only_bytes: false, threads: 1 }, |_, _| {})
        .map(drop)
}

/// Hashes, tiles, root and signature alone.
fn check_bytes(folder: &Path) -> Result<(), Finding> {
    verify(&Export::new(folder), &Asked { keys: vec![story::key()], only_bytes: true, threads: 2, ..Asked::default() }, |_, _| {}).map(drop)
}

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Flips one bit somewhere in the files below `part`, so many times, and expects each to be found.
fn flips(part: &str, seed: u64, is_located: bool) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let leaves = story::honest(700).leaves();
    story::write(folder.path(), &leaves);
    let mut own = Vec::new();
    let place = folder.path().join(part);
    if place.is_dir() {
        files(&place, &mut own)
    } else {
        own.push(place)
    }
    own.sort();
    assert_eq!((check(folder.path(), None), check_bytes(folder.path())), (Ok(()), Ok(())));
    let mut numbers = Numbers(seed);
    for round in 0..FLIPS {
        let path = &own[numbers.below(own.len())];
        let good = fs::read(path).unwrap();
        let mut bad = good.clone();
        let at = numbers.below(bad.len());
        bad[at] ^= 1 << numbers.below(8);
        fs::write(path, &bad).unwrap();
        let finding = check(folder.path(), None).expect_err(&format!("round {round}: byte {at} of {}", path.display()));
        assert!(check_bytes(folder.path()).is_err(), "round {round}: byte {at} of {}", path.display());
        assert!(!is_located || finding.position.is_some(), "round {round}: byte {at} of {}: {finding}", path.display());
        fs::write(path, &good).unwrap();
    }
    assert_eq!(check(folder.path(), None), Ok(()));
    println!("{FLIPS} of {FLIPS} flipped bits in {part} were found");
    FLIPS
}

#[test]
fn a_flipped_bit_in_an_entry_bundle_is_found_and_located() {
    assert_eq!(flips("tile/entries", 1, true), FLIPS);
}

#[test]
fn a_flipped_bit_in_a_tile_of_hashes_is_found_and_located() {
    assert_eq!(flips("tile/0", 2, true) + flips("tile/1", 3, true), 2 * FLIPS);
}

#[test]
fn a_flipped_bit_in_the_checkpoint_is_found() {
    assert_eq!(flips("checkpoint", 4, false), FLIPS);
}

/// The exact position of a byte that was changed in an event.
#[test]
fn the_changed_event_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let leaves = story::honest(700).leaves();
    story::write(folder.path(), &leaves);
    let mut numbers = Numbers(5);
    for _ in 0..50 {
        let position = numbers.below(leaves.len());
        let tile = folder.path().join(format!("tile/entries/{:03}", position / 256));
        let path = if tile.exists() { tile } else { PathBuf::from(format!("{}.p/{}", tile.display(), leaves.len() % 256)) };
        let good = fs::read(&path).unwrap();
        let before: usize = leaves[position / 256 * 256..position].iter().map(|leaf| leaf.len() + 2).sum();
        let mut bad = good.clone();
        bad[before + 2 + numbers.below(leaves[position].len())] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert_eq!(check(folder.path(), None).unwrap_err().position, Some(position as u64));
        fs::write(&path, &good).unwrap();
    }
}

/// Whoever holds the key of the log signs a history that was changed, with all its tiles: what the events mean gives it away.
#[test]
fn dropped_swapped_doubled_and_inserted_events_are_found_even_when_they_were_signed() {
    let honest = story::honest(700).leaves();
    let mut numbers = Numbers(6);
    let mut found = [0; 4];
    for (kind, count) in found.iter_mut().enumerate() {
        for _ in 0..25 {
            let (at, other) = (1 + numbers.below(honest.len() - 2), 1 + numbers.below(honest.len() - 2));
            let mut leaves = honest.clone();
            match kind {
                0 => drop(leaves.remove(at)),
                1 if at == other => leaves.swap(at, at + 1),
                1 => leaves.swap(at, other),
                2 => leaves.insert(at, honest[at].clone()),
                _ => leaves.insert(at, honest[other].clone()),
            }
            let folder = tempfile::tempdir().unwrap();
            story::write(folder.path(), &leaves);
            let finding = check(folder.path(), None).unwrap_err();
            assert!(finding.position.is_some(), "{finding}");
            *count += 1;
        }
    }
    println!("dropped, swapped, doubled, inserted: {found:?} of 25 each were found and located");
}

/// Dropped at the end, or all of yesterday put back: only somebody who kept a checkpoint can tell, and does.
#[test]
fn a_shortened_log_and_another_continuation_are_found_against_a_saved_checkpoint() {
    let honest = story::honest(700);
    let saved = story::checkpoint(&honest.leaves());
    let (yesterday, folder) = (honest.leaves()[..400].to_vec(), tempfile::tempdir().unwrap());
    story::write(folder.path(), &yesterday);
    assert_eq!(check(folder.path(), None), Ok(()));
    assert_eq!(check(folder.path(), Some(&saved)).unwrap_err().position, Some(400));

    let mut other = story::Story { events: honest.events[..400].to_vec(), now: honest.events[399]["recorded_at"].as_i64().unwrap() };
    (0..400).for_each(|n| other.say("evidence-anonymous", "AuditQueried", serde_json::json!({"question": n.to_string()})));
    let folder = tempfile::tempdir().unwrap();
    story::write(folder.path(), &other.leaves());
    assert_eq!(check(folder.path(), None), Ok(()));
    assert!(check(folder.path(), Some(&saved)).unwrap_err().what.contains("earlier checkpoint"));
    let early = story::checkpoint(&honest.leaves()[..300]);
    assert_eq!(check(folder.path(), Some(&early)), Ok(()));
}

#[test]
fn a_missing_file_and_a_longer_one_are_found() {
    let leaves = story::honest(700).leaves();
    let folder = tempfile::tempdir().unwrap();
    story::write(folder.path(), &leaves);
    let mut all = Vec::new();
    files(folder.path(), &mut all);
    for path in &all {
        let good = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        assert!(check(folder.path(), None).is_err(), "{} is missing", path.display());
        fs::write(path, [&good[..], b"\0"].concat()).unwrap();
        assert!(check(folder.path(), None).is_err(), "{} is longer", path.display());
        fs::write(path, &good).unwrap();
    }
    println!("each of {} files, missing and longer, was found", all.len());
}

#[test]
fn a_checkpoint_of_another_key_or_log_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    story::write(folder.path(), &story::honest(300).leaves());
    let stranger = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".parse().unwrap();
    let asked = Asked { keys: vec![stranger], threads: 1, ..Asked::default() };
    assert!(verify(&Export::new(folder.path()), &asked, |_, _| {}).unwrap_err().what.contains("no key vouches"));
    let own = verify(&Export::new(folder.path()), &Asked { threads: 1, ..Asked::default() }, |_, _| {}).unwrap();
    assert!(own.own_key && own.signed_by == story::key());
}
