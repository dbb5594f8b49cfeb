//! The example client's own pages: it stands for somebody else's application, so it has its own heading and speaks English.

pub mod result;
pub mod start;

pub use result::{Claim, DemoResult, RollEvent, Token};
pub use start::DemoStart;
