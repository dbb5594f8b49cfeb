//! RFC 6962 and C2SP tlog-tiles: the log's tree as others see it. Checked by code that is not ours: `tlog_tiles`, `signed_note`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery::app::context::Context;
use chancery::app::notary::OVERLAP_MS;
use chancery::app::operator::Command;
use serde_json::{Value, json};
use tlog_tiles::{Hash, check_record, check_tree, record_hash};

use crate::support::call::Answer;
use crate::support::*;

const QUIET: Duration = Duration::from_secs(60);

/// A checkpoint whose signature was verified with the key that the log announces.
struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
}

impl Server {
    async fn checkpoint(&self) -> Checkpoint {
        let answer = self.get("/audit/checkpoint").send().await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; charset=utf-8"));
        assert_eq!(answer.header("cache-control"), "no-cache");
        verified(&answer.body, &self.vkeys().await)
    }

    /// The log's verifier keys, as its events announce them.
    async fn vkeys(&self) -> Vec<String> {
        let events = self.events().await;
        let created = events.iter().filter(|event| event.kind == "LogKeyCreated");
        created.map(|event| event.data["vkey"].as_str().unwrap().to_owned()).collect()
    }

    /// Fills the log quickly: each seal is an event.
    async fn grow(&self, events: usize) {
        let context = Context::of_server("server", "grow".to_owned());
        for _ in 0..events {
            self.advance(60_000);
            self.app.seal_when_quiet(&context, QUIET).await.map_err(|error| error.detail).unwrap();
        }
    }

    async fn hashes(&self, path: &str) -> (Value, Vec<Hash>) {
        let answer = self.get(path).send().await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let body = answer.json();
        let hashes = body["hashes"].as_array().unwrap().iter().map(|hash| Hash::parse_hash(hash.as_str().unwrap()).unwrap()).collect();
        (body, hashes)
    }
}

fn verified(note: &[u8], vkeys: &[String]) -> Checkpoint {
    let keys = vkeys.iter().map(|vkey| Box::new(signed_note::StandardVerifier::new(vkey).unwrap()) as Box<dyn signed_note::Verifier>);
    let note = signed_note::Note::from_bytes(note).unwrap();
    let (good, _) = note.verify(&signed_note::VerifierList::new(keys.collect())).unwrap();
    assert_eq!(good.len(), 1);
    let read = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    Checkpoint { origin: read.origin().to_owned(), size: read.size(), root: *read.hash() }
}

#[tokio::test]
async fn rfc6962_2_1_1_every_event_is_proven_to_be_in_the_tree() {
    let server = Server::start().await;
    server.grow(300).await;
    let (checkpoint, leaves) = (server.checkpoint().await, server.leaves().await);
    assert_eq!((checkpoint.size, checkpoint.origin.as_str()), (leaves.len() as u64, "localhost:3000/oidc"));
    for position in (0..checkpoint.size).step_by(7).chain([255, 256, checkpoint.size - 1]) {
        let (body, path) = server.hashes(&format!("/audit/proof/{position}")).await;
        let leaf = record_hash(&leaves[usize::try_from(position).unwrap()].leaf);
        assert_eq!(body["leaf_hash"], json!(STANDARD.encode(leaf.0)));
        assert_eq!(verified(body["checkpoint"].as_str().unwrap().as_bytes(), &server.vkeys().await).root.0, checkpoint.root.0);
        check_record(&path, checkpoint.size, checkpoint.root, position, leaf).unwrap();
    }
    // In a tree that was, too.
    let sizes = [1, 2, 3, 100, 256, 257];
    for size in sizes {
        let (body, path) = server.hashes(&format!("/audit/proof/{}?size={size}", size - 1)).await;
        assert_eq!((&body["size"], body.get("checkpoint")), (&json!(size), None));
        let hashes: Vec<Hash> = leaves[..size].iter().map(|event| record_hash(&event.leaf)).collect();
        check_record(&path, size as u64, root(&hashes), size as u64 - 1, hashes[size - 1]).unwrap();
    }
    let missing = server.get(&format!("/audit/proof/{}", checkpoint.size)).send().await;
    assert_eq!(missing.refusal(), (404, "not_found".to_owned()));
    for bad in [format!("/audit/proof/0?size={}", checkpoint.size + 1), "/audit/proof/x".into(), "/audit/proof/0?size=-1".into()] {
        assert_eq!(server.get(&bad).send().await.status, 400, "{bad}");
    }
    assert_eq!(server.get("/audit/proof/0?size=0").send().await.status, 404);
}

