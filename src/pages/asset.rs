//! The files that pages load: one stylesheet and the seal.
//!
//! The path carries a digest of the content, so a browser may keep it for ever and a new release is seen at once.
//!
//! Out of scope: serving them (`http`); client logos, which `http` fetches and serves from our origin.

use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// The one stylesheet.
pub const STYLE: &str = include_str!("style.css");

/// The seal: favicon and mark. Colours are attributes of the drawing, since `style-src 'self'` may apply to an SVG too.
pub const SEAL: &str = include_str!("seal.svg");

/// For `Cache-Control` of every asset.
pub const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// A file to serve without a session.
#[derive(Clone, Copy)]
pub struct Asset {
    pub path: &'static str,
    pub content_type: &'static str,
    pub body: &'static str,
}

/// Address of the stylesheet: `/assets/style.<hash>.css`.
pub fn style_path() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| named("style", STYLE, "css"));
    &PATH
}

/// Address of the seal: `/assets/seal.<hash>.svg`.
pub fn seal_path() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| named("seal", SEAL, "svg"));
    &PATH
}

/// Everything under `/assets`.
pub fn all() -> [Asset; 2] {
    [
        Asset { path: style_path(), content_type: "text/css; charset=utf-8", body: STYLE },
        Asset { path: seal_path(), content_type: "image/svg+xml", body: SEAL },
    ]
}

fn named(stem: &str, body: &str, extension: &str) -> String {
    let digest = Sha256::digest(body.as_bytes());
    let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("/assets/{stem}.{short}.{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_follows_the_content() {
        assert_ne!(named("style", "a{}", "css"), named("style", "b{}", "css"));
        assert_eq!(named("x", "", "css"), "/assets/x.e3b0c44298fc1c14.css");
    }

    /// The policy allows nothing from elsewhere, and nothing may need it.
    #[test]
    fn assets_load_nothing_else() {
        for asset in all() {
            assert!(!asset.body.contains("url("), "{}", asset.path);
            assert!(!asset.body.contains("@import"), "{}", asset.path);
            assert!(!asset.body.contains("<script"), "{}", asset.path);
        }
        assert!(!SEAL.contains("style"), "inline style in the seal");
    }
}
