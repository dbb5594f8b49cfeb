//! Who may send the form of a page: only our own page, in the browser that it was made for.
//!
//! | Rule | Source |
//! |---|---|
//! | the form carries HMAC(key, cookie id, purpose) | RFC 6749 §10.12; OWASP "HMAC based token" |
//! | the Origin is ours, or absent in a request that no other site started | Fetch; FEATURES.md §9 |
//!
//! Out of scope: the cookie itself (`cookies`).

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poem::http::{HeaderMap, header};

use super::cookies::CookieKeys;

impl CookieKeys {
    /// The token of a form: for one browser (the id in its cookie) and one purpose (`login`, `consent` ...).
    pub fn form_token(&self, cookie_id: &str, purpose: &str) -> String {
        let message = message(cookie_id, purpose);
        self.form.first().map(|key| URL_SAFE_NO_PAD.encode(hmac::sign(key, &message))).unwrap_or_default()
    }

    /// Whether the token was made for this browser and purpose. Constant time.
    pub fn is_form_token(&self, sent: &str, cookie_id: &str, purpose: &str) -> bool {
        let Ok(tag) = URL_SAFE_NO_PAD.decode(sent) else { return false };
        let message = message(cookie_id, purpose);
        self.form.iter().any(|key| hmac::verify(key, &message, &tag).is_ok())
    }
}

/// The length keeps the two parts apart: ("a", "bc") is not ("ab", "c").
fn message(cookie_id: &str, purpose: &str) -> Vec<u8> {
    [&(cookie_id.len() as u64).to_be_bytes(), cookie_id.as_bytes(), purpose.as_bytes()].concat()
}

/// Whether a POST may come from our own pages: `own` is the issuer's origin as browsers write it.
///
/// No Origin passes, since scripts outside browsers send none; a browser that says by `Sec-Fetch-Site` that another site
/// started the request does not. `null` passes only if the browser vouches for us.
pub fn is_same_origin(headers: &HeaderMap, own: &str) -> bool {
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, None) => matches!(site, None | Some(b"same-origin" | b"none")),
        (Some(origin), None) if origin.as_bytes() == b"null" => site == Some(b"same-origin"),
        (Some(origin), None) => origin.as_bytes() == own.as_bytes(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(secrets: &[&str]) -> CookieKeys {
        CookieKeys::derive(secrets).unwrap()
    }

    #[test]
    fn rfc6749_10_12_a_token_is_for_one_browser_and_one_purpose() {
        let token = keys(&["old"]).form_token("id-1", "login");
        let rotated = keys(&["new", "old"]);
        assert!(rotated.is_form_token(&token, "id-1", "login"));
        assert!(!rotated.is_form_token(&token, "id-2", "login"));
        assert!(!rotated.is_form_token(&token, "id-1", "consent"));
        assert!(!rotated.is_form_token(&token, "id-1l", "ogin"));
        assert!(!keys(&["new"]).is_form_token(&token, "id-1", "login"));
    }

    #[test]
    fn another_origin_is_refused() {
        let own = "https://id.example";
        let cases: [(&[(&str, &str)], bool); 9] = [
            (&[], true),
            (&[("origin", "https://id.example")], true),
            (&[("origin", "https://id.example.evil")], false),
            (&[("origin", "http://id.example")], false),
            (&[("origin", "null")], false),
            (&[("origin", "null"), ("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("origin", "https://id.example"), ("origin", "https://evil.example")], false),
        ];
        for (sent, passes) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in sent {
                headers.append(*name, value.parse().unwrap());
            }
            assert_eq!(is_same_origin(&headers, own), passes, "{sent:?}");
        }
    }

    proptest! {
        #[test]
        fn hostile_tokens_are_refused(sent in "\\PC{0,80}") {
            prop_assert!(!keys(&["k"]).is_form_token(&sent, "id", "login"));
        }
    }
}
