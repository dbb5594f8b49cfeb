//! Proofs of possession (RFC 9449): `[dpop]`.

use std::time::Duration;

use super::reader::Reader;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dpop {
    /// Every proof needs a nonce of ours.
    pub nonces: bool,
    pub nonce_lifetime: Duration,
    pub proof_lifetime: Duration,
}

pub(super) fn read(reader: &mut Reader) -> Dpop {
    Dpop {
        nonces: reader.boolean("dpop.nonces"),
        nonce_lifetime: reader.duration("dpop.nonce_lifetime"),
        proof_lifetime: reader.duration("dpop.proof_lifetime"),
    }
}
