//! Authorization details (RFC 9396): the types that the configuration registers, and what stands in the ciphertexts of grants.
//!
//! | Rule | Source |
//! |---|---|
//! | what a page asks is made of what the log says of the person now, and so is what is granted | RFC 9396 §7.1 |
//! | claims are read where a type tells them, lists where it has a choice | our own |
//!
//! The rules themselves: `chancery_core::details`.

use std::collections::BTreeMap;

use chancery_core::account::Account;
use chancery_core::account::lists::Lists;
use chancery_core::credential::Catalogue;
use chancery_core::details::enrichment::{Enrichment, Person, Picked, Question, Unfit};
use chancery_core::details::schema::Schema;
use chancery_core::details::words::Words;
use chancery_core::details::{Details, Type, Types};
use chancery_core::error::OAuthError;
use chancery_core::grant::Grant;
use chancery_core::scope::Scope;
use chancery_core::stream::Sealed;
use serde_json::{Map, Value};

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
        let (schema, words) = (Schema::parse(&schema).map_err(wrong)?, Words::parse(&one.words).map_err(wrong)?);
        let enrichment = match one.enrichment.as_deref().map(serde_json::from_str) {
            None => Enrichment::default(),
            Some(Ok(declared)) => Enrichment::parse(&declared, &schema, &words).map_err(wrong)?,
            Some(Err(why)) => return Err(wrong(format!("its enrichment is not JSON: {why}"))),
        };
        types.declared.insert(one.name.clone(), Type { schema, words, enrichment });
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

/// What a page of a consent shows of details.
pub struct Offered {
    /// With what is added whatever the person chooses.
    pub details: Option<Details>,
    pub questions: Vec<Question>,
}

/// What the person said on such a page.
pub struct Said {
    /// The digest of what was shown.
    pub text: chancery_core::digest::Digest,
    pub allow: bool,
    /// What was chosen, as the form says it.
    pub picked: Picked,
}

impl App {
    /// What is asked of a person about details.
    ///
    /// # Errors
    /// `server_error` when the account's data cannot be read; `invalid_authorization_details` when they become too long.
    pub async fn offer(&self, account: &Account, details: Option<&Details>) -> Result<Offered, OAuthError> {
        let Some(asked) = details else { return Ok(Offered { details: None, questions: Vec::new() }) };
        let (claims, lists) = self.known_of(account, asked).await?;
        Ok(Offered { details: Some(self.details.before_choice(asked, &claims)?), questions: self.details.questions(asked, &lists) })
    }

    /// Details as the person grants them (RFC 9396 §7.1).
    ///
    /// # Errors
    /// What was chosen does not fit; `server_error` when the account's data cannot be read.
    pub async fn enrich(&self, account: &Account, details: Option<&Details>, picked: &Picked) -> Result<Option<Details>, Unfit> {
        let Some(asked) = details else { return Ok(None) };
        let (claims, lists) = self.known_of(account, asked).await?;
        self.details.enrich(asked, &Person { claims: &claims, lists: &lists }, picked).map(Some)
    }

    /// What enrichment needs to know of a person, and nothing else.
    async fn known_of(&self, account: &Account, asked: &Details) -> Result<(Map<String, Value>, Lists), OAuthError> {
        let claims = if self.details.tell_claims(asked) {
            self.scope_claims(account, &Scope::of(&["profile", "email", "address", "phone"])).await?
        } else {
            Map::new()
        };
        let lists = if self.details.chosen(asked).is_empty() { Lists::default() } else { self.lists_of(account).await? };
        Ok((claims, lists))
    }

    /// Opens a ciphertext.
    ///
    /// # Errors
    /// `server_error` when it is none of ours.
    pub(super) async fn details_in(&self, sealed: Option<&Sealed>) -> Result<Option<Details>, OAuthError> {
        let Some(text) = self.unseal_optional(sealed).await? else { return Ok(None) };
        Details::read_granted(&text).map(Some).map_err(|why| OAuthError::server_error(format!("sealed details: {}", why.detail)))
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
