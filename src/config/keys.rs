//! Signing keys: when they change by themselves; who holds those that are outside of this process, and which sign what.

use std::collections::BTreeSet;
use std::time::Duration;

use chancery_core::client::metadata::SigningAlg;

use super::reader::Reader;

/// Characters of the name of a key.
const LONGEST_NAME: usize = 128;

/// When signing keys change by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// `None`: only by command.
    pub rotate_every: Option<Duration>,
    pub publish_ahead: Duration,
}

/// The signer that the operator named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The program, then its arguments.
    pub command: Vec<String>,
    /// What it calls the key of each algorithm.
    pub keys: Vec<(SigningAlg, String)>,
    pub processes: usize,
    pub timeout: Duration,
}

impl Signer {
    /// What it calls the key of an algorithm; `None` where it has none.
    pub fn key_of(&self, alg: SigningAlg) -> Option<&str> {
        self.keys.iter().find(|(own, _)| *own == alg).map(|(_, name)| name.as_str())
    }

    /// The keys as they are typed.
    pub(super) fn named(&self) -> Vec<String> {
        self.keys.iter().map(|(alg, name)| format!("{}={name}", alg.as_str())).collect()
    }
}

/// `ES256=name`.
fn key(text: &str) -> Result<(SigningAlg, String), String> {
    let (alg, name) = text.split_once('=').ok_or_else(|| format!("{text:?} is not an algorithm, = and the name of a key."))?;
    let known = || SigningAlg::ALL.iter().map(|own| own.as_str()).collect::<Vec<_>>().join(", ");
    let alg = SigningAlg::parse(alg.trim()).ok_or_else(|| format!("{alg:?} is no algorithm of tokens; write one of {}.", known()))?;
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(format!("{name:?} is no name of a key; write 1 to {LONGEST_NAME} characters."));
    }
    Ok((alg, name.to_owned()))
}

pub(super) fn read(reader: &mut Reader) -> Keys {
    let (every, publish_ahead) = (reader.duration("keys.rotate_every"), reader.duration("keys.publish_ahead"));
    if !every.is_zero() && publish_ahead >= every {
        reader.refuse("keys.publish_ahead", "is not shorter than keys.rotate_every; shorten it or raise the other.");
    }
    Keys { rotate_every: Some(every).filter(|every| !every.is_zero()), publish_ahead }
}

pub(super) fn signer(reader: &mut Reader) -> Option<Signer> {
    let command = reader.list("signer.command", |text| Ok(text.to_owned()));
    let keys = reader.list("signer.keys", key);
    let (processes, timeout) = (reader.small("signer.processes"), reader.duration("signer.timeout"));
    if command.is_empty() && !keys.is_empty() {
        reader.refuse("signer.command", "is not set; it is the program that holds signer.keys.");
    }
    if !command.is_empty() && keys.is_empty() {
        reader.refuse("signer.keys", "is empty; name the keys of signer.command, such as \"ES256=chancery-es-2026\".");
    }
    let (algs, names): (BTreeSet<_>, BTreeSet<_>) = keys.iter().map(|(alg, name)| (*alg, name)).unzip();
    // RFC 8725 §3.1: a key is for one algorithm; its JWK says so.
    if algs.len() < keys.len() || names.len() < keys.len() {
        reader.refuse("signer.keys", "names an algorithm or a key twice; each algorithm has one key of its own.");
    }
    (!command.is_empty()).then_some(Signer { command, keys, processes, timeout })
}
