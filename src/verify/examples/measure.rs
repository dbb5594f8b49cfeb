//! Writes an export of so many events and measures: the whole verification, that of the bytes alone, and bare tree hashing of its entries.
//!
//!     cargo run --release -p chancery-verify --example measure -- DIRECTORY [EVENTS]
//!
//! An export that is there already is measured as it stands, whoever made it; `benches/million` does so. Otherwise the events are whole stories (sign-in, consent, code, tokens, refreshes, ends) in the shapes of `schema/events`, with ciphertext of the
//! usual length. The log is made by this program and signed with a key of its own: it measures the verifier, not the server.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use chancery_tree::hash::{Hash, complete};
use chancery_tree::key::KeyType;
use chancery_tree::tile::{Content, TILE_LEVELS, TILE_WIDTH, Tile};
use chancery_tree::{Checkpoint, Frontier, Note, VerifierKey, bundle, leaf_hash, note};
use chancery_verify::export::{Asked, Export, verify};
use chancery_verify::signature;
use ed25519_dalek::{Signer as _, SigningKey};

const ORIGIN: &str = "measure.example/log";
const DIGEST: &str = "Gs7cQ5aHRrDprDne1_0xLMy2ySAWHsa8_qMPVzdQmoU";
const HOUR: u64 = 3_600_000;

type Failed = Box<dyn std::error::Error>;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// Leaves in order, handed to `take`.
struct Writer<'a> {
    take: &'a mut dyn FnMut(&[u8]) -> Result<(), Failed>,
    position: u64,
    now: u64,
    leaf: String,
    sealed: String,
}

/// A UUIDv7 of that time.
fn id(time: u64, number: u64) -> String {
    let hex = format!("{:032x}", u128::from(time) << 80 | 7 << 76 | 0b10 << 62 | u128::from(number));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

impl Writer<'_> {
    /// `data` is canonical and has `at` in its place.
    fn say(&mut self, stream: &str, version: u64, kind: &str, data: &str) -> Result<(), Failed> {
        self.now += 1;
        self.leaf.clear();
        let event = id(self.now, self.position);
        let correlation = id(self.now, 1 << 40 | self.position);
        write!(
            self.leaf,
            "{{\"actor\":{{\"id\":\"app\",\"kind\":\"client\"}},\"correlation\":\"{correlation}\",\"data\":{data},\"id\":\"{event}\",\"personal\":{{\"context\":\"{}\",\"key\":\"epoch/2027-01\"}},\"position\":{},\"recorded_at\":{},\"schema\":1,\"stream\":\"{stream}\",\"type\":\"{kind}\",\"version\":{version}}}",
            self.sealed, self.position, self.now
        )?;
        self.position += 1;
        (self.take)(self.leaf.as_bytes())
    }
}

fn stories(writer: &mut Writer<'_>, events: u64) -> Result<(), Failed> {
    let public = key().verifying_key().to_bytes();
    let vkey = VerifierKey::new(ORIGIN, KeyType::Ed25519, public)?;
    let key_id: String = vkey.id().iter().map(|byte| format!("{byte:02x}")).collect();
    let at = writer.now;
    writer.say(
        "log",
        1,
        "LogCreated",
        &format!("{{\"at\":{at},\"issuer\":\"https://measure.example\",\"log_id\":\"{}\",\"origin\":\"{ORIGIN}\"}}", id(at, 1)),
    )?;
    writer.say("log", 2, "LogKeyCreated", &format!("{{\"at\":{at},\"key_id\":\"{key_id}\",\"vkey\":\"{vkey}\"}}"))?;
    writer.say(
        "key-k1",
        1,
        "SigningKeyPlanned",
        &format!("{{\"alg\":\"ES256\",\"at\":{at},\"kid\":\"k1\",\"public_jwk\":\"{{}}\",\"source\":\"generated\"}}"),
    )?;
    writer.say("key-k1", 2, "SigningKeyActivated", &format!("{{\"at\":{at}}}"))?;
    let registered = include_str!("../../../schema/events/client/ClientRegistered.v1.example.json");
    let registered: serde_json::Value = serde_json::from_str(registered)?;
    let registered = String::from_utf8(chancery_core::canonical::to_vec(&registered).map_err(|why| why.0)?)?;
    writer.say("client-app", 1, "ClientRegistered", &registered)?;
    let accounts: Vec<String> = (0..1000).map(|number| id(at, 1 << 30 | number)).collect();
    for account in &accounts {
        let data = format!("{{\"account\":\"{account}\",\"at\":{at},\"declared\":false,\"key_commitment\":\"{DIGEST}\",\"roles\":[]}}");
        writer.say(&format!("account-{account}"), 1, "AccountRegistered", &data)?;
    }
    let mut consents = vec![0_u64; accounts.len()];
    let mut round = 0;
    while writer.position + 12 < events {
        let which = round % accounts.len();
        visit(writer, &accounts[which], &mut consents[which], round as u64)?;
        round += 1;
    }
    Ok(())
}