/// RFC 6962 §2.1 word for word, over the other crate's hash.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [one] => *one,
        many => {
            let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
            tlog_tiles::node_hash(root(left), root(right))
        }
    }
}

#[tokio::test]
async fn rfc6962_2_1_2_every_tree_is_the_beginning_of_the_latest() {
    let server = Server::start().await;
    server.grow(280).await;
    let (checkpoint, leaves) = (server.checkpoint().await, server.leaves().await);
    let hashes: Vec<Hash> = leaves.iter().map(|event| record_hash(&event.leaf)).collect();
    let at = |size: u64| root(&hashes[..usize::try_from(size).unwrap()]);
    for (from, to) in [(1, 2), (3, 7), (6, 8), (100, 256), (255, 257), (256, 280), (1, checkpoint.size), (279, checkpoint.size)] {
        let (_, path) = server.hashes(&format!("/audit/consistency?from={from}&to={to}")).await;
        check_tree(&path, to, at(to), from, at(from)).unwrap_or_else(|why| panic!("{from} to {to}: {why}"));
    }
    let (body, path) = server.hashes("/audit/consistency?from=17").await;
    assert_eq!(body["to"], json!(checkpoint.size));
    check_tree(&path, checkpoint.size, checkpoint.root, 17, at(17)).unwrap();
    assert_eq!(server.hashes("/audit/consistency?from=0").await.1, []);
    assert_eq!(server.hashes("/audit/consistency?from=9&to=9").await.1, []);
    for bad in ["from=5&to=4".to_owned(), format!("from=1&to={}", checkpoint.size + 1), "to=4".into(), "from=x".into()] {
        assert_eq!(server.get(&format!("/audit/consistency?{bad}")).send().await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn rfc6962_2_1_the_tiles_rebuild_the_root() {
    let server = Server::start().await;
    server.grow(530).await;
    let token = server.operator_token("audit:read").await;
    let checkpoint = server.checkpoint().await;
    let mut leaves = Vec::new();
    for index in 0..checkpoint.size.div_ceil(256) {
        let width = (checkpoint.size - index * 256).min(256);
        let name = if width == 256 { format!("{index:03}") } else { format!("{index:03}.p/{width}") };
        let tile = server.get(&format!("/audit/tile/0/{name}")).send().await;
        assert_eq!((tile.status, tile.header("content-type")), (200, "application/octet-stream"));
        assert_eq!(tile.header("cache-control"), "public, max-age=31536000, immutable");
        let bundle = server.get(&format!("/audit/tile/entries/{name}")).bearer(&token).send().await;
        assert_eq!((bundle.status, bundle.header("cache-control")), (200, "private, max-age=31536000, immutable"));
        let mut rest = &bundle.body[..];
        let first = leaves.len();
        while let Some((length, behind)) = rest.split_first_chunk::<2>() {
            let (entry, behind) = behind.split_at(u16::from_be_bytes(*length).into());
            leaves.push(record_hash(entry));
            rest = behind;
        }
        assert_eq!(leaves[first..].iter().flat_map(|hash| hash.0).collect::<Vec<_>>(), tile.body, "bundle and tile {index} agree");
    }
    assert_eq!(root(&leaves).0, checkpoint.root.0);
    let above = server.get("/audit/tile/1/000.p/2").send().await;
    assert_eq!(above.body, [root(&leaves[..256]).0, root(&leaves[256..512]).0].concat());
    // A narrower partial tile belongs to an earlier checkpoint.
    assert_eq!(server.get("/audit/tile/0/000.p/255").send().await.body.len(), 255 * 32);
    for none in
        ["0/003", "0/002", "1/000", "2/000", "2/000.p/1", "0/000.p/256", "0/000.p/0", "0/0", "00/000", "0/x000/000", "64/000", "x", ""]
    {
        let answer = server.get(&format!("/audit/tile/{none}")).send().await;
        assert_eq!(answer.refusal(), (404, "not_found".to_owned()), "{none}");
    }
    assert_eq!(server.get("/audit/tile/entries/009").bearer(&token).send().await.status, 404);
    assert_eq!(server.post("/audit/tile/0/000").send().await.status, 405);
}

#[tokio::test]
async fn entries_are_for_auditors_and_each_look_at_them_is_an_event() {
    let server = Server::start().await;
    assert_eq!(server.get("/audit/tile/entries/000.p/1").send().await.status, 401);
    let other = server.operator_token("admin").await;
    assert_eq!(server.get("/audit/tile/entries/000.p/1").bearer(&other).send().await.refusal(), (403, "insufficient_scope".to_owned()));
    let token = server.operator_token("audit:read").await;
    let mark = server.mark().await;
    assert_eq!(server.get("/audit/tile/entries/000.p/1").bearer(&token).send().await.status, 200);
    assert_eq!(server.kinds_since(mark).await, ["AuditQueried"]);
    assert_eq!(server.events().await.last().unwrap().data["question"], "entries from=0 count=1");
}

#[tokio::test]
async fn hashes_can_be_kept_to_auditors() {
    let server = Server::with(&[("CHANCERY_PROOF_PUBLIC", "false")], "").await;
    let token = server.operator_token("audit:read").await;
    for path in ["/audit/checkpoint", "/audit/proof/0", "/audit/consistency?from=1", "/audit/tile/0/000.p/1"] {
        assert_eq!(server.get(path).send().await.status, 401, "{path}");
        let answer = server.get(path).bearer(&token).send().await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.header("cache-control").contains("public"), "{path}");
    }
}

#[tokio::test]
async fn who_shows_no_token_asks_for_so_many_proofs() {
    let server = Server::with(&[("CHANCERY_RATE_LIMITS_PROOFS_PER_ADDRESS", "3/1m")], "").await;
    let token = server.operator_token("audit:read").await;
    for path in ["/audit/checkpoint", "/audit/proof/0", "/audit/tile/0/000.p/1"] {
        assert_eq!(server.get(path).send().await.status, 200, "{path}");
    }
    let answer = server.get("/audit/consistency?from=1").send().await;
    assert_eq!((answer.status, answer.header("retry-after").is_empty()), (429, false));
    assert_eq!(server.get("/audit/consistency?from=1").bearer(&token).send().await.status, 200);
}

#[tokio::test]
async fn a_quiet_log_is_sealed_and_a_busy_one_is_not() {
    let server = Server::start().await;
    let context = Context::of_server("server", "seal".to_owned());
    let mark = server.mark().await;
    let seal = async || server.app.seal_when_quiet(&context, QUIET).await.map_err(|error| error.detail).unwrap();
    seal().await;
    assert_eq!(server.kinds_since(mark).await, [""; 0], "something happened a moment ago");
    server.advance(60_000);
    seal().await;
    seal().await;
    let sealed = server.events().await.pop().unwrap();
    assert_eq!((sealed.kind.as_str(), server.mark().await), ("LogSealed", mark + 1));
    assert_eq!((&sealed.data["quiet_since"], &sealed.data["at"]), (&json!(NOW), &json!(NOW + 60_000)));
    assert_eq!(server.checkpoint().await.size, mark as u64 + 1);
    // The next day has a stream of its own.
    server.advance(24 * 60 * 60 * 1000);
    seal().await;
    let next = server.events().await.pop().unwrap();
    assert_ne!((next.stream.as_str(), next.version), (sealed.stream.as_str(), sealed.version + 1));
    assert_eq!(next.version, 1);
}

#[tokio::test]
async fn a_restart_serves_the_same_checkpoint_and_goes_on_with_the_same_key() {
    let server = Server::start().await;
    let before = server.checkpoint().await;
    let server = server.restart().await;
    assert_eq!(server.vkeys().await.len(), 1);
    let after = server.checkpoint().await;
    assert!(after.size > before.size, "ServerStarted");
    let (_, path) = server.hashes(&format!("/audit/consistency?from={}", before.size)).await;
    check_tree(&path, after.size, after.root, before.size, before.root).unwrap();
}

#[tokio::test]
async fn a_log_whose_last_commit_is_not_signed_by_its_key_does_not_start() {
    let context = Context::of_server("server", "forge".to_owned());
    for (case, what) in [("older", "older than the last commit"), ("rubbish", "no signed note"), ("stranger", "no key of this log")] {
        let server = Server::start().await;
        let own = server.app.ledger.note().await.unwrap().unwrap();
        let stranger = chancery_jose::SigningKey::generate_ed25519().unwrap();
        server.app.ledger.set_notary(std::sync::Arc::new(move |head| {
            let key = chancery_tree::VerifierKey::new(
                "localhost:3000/oidc",
                chancery_tree::key::KeyType::Ed25519,
                stranger.ed25519_public().unwrap(),
            );
            let text = chancery_tree::Checkpoint::new("localhost:3000/oidc", head.size, head.root).to_string();
            let mut note = chancery_tree::Note::new(text).unwrap();
            note.add(&key.unwrap(), stranger.sign_ed25519(note.text().as_bytes()).unwrap().to_vec());
            Ok(match case {
                "older" => own.clone(),
                "rubbish" => "rubbish".into(),
                _ => note.to_string().into(),
            })
        }));
        server.app.record_start(&context).await.map_err(|error| error.detail).unwrap();
        let files = server.files();
        server.stop().await;
        let refused = Server::reopen(&files, None).await.err().unwrap();
        assert!(refused.contains(what), "{case}: {refused}");
    }
}

#[tokio::test]
async fn a_new_key_of_the_log_follows_the_old_one_without_a_gap() {
    let server = Server::start().await;
    let context = Context::of_server("server", "rotate".to_owned());
    let old = server.vkeys().await;
    let rotated = server.operate(Command::LogKeyRotate).await;
    let both = server.vkeys().await;
    assert_eq!((both.len(), both[0] == old[0]), (2, true));
    assert!(both[1].contains(rotated["key_id"].as_str().unwrap()));
    server.grow(1).await;
    let signed = server.get("/audit/checkpoint").send().await;
    verified(&signed.body, &both[1..]);
    // The old one is retired when every node has had time to learn of the new one.
    server.app.retire_log_keys(&context).await.map_err(|error| error.detail).unwrap();
    let server = server.restart().await;
    server.advance(OVERLAP_MS);
    let mark = server.mark().await;
    server.app.retire_log_keys(&context).await.map_err(|error| error.detail).unwrap();
    server.app.retire_log_keys(&context).await.map_err(|error| error.detail).unwrap();
    assert_eq!(server.kinds_since(mark).await, [""; 0], "grow moved the clock far enough already");
    verified(&server.get("/audit/checkpoint").send().await.body, &both[1..]);
    let retired: Vec<_> = server.events().await.into_iter().filter(|event| event.kind == "LogKeyRetired").collect();
    assert_eq!(retired.len(), 1);
    assert!(old[0].contains(retired[0].data["key_id"].as_str().unwrap()));
}

/// Bytes of a member of the dictionary in `Chancery-Receipt` (RFC 9651 §3.3.5).
fn member(field: &str, name: &str) -> Vec<u8> {
    let found = field.split(", ").find_map(|member| member.strip_prefix(name)?.strip_prefix("=:")?.strip_suffix(':'));
    STANDARD.decode(found.unwrap_or_else(|| panic!("no {name} in {field}"))).unwrap()
}

#[tokio::test]
async fn a_receipt_is_proven_by_later_checkpoints() {
    let server = Server::start().await;
    let client = server.client(json!({ "chancery_receipts": true })).await;
    let alice = server.alice().await;
    let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
    let mut receipts = Vec::new();
    for answer in [
        server.token(&client, &[("grant_type", "client_credentials")]).await,
        server.refresh(&client, tokens.refresh()).await,
        server.revoke(&client, &tokens.access).await,
    ] {
        assert_eq!(answer.status, 200);
        let position: u64 = answer.header("chancery-position").parse().unwrap();
        let field = answer.header("chancery-receipt");
        let leaf = Hash(member(field, "leaf").try_into().unwrap());
        receipts.push((position, leaf, verified(&member(field, "checkpoint"), &server.vkeys().await)));
    }
    let events = server.events().await;
    let kinds: Vec<_> = receipts.iter().map(|(position, ..)| events[usize::try_from(*position).unwrap()].kind.as_str()).collect();
    assert_eq!(kinds, ["ClientCredentialsGranted", "RefreshTokenRotated", "AccessTokenRevoked"]);
    server.grow(300).await;
    let latest = server.checkpoint().await;
    for (position, leaf, own) in receipts {
        let (_, path) = server.hashes(&format!("/audit/proof/{position}?size={}", own.size)).await;
        check_record(&path, own.size, own.root, position, leaf).unwrap();
        let (_, path) = server.hashes(&format!("/audit/consistency?from={}", own.size)).await;
        check_tree(&path, latest.size, latest.root, own.size, own.root).unwrap();
    }
}

#[tokio::test]
async fn management_requests_that_ask_get_a_receipt() {
    let server = Server::start().await;
    let body = json!({ "redirect_uris": ["https://app.example/callback"] });
    let plain = server.post("/clients").json(&body).send().await;
    assert_eq!((plain.status, plain.header("chancery-position")), (201, ""));
    for not_asking in ["?0", "1", "true"] {
        let answer = server.post("/clients").header("chancery-receipt", not_asking).json(&body).send().await;
        assert_eq!((answer.status, answer.header("chancery-receipt")), (201, ""), "{not_asking}");
    }
    let asked = server.post("/clients").header("chancery-receipt", "?1").json(&body).send().await;
    let position: usize = asked.header("chancery-position").parse().unwrap();
    assert_eq!(server.events().await[position].kind, "ClientRegistered");
    assert!(asked.header("chancery-receipt").contains("checkpoint=:"));
    let refused = server.post("/clients").header("chancery-receipt", "?1").json(&json!({ "redirect_uris": ["x"] })).send().await;
    assert_eq!((refused.status, refused.header("chancery-receipt")), (400, ""));
}

#[tokio::test]
async fn receipts_are_for_confidential_clients_that_ask_and_never_on_errors() {
    let server = Server::start().await;
    let has = |answer: &Answer| !answer.header("chancery-receipt").is_empty() || !answer.header("chancery-position").is_empty();
    let quiet = server.web_client().await;
    assert!(!has(&server.token(&quiet, &[("grant_type", "client_credentials")]).await));
    let asking = server.client(json!({ "chancery_receipts": true })).await;
    assert!(has(&server.token(&asking, &[("grant_type", "client_credentials")]).await));
    // A replayed code appends the misuse and is refused.
    let alice = server.alice().await;
    let code = Browser::new(&server).authorize(&asking, &alice, &[]).await.code();
    assert!(has(&server.redeem(&asking, &code).await));
    let mark = server.mark().await;
    let replayed = server.redeem(&asking, &code).await;
    assert_eq!((replayed.status, has(&replayed), server.mark().await > mark), (400, false, true));
    let public = json!({ "chancery_receipts": true, "token_endpoint_auth_method": "none", "redirect_uris": ["https://app.example/cb"] });
    let refused = server.post("/oidc/reg").json(&public).send().await;
    assert_eq!((refused.status, refused.sentence().contains("chancery_receipts")), (400, true));
    let registered =
        server.post("/oidc/reg").json(&json!({ "chancery_receipts": true, "redirect_uris": ["https://a.example/cb"] })).send().await;
    assert_eq!((registered.status, has(&registered)), (201, true));
}
