//! A small log with whole stories in it, written as an export.

use std::fs;
use std::path::Path;

use chancery_tree::hash::{Hash, complete};
use chancery_tree::key::KeyType;
use chancery_tree::tile::{Content, Tile, tiles};
use chancery_tree::{Checkpoint, Frontier, Note, VerifierKey, bundle, leaf_hash, note};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

pub const ORIGIN: &str = "log.example/chancery";
pub const BEGIN: i64 = 1_800_000_000_000;
pub const HOUR: i64 = 3_600_000;

/// Values of events, before they become leaves.
#[derive(Clone, Default)]
pub struct Story {
    pub events: Vec<Value>,
    pub now: i64,
}

/// The ids of one person's visit.
#[derive(Clone)]
pub struct Visit {
    pub grant: String,
    pub session: String,
    pub interaction: String,
}

/// An offer of credentials, and the grant that it becomes.
pub struct Offer {
    pub id: String,
    pub grant: String,
}

impl Offer {
    pub fn stream(&self) -> String {
        format!("offer-{}", self.id)
    }
}

fn secret() -> SigningKey {
    SigningKey::from_bytes(&[42; 32])
}

pub fn key() -> VerifierKey {
    VerifierKey::new(ORIGIN, KeyType::Ed25519, secret().verifying_key().to_bytes()).unwrap()
}

