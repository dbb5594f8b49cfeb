//! What an access token is for.
//!
//! | Rule | Source |
//! |---|---|
//! | only what the authorization request named, or this server's own userinfo | RFC 8707 §2.2 |
//! | where credentials are issued, this server as their issuer too: wallets name it to an authorization server that may have several | OpenID4VCI §5.1.2, §6.1 |
//! | one resource server for each token: a token for two can be replayed by either | RFC 9700 §2.3 |
//! | nothing asked for: the one resource that was granted, else userinfo; an operator may name the one, or prefer userinfo | RFC 8707 §2.2 |
//! | a token has those of the granted scopes that its resource server knows | RFC 8707 §2.2, RFC 9068 §3 |
//! | the client alone: only where it is registered for one of the scopes | our own; RFC 9700 §2.3 |

use alloc::collections::BTreeSet;
use alloc::string::String;

use super::event::IssuedAccess;
use crate::client::Client;
use crate::digest::Digest;
use crate::dpop::Confirmation;
use crate::error::OAuthError;
use crate::resource::{Own, ResourceId, ResourceServer};
use crate::scope::Scope;
use crate::time::{Seconds, Timestamp};

/// The audience of a token that is about to be issued, and what follows from it. The default is this server's userinfo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    pub audience: Option<ResourceId>,
    /// What the resource server knows; `None`: everything.
    pub scope: Option<Scope>,
    pub lifetime: Option<Seconds>,
    /// `kid` of the key that signs it, when it is a JWT.
    pub kid: Option<String>,
}

impl Target {
    pub fn of(server: &ResourceServer, kid: Option<String>) -> Self {
        Self {
            audience: Some(server.identifier.clone()),
            scope: Some(server.settings.scope.clone()),
            lifetime: server.settings.access_token_lifetime,
            kid,
        }
    }

    /// What a token for it may do, of what was granted.
    pub fn scope_of(&self, granted: &Scope) -> Scope {
        self.scope.as_ref().map_or_else(|| granted.clone(), |known| granted.intersection(known))
    }

    pub(super) fn issue(&self, digest: Digest, cnf: Option<Confirmation>, at: Timestamp, usual: Seconds) -> IssuedAccess {
        let expires_at = at.plus(self.lifetime.unwrap_or(usual));
        IssuedAccess { digest, expires_at, cnf, audience: self.audience.clone(), kid: self.kid.clone() }
    }
}

fn invalid(why: &'static str, sentence: &str) -> OAuthError {
    OAuthError::invalid_target(why).saying(sentence)
}

/// What a request means that names no resource, as the operator says, and what of ours may be named.
#[derive(Clone, Copy)]
pub struct Usual<'a> {
    pub own: Own<'a>,
    /// Of several that were granted this one is meant, and of none where the client is alone.
    pub default: Option<&'a ResourceId>,
    /// What was granted is meant, though openid was granted beside it.
    pub use_granted: bool,
}

/// Which resource server a token request means; `None` is this server's userinfo.
///
/// `asked` are the `resource` parameters.
///
/// # Errors
/// `invalid_target`.
pub fn choose(granted: &BTreeSet<ResourceId>, scope: &Scope, asked: &[String], usual: Usual<'_>) -> Result<Option<ResourceId>, OAuthError> {
    let mut granted_only = granted.iter();
    match asked {
        [] if !usual.use_granted && scope.has("openid") => Ok(None),
        [] => match (granted_only.next(), granted_only.next()) {
            (None, _) => Ok(None),
            (Some(only), None) => Ok(Some(only.clone())),
            (Some(_), Some(_)) => match usual.default.filter(|one| granted.contains(*one)) {
                Some(one) => Ok(Some(one.clone())),
                None => Err(invalid("several resources", "Several resources were granted; name one of them in resource.")),
            },
        },
        [one] if usual.own.is_userinfo(one) && scope.has("openid") => Ok(None),
        [one] => match granted_only.find(|own| own.as_str() == one) {
            Some(found) => Ok(Some(found.clone())),
            None if usual.own.is_credential_issuer(one) => Ok(None),
            None => Err(invalid("not granted", "This resource was not part of the authorization request.")),
        },
        _ => Err(invalid("two resources", "Name one resource for each access token.")),
    }
}

/// The same for a client alone, which names any resource server.
///
/// # Errors
/// `invalid_target`.
pub fn choose_for_client(asked: &[String], usual: Usual<'_>) -> Result<Option<ResourceId>, OAuthError> {
    match asked {
        [] => Ok(usual.default.cloned()),
        // The userinfo of this server is nothing for a client alone, but it is a way to say "not the usual one".
        [one] if usual.own.is_userinfo(one) && usual.default.is_some() => Ok(None),
        [one] => match ResourceId::parse(one) {
            Some(id) => Ok(Some(id)),
            None => Err(unknown()),
        },
        _ => Err(invalid("two resources", "Name one resource for each access token.")),
    }
}

/// The server that was named, if it is there.
///
/// # Errors
/// `invalid_target`.
pub fn found(server: Option<&ResourceServer>) -> Result<&ResourceServer, OAuthError> {
    server.filter(|server| server.is_active()).ok_or_else(unknown)
}

