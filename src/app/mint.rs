//! Minting: tokens and codes, drawn and marked before anything is appended.
//!
//! A refresh token's successor is a function of the presented one (HMAC under a vault key), so that two tabs within the grace
//! window get the same successor without the server having kept its text.

use std::sync::Arc;

use chancery_core::digest::Digest;
use chancery_core::token::opaque::{Kind, MAC, Opaque, Rotation, SECRET, digest};
use uuid::Uuid;

use super::random;
use super::vault::{NamedKey, mac};

/// A fresh text with what the log keeps of it. The text has no Debug: it leaves in one reply and nowhere else.
pub struct Minted {
    pub text: String,
    pub digest: Digest,
}

/// Holds the key of refresh tokens.
pub struct Mint {
    refresh: Arc<NamedKey>,
}

impl Mint {
    pub fn new(refresh: Arc<NamedKey>) -> Self {
        Self { refresh }
    }

    /// A text of any kind but a refresh token.
    pub fn opaque(&self, kind: Kind, stream: Uuid) -> Minted {
        minted(&Opaque::new(kind, stream, random::bytes()))
    }

    /// The first refresh token of a grant.
    pub fn refresh(&self, stream: Uuid) -> Minted {
        self.refresh_of(stream, random::bytes(), 0)
    }

    /// The token that follows this one.
    pub fn successor(&self, presented: &Opaque, generation: u32) -> Minted {
        let next = generation.saturating_add(1);
        let derived = mac(&self.refresh, &[b"successor", presented.stream.as_bytes(), presented.secret(), &next.to_be_bytes()]);
        let mut secret = [0; SECRET];
        secret.copy_from_slice(&derived[..SECRET]);
        self.refresh_of(presented.stream, secret, next)
    }

    /// A refresh token that this server made; `None` for every other text.
    pub fn read_refresh(&self, text: &str) -> Option<(Opaque, Rotation)> {
        let token = Opaque::parse(Kind::RefreshToken, text)?;
        let rotation = token.rotation?;
        let expected = self.mac_of(token.stream, token.secret(), rotation.generation);
        let genuine = Digest::of(&expected).matches(&Digest::of(&rotation.mac));
        genuine.then_some((token, rotation))
    }

    fn refresh_of(&self, stream: Uuid, secret: [u8; SECRET], generation: u32) -> Minted {
        let mac = self.mac_of(stream, &secret, generation);
        minted(&Opaque::refresh(stream, secret, Rotation { generation, mac }))
    }

    fn mac_of(&self, stream: Uuid, secret: &[u8; SECRET], generation: u32) -> [u8; MAC] {
        let whole = mac(&self.refresh, &[b"refresh token", &Opaque::mac_input(stream, secret, generation)]);
        let mut short = [0; MAC];
        short.copy_from_slice(&whole[..MAC]);
        short
    }
}

fn minted(token: &Opaque) -> Minted {
    let text = token.to_text();
    Minted { digest: digest(&text), text }
}

/// A generated client secret: 256 bits in characters that no form or header has to escape.
pub fn client_secret() -> Minted {
    let text = format!("cha_cs_{}", chancery_core::base64url::encode(&random::bytes::<32>()));
    Minted { digest: Digest::of(text.as_bytes()), text }
}

/// One for a client that proves it by an HMAC: as long as the longest hash wants (RFC 7518 §3.2).
pub fn kept_secret() -> Minted {
    let text = format!("cha_cs_{}", chancery_core::base64url::encode(&random::bytes::<48>()));
    Minted { digest: Digest::of(text.as_bytes()), text }
}
