//! What an access token is for.
//!
//! | Rule | Source |
//! |---|---|
//! | only what the authorization request named, or this server's own userinfo | RFC 8707 §2.2 |
//! | where credentials are issued, this server as their issuer too: wallets name it to an authorization server that may have several | OpenID4VCI §5.1.2, §6.1 |
//! | one resource server for each token: a token for two can be replayed by either | RFC 9700 §2.3 |
//! | nothing asked for: the one resource that was granted, else userinfo | RFC 8707 §2.2 |
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

/// Which resource server a token request means; `None` is this server's userinfo.
///
/// `asked` are the `resource` parameters.
///
/// # Errors
/// `invalid_target`.
pub fn choose(granted: &BTreeSet<ResourceId>, scope: &Scope, asked: &[String], own: Own<'_>) -> Result<Option<ResourceId>, OAuthError> {
    let mut granted_only = granted.iter();
    match asked {
        [] => match (granted_only.next(), granted_only.next()) {
            (None, _) => Ok(None),
            (Some(only), None) => Ok(Some(only.clone())),
            (Some(_), Some(_)) => Err(invalid("several resources", "Several resources were granted; name one of them in resource.")),
        },
        [one] if own.is_userinfo(one) && scope.has("openid") => Ok(None),
        [one] => match granted_only.find(|own| own.as_str() == one) {
            Some(found) => Ok(Some(found.clone())),
            None if own.is_credential_issuer(one) => Ok(None),
            None => Err(invalid("not granted", "This resource was not part of the authorization request.")),
        },
        _ => Err(invalid("two resources", "Name one resource for each access token.")),
    }
}

/// The same for a client alone, which names any resource server.
///
/// # Errors
/// `invalid_target`.
pub fn choose_for_client(asked: &[String]) -> Result<Option<ResourceId>, OAuthError> {
    match asked {
        [] => Ok(None),
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

    fn chosen(granted: &[&str], asked: &[&str]) -> Result<Option<String>, &'static str> {
        let granted = granted.iter().map(|id| ResourceId::parse(id).unwrap()).collect();
        let asked: Vec<_> = asked.iter().map(ToString::to_string).collect();
        choose(&granted, &scope("openid api"), &asked, OWN).map(|found| found.map(|id| id.to_string())).map_err(|error| error.code())
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
        assert!(choose(&BTreeSet::new(), &scope("api"), &asked, OWN).is_err());
    }

    #[test]
    fn openid4vci_6_1_the_credential_issuer_is_named_where_there_is_one() {
        let (issuer, scope) = ("https://id.example/oidc", scope("identity"));
        let asked = [issuer.to_string()];
        let issuing = Own { credential_issuer: Some(issuer), ..OWN };
        assert_eq!(choose(&BTreeSet::new(), &scope, &asked, issuing), Ok(None));
        assert_eq!(choose(&BTreeSet::new(), &scope, &asked, OWN).unwrap_err().code(), "invalid_target");
        // An API of that name was there first.
        let declared = ResourceId::parse(issuer).unwrap();
        assert_eq!(choose(&[declared.clone()].into(), &scope, &asked, issuing), Ok(Some(declared)));
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