/// May this client have a token of its own for it?
///
/// # Errors
/// `invalid_target` when none of the server's scopes is registered for the client.
pub fn check_client(client: &Client, server: &ResourceServer) -> Result<(), OAuthError> {
    let known = &server.settings.scope;
    if known.is_empty() || !known.intersection(&client.metadata.scope).is_empty() {
        return Ok(());
    }
    Err(invalid("no scope of it is registered", "The client is registered for no scope of this resource."))
}

fn unknown() -> OAuthError {
    invalid("unknown resource", "There is no resource server with this identifier here.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    const USERINFO: &str = "https://id.example/oidc/userinfo";
    const OWN: Own<'_> = Own { userinfo: USERINFO, credential_issuer: None };
    const USUAL: Usual<'static> = Usual { own: OWN, default: None, use_granted: true };

    fn chosen(granted: &[&str], asked: &[&str]) -> Result<Option<String>, &'static str> {
        chosen_by(USUAL, granted, asked)
    }

    fn chosen_by(usual: Usual<'_>, granted: &[&str], asked: &[&str]) -> Result<Option<String>, &'static str> {
        let granted = granted.iter().map(|id| ResourceId::parse(id).unwrap()).collect();
        let asked: Vec<_> = asked.iter().map(ToString::to_string).collect();
        choose(&granted, &scope("openid api"), &asked, usual).map(|found| found.map(|id| id.to_string())).map_err(|error| error.code())
    }

    #[test]
    fn rfc8707_2_2_only_what_was_granted() {
        let (a, b) = ("https://a.example", "https://b.example");
        assert_eq!(chosen(&[], &[]), Ok(None));
        assert_eq!(chosen(&[a], &[]), Ok(Some(a.into())));
        assert_eq!(chosen(&[a, b], &[b]), Ok(Some(b.into())));
        assert_eq!(chosen(&[a], &[USERINFO]), Ok(None));
        for (granted, asked) in [(&[a, b][..], &[][..]), (&[a], &[b]), (&[], &[a]), (&[a, b], &[a, b]), (&[a], &["https://a.example/"])] {
            assert_eq!(chosen(granted, asked), Err("invalid_target"), "{granted:?} {asked:?}");
        }
    }

    #[test]
    fn userinfo_is_named_only_with_openid() {
        let asked = [USERINFO.to_string()];
        assert!(choose(&BTreeSet::new(), &scope("api"), &asked, USUAL).is_err());
    }

    #[test]
    fn openid4vci_6_1_the_credential_issuer_is_named_where_there_is_one() {
        let (issuer, scope) = ("https://id.example/oidc", scope("identity"));
        let asked = [issuer.to_string()];
        let issuing = Usual { own: Own { credential_issuer: Some(issuer), ..OWN }, ..USUAL };
        assert_eq!(choose(&BTreeSet::new(), &scope, &asked, issuing), Ok(None));
        assert_eq!(choose(&BTreeSet::new(), &scope, &asked, USUAL).unwrap_err().code(), "invalid_target");
        // An API of that name was there first.
        let declared = ResourceId::parse(issuer).unwrap();
        assert_eq!(choose(&[declared.clone()].into(), &scope, &asked, issuing), Ok(Some(declared)));
    }

    #[test]
    fn rfc8707_2_2_an_operator_says_what_is_meant_where_nothing_is_named() {
        let (a, b) = ("https://a.example", "https://b.example");
        let own = ResourceId::parse(b).unwrap();
        let named = Usual { default: Some(&own), ..USUAL };
        assert_eq!(chosen_by(named, &[a, b], &[]), Ok(Some(b.into())));
        assert_eq!(chosen_by(named, &[a], &[]), Ok(Some(a.into())), "never what was not granted");
        assert_eq!(chosen_by(named, &[a, b], &[a]), Ok(Some(a.into())));
        assert_eq!(chosen_by(named, &[], &[]), Ok(None));
        let prefers_userinfo = Usual { use_granted: false, ..named };
        assert_eq!(chosen_by(prefers_userinfo, &[a, b], &[]), Ok(None));
        assert_eq!(chosen_by(prefers_userinfo, &[a, b], &[a]), Ok(Some(a.into())));
        let granted = [ResourceId::parse(a).unwrap()].into();
        let without_openid = choose(&granted, &scope("api"), &[], prefers_userinfo).unwrap();
        assert_eq!(without_openid.unwrap().as_str(), a, "there is nothing at userinfo for it");
        assert_eq!(choose_for_client(&[], USUAL).unwrap(), None);
        assert_eq!(choose_for_client(&[], named).unwrap().as_ref(), Some(&own));
        assert_eq!(choose_for_client(&[USERINFO.to_string()], named).unwrap(), None);
    }

    #[test]
    fn rfc9700_2_3_a_client_alone_needs_one_of_the_scopes() {
        let server = resource_server("https://api.example.com", "read write");
        let client = |own: &str| client_with(|metadata| metadata.scope = scope(own));
        assert!(check_client(&client("read other"), &server).is_ok());
        assert_eq!(check_client(&client("openid other"), &server).unwrap_err().code(), "invalid_target");
        assert!(check_client(&client("other"), &resource_server("https://api.example.com", "")).is_ok());
    }
}
