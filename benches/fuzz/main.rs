//! Mutation fuzzing of everything that reads bytes from outside: `cargo run --example fuzz -- [--target NAME] [--seconds CPU] [--seed N]`.
//!
//! | Target | What is held |
//! |---|---|
//! | `request` | no panic; what passes the checks has a registered redirect_uri |
//! | `registration` | no panic; what is accepted reads back equal and is accepted again |
//! | `jose` | no panic; no token, proof or key that was changed passes as one that was signed |
//! | `jwe` | no panic; nothing that was changed opens |
//! | `documents` | no panic; the URL of a client that is a document means the same to whoever fetches it; no secret and no right gets in |
//! | `credentials` | no panic; a person reads what a wallet gets, and that is what it asked for and was configured |
//! | `cookies` | no panic; a cookie or form token that was changed is absent; a form reads back as it was written |
//!
//! Inputs are valid ones, changed: bits, bytes, pieces cut, repeated and swapped, words of the protocol put in. The same seed gives the same
//! inputs. A panic is shown with its input, and the program ends with 1.

#![allow(clippy::unwrap_used, reason = "what does not hold here ends the program, which is its answer")]

mod cookies;
mod credentials;
mod documents;
mod jose;
mod jwe;
mod mutate;
mod registration;
mod request;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use mutate::Mutator;

/// Reads one input: `true` when it was accepted.
type Read = Box<dyn Fn(&[u8]) -> bool>;

/// One kind of input: valid ones, words of their language, and what is held of any.
pub struct Target {
    pub name: &'static str,
    pub seeds: Vec<Vec<u8>>,
    pub words: &'static [&'static str],
    pub read: Read,
}

/// Inputs between two looks at the clock.
const BATCH: u64 = 256;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut only, mut seconds, mut seed) = (None, 5.0, 1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        match name.as_str() {
            "--target" => only = Some(value),
            "--seconds" => seconds = value.parse().unwrap_or(seconds),
            "--seed" => seed = value.parse().unwrap_or(seed),
            _ => {
                eprintln!(
                    "usage: fuzz [--target request|registration|jose|jwe|documents|credentials|cookies] [--seconds CPU_SECONDS] [--seed NUMBER]"
                );
                return ExitCode::from(2);
            }
        }
    }
    let targets = [
        request::target(),
        registration::target(),
        jose::target(),
        jwe::target(),
        documents::target(),
        credentials::target(),
        cookies::target(),
    ];
    let chosen: Vec<_> = targets.iter().filter(|own| only.as_deref().is_none_or(|name| own.name == name)).collect();
    if chosen.is_empty() {
        eprintln!("there is no such target");
        return ExitCode::from(2);
    }
    let held = chosen.into_iter().all(|target| run(target, seconds, seed));
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(target: &Target, seconds: f64, seed: u64) -> bool {
    let begun = cpu_seconds();
    let mut mutator = Mutator::new(seed, target.words);
    let (mut inputs, mut accepted) = (0_u64, 0_u64);
    for own in &target.seeds {
        if !(target.read)(own) {
            println!("not ok - fuzz [{}] a seed is refused: {}", target.name, String::from_utf8_lossy(own));
            return false;
        }
    }
    while cpu_seconds() - begun < seconds {
        for _ in 0..BATCH {
            let input = mutator.next(&target.seeds);
            inputs += 1;
            match catch_unwind(AssertUnwindSafe(|| (target.read)(&input))) {
                Ok(was_accepted) => accepted += u64::from(was_accepted),
                Err(_) => {
                    println!("not ok - fuzz [{}] input {inputs} of seed {seed}: {:?}", target.name, String::from_utf8_lossy(&input));
                    return false;
                }
            }
        }
    }
    let spent = cpu_seconds() - begun;
    println!("ok - fuzz [{}] {inputs} inputs in {spent:.0} CPU-seconds, {accepted} of them accepted, no panic", target.name);
    true
}

/// CPU time of this thread (proc(5), schedstat); the time since the start where there is none.
fn cpu_seconds() -> f64 {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = spent.as_deref().and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(since_start, |own| own / 1e9)
}

#[allow(clippy::disallowed_methods, reason = "a measurement")]
fn since_start() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
}