fn visit(writer: &mut Writer<'_>, account: &str, consents: &mut u64, round: u64) -> Result<(), Failed> {
    writer.now += 400;
    let at = writer.now;
    let [grant, session, interaction] = [1, 2, 3].map(|kind| id(at, kind << 50 | round));
    let request = "{\"code_challenge\":\"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM\",\"prompt\":[],\"redirect_uri\":\"https://app.example.com/cb\",\"response_mode\":\"query\",\"scope\":\"email openid\",\"wants_auth_time\":false}";
    let (of_interaction, of_grant) = (format!("interaction-{interaction}"), format!("grant-{grant}"));
    writer.say(&of_interaction, 1, "AuthorizationRequested", &format!("{{\"at\":{at},\"browser\":\"{DIGEST}\",\"client\":\"app\",\"expires_at\":{},\"interaction\":\"{interaction}\",\"key_commitment\":\"{DIGEST}\",\"request\":{request}}}", at + HOUR))?;
    writer.say(&format!("session-{session}"), 1, "SessionStarted", &format!("{{\"account\":\"{account}\",\"amr\":[\"pwd\"],\"at\":{at},\"cookie\":\"{DIGEST}\",\"ends_at\":{},\"idle\":1209600,\"session\":\"{session}\"}}", at + 900 * HOUR))?;
    writer.say(
        &of_interaction,
        2,
        "PersonAuthenticated",
        &format!("{{\"account\":\"{account}\",\"at\":{at},\"session\":\"{session}\"}}"),
    )?;
    *consents += 1;
    writer.say(
        &format!("consent-{account}-app"),
        *consents,
        "ConsentGiven",
        &format!("{{\"account\":\"{account}\",\"at\":{at},\"client\":\"app\",\"scope\":\"email openid\",\"text\":\"{DIGEST}\"}}"),
    )?;
    writer.say(&of_grant, 1, "CodeIssued", &format!("{{\"account\":\"{account}\",\"amr\":[\"pwd\"],\"at\":{at},\"auth_time\":{at},\"client\":\"app\",\"code\":\"{DIGEST}\",\"code_challenge\":\"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM\",\"code_expires_at\":{},\"consent_epoch\":0,\"grant\":\"{grant}\",\"interaction\":\"{interaction}\",\"redirect_uri\":\"https://app.example.com/cb\",\"scope\":\"email openid\",\"session\":\"{session}\",\"wants_auth_time\":false}}", at + 60_000))?;
    writer.say(&of_interaction, 3, "AuthorizationGranted", &format!("{{\"account\":\"{account}\",\"at\":{at},\"grant\":\"{grant}\"}}"))?;
    writer.say(&of_grant, 2, "CodeRedeemed", &format!("{{\"access\":{{\"digest\":\"{DIGEST}\",\"expires_at\":{}}},\"at\":{at},\"id_token_kid\":\"k1\",\"refresh\":{{\"digest\":\"{DIGEST}\",\"ends_at\":{},\"expires_at\":{}}}}}", at + HOUR, at + 2000 * HOUR, at + 400 * HOUR))?;
    for generation in 1..4 {
        writer.say(&of_grant, 2 + generation, "RefreshTokenRotated", &format!("{{\"access\":{{\"digest\":\"{DIGEST}\",\"expires_at\":{}}},\"at\":{at},\"generation\":{generation},\"refresh\":\"{DIGEST}\",\"refresh_expires_at\":{}}}", at + HOUR, at + 400 * HOUR))?;
    }
    if !round.is_multiple_of(4) {
        writer.say(&of_grant, 6, "GrantEnded", &format!("{{\"at\":{at},\"reason\":\"revoked\"}}"))?;
    }
    Ok(())
}

/// Tiles as they fill.
struct Tiles<'a> {
    folder: &'a Path,
    entries: Vec<u8>,
    /// Hashes that wait, level by level, and how many tiles of the level are full.
    levels: Vec<(u64, Vec<Hash>)>,
    tree: Frontier,
}

