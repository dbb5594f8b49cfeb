//! Signed cookies: what we set comes back unchanged and in time, or counts as absent.
//!
//! | Rule | Source |
//! |---|---|
//! | over https `__Host-` and Secure, in development over http without both | RFC 6265bis §4.1.3.2; FEATURES.md §7 |
//! | HttpOnly, SameSite=Lax: the redirect back from a client is a top-level GET | RFC 6265bis §4.1.2 |
//! | HMAC-SHA256 over name, value and expiry; the first secret signs, all verify | DESIGN.md §6 `OIDC_COOKIE_SECRET` |
//! | a name that comes twice counts as absent: a neighbour host planted one of them | RFC 6265 §8.6 |
//!
//! The value is not secret from its owner. Out of scope: what the value means (sessions); form tokens (`csrf`).

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poem::http::{HeaderMap, HeaderValue, header};

use super::limits;

/// Longest value before signing; ids are below 64 bytes.
const VALUE: usize = 1024;

/// The keys derived from the operator's secrets. No `Debug`: they are secrets.
#[derive(Clone)]
pub struct CookieKeys {
    cookie: Vec<hmac::Key>,
    pub(super) form: Vec<hmac::Key>,
}

impl CookieKeys {
    /// Derives one key per secret and use. `None` without a secret; their strength is checked by the configuration.
    pub fn derive<S: AsRef<[u8]>>(secrets: &[S]) -> Option<Self> {
        let derive = |label: &[u8]| -> Vec<hmac::Key> {
            let key = |secret: &S| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref()), label);
            secrets.iter().map(|secret| hmac::Key::new(hmac::HMAC_SHA256, key(secret).as_ref())).collect()
        };
        (!secrets.is_empty()).then(|| Self { cookie: derive(b"chancery cookie v1"), form: derive(b"chancery form v1") })
    }
}

/// How cookies are written and read.
#[derive(Clone)]
pub struct Cookies {
    keys: CookieKeys,
    https: bool,
}

impl Cookies {
    /// `https` as the issuer says, never as a header says.
    pub fn new(keys: CookieKeys, https: bool) -> Self {
        Self { keys, https }
    }

    /// The `Set-Cookie` value that keeps `value` under `name` until `expires` (both in seconds since 1970).
    ///
    /// `None` when the name is no cookie token or the value is over 1 KiB.
    pub fn set(&self, name: &str, value: &str, now: i64, expires: i64) -> Option<HeaderValue> {
        if !is_token(name) || value.len() > VALUE {
            return None;
        }
        let body = format!("{}.{expires}", URL_SAFE_NO_PAD.encode(value));
        let tag = hmac::sign(self.keys.cookie.first()?, &signed(name, &body));
        let tag = URL_SAFE_NO_PAD.encode(tag.as_ref());
        let max_age = expires.saturating_sub(now).max(0);
        HeaderValue::try_from(format!("{}={body}.{tag}; Max-Age={max_age}{}", self.wire_name(name), self.attributes())).ok()
    }

    /// The `Set-Cookie` value of one that scripts of our own pages read, also in a frame elsewhere. Not signed: whoever has the browser
    /// can tell it anything. `None` for a value that is no base64url text.
    pub fn set_readable(&self, name: &str, value: &str, seconds: i64) -> Option<HeaderValue> {
        if !is_token(name) || value.len() > 64 || !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
            return None;
        }
        let attributes = if self.https { "; Path=/; SameSite=None; Secure" } else { "; Path=/; SameSite=Lax" };
        HeaderValue::try_from(format!("{}={value}; Max-Age={seconds}{attributes}", self.wire_name(name))).ok()
    }

    /// The `Set-Cookie` value that removes `name`.
    pub fn clear(&self, name: &str) -> Option<HeaderValue> {
        if !is_token(name) {
            return None;
        }
        HeaderValue::try_from(format!("{}=; Max-Age=0{}", self.wire_name(name), self.attributes())).ok()
    }

    /// The value of `name`, if it was set by us, is not expired, and came exactly once.
    pub fn get(&self, headers: &HeaderMap, name: &str, now: i64) -> Option<String> {
        let sent = only(headers, &self.wire_name(name))?;
        let (body, tag) = sent.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let message = signed(name, body);
        if !self.keys.cookie.iter().any(|key| hmac::verify(key, &message, &tag).is_ok()) {
            return None;
        }
        let (value, expires) = body.split_once('.')?;
        if expires.parse::<i64>().ok()? <= now {
            return None;
        }
        String::from_utf8(URL_SAFE_NO_PAD.decode(value).ok()?).ok()
    }

    /// The name as the browser knows it.
    pub fn wire_name(&self, name: &str) -> String {
        if self.https { format!("__Host-{name}") } else { name.to_owned() }
    }

    fn attributes(&self) -> &'static str {
        if self.https { "; Path=/; HttpOnly; SameSite=Lax; Secure" } else { "; Path=/; HttpOnly; SameSite=Lax" }
    }
}

/// The name is part of the message, so that one cookie cannot be replayed as another.
fn signed(name: &str, body: &str) -> Vec<u8> {
    [name.as_bytes(), b"=", body.as_bytes()].concat()
}

