//! Encrypted texts, opened with the keys of this server or with one that both sides know.

use std::collections::BTreeSet;

use chancery_jose::{ContentEncryption, KeyKind, KeyManagement, OpeningKey, Recipient, opening};
use serde_json::json;

use super::Target;

const WORDS: &[&str] = &[
    ".",
    "..",
    "...",
    "e30",
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0",
    "eyJ6aXAiOiJERUYifQ",
    "AAAA",
    "____",
    "=",
    "AAAAAAAAAAAAAAAA",
    "AAAAAAAAAAAAAAAAAAAAAA",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
];
const CONTENT: &[u8] = b"eyJhbGciOiJub25lIn0.e30.";

pub fn target() -> Target {
    let keys = [KeyKind::Rsa, KeyKind::P256, KeyKind::X25519].map(|kind| OpeningKey::generate(kind).unwrap().0);
    let set = json!({ "keys": keys.iter().map(OpeningKey::public_jwk).collect::<Vec<_>>() });
    let mut sealed = BTreeSet::new();
    for enc in ContentEncryption::ALL {
        for alg in KeyManagement::ALL {
            let recipient = match alg.shared_len(*enc) {
                Some(length) => Recipient::sharing(*alg, vec![7; length].into()),
                None => Recipient::choose(&set, *alg).unwrap(),
            };
            sealed.insert(recipient.encrypt(*enc, Some("JWT"), CONTENT).unwrap());
        }
    }
    let seeds = sealed.iter().map(|text| text.clone().into_bytes()).collect();
    let read = move |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        let Ok(encrypted) = opening::parse(text) else { return false };
        let of_keys = keys.iter().filter_map(|key| encrypted.open(key).ok());
        let shared = encrypted.alg().shared_len(encrypted.enc()).and_then(|length| encrypted.open_shared(&vec![7; length]).ok());
        let opened: Vec<_> = of_keys.chain(shared).collect();
        for content in &opened {
            assert!(sealed.contains(text) && ***content == *CONTENT, "what was changed opens");
        }
        !opened.is_empty()
    };
    Target { name: "jwe", seeds, words: WORDS, read: Box::new(read) }
}