impl Tiles<'_> {
    fn put(&self, content: Content, index: u64, width: usize, bytes: &[u8]) -> Result<(), Failed> {
        let path = self.folder.join(Tile { content, index, width: u16::try_from(width)? }.to_string());
        fs::create_dir_all(path.parent().ok_or("no folder")?)?;
        Ok(fs::write(path, bytes)?)
    }

    fn add(&mut self, leaf: &[u8]) -> Result<(), Failed> {
        let _ = bundle::push(&mut self.entries, leaf);
        let hash = leaf_hash(leaf);
        self.tree.push(hash, &mut Vec::new());
        self.push(0, hash)
    }

    fn push(&mut self, level: usize, hash: Hash) -> Result<(), Failed> {
        if self.levels.len() == level {
            self.levels.push((0, Vec::new()));
        }
        self.levels[level].1.push(hash);
        if self.levels[level].1.len() as u64 == TILE_WIDTH {
            let above = self.flush(level)?.ok_or("a full tile is complete")?;
            self.push(level + 1, above)?;
        }
        Ok(())
    }

    fn flush(&mut self, level: usize) -> Result<Option<Hash>, Failed> {
        let (index, hashes) = std::mem::take(&mut self.levels[level]);
        if hashes.is_empty() {
            return Ok(None);
        }
        self.put(Content::Hashes(u32::try_from(level)?), index, hashes.len(), &hashes.concat())?;
        if level == 0 {
            let entries = std::mem::take(&mut self.entries);
            self.put(Content::Entries, index, hashes.len(), &entries)?;
        }
        self.levels[level].0 = index + 1;
        Ok(complete(&hashes))
    }
}

fn write(folder: &Path, events: u64) -> Result<(), Failed> {
    let mut tiles = Tiles { folder, entries: Vec::new(), levels: Vec::new(), tree: Frontier::default() };
    let mut take = |leaf: &[u8]| tiles.add(leaf);
    stories(&mut Writer { take: &mut take, position: 0, now: 1_800_000_000_000, leaf: String::new(), sealed: "A".repeat(170) }, events)?;
    for level in 0..tiles.levels.len() {
        tiles.flush(level)?;
    }
    let text = Checkpoint::new(ORIGIN, tiles.tree.size(), tiles.tree.root()).to_string();
    let mut signed = Note::new(&text)?;
    let vkey = VerifierKey::new(ORIGIN, KeyType::Ed25519, key().verifying_key().to_bytes())?;
    signed.add(&vkey, key().sign(&note::signed_bytes(&text, None)).to_bytes().to_vec());
    Ok(fs::write(folder.join("checkpoint"), signed.to_string())?)
}

/// Reads every entry and hashes the tree over them, and nothing else: what no verifier can do without.
fn bare(folder: &Path, size: u64) -> Result<Hash, Failed> {
    let mut tree = Frontier::default();
    for index in 0..size.div_ceil(TILE_WIDTH) {
        let tile = Tile::of(Content::Entries, index, size).ok_or("no such tile")?;
        let bytes = fs::read(folder.join(tile.to_string()))?;
        let hashes = bundle::entries(&bytes).map(|leaf| leaf.map(leaf_hash)).collect::<Result<Vec<_>, _>>()?;
        match complete(&hashes).filter(|_| tile.is_full()) {
            Some(hash) => tree.push_subtree(TILE_LEVELS, hash, &mut Vec::new()),
            None => hashes.into_iter().for_each(|hash| tree.push(hash, &mut Vec::new())),
        }
    }
    Ok(tree.root())
}

/// Seconds of CPU that this process has used, in steps of a hundredth (Linux).
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| behind.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}

#[allow(clippy::disallowed_methods, reason = "it measures")]
fn timed<R>(what: &str, size: u64, work: impl FnOnce() -> Result<R, Failed>) -> Result<R, Failed> {
    let (began, before) = (Instant::now(), cpu());
    let result = work()?;
    let (seconds, spent) = (began.elapsed().as_secs_f64(), cpu() - before);
    println!("{what}: {seconds:.2} s, {spent:.2} s of CPU, {:.0} events per CPU-second", size as f64 / spent.max(0.01));
    Ok(result)
}

fn main() -> Result<(), Failed> {
    let mut args = env::args().skip(1);
    let folder = args.next().ok_or("measure DIRECTORY [EVENTS]")?;
    let folder = Path::new(&folder);
    if !folder.join("checkpoint").exists() {
        let events = args.next().and_then(|text| text.parse().ok()).ok_or("measure DIRECTORY EVENTS: how many events to make")?;
        timed("made", events, || write(folder, events))?;
    }
    let events = signature::read(&fs::read(folder.join("checkpoint"))?).map_err(|finding| finding.to_string())?.checkpoint.size;
    let export = Export::new(folder);
    for _ in 0..3 {
        let whole = timed("whole verification, one thread", events, || {
            verify(&export, &Asked { threads: 1, ..Asked::default() }, |_, _| {}).map_err(|finding| finding.to_string().into())
        })?;
        let vkey = whole.signed_by.clone();
        timed("bytes alone, one thread       ", events, || {
            let asked = Asked { threads: 1, only_bytes: true, keys: vec![vkey], ..Asked::default() };
            verify(&export, &asked, |_, _| {}).map_err(|finding| finding.to_string().into())
        })?;
        let root = timed("bare tree hashing, one thread ", whole.size, || bare(folder, whole.size))?;
        println!("{} events, {} bytes, {} things held, roots agree: {}", whole.size, whole.bytes, whole.held, root == whole.root);
    }
    Ok(())
}
