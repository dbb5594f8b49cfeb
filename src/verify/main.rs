//! `chancery-verify`: is this log whole? Exit 0 yes, 1 no, 2 wrong usage.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chancery_verify::export::{Asked, Export, Whole};
use chancery_verify::{Finding, bundle, export, hex, signature};
use serde_json::json;

const USAGE: &str = "\
Checks an export of a Chancery log, or a bundle of events with their proofs. Needs no network and no server.

Usage: chancery-verify [options] DIRECTORY|BUNDLE

  --key FILE          trust the keys in this file (one C2SP verifier key per line), and no other
                      without it the log vouches for itself: what was changed shows, who wrote it does not
  --archive DIRECTORY where the events are that were moved out of the log and are not in the export
  --since CHECKPOINT  an earlier checkpoint of this log, as it was saved: the log has to be its continuation
  --bytes             check the bytes alone: hashes, tiles, root and signature, and not what events say
                      needs --key, since the log's own keys are named by its events
  --schemas           hold the data of each event against its JSON Schema too
  --threads N         threads (default: one for each core)
  --json              the report as JSON
  --quiet             no progress
  -h, --help          this text
  -V, --version       the version

Exit status: 0 everything holds, 1 something does not (its position and what is wrong are printed), 2 wrong usage.
";

struct Args {
    what: PathBuf,
    key: Option<PathBuf>,
    archive: Option<PathBuf>,
    since: Option<PathBuf>,
    with_schemas: bool,
    only_bytes: bool,
    threads: usize,
    as_json: bool,
    is_quiet: bool,
}

/// `None`: help or version was printed.
fn parse(mut given: impl Iterator<Item = String>) -> Result<Option<Args>, String> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (mut what, mut key, mut archive, mut since) = (None, None, None, None);
    let (mut with_schemas, mut only_bytes, mut threads, mut as_json, mut is_quiet) = (false, false, cores, false, false);
    while let Some(one) = given.next() {
        let mut value = |name: &str| given.next().ok_or(format!("{name} needs a value"));
        match one.as_str() {
            "--key" => key = Some(value("--key")?.into()),
            "--archive" => archive = Some(value("--archive")?.into()),
            "--since" => since = Some(value("--since")?.into()),
            "--threads" => {
                let number = value("--threads")?;
                threads =
                    number.parse().ok().filter(|n| (1..=1024).contains(n)).ok_or(format!("--threads {number} is no number of threads"))?;
            }
            "--schemas" => with_schemas = true,
            "--bytes" => only_bytes = true,
            "--json" => as_json = true,
            "--quiet" => is_quiet = true,
            "-h" | "--help" => {
                say(USAGE);
                return Ok(None);
            }
            "-V" | "--version" => {
                say(concat!("chancery-verify ", env!("CARGO_PKG_VERSION"), "\n"));
                return Ok(None);
            }
            option if option.starts_with('-') => return Err(format!("there is no option {option}")),
            path if what.is_none() => what = Some(path.into()),
            _ => return Err("name one directory or one bundle".into()),
        }
    }
    let what: PathBuf = what.ok_or("name a directory or a bundle")?;
    if only_bytes && (key.is_none() || with_schemas || !what.is_dir()) {
        return Err("--bytes is for a directory, needs --key, and knows no --schemas".into());
    }
    Ok(Some(Args { what, key, archive, since, with_schemas, only_bytes, threads, as_json, is_quiet }))
}

fn main() -> ExitCode {
    let args = match parse(std::env::args().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => return ExitCode::SUCCESS,
        Err(why) => return wrong_usage(&why),
    };
    let keys = match args.key.as_deref().map(signature::keys).transpose() {
        Ok(keys) => keys.unwrap_or_default(),
        Err(why) => return wrong_usage(&why),
    };
    let since = match args.since.as_deref().map(|path| read(path, 1 << 20)).transpose() {
        Ok(since) => since,
        Err(why) => return wrong_usage(&why),
    };
    if args.what.is_dir() {
        let asked = Asked { keys, since, with_schemas: args.with_schemas, only_bytes: args.only_bytes, threads: args.threads };
        return whole_log(&args, &asked);
    }
    if since.is_some() || args.archive.is_some() {
        return wrong_usage("--since and --archive are for a whole export");
    }
    match read(&args.what, bundle::MOST) {
        Ok(bytes) => one_bundle(&args, bundle::verify(&bytes, &keys, args.with_schemas)),
        Err(why) => wrong_usage(&why),
    }
}

