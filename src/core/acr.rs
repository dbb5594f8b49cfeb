//! How well somebody proved who they are: `acr` from the methods that were really used (`amr`).
//!
//! | Rule | Source |
//! |---|---|
//! | a level says what happened, never what was wished for | OpenID Connect Core 1.0 §2 |
//! | `acr_values` are a wish: whatever level was reached is named | OpenID Connect Core 1.0 §3.1.2.1 |
//! | an essential `acr` that cannot be reached is a failed authentication | OpenID Connect Core 1.0 §5.5.1.1 |

/// A password.
pub const PASSWORD: &str = "urn:chancery:acr:password";

/// Every level that a person can reach here.
pub const SUPPORTED: &[&str] = &[PASSWORD];

/// The level of a login.
pub fn of(_amr: &[alloc::string::String]) -> &'static str {
    // One method, one level: whoever adds a method adds its level here and in the table above.
    PASSWORD
}
