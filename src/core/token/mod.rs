//! The texts that Chancery hands out: what they say about themselves, and what they keep.

pub mod base62;
pub mod hash;
pub mod jti;
pub mod opaque;
