//! The shell around the rules: time, entropy, keys.
pub mod clock;
pub mod random;
pub mod vault;
