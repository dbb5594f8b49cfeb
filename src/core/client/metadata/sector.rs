//! The sector of a client: whose pairwise subjects it reads.
//!
//! | Rule | Source |
//! |---|---|
//! | those who share a host, or a document that lists them, read the same `sub` | OpenID Connect Core 1.0 §8.1, Registration 1.0 §5 |
//! | without redirect URIs: where the keys are that it proves, or where alone its tokens are pushed | CIBA Core §4 |

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{AuthMethod, DeliveryMode, GrantType, Metadata, uri};
use crate::account::FieldError;

impl Metadata {
    /// The sector of a client: those of one sector read the same pairwise `sub`. The host of its `sector_identifier_uri`, else the
    /// one that all its redirect URIs share (OpenID Connect Core 1.0 §8.1), or that of [`Self::sector_address`]; `None` when there is none.
    pub fn sector(&self) -> Option<&str> {
        if let Some(uri) = &self.sector_identifier_uri {
            return uri::host(uri);
        }
        if self.redirect_uris.is_empty() {
            return self.sector_address().and_then(uri::host);
        }
        let mut hosts = self.redirect_uris.iter().map(|uri| uri::host(uri));
        let first = hosts.next()??;
        hosts.all(|host| host == Some(first)).then_some(first)
    }

    /// What shows, without redirect URIs, that a client belongs to a host: the keys there are its own, or its tokens go there and nowhere
    /// else (CIBA Core §4).
    pub fn sector_address(&self) -> Option<&str> {
        let pushed_alone = self.backchannel_token_delivery_mode == Some(DeliveryMode::Push)
            && self.grant_types.iter().all(|grant| matches!(grant, GrantType::Ciba | GrantType::RefreshToken));
        if pushed_alone {
            return self.backchannel_client_notification_endpoint.as_deref();
        }
        let proves = matches!(self.token_endpoint_auth_method, AuthMethod::PrivateKeyJwt | AuthMethod::SelfSignedTlsClientAuth);
        self.jwks_uri.as_deref().filter(|_| proves)
    }
}

/// Are all redirect URIs in the document behind `sector_identifier_uri`? OpenID Connect Registration 1.0 §5. A client without any is bound by
/// its other address (CIBA Core §4): else everybody could name a sector and read its subjects.
///
/// # Errors
/// The problem, for the registrant.
pub fn sector_lists(metadata: &Metadata, listed: &[String]) -> Result<(), FieldError> {
    let refuse = |problem| Err(FieldError { field: "sector_identifier_uri", problem });
    let is_listed = |uri: &str| listed.iter().any(|one| one == uri);
    let mut own = metadata.redirect_uris.iter().map(String::as_str).collect::<Vec<_>>();
    if own.is_empty() {
        match metadata.sector_address() {
            Some(address) => own.push(address),
            None => return refuse("A client without redirect URIs needs a jwks_uri whose keys it proves.".to_string()),
        }
    }
    match own.into_iter().find(|uri| !is_listed(uri)) {
        None => Ok(()),
        Some(missing) => refuse(format!("Its document does not list {missing}.")),
    }
}
