//! The second verifier, in Python, agrees with the first.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use chancery_tree::hash::complete;
use chancery_tree::{Frontier, Recipe, leaf_hash};
use chancery_verify::bundle::{self, Bundle, Proven};
use chancery_verify::export::{Asked, Export, verify};

use crate::story;

fn python(args: &[&Path]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/chancery_verify.py");
    Command::new("python3").arg(script).args(args).output().expect("python3 is needed for this test")
}

fn says(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr }).into_owned())
}

#[test]
fn both_verifiers_agree_on_logs() {
    for size in [1, 256, 300, 700] {
        let folder = tempfile::tempdir().unwrap();
        let leaves = story::honest(size).leaves();
        story::write(folder.path(), &leaves);
        let (code, said) = says(&python(&[folder.path()]));
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(&format!("{} events", leaves.len())), "{said}");
        let key = folder.path().join("key");
        fs::write(&key, format!("# log\n{}\n", story::key())).unwrap();
        assert_eq!(says(&python(&[Path::new("--key"), &key, folder.path()])).0, Some(0));
    }
}

#[test]
fn both_verifiers_name_the_same_position() {
    let folder = tempfile::tempdir().unwrap();
    let honest = story::honest(600).leaves();
    for at in [1, 100, 299, 550] {
        let mut leaves = honest.clone();
        leaves.remove(at);
        story::write(folder.path(), &leaves);
        let (code, said) = says(&python(&[folder.path()]));
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&format!("position {at}:")), "{at}: {said}");
    }
    story::write(folder.path(), &honest);
    let path = folder.path().join("tile/entries/001");
    let mut bytes = fs::read(&path).unwrap();
    bytes[5] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (code, said) = says(&python(&[folder.path()]));
    assert!(code == Some(1) && said.contains("position 256:"), "{said}");
    assert_eq!(says(&python(&[])).0, Some(2));
}

#[test]
fn both_verifiers_hold_a_named_root_against_the_events() {
    let honest = story::honest(300);
    let hashes: Vec<_> = honest.leaves().iter().map(|leaf| leaf_hash(leaf)).collect();
    for (size, named, ok) in [(256, 256, true), (256, 255, false), (257, 257, true), (300, 300, true), (300, 299, false)] {
        let mut tree = Frontier::default();
        hashes[..named].iter().for_each(|hash| tree.push(*hash, &mut Vec::new()));
        let mut story = honest.clone();
        let root = chancery_verify::hex(&tree.root());
        story.say("log", "LogMoved", serde_json::json!({"from": "sqlite", "to": "postgres", "size": size, "root": root}));
        let folder = tempfile::tempdir().unwrap();
        story::write(folder.path(), &story.leaves());
        let (code, said) = says(&python(&[folder.path()]));
        assert_eq!(code == Some(0), ok, "{size}: {said}");
        assert_eq!(verify(&Export::new(folder.path()), &Asked { threads: 1, ..Asked::default() }, |_, _| {}).is_ok(), ok);
        assert!(ok || said.contains(&format!("position {}:", honest.events.len())), "{said}");
    }
}

#[test]
fn both_verifiers_count_wrong_transaction_codes() {
    let (begun, account) = story::Story::begin();
    for (guesses, ok) in [(4, true), (5, false)] {
        let mut story = begun.clone();
        let offer = story.offer(&account);
        (0..guesses).for_each(|_| story.guess(&offer));
        let position = story.events.len();
        story.take(&offer, &account);
        let folder = tempfile::tempdir().unwrap();
        story::write(folder.path(), &story.leaves());
        let (code, said) = says(&python(&[folder.path()]));
        assert_eq!(code == Some(0), ok, "{guesses}: {said}");
        let ours = verify(&Export::new(folder.path()), &Asked { threads: 1, ..Asked::default() }, |_, _| {});
        assert_eq!(ours.err().map(|finding| finding.position), (!ok).then_some(Some(position as u64)));
        assert!(ok || said.contains(&format!("position {position}:")), "{said}");
    }
}

fn bundle_of(positions: &[u64]) -> Bundle {
    let leaves = story::honest(300).leaves();
    let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    let proven = |position: &u64| {
        let recipe = Recipe::inclusion(*position, leaves.len() as u64).unwrap();
        let path = recipe.build(|node| complete(&hashes[node.leaves().start as usize..node.leaves().end as usize])).unwrap();
        let leaf = String::from_utf8(leaves[*position as usize].clone()).unwrap();
        Proven { position: *position, leaf, path: path.iter().map(bundle::encode).collect() }
    };
    Bundle {
        format: bundle::FORMAT.into(),
        question: "these positions".into(),
        checkpoint: story::checkpoint(&leaves),
        keys: vec![story::key().to_string()],
        events: positions.iter().map(proven).collect(),
    }
}

#[test]
fn both_verifiers_agree_on_bundles() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.json");
    let whole = bundle_of(&[0, 7, 255, 299]);
    let judge = |bundle: &Bundle| {
        let bytes = serde_json::to_vec_pretty(bundle).unwrap();
        fs::write(&path, &bytes).unwrap();
        (bundle::verify(&bytes, &[story::key()], true), says(&python(&[&path])).0)
    };
    let (ours, theirs) = judge(&whole);
    assert_eq!((ours.unwrap().positions, theirs), (vec![0, 7, 255, 299], Some(0)));
    let changes: [fn(&mut Bundle); 6] = [
        |bundle| bundle.events[1].leaf = bundle.events[1].leaf.replace("\"schema\":1", "\"schema\":2"),
        |bundle| bundle.events[2].position += 1,
        |bundle| drop(bundle.events[3].path.pop()),
        |bundle| bundle.events[0].path[0] = bundle.events[1].path[0].clone(),
        |bundle| {
            let mut lines: Vec<&str> = bundle.checkpoint.split('\n').collect();
            lines[1] = "301";
            bundle.checkpoint = lines.join("\n");
        },
        |bundle| bundle.keys = vec!["example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".into()],
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut changed = whole.clone();
        change(&mut changed);
        let (ours, theirs) = judge(&changed);
        assert_eq!(theirs, Some(1), "{number}");
        // The last change is in the keys of the bundle, which a key from elsewhere overrules.
        assert_eq!(ours.is_err(), number != 5, "{number}");
    }
}
