//! The settings of `proof.*`: seals, what everybody may read, and who is shown the checkpoints.

use std::path::PathBuf;
use std::time::Duration;

use chancery_tree::VerifierKey;
use chancery_tree::key::KeyType;
use url::Url;

use super::reader::Reader;

/// How the log is proven to others.
#[derive(Clone)]
pub struct Proof {
    /// A log that was quiet for this long is sealed; `None`: never.
    pub seal_after: Option<Duration>,
    /// Checkpoint, hashes and proofs are for everybody; otherwise for `audit:read`. Entries are never for everybody.
    pub public: bool,
    /// Between two rounds of anchoring.
    pub anchor_every: Duration,
    pub anchor_file: Option<PathBuf>,
    pub anchor_webhook: Option<Url>,
    pub witnesses: Vec<Witness>,
    /// Of RFC 3161.
    pub timestamp_authority: Option<Url>,
}

/// Somebody who cosigns checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    pub key: VerifierKey,
    /// Where add-checkpoint is.
    pub url: Url,
}

pub(super) fn read(reader: &mut Reader) -> Proof {
    let seal_after = reader.duration("proof.seal_after");
    let mut place = |key: &'static str| {
        let typed = reader.text(key)?;
        address(&typed).map_err(|sentence| reader.refuse(key, sentence)).ok()
    };
    let (anchor_webhook, timestamp_authority) = (place("proof.anchor_webhook"), place("proof.timestamp_authority"));
    Proof {
        seal_after: (!seal_after.is_zero()).then_some(seal_after),
        public: reader.boolean("proof.public"),
        anchor_every: reader.duration("proof.anchor_every"),
        anchor_file: reader.text("proof.anchor_file").map(PathBuf::from),
        anchor_webhook,
        witnesses: reader.list("proof.witnesses", witness),
        timestamp_authority,
    }
}

/// `VKEY URL`.
fn witness(typed: &str) -> Result<Witness, String> {
    let (key, url) = typed.split_once(' ').ok_or("names no address; write the verifier key, a space, and the URL of the witness.")?;
    let key: VerifierKey = key.parse().map_err(|error| format!("has no verifier key of a witness: {error}."))?;
    if key.kind() != KeyType::Cosignature {
        return Err("has the key of a log, not of a witness.".to_owned());
    }
    let url = address(url.trim())?;
    let joined = format!("{}/add-checkpoint", url.as_str().trim_end_matches('/'));
    Ok(Witness { key, url: address(&joined)? })
}

fn address(typed: &str) -> Result<Url, String> {
    let url = Url::parse(typed).map_err(|error| format!("has no URL: {error}."))?;
    match url.scheme() {
        "http" | "https" if url.has_host() && url.username().is_empty() && url.password().is_none() => Ok(url),
        "http" | "https" => Err("may have no user and no password in its URL.".to_owned()),
        _ => Err("needs an http or https URL.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public key is the one of the example of C2SP signed-note.
    const KEY: &str = "witness.example/w1+5bc6b6a1+BOnpMnkaa5uoQKRhZMkEeGQm1eeCHdiymgDWHK5yr91N";

    #[test]
    fn a_witness_is_a_key_and_an_address() {
        let public = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".parse::<VerifierKey>().unwrap();
        let own = VerifierKey::new("witness.example/w1", KeyType::Cosignature, *public.public()).unwrap().to_string();
        let read = witness(&format!("{own} https://witness.example/log/")).unwrap();
        assert_eq!((read.key.name(), read.url.as_str()), ("witness.example/w1", "https://witness.example/log/add-checkpoint"));
        for bad in [
            own.clone(),
            format!("{own} ftp://w"),
            format!("{own} https://u:p@w"),
            format!("{public} https://w"),
            format!("{KEY} https://w"),
        ] {
            assert!(witness(&bad).is_err(), "{bad}");
        }
    }
}
