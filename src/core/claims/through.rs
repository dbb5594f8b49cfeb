//! Which claims are let through at one place, whoever asserts them.
//!
//! | Rule | Source |
//! |---|---|
//! | the claims of the scopes, where those are told, and those that were asked for there one by one | OpenID Connect Core 1.0 §5.4, §5.5 |
//! | a claim that is none of the standard only if it was asked for: no scope brings it | our own |
//! | a claim that was asked for with a value never: whether it has that value only its provider knows | OpenID Connect Core 1.0 §5.5.1; our own |

use alloc::collections::BTreeSet;
use alloc::string::String;

use super::scope_of;
use super::wanted::{Place, Wanted};
use crate::scope::Scope;

/// What was granted, as far as one place is concerned.
#[derive(Clone, Copy)]
pub struct Through<'a> {
    pub place: Place,
    /// The scopes whose claims are told there.
    pub scope: Option<&'a Scope>,
    /// The claims that were asked for there one by one.
    pub asked: &'a BTreeSet<String>,
    pub wanted: &'a Wanted,
}

impl Through<'_> {
    pub fn lets(&self, name: &str) -> bool {
        let by_scope = || scope_of(name).is_some_and(|brings| self.scope.is_some_and(|scope| scope.has(brings)));
        (self.asked.contains(name) || by_scope()) && !self.wanted.is_for(self.place, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::parse;
    use crate::testing::scope;

    fn lets(place: Place, scopes: Option<&str>, wish: &str, name: &str) -> bool {
        let (parsed, scope) = (parse(wish).unwrap(), scopes.map(scope));
        let asked = if place == Place::IdToken { &parsed.request.id_token } else { &parsed.request.userinfo };
        Through { place, scope: scope.as_ref(), asked, wanted: &parsed.wanted }.lets(name)
    }

    #[test]
    fn oidc_core_5_4_a_scope_lets_its_claims_through_where_it_is_told() {
        assert!(lets(Place::Userinfo, Some("openid address"), "{}", "address"));
        assert!(!lets(Place::IdToken, None, "{}", "address"), "scopes are not told there");
        assert!(!lets(Place::Userinfo, Some("openid email profile phone"), "{}", "address"));
        assert!(
            !lets(Place::Userinfo, Some("openid credit_score urn:chancery:claim:credit_score"), "{}", "credit_score"),
            "no scope brings it"
        );
    }

    #[test]
    fn oidc_core_5_5_a_claim_is_let_through_where_it_was_asked_for() {
        let wish = r#"{"userinfo": {"credit_score": null}, "id_token": {"phone_number": {"essential": true}}}"#;
        let all = [("credit_score", true, false), ("phone_number", false, true), ("address", false, false)];
        for (name, userinfo, id_token) in all {
            assert_eq!(
                (lets(Place::Userinfo, Some("openid"), wish, name), lets(Place::IdToken, None, wish, name)),
                (userinfo, id_token),
                "{name}"
            );
        }
    }

    #[test]
    fn oidc_core_5_5_1_whether_a_claim_of_others_has_a_value_is_not_known_here() {
        let wish =
            r#"{"userinfo": {"credit_score": {"value": 700}, "address": {"values": [{"country": "UK"}]}}, "id_token": {"address": null}}"#;
        for name in ["credit_score", "address"] {
            assert!(!lets(Place::Userinfo, Some("openid address"), wish, name), "{name}");
        }
        assert!(lets(Place::IdToken, None, wish, "address"), "each place has its own wishes");
    }
}
