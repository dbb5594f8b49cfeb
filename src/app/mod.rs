//! app
pub mod clock;
pub mod random;
pub mod vault;
