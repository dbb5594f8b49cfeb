//! The rules of Chancery: pure deciders over folded events. No clock, disk, network, SQL or HTTP.
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod error;