/// A UUIDv7 of that time.
pub fn id(time: i64, number: u64) -> String {
    let value = (time as u128) << 80 | 7 << 76 | 0b10 << 62 | u128::from(number);
    let hex = format!("{value:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

impl Story {
    /// A log with its keys, one client and one account.
    pub fn begin() -> (Self, String) {
        let mut story = Self { events: Vec::new(), now: BEGIN };
        story.say("log", "LogCreated", json!({"issuer": "https://log.example/oidc", "log_id": id(BEGIN, 1), "origin": ORIGIN}));
        let key_id: String = key().id().iter().map(|byte| format!("{byte:02x}")).collect();
        story.say("log", "LogKeyCreated", json!({"key_id": key_id, "vkey": key().to_string()}));
        let planned = json!({"alg": "ES256", "kid": "k1", "public_jwk": "{}", "source": "generated"});
        story.say("key-k1", "SigningKeyPlanned", planned);
        story.say("key-k1", "SigningKeyActivated", json!({}));
        let registered = include_str!("../../../../schema/events/client/ClientRegistered.v1.example.json");
        story.say("client-app", "ClientRegistered", serde_json::from_str(registered).unwrap());
        let account = id(BEGIN, 2);
        let commitment = "Gwc7BParBenbni1xfFAe0AzaxchdgS-4CjLEc2y-7DY";
        story.say(
            &format!("account-{account}"),
            "AccountRegistered",
            json!({"account": account, "declared": false, "key_commitment": commitment, "roles": []}),
        );
        (story, account)
    }

    /// Adds an event; `at` is now unless the data says otherwise.
    pub fn say(&mut self, stream: &str, kind: &str, mut data: Value) {
        self.now += 7;
        let position = self.events.len();
        if data.get("at").is_none() {
            data["at"] = json!(self.now);
        }
        let version =
            1 + self.events.iter().rev().find(|event| event["stream"] == stream).map_or(0, |event| event["version"].as_u64().unwrap());
        self.events.push(json!({
            "actor": {"id": "", "kind": "server"}, "correlation": "c\n1", "data": data, "id": id(self.now, position as u64), "position": position,
            "recorded_at": self.now, "schema": 1, "stream": stream, "type": kind, "version": version,
        }));
    }

    /// Sign-in, consent, code, tokens.
    pub fn visit(&mut self, account: &str, scope: &str) -> Visit {
        let number = self.events.len() as u64;
        let visit = Visit { grant: id(self.now, number), session: id(self.now, number + 1), interaction: id(self.now, number + 2) };
        let digest = "Gs7cQ5aHRrDprDne1_0xLMy2ySAWHsa8_qMPVzdQmoU";
        let interaction = format!("interaction-{}", visit.interaction);
        let asked = include_str!("../../../../schema/events/interaction/AuthorizationRequested.v1.example.json");
        let mut asked: Value = serde_json::from_str(asked).unwrap();
        (asked["interaction"], asked["expires_at"], asked["at"]) = (json!(visit.interaction), json!(self.now + HOUR), json!(self.now));
        self.say(&interaction, "AuthorizationRequested", asked);
        let started = json!({"account": account, "amr": ["pwd"], "cookie": digest, "ends_at": self.now + 900 * HOUR, "idle": 1_209_600, "session": visit.session});
        self.say(&format!("session-{}", visit.session), "SessionStarted", started);
        self.say(&interaction, "PersonAuthenticated", json!({"account": account, "session": visit.session}));
        self.say(
            &format!("consent-{account}-app"),
            "ConsentGiven",
            json!({"account": account, "client": "app", "scope": scope, "text": digest}),
        );
        self.say(&format!("grant-{}", visit.grant), "CodeIssued", json!({
            "account": account, "amr": ["pwd"], "auth_time": self.now, "client": "app", "code": digest, "code_expires_at": self.now + 60_000,
            "consent_epoch": 0, "grant": visit.grant, "interaction": visit.interaction, "redirect_uri": "https://app.example.com/cb",
            "scope": scope, "session": visit.session, "wants_auth_time": false,
        }));
        self.say(&interaction, "AuthorizationGranted", json!({"account": account, "grant": visit.grant}));
        self.redeem(&visit);
        visit
    }

    /// An operator offers credentials, for an hour.
    pub fn offer(&mut self, account: &str) -> Offer {
        let number = self.events.len() as u64;
        let offer = Offer { id: id(self.now, number), grant: id(self.now, number + 1) };
        let example = include_str!("../../../../schema/events/offer/CredentialOffered.v1.example.json");
        let mut offered: Value = serde_json::from_str(example).unwrap();
        (offered["account"], offered["offer"], offered["at"], offered["expires_at"]) =
            (json!(account), json!(offer.id), json!(self.now), json!(self.now + HOUR));
        self.say(&offer.stream(), "CredentialOffered", offered);
        offer
    }

    /// A wrong transaction code.
    pub fn guess(&mut self, offer: &Offer) {
        self.say(&offer.stream(), "TransactionCodeRefused", json!({"by": "app"}));
    }

    /// A wallet redeems the offer.
    pub fn take(&mut self, offer: &Offer, account: &str) {
        self.say(&offer.stream(), "CredentialOfferRedeemed", json!({"by": "app", "grant": offer.grant}));
        let granted = include_str!("../../../../schema/events/grant/PreAuthorizedGranted.v1.example.json");
        let mut granted: Value = serde_json::from_str(granted).unwrap();
        (granted["account"], granted["offer"], granted["grant"], granted["at"]) =
            (json!(account), json!(offer.id), json!(offer.grant), json!(self.now));
        granted["access"]["expires_at"] = json!(self.now + 300_000);
        self.say(&format!("grant-{}", offer.grant), "PreAuthorizedGranted", granted);
    }

    pub fn redeem(&mut self, visit: &Visit) {
        let digest = "Gs7cQ5aHRrDprDne1_0xLMy2ySAWHsa8_qMPVzdQmoU";
        self.say(
            &format!("grant-{}", visit.grant),
            "CodeRedeemed",
            json!({
                "access": {"digest": digest, "expires_at": self.now + HOUR}, "id_token_kid": "k1",
                "refresh": {"digest": digest, "ends_at": self.now + 2000 * HOUR, "expires_at": self.now + 400 * HOUR},
            }),
        );
    }

    pub fn refresh(&mut self, visit: &Visit, generation: u64) {
        let digest = "yEocdWU8294auWPvMiHRA_O-IGVN85hbo62bOUrflDU";
        self.say(
            &format!("grant-{}", visit.grant),
            "RefreshTokenRotated",
            json!({
                "access": {"digest": digest, "expires_at": self.now + HOUR}, "generation": generation, "refresh": digest,
                "refresh_expires_at": self.now + 400 * HOUR,
            }),
        );
    }

    pub fn end(&mut self, visit: &Visit) {
        self.say(&format!("grant-{}", visit.grant), "GrantEnded", json!({"reason": "revoked"}));
    }

    pub fn leaves(&self) -> Vec<Vec<u8>> {
        self.events.iter().map(|event| chancery_core::canonical::to_vec(event).unwrap()).collect()
    }
}

/// A log of at least so many events, in which nothing is wrong.
pub fn honest(size: usize) -> Story {
    let (mut story, account) = Story::begin();
    while story.events.len() < size {
        let visit = story.visit(&account, "openid");
        (1..4).for_each(|generation| story.refresh(&visit, generation));
        if story.events.len() % 3 == 0 {
            story.end(&visit);
        }
        story.now += HOUR;
    }
    story
}

/// A signed checkpoint of these leaves.
pub fn checkpoint(leaves: &[Vec<u8>]) -> String {
    let mut tree = Frontier::default();
    leaves.iter().for_each(|leaf| tree.push(leaf_hash(leaf), &mut Vec::new()));
    let text = Checkpoint::new(ORIGIN, tree.size(), tree.root()).to_string();
    let mut note = Note::new(&text).unwrap();
    note.add(&key(), secret().sign(&note::signed_bytes(&text, None)).to_bytes().to_vec());
    note.to_string()
}

/// Writes an export of these leaves, as honest as they are.
pub fn write(folder: &Path, leaves: &[Vec<u8>]) {
    let size = leaves.len() as u64;
    let leaf_hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    for tile in tiles(size) {
        let from = tile.first() as usize;
        let bytes = match tile.content {
            Content::Entries => {
                let mut out = Vec::new();
                assert!(leaves[from..from + usize::from(tile.width)].iter().all(|leaf| bundle::push(&mut out, leaf)));
                out
            }
            Content::Hashes(level) => {
                let leaves = 256_usize.pow(level);
                let hashes =
                    (from..from + usize::from(tile.width)).map(|at| complete(&leaf_hashes[at * leaves..(at + 1) * leaves]).unwrap());
                hashes.collect::<Vec<_>>().concat()
            }
        };
        put(folder, tile, &bytes);
    }
    fs::write(folder.join("checkpoint"), checkpoint(leaves)).unwrap();
}

fn put(folder: &Path, tile: Tile, bytes: &[u8]) {
    let path = folder.join(tile.to_string());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}
