//! E-mail addresses as one person would compare them, and their blind index.
//!
//! The index is a MAC, so that the log and a claim can say "the same address" to us and nothing to anybody else.

use unicode_normalization::UnicodeNormalization as _;

use super::key::{NamedKey, mac};

/// Trimmed, composed (NFC), ASCII letters in lower case; the domain in its ASCII form (RFC 5891), so that `bücher.example`
/// and `xn--bcher-kva.example` are one.
///
/// Other letters of the local part keep their case: case folding differs between languages, and merging two people is worse
/// than not merging one.
pub fn normalised(email: &str) -> String {
    let composed: String = email.trim().nfc().collect();
    let Some((local, domain)) = composed.rsplit_once('@') else { return composed.to_ascii_lowercase() };
    let domain = match url::Host::parse(domain) {
        Ok(url::Host::Domain(ascii)) => ascii,
        _ => domain.to_lowercase(),
    };
    format!("{}@{domain}", local.to_ascii_lowercase())
}

/// The index of an address under the key of `Purpose::BlindIndex`.
pub fn blind_index(key: &NamedKey, email: &str) -> [u8; 32] {
    mac(key, &[b"email", normalised(email).as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_are_one() {
        for same in ["alice@example.com", " Alice@Example.COM ", "ALICE@EXAMPLE.COM\n"] {
            assert_eq!(normalised(same), "alice@example.com");
        }
        assert_eq!(normalised("a@bu\u{308}cher.example"), "a@xn--bcher-kva.example");
        assert_eq!(normalised("a@xn--bcher-kva.example"), "a@xn--bcher-kva.example");
        assert_eq!(normalised("rene\u{301}@x.example"), normalised("ren\u{e9}@x.example"));
        assert_eq!(normalised("\"a@b\"@x.example"), "\"a@b\"@x.example");
        assert_eq!(normalised("not an address"), "not an address");
        assert_ne!(normalised("a.b@x.example"), normalised("ab@x.example"));
    }
}
