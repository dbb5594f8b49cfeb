//! Authorization details (RFC 9396): the types that the configuration registers, and what stands in the ciphertexts of grants.
//!
//! The rules: `chancery_core::details`.

use std::collections::BTreeMap;

use chancery_core::credential::Catalogue;
use chancery_core::details::schema::Schema;
use chancery_core::details::words::Words;
use chancery_core::details::{Details, Type, Types};
use chancery_core::error::OAuthError;
use chancery_core::grant::Grant;
use chancery_core::scope::Scope;
use chancery_core::stream::Sealed;
use serde_json::Value;

use super::App;
use crate::config::DeclaredDetails;

/// Reads the types of the configuration.
///
/// # Errors
/// The first that is wrong, with a sentence for the operator.
pub fn types(declared: &[DeclaredDetails], credentials: Catalogue) -> Result<Types, String> {
    let mut types = Types { declared: BTreeMap::new(), credentials };
    for one in declared {
        let wrong = |why: String| format!("the configuration file's authorization_details_type {} is not acceptable: {why}.", one.name);
        let schema = serde_json::from_str(&one.schema).map_err(|why| wrong(format!("its schema is not JSON: {why}")))?;
        let kind = Type { schema: Schema::parse(&schema).map_err(wrong)?, words: Words::parse(&one.words).map_err(wrong)? };
        types.declared.insert(one.name.clone(), kind);
    }
    Ok(types)
}

/// What the access token of a request will have.
pub(super) struct Chosen {
    /// For the event, when it is less than the grant has.
    pub narrowed: Result<Option<String>, OAuthError>,
    /// All of it.
    pub all: Option<Details>,
}

impl App {
    /// Opens a ciphertext.
    ///
    /// # Errors
    /// `server_error` when it is none of ours.
    pub(super) async fn details_in(&self, sealed: Option<&Sealed>) -> Result<Option<Details>, OAuthError> {
        let Some(text) = self.unseal_optional(sealed).await? else { return Ok(None) };
        Details::read(&text).map(Some).map_err(|why| OAuthError::server_error(format!("sealed details: {}", why.detail)))
    }

    /// What a token response says of details (RFC 9396 §7), with identifiers where they ask for credentials (OpenID4VCI §6.2).
    pub(super) fn told_details(&self, scope: &Scope, details: Option<&Details>) -> Option<Value> {
        details.map(|own| self.details.credentials.answer(scope, own.objects()))
    }

    /// What a token request gets of its grant (RFC 9396 §6).
    ///
    /// # Errors
    /// `temporarily_unavailable`; what the rules refuse is inside.
    pub(super) async fn choose_details(&self, grant: &Grant, asked: Option<&str>) -> Result<Chosen, OAuthError> {
        let granted = self.details_in(grant.details.as_ref()).await?;
        Ok(match self.details.narrow(granted.as_ref(), asked) {
            Ok(None) => Chosen { narrowed: Ok(None), all: granted },
            Ok(Some(less)) => Chosen { narrowed: Ok(Some(less.text())), all: Some(less) },
            Err(error) => Chosen { narrowed: Err(error), all: None },
        })
    }
}
