//! Cookies, form tokens and forms.

use chancery::http::cookies::{CookieKeys, Cookies};
use chancery::http::params::Params;
use poem::http::{HeaderMap, HeaderValue, header};

use super::Target;

const WORDS: &[&str] = &[
    "session=",
    "__Host-session=",
    "; session=",
    ";",
    ";;;;",
    "=",
    ".",
    "..",
    "9999999999",
    "-1",
    "%3D",
    "&a=",
    "&a",
    "&&",
    "%00",
    "%C0%80",
    "%zz",
    "+",
    "audience=1&audience=2",
    "resource=",
    "\"",
    "\u{e9}",
];
const NOW: i64 = 1_700_000_000;
const VALUE: &str = "cha_se_0123456789";

pub fn target() -> Target {
    let keys = CookieKeys::derive(&["a secret of at least thirty-two characters"]).unwrap();
    let cookies = Cookies::new(keys.clone(), false);
    let set = cookies.set("session", VALUE, NOW, NOW + 600).unwrap();
    let sent = set.to_str().unwrap().split(';').next().unwrap().to_owned();
    let token = keys.form_token("cookie", "purpose");
    let seeds = [
        sent.clone(),
        format!("theme=dark; {sent}; other=1"),
        token.clone(),
        "login=alice%40example.org&password=a+b%26c&csrf=x&decision=allow&resource=1&resource=2".to_owned(),
    ];
    let read = move |bytes: &[u8]| {
        let mut accepted = false;
        if let Ok(text) = std::str::from_utf8(bytes) {
            let is_own = keys.is_form_token(text, "cookie", "purpose");
            assert!(!is_own || text == token, "a changed form token passes");
            accepted |= is_own;
        }
        let mut request = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(bytes) {
            request.insert(header::COOKIE, value);
            if let Some(found) = cookies.get(&request, "session", NOW) {
                assert_eq!(found, VALUE, "a changed cookie is believed");
                assert!(String::from_utf8_lossy(bytes).contains(&sent), "a changed cookie is believed");
                accepted = true;
            }
            assert_eq!(cookies.get(&request, "session", NOW + 600), None, "a cookie outlives its end");
        }
        if let Ok(params) = Params::parse(bytes) {
            let mut again = form_urlencoded::Serializer::new(String::new());
            for (name, values) in params.iter() {
                for value in values {
                    again.append_pair(name, value);
                }
            }
            assert!(Params::parse(again.finish().as_bytes()).is_ok_and(|read| read == params), "a form reads back as another one");
            accepted = true;
        }
        accepted
    };
    Target { name: "cookies", seeds: seeds.map(String::into_bytes).into(), words: WORDS, read: Box::new(read) }
}
