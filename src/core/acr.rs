//! How well somebody proved who they are: `acr` from the methods that were really used (`amr`).
//!
//! | Rule | Source |
//! |---|---|
//! | a level says what happened, never what was wished for | OpenID Connect Core 1.0 §2 |
//! | `acr_values` are a wish: whatever level was reached is named | OpenID Connect Core 1.0 §3.1.2.1 |
//! | where a resource server reads the token they are a demand: below the level there is none | RFC 9470 §5 |
//! | an essential `acr` that cannot be reached is a failed authentication | OpenID Connect Core 1.0 §5.5.1.1 |

/// A password.
pub const PASSWORD: &str = "urn:chancery:acr:password";

/// Every level that a person can reach here.
pub const SUPPORTED: &[&str] = &[PASSWORD];

/// When `acr_values` are a demand and no wish. ADR 0088.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Demanded {
    /// Where the access token is for more than our own userinfo.
    #[default]
    Resources,
    Always,
    Never,
}

impl Demanded {
    pub const ALL: &'static [Self] = &[Self::Resources, Self::Always, Self::Never];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resources => "resources",
            Self::Always => "always",
            Self::Never => "never",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|own| own.as_str() == text)
    }
}

/// Can one of these levels be reached here? A text without any asks for nothing.
pub fn can_reach(values: &str) -> bool {
    let mut named = values.split_ascii_whitespace().peekable();
    named.peek().is_none() || named.any(|value| SUPPORTED.contains(&value))
}

/// The level of a login.
pub fn of(_amr: &[alloc::string::String]) -> &'static str {
    // One method, one level: whoever adds a method adds its level here and in the table above.
    PASSWORD
}