fn whole_log(args: &Args, asked: &Asked) -> ExitCode {
    let began = now();
    let shows = !args.is_quiet && stderr().is_terminal();
    let mut bar = Bar { began, drawn: None };
    let outcome = export::verify(&Export::new(&args.what).with_archive(args.archive.clone()), asked, |done, all| {
        if shows {
            bar.draw(done, all);
        }
    });
    if bar.drawn.is_some() {
        eprint!("\r\x1b[K");
    }
    let seconds = began.elapsed().as_secs_f64();
    match outcome {
        Err(finding) => refuse(args, &finding),
        Ok(whole) if args.as_json => {
            let report = json!({
                "ok": true, "origin": whole.origin, "events": whole.size, "root": hex(&whole.root), "bytes": whole.bytes,
                "signed_by": whole.signed_by.to_string(), "key": if whole.own_key { "own" } else { "given" }, "since": whole.since,
                "seconds": seconds, "events_per_second": (whole.size as f64 / seconds.max(1e-6)).round(), "held": whole.held, "passes": whole.passes,
                "timestamps": whole.stamps.iter().map(|(size, stamp)| json!({ "events": size, "authority": stamp.name, "at": stamp.at, "signature": "not checked" })).collect::<Vec<_>>(),
                "meaning": !args.only_bytes,
            });
            say(&format!("{report}\n"));
            ExitCode::SUCCESS
        }
        Ok(whole) => {
            say(&in_words(&whole));
            if args.only_bytes {
                say("Only bytes were checked: nothing was changed, and whether it makes sense as a history was not asked.\n");
            }
            eprintln!("{seconds:.2} s, {:.0} events/s", whole.size as f64 / seconds.max(1e-6));
            ExitCode::SUCCESS
        }
    }
}

fn in_words(whole: &Whole) -> String {
    let mut text = format!(
        "The log {} is whole: {} events, root {}.\nThe checkpoint is signed by {}.\n",
        whole.origin,
        whole.size,
        hex(&whole.root),
        whole.signed_by
    );
    if let Some(since) = whole.since {
        text.push_str(&format!("It continues the earlier checkpoint of {since} events.\n"));
    }
    for (size, stamp) in &whole.stamps {
        text.push_str(&format!(
            "Its first {size} events are stamped by {stamp}. The imprint was checked; the signature of the authority was not: openssl ts -verify does.\n"
        ));
    }
    if whole.own_key {
        text.push_str(
            "No key was given, so the log vouched for itself: it was not changed after it was signed, but whoever holds its key could have \
             written all of it anew. Get the key, or an earlier checkpoint, from somewhere else, and use --key or --since.\n",
        );
    }
    text
}

fn one_bundle(args: &Args, outcome: Result<bundle::Shown, Finding>) -> ExitCode {
    match outcome {
        Err(finding) => refuse(args, &finding),
        Ok(shown) if args.as_json => {
            let report = json!({
                "ok": true, "origin": shown.origin, "question": shown.question, "tree_size": shown.size, "positions": shown.positions,
                "signed_by": shown.signed_by.to_string(), "key": if shown.own_key { "own" } else { "given" },
            });
            say(&format!("{report}\n"));
            ExitCode::SUCCESS
        }
        Ok(shown) => {
            let from =
                if shown.own_key { "a key that came with the bundle; use --key with one from somewhere else" } else { "the given key" };
            say(&format!(
                "{} events are in the log {} of {} events, signed by {} ({from}).\nThey answer: {}\nPositions: {}\n",
                shown.positions.len(),
                shown.origin,
                shown.size,
                shown.signed_by,
                shown.question.escape_debug(),
                shown.positions.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
            ));
            ExitCode::SUCCESS
        }
    }
}

fn refuse(args: &Args, finding: &Finding) -> ExitCode {
    if args.as_json {
        say(&format!("{}\n", json!({ "ok": false, "position": finding.position, "what": finding.what })));
    } else {
        eprintln!("NOT WHOLE: {finding}");
    }
    ExitCode::from(1)
}

fn wrong_usage(why: &str) -> ExitCode {
    eprintln!("{why}\nTry chancery-verify --help");
    ExitCode::from(2)
}

/// A reader that went away (`| head`) is no reason to fail.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if std::fs::metadata(path).map_err(failed)?.len() > most {
        return Err(format!("{} is larger than {most} bytes", path.display()));
    }
    std::fs::read(path).map_err(failed)
}

#[allow(clippy::disallowed_methods, reason = "measures its own rate; nothing is decided by it")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// One line on a terminal, drawn anew ten times a second.
struct Bar {
    began: std::time::Instant,
    drawn: Option<Duration>,
}

impl Bar {
    fn draw(&mut self, done: u64, all: u64) {
        let elapsed = self.began.elapsed();
        if self.drawn.is_some_and(|before| elapsed - before < Duration::from_millis(100)) {
            return;
        }
        self.drawn = Some(elapsed);
        let rate = done as f64 / elapsed.as_secs_f64().max(1e-6);
        let share = done as f64 / all.max(1) as f64;
        let full = (share * 30.0) as usize;
        let left = all.saturating_sub(done) as f64 / rate.max(1.0);
        eprint!(
            "\r\x1b[K[{}{}] {:3.0} %  {done} of {all} events  {rate:.0}/s  {left:.0} s left",
            "#".repeat(full),
            "-".repeat(30 - full.min(30)),
            share * 100.0
        );
    }
}
