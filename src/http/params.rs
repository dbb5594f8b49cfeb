//! Parameters of a form body or a query string, parsed strictly.
//!
//! | Rule | Source |
//! |---|---|
//! | a parameter that comes twice is refused, unknown ones included | RFC 6749 §3.1 and §3.2 |
//! | `resource` and `audience` may repeat | RFC 8707 §2, RFC 8693 §2.1 |
//! | a parameter without a value counts as absent | RFC 6749 §3.1 and §3.2 |
//! | broken percent-encoding, broken UTF-8 and NUL are refused | RFC 6749 Appendix B; no store or header can carry a NUL |
//!
//! Out of scope: what a parameter means (`core`); reading the body (`form`).

use std::collections::BTreeMap;

use chancery_core::error::OAuthError;

use super::limits;

/// The names that may come more than once.
pub const REPEATABLE: [&str; 2] = ["audience", "resource"];

/// The parameters that were sent with a value, by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params(BTreeMap<String, Vec<String>>);

impl Params {
    /// Parses `a=b&c=d`; an empty text has no parameters.
    ///
    /// Errors: `invalid_request`, naming the parameter where its name is harmless to show.
    pub fn parse(text: &[u8]) -> Result<Self, OAuthError> {
        let mut sent: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut count = 0;
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            count += 1;
            if count > limits::PARAMETERS {
                return Err(OAuthError::invalid_request("too many parameters").saying("The request has too many parameters."));
            }
            let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            let (name, value) = (decode(name)?, decode(value)?);
            // Before the empty ones are dropped, so that `a=&a=x` is a repetition too: a proxy may have read the other one.
            if sent.contains_key(&name) && !REPEATABLE.contains(&name.as_str()) {
                return Err(OAuthError::invalid_request("repeated parameter").saying(repeated(&name)));
            }
            sent.entry(name).or_default().push(value);
        }
        for values in sent.values_mut() {
            values.retain(|value| !value.is_empty());
        }
        sent.retain(|_, values| !values.is_empty());
        Ok(Self(sent))
    }

    /// The value of `name`; the first one of a name that may repeat.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.first().map(String::as_str)
    }

    /// All values of `name`, in the order sent.
    pub fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Every name with its values, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// One value for each name, as the rules want them; the first one of a name that may repeat.
    pub fn single(&self) -> BTreeMap<String, String> {
        self.iter().filter_map(|(name, values)| Some((name.to_owned(), values.first()?.clone()))).collect()
    }

    /// How many names have a value.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was sent.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a JSON object: strings, and arrays for the names that may repeat.
    pub(super) fn to_json(&self) -> serde_json::Value {
        let value = |name: &str, values: &[String]| match values {
            [one] if !REPEATABLE.contains(&name) => serde_json::Value::from(one.as_str()),
            many => serde_json::Value::from(many),
        };
        serde_json::Value::Object(self.iter().map(|(name, values)| (name.to_owned(), value(name, values))).collect())
    }
}

/// A name may be shown when it looks like a parameter of some specification; anything else would echo input.
pub(super) fn is_showable(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn repeated(name: &str) -> String {
    if is_showable(name) { format!("The parameter {name} is repeated.") } else { "A parameter is repeated.".to_owned() }
}

/// One name or value.
pub(super) fn decode(text: &[u8]) -> Result<String, OAuthError> {
    let malformed = || OAuthError::invalid_request("broken encoding").saying("The request is not valid form encoding in UTF-8.");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let [high, low, tail @ ..] = rest else { return Err(malformed()) };
                let (Some(high), Some(low)) = (hex(*high), hex(*low)) else { return Err(malformed()) };
                bytes.push(high << 4 | low);
                rest = tail;
            }
            other => bytes.push(*other),
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| malformed())?;
    if text.contains('\0') { Err(malformed()) } else { Ok(text) }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> String {
        let error = Params::parse(text.as_bytes()).map(|_| ()).unwrap_err();
        assert_eq!(error.code(), "invalid_request");
        error.description.into_owned()
    }

    #[test]
    fn rfc6749_3_1_a_repeated_parameter_is_refused_by_name() {
        assert_eq!(refused("scope=a&x=1&scope=b"), "The parameter scope is repeated.");
        assert_eq!(refused("unknown=1&unknown=1"), "The parameter unknown is repeated.");
        assert_eq!(refused("a=&a=1"), "The parameter a is repeated.");
        assert_eq!(refused("sc%6fpe=a&scope=b"), "The parameter scope is repeated.");
        assert_eq!(refused("%3Cb%3E=1&%3Cb%3E=1"), "A parameter is repeated.");
    }

    #[test]
    fn rfc8707_2_resource_may_repeat() {
        let params = Params::parse(b"resource=a&resource=b&audience=c&audience=").unwrap();
        assert_eq!(params.all("resource"), ["a", "b"]);
        assert_eq!(params.all("audience"), ["c"]);
        assert_eq!(params.get("resource"), Some("a"));
    }

    #[test]
    fn rfc6749_3_1_a_parameter_without_a_value_is_absent() {
        let params = Params::parse(b"a=&b&c=1&&=").unwrap();
        assert_eq!((params.get("a"), params.get("b"), params.get("c"), params.len()), (None, None, Some("1"), 1));
    }

    #[test]
    fn rfc6749_b_encoding_is_strict() {
        assert_eq!(Params::parse("a+b=%c3%A9+%2B=".as_bytes()).unwrap().get("a b"), Some("é +="));
        for broken in ["a=%", "a=%4", "a=%zz", "a=%ff", "a=%00", "%c3=1", "a=%+1"] {
            assert!(refused(broken).contains("UTF-8"), "{broken}");
        }
    }

    #[test]
    fn too_many_parameters_are_refused() {
        let many = |count: usize| (0..count).map(|i| format!("p{i}=1")).collect::<Vec<_>>().join("&");
        assert_eq!(Params::parse(many(100).as_bytes()).unwrap().len(), 100);
        assert!(refused(&many(101)).contains("too many"));
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(params) = Params::parse(&bytes) {
                prop_assert!(params.iter().all(|(_, values)| values.iter().all(|value| !value.is_empty() && !value.contains('\0'))));
            }
        }

        #[test]
        fn what_others_encode_is_read_back(sent in proptest::collection::btree_map("\\PC{1,12}", "\\PC{1,30}", 0..20)) {
            let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(&sent).finish();
            let params = Params::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(params.len(), sent.len());
            for (name, value) in &sent {
                prop_assert_eq!(params.get(name), Some(value.as_str()));
            }
        }
    }
}
