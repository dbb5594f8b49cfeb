//! A document that many fetch and that changes with a restart or a key rotation only: made once, with its entity tag.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The bytes as they are served, and the tag that names exactly these bytes.
#[derive(Clone, Debug)]
pub struct Published {
    pub body: Bytes,
    /// A strong entity tag with its quotes (RFC 9110 §8.8.3).
    pub etag: String,
}

impl Published {
    pub fn json(document: &Value) -> Self {
        let body = Bytes::from(document.to_string());
        // Half of the hash: a tag compares two versions of one document and guards nothing.
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&Sha256::digest(&body)[..16]));
        Self { body, etag }
    }

    /// Is this what a caller has already? `sent`: the values of `If-None-Match`, which is compared weakly (RFC 9110 §13.1.2).
    pub fn is_known(&self, sent: &str) -> bool {
        sent.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.etag)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rfc9110_13_1_2_a_known_tag_is_found_in_a_list_weak_or_strong() {
        let (one, other) = (Published::json(&json!([1])), Published::json(&json!([2])));
        assert_ne!(one.etag, other.etag);
        assert_eq!(one.etag, Published::json(&json!([1])).etag);
        for sent in [one.etag.clone(), format!("W/{}", one.etag), format!("\"x\",  {}", one.etag), "*".into()] {
            assert!(one.is_known(&sent), "{sent}");
        }
        for sent in [other.etag.as_str(), "", "\"", one.etag.trim_matches('"'), "W/*"] {
            assert!(!one.is_known(sent), "{sent}");
        }
    }
}