fn is_token(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// The text of the only cookie of that name. Bytes that are no visible ASCII make their header field unreadable, not the request.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
    let cookies = fields.flat_map(|field| field.split(';')).take(limits::COOKIES);
    let mut same = cookies.filter_map(|cookie| cookie.split_once('=')).filter(|(given, _)| given.trim_start() == name);
    match (same.next(), same.next()) {
        // RFC 6265 §4.2.1: nothing stands around a value; what a browser never sends is not ours.
        (Some((_, value)), None) => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OLD: &str = "old secret old secret old secret!";
    const NEW: &str = "new secret new secret new secret!";

    fn cookies(secrets: &[&str], https: bool) -> Cookies {
        Cookies::new(CookieKeys::derive(secrets).unwrap(), https)
    }

    fn sent(set: &HeaderValue) -> String {
        set.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    fn headers(fields: &[&str]) -> HeaderMap {
        fields.iter().map(|field| (header::COOKIE, HeaderValue::try_from(*field).unwrap())).collect()
    }

    #[test]
    fn a_cookie_comes_back_until_it_expires() {
        let cookies = cookies(&[NEW], true);
        let set = cookies.set("session", "s-1 é", 100, 200).unwrap();
        let text = set.to_str().unwrap();
        assert!(text.starts_with("__Host-session=") && text.ends_with("; Max-Age=100; Path=/; HttpOnly; SameSite=Lax; Secure"), "{text}");
        let request = headers(&["theme=dark", &format!("a=b; {}", sent(&set))]);
        assert_eq!(cookies.get(&request, "session", 199).as_deref(), Some("s-1 é"));
        assert_eq!(cookies.get(&request, "session", 200), None);
        assert_eq!(cookies.get(&request, "interaction", 150), None);
    }

    #[test]
    fn rfc6265_4_2_1_nothing_stands_around_a_value() {
        let cookies = cookies(&[NEW], false);
        let text = sent(&cookies.set("s", "a", 0, 9).unwrap());
        assert_eq!(cookies.get(&headers(&[&format!("b=c; {text}; d=e")]), "s", 1).as_deref(), Some("a"));
        for changed in [text.replacen('=', "= ", 1), format!("{text} ; d=e"), text.replacen('=', " =", 1)] {
            assert_eq!(cookies.get(&headers(&[&changed]), "s", 1), None, "{changed}");
        }
    }

    #[test]
    fn over_http_there_is_no_prefix_and_no_secure() {
        let text = cookies(&[NEW], false).set("session", "x", 0, 1).unwrap();
        assert!(text.to_str().unwrap().starts_with("session=") && !text.to_str().unwrap().contains("Secure"));
        assert!(cookies(&[NEW], true).clear("session").unwrap().to_str().unwrap().starts_with("__Host-session=; Max-Age=0"));
    }

    #[test]
    fn one_cookie_is_for_scripts_of_a_frame() {
        let text = cookies(&[NEW], true).set_readable("state", "a-b_c", 60).unwrap();
        assert_eq!(text.to_str().unwrap(), "__Host-state=a-b_c; Max-Age=60; Path=/; SameSite=None; Secure");
        assert!(cookies(&[NEW], false).set_readable("state", "a;b", 60).is_none());
    }

    #[test]
    fn several_secrets_verify_and_the_first_signs() {
        let set = cookies(&[OLD], true).set("s", "x", 0, 9).unwrap();
        let request = headers(&[&sent(&set)]);
        assert_eq!(cookies(&[NEW, OLD], true).get(&request, "s", 1).as_deref(), Some("x"));
        assert_eq!(cookies(&[NEW], true).get(&request, "s", 1), None);
        assert!(CookieKeys::derive::<&str>(&[]).is_none());
    }

    #[test]
    fn a_cookie_is_bound_to_its_name_and_a_double_counts_as_absent() {
        let cookies = cookies(&[NEW], false);
        let set = sent(&cookies.set("a", "x", 0, 9).unwrap());
        assert_eq!(cookies.get(&headers(&[&set.replace("a=", "b=")]), "b", 1), None);
        assert_eq!(cookies.get(&headers(&[&set, &set]), "a", 1), None);
        assert_eq!(cookies.get(&headers(&[&format!("a=planted; {set}")]), "a", 1), None);
        // RFC 6265 §4.2.1: there is no space before the equals sign, so that this is another name.
        assert_eq!(cookies.get(&headers(&[&set.replace("a=", "a =")]), "a", 1), None);
        assert!(cookies.set("a;b", "x", 0, 9).is_none() && cookies.set("a", &"x".repeat(2000), 0, 9).is_none());
    }

    proptest! {
        #[test]
        fn hostile_cookies_are_absent(bytes in proptest::collection::vec(any::<u8>().prop_filter("field", |b| *b >= 32 && *b != 127), 0..300)) {
            let mut request = HeaderMap::new();
            request.insert(header::COOKIE, HeaderValue::from_bytes(&bytes).unwrap());
            prop_assert_eq!(cookies(&[NEW], false).get(&request, "s", 1), None);
        }

        #[test]
        fn hostile_values_are_absent(value in "[A-Za-z0-9_.=-]{0,80}") {
            prop_assert_eq!(cookies(&[NEW], false).get(&headers(&[&format!("s={value}")]), "s", 1), None);
        }

        #[test]
        fn a_changed_cookie_is_absent(value in "[a-z]{1,20}", at in 2usize..60, byte in b'a'..=b'z') {
            let cookies = cookies(&[NEW], false);
            let text = sent(&cookies.set("s", &value, 0, 9_999_999).unwrap());
            let mut changed = text.clone().into_bytes();
            let at = at % changed.len().max(3);
            if at >= 2 { changed[at] = byte; }
            let changed = String::from_utf8(changed).unwrap();
            let expected = (changed == text).then_some(value);
            prop_assert_eq!(cookies.get(&headers(&[&changed]), "s", 1), expected);
        }
    }
}
