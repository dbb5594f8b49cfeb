//! SD-JWT: claims that their holder discloses one by one (RFC 9901), as far as an issuer needs it.
//!
//! | Rule | Source |
//! |---|---|
//! | a disclosure is base64url of `[salt, name, value]`; what is hashed is its text | RFC 9901 §4.2.1, §4.2.3 |
//! | a salt has 128 bits and is new for each claim | RFC 9901 §4.2.1, §9.3 |
//! | digests stand in `_sd`, in an order that says nothing of that of the claims; `_sd_alg` is `sha-256` | RFC 9901 §4.1.1, §4.2.4.1 |
//! | a name is not `_sd` or `...`, and none that stands there in clear | RFC 9901 §4.1, §4.2.1 |
//! | the JWT, then each disclosure, and a tilde behind each of them | RFC 9901 §4 |
//!
//! Out of scope: entropy (comes in), signing ([`crate::signing`]), arrays and nested objects (each claim is disclosed as a whole), reading.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

/// Bytes of a salt.
pub const SALT: usize = 16;

/// What discloses one claim. No `Debug`: it is the claim.
#[derive(Clone, PartialEq, Eq)]
pub struct Disclosure(String);

/// Why claims cannot be concealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdJwtError {
    #[error("the name of a claim is reserved, or stands in the payload in clear")]
    Name,
}

impl Disclosure {
    fn of(salt: &str, name: &str, value: &Value) -> Self {
        Self(URL_SAFE_NO_PAD.encode(json!([salt, name, value]).to_string()))
    }

    /// As it goes to the holder.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// As it stands in the payload.
    pub fn digest(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.0.as_bytes()))
    }
}

/// Puts the digests of claims into a payload, and gives what discloses them, in the order of the claims. `salt` draws a new one each time.
///
/// # Errors
/// A name that no claim may have.
pub fn conceal(
    payload: &mut Map<String, Value>,
    claims: &[(String, Value)],
    mut salt: impl FnMut() -> [u8; SALT],
) -> Result<Vec<Disclosure>, SdJwtError> {
    if claims.iter().any(|(name, _)| matches!(name.as_str(), "_sd" | "_sd_alg" | "...") || payload.contains_key(name)) {
        return Err(SdJwtError::Name);
    }
    let disclosures: Vec<_> = claims.iter().map(|(name, value)| Disclosure::of(&URL_SAFE_NO_PAD.encode(salt()), name, value)).collect();
    if disclosures.is_empty() {
        return Ok(disclosures);
    }
    let mut digests: Vec<_> = disclosures.iter().map(Disclosure::digest).collect();
    digests.sort_unstable();
    payload.insert("_sd".to_owned(), json!(digests));
    payload.insert("_sd_alg".to_owned(), json!("sha-256"));
    Ok(disclosures)
}

/// The signed JWT with everything that it can disclose.
pub fn compact(jwt: &str, disclosures: &[Disclosure]) -> String {
    let parts = disclosures.iter().flat_map(|own| [own.text(), "~"]);
    [jwt, "~"].into_iter().chain(parts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9901_4_2_1_and_4_2_3_vectors() {
        // RFC 9901 §4.2.1, the variant without white space.
        let own = Disclosure::of("_26bc4LT-ac6q2KI6cBW5es", "family_name", &json!("M\u{f6}bius"));
        assert_eq!(own.text(), "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsImZhbWlseV9uYW1lIiwiTcO2Yml1cyJd");
        // RFC 9901 §4.2.3, which hashes the one with white space.
        let other = Disclosure("WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0".to_owned());
        assert_eq!(other.digest(), "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0");
    }

    #[test]
    fn rfc9901_4_2_4_1_digests_hide_the_order_and_each_salt_is_new() {
        let mut payload = Map::from_iter([("iss".to_owned(), json!("https://id.example"))]);
        let claims: Vec<_> = (0..20).map(|n| (format!("claim_{n}"), json!({ "n": n }))).collect();
        let mut count = 0_u8;
        let disclosures = conceal(&mut payload, &claims, || {
            count += 1;
            [count; SALT]
        })
        .unwrap();
        assert_eq!((disclosures.len(), count, &payload["_sd_alg"]), (20, 20, &json!("sha-256")));
        let told: Vec<_> = payload["_sd"].as_array().unwrap().iter().map(|own| own.as_str().unwrap().to_owned()).collect();
        assert!(told.is_sorted() && disclosures.iter().all(|own| told.contains(&own.digest())));
        assert_ne!(told, disclosures.iter().map(Disclosure::digest).collect::<Vec<_>>());
        let read: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(disclosures[3].text()).unwrap()).unwrap();
        assert_eq!(read, json!([URL_SAFE_NO_PAD.encode([4; SALT]), "claim_3", { "n": 3 }]));
    }

    #[test]
    fn rfc9901_4_1_names_that_mean_something_else_are_refused() {
        for name in ["_sd", "_sd_alg", "...", "iss"] {
            let mut payload = Map::from_iter([("iss".to_owned(), json!("x"))]);
            assert!(conceal(&mut payload, &[(name.to_owned(), json!(1))], || [0; SALT]).is_err(), "{name}");
        }
        let mut payload = Map::new();
        assert!(conceal(&mut payload, &[], || [0; SALT]).unwrap().is_empty() && payload.is_empty(), "no empty _sd");
    }

    #[test]
    fn rfc9901_4_a_tilde_stands_behind_each_part() {
        let own = |text: &str| Disclosure(text.to_owned());
        assert_eq!(compact("a.b.c", &[own("x"), own("y")]), "a.b.c~x~y~");
        assert_eq!(compact("a.b.c", &[]), "a.b.c~");
    }
}
