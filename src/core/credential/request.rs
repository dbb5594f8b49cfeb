//! The request for a credential, as it comes in: OpenID4VCI §8.2.
//!
//! | Rule | Source |
//! |---|---|
//! | one of `credential_identifier` and `credential_configuration_id`, never both | §8.2 |
//! | `proofs` is there, with one type of proofs | §8.2 |
//! | which is `jwt` with one proof or as many as a batch may have, or `attestation` with exactly one | §12.2.4, Appendix F |
//! | a wish for encryption is refused: it is not offered | §8.2, §8.3.1.2 |
//! | unknown members are passed over | §8.2 |

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value};

use crate::error::OAuthError;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    Identifier(String),
    Configuration(String),
}

/// A request that is well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub which: Which,
    pub proofs: Proofs,
}

/// JWTs that bring keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proofs {
    /// Each by its key (Appendix F.1).
    Jwt(Vec<String>),
    /// Of keys that somebody vouches for (Appendix F.3).
    Attestation(String),
}

/// Reads the body. `batch`: proofs at most.
///
/// # Errors
/// `invalid_credential_request`, `invalid_proof`, `invalid_encryption_parameters`.
pub fn read(body: &Value, batch: u32) -> Result<Asked, OAuthError> {
    let wrong = |why: &'static str, sentence: &str| OAuthError::invalid_credential_request(why).saying(sentence);
    let Some(members) = body.as_object() else { return Err(wrong("no object", "The JSON body is an object.")) };
    let which = match (members.get("credential_identifier"), members.get("credential_configuration_id")) {
        (Some(Value::String(own)), None) => Which::Identifier(own.clone()),
        (None, Some(Value::String(own))) => Which::Configuration(own.clone()),
        _ => {
            return Err(wrong(
                "no name, or two",
                "Send one of credential_identifier and credential_configuration_id, as text: the former if the token response had some.",
            ));
        }
    };
    if members.contains_key("credential_response_encryption") {
        return Err(OAuthError::invalid_encryption_parameters("not offered").saying("This issuer does not encrypt its responses."));
    }
    Ok(Asked { which, proofs: proofs(members, batch)? })
}

fn proofs(members: &Map<String, Value>, batch: u32) -> Result<Proofs, OAuthError> {
    let wrong = |why: &'static str, sentence: &str| OAuthError::invalid_proof(why).saying(sentence);
    let Some(proofs) = members.get("proofs") else {
        return Err(wrong("no proofs", "Send proofs with a proof of each key, as jwt."));
    };
    let one_type = proofs.as_object().filter(|own| own.len() == 1).and_then(|own| own.iter().next());
    let Some((name, Value::Array(all))) = one_type else {
        return Err(wrong("no type of proofs, or two", "proofs has one member, jwt or attestation, which is an array."));
    };
    let texts = all.iter().map(|one| one.as_str().map(String::from)).collect::<Option<Vec<_>>>();
    let texts = texts.ok_or_else(|| wrong("no texts", "A member of proofs is an array of JWTs."))?;
    match (name.as_str(), <[String; 1]>::try_from(texts)) {
        ("jwt", Ok(one)) => Ok(Proofs::Jwt(one.into())),
        ("jwt", Err(texts)) => {
            let most = batch.max(1) as usize;
            if texts.is_empty() || texts.len() > most {
                return Err(wrong("too many proofs, or none", &format!("proofs.jwt has 1 to {most} entries.")));
            }
            Ok(Proofs::Jwt(texts))
        }
        ("attestation", Ok([one])) => Ok(Proofs::Attestation(one)),
        ("attestation", Err(_)) => Err(wrong("not one attestation", "proofs.attestation has exactly one entry.")),
        _ => Err(wrong("another type of proofs", "proofs has one member, jwt or attestation, which is an array.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(body: Value) -> Result<(Which, usize), &'static str> {
        let count = |proofs: Proofs| if let Proofs::Jwt(all) = proofs { all.len() } else { 0 };
        read(&body, 2).map(|asked| (asked.which, count(asked.proofs))).map_err(|error| error.code())
    }

    #[test]
    fn openid4vci_8_2_one_name_and_proofs_of_one_type() {
        let proofs = json!({ "jwt": ["a.b.c", "d.e.f"] });
        assert_eq!(
            said(json!({ "credential_identifier": "x", "proofs": proofs, "more": [1] })),
            Ok((Which::Identifier("x".into()), 2)),
            "what is unknown is passed over"
        );
        assert_eq!(
            said(json!({ "credential_configuration_id": "id", "proofs": { "jwt": ["a"] } })),
            Ok((Which::Configuration("id".into()), 1))
        );
        let attested = read(&json!({ "credential_identifier": "x", "proofs": { "attestation": ["a"] } }), 1).unwrap();
        assert_eq!(attested.proofs, Proofs::Attestation("a".into()));
        for bad in [
            json!([]),
            json!({ "proofs": proofs }),
            json!({ "credential_identifier": "x", "credential_configuration_id": "id", "proofs": proofs }),
            json!({ "credential_identifier": 1, "proofs": proofs }),
        ] {
            assert_eq!(said(bad.clone()), Err("invalid_credential_request"), "{bad}");
        }
        for bad in [
            json!(null),
            json!("x"),
            json!({}),
            json!({ "jwt": [] }),
            json!({ "jwt": "a.b.c" }),
            json!({ "jwt": [1] }),
            json!({ "jwt": ["a", "b", "c"] }),
            json!({ "jwt": ["a"], "attestation": ["a"] }),
            json!({ "attestation": [] }),
            json!({ "attestation": "a.b.c" }),
            json!({ "attestation": [1] }),
            json!({ "attestation": ["a", "b"] }),
            json!({ "di_vp": ["a"] }),
        ] {
            assert_eq!(said(json!({ "credential_identifier": "x", "proofs": bad })), Err("invalid_proof"), "{bad}");
        }
        assert_eq!(said(json!({ "credential_identifier": "x" })), Err("invalid_proof"));
        let wish = json!({ "credential_identifier": "x", "proofs": proofs, "credential_response_encryption": {} });
        assert_eq!(said(wish), Err("invalid_encryption_parameters"));
    }
}
