//! What a wallet wishes of a credential: the members of an authorization detail of the type `openid_credential`.
//!
//! | Rule | Source |
//! |---|---|
//! | `claims` is an array of descriptions, each with a `path` | OpenID4VCI §5.1.1, Appendix B.1 |
//! | a claim that is described twice is refused | OpenID4VCI Appendix B.3 |
//! | what is not described is not in the credential | our own: no more is disclosed than was asked for |
//! | a claim that is wanted by all means and is not issued here is refused at once | OpenID4VCI Appendix B.1 |
//!
//! Each claim is disclosed as a whole: a path into an address asks for the address.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::{Map, Value};

use super::Configuration;

/// Descriptions in one detail.
const MOST: usize = 32;

/// The wish. The default is everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Names of claims; `None`: all that there are.
    pub names: Option<BTreeSet<String>>,
    pub mandatory: BTreeSet<String>,
}

impl Wish {
    /// # Errors
    /// What is wrong with it, for the client.
    pub fn read(detail: &Map<String, Value>) -> Result<Self, String> {
        let Some(claims) = detail.get("claims") else { return Ok(Self::default()) };
        let wrong = || String::from("claims is an array of 1 to 32 objects, each with a path that begins with the name of a claim.");
        let all = claims.as_array().filter(|all| !all.is_empty() && all.len() <= MOST).ok_or_else(wrong)?;
        let (mut names, mut mandatory, mut paths) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for one in all {
            let path = one.get("path").and_then(Value::as_array).filter(|path| !path.is_empty()).ok_or_else(wrong)?;
            let name = path.first().and_then(Value::as_str).ok_or_else(wrong)?;
            if paths.contains(&path) {
                return Err("claims describes the same claim twice.".into());
            }
            paths.push(path);
            match one.get("mandatory") {
                None | Some(Value::Bool(false)) => {}
                Some(Value::Bool(true)) => {
                    mandatory.insert(name.to_string());
                }
                Some(_) => return Err("mandatory in claims is true or false.".into()),
            }
            names.insert(name.to_string());
        }
        Ok(Self { names: Some(names), mandatory })
    }

    /// Can it be fulfilled?
    ///
    /// # Errors
    /// Why not, for the client.
    pub fn check(&self, configuration: &Configuration) -> Result<(), String> {
        // The name is the caller's: it is not repeated.
        if self.mandatory.iter().any(|name| !configuration.claims.contains(name)) {
            return Err("A claim that is mandatory is not in this credential.".into());
        }
        if self.claims(configuration).is_empty() {
            return Err("claims has none of this credential.".into());
        }
        Ok(())
    }

    /// The claims that it leaves, in the order of the configuration.
    pub fn claims<'a>(&self, configuration: &'a Configuration) -> Vec<&'a str> {
        let wanted = |name: &&str| self.names.as_ref().is_none_or(|names| names.contains(*name));
        configuration.claims.iter().map(String::as_str).filter(wanted).collect()
    }
}
