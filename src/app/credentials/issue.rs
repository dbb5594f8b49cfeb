//! The credential endpoint (OpenID4VCI §8): an access token and proofs of keys become credentials.
//!
//! | Step | What is appended |
//! |---|---|
//! | the token, what it brings, the proofs | `MisuseRefused` for a proof of somebody else, once |
//! | credentials are made and signed | nothing |
//! | they leave | `CredentialsIssued`, with the claims of the nonces; whatever the token rests on is asserted |
//!
//! Out of scope: the keys that a request brings (`proofs`), the rules (`chancery_core::credential`, `chancery_core::grant::credentials`),
//! headers (`http`).

use std::collections::BTreeSet;

use chancery_core::client::Client;
use chancery_core::client::metadata::SigningAlg;
use chancery_core::credential::{Catalogue, Dataset, FORMAT, request};
use chancery_core::details::Details;
use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use chancery_core::grant::credentials::{self, Issue, Made};
use chancery_core::grant::{Access, Grant, standing};
use chancery_core::id::{ClientId, GrantId};
use chancery_core::time::Timestamp;
use chancery_core::token::opaque::digest;
use chancery_jose::sd_jwt;
use serde_json::{Map, Value, json};

use super::proofs::Proven;
use crate::app::bearer::Brought;
use crate::app::context::Context;
use crate::app::introspect::Bearer;
use crate::app::signing::KeySet;
use crate::app::work::{Seal, Stop, Work, decide};
use crate::app::{App, random};

/// A request whose proofs hold.
struct Wanted<'a> {
    client: &'a ClientId,
    grant: GrantId,
    token: Digest,
    dataset: Dataset<'a>,
    proven: Proven,
}

impl App {
    /// Whose token it is, and whether it opens the endpoint.
    ///
    /// # Errors
    /// `invalid_token`, `insufficient_scope`.
    pub async fn credential_holder(&self, context: &Context, token: &str, brought: &Brought<'_>) -> Result<Bearer, OAuthError> {
        let bearer = self.bearer(context, token, brought).await?;
        credentials::holder(&bearer.grant, used(&bearer.grant, &digest(token))?, self.now())?;
        Ok(bearer)
    }

    /// Makes credentials for who holds a token: SD-JWTs with all that they disclose. `body` is the request as it came in.
    ///
    /// # Errors
    /// `invalid_credential_request` and the others of OpenID4VCI §8.3.1.2; `insufficient_scope`, `invalid_token`.
    pub async fn issue_credentials(
        &self,
        context: &Context,
        token: &str,
        bearer: &Bearer,
        body: &Value,
    ) -> Result<Vec<String>, OAuthError> {
        let (grant, token) = (&bearer.grant, digest(token));
        let catalogue = &self.details.credentials;
        let asked = request::read(body, catalogue.batch)?;
        let details = self.details_in(grant.details_of(used(grant, &token)?)).await?;
        let details = details.as_ref().map(Details::objects).unwrap_or_default();
        let which = if grant.offer.is_some() { Catalogue::of_offer(asked.which, details)? } else { asked.which };
        let dataset = catalogue.dataset(&which, &bearer.scope, details)?;
        let context = context.as_client(&grant.client);
        let proven = match self.check_credential_proofs(grant.named_client(), dataset.configuration, &asked.proofs) {
            Ok(proven) => proven,
            Err(refused) => {
                if refused.is_misuse {
                    decide!(self, &context, |work| note_misuse(work, grant.id, self.now()))?;
                }
                return Err(refused.error);
            }
        };
        let wanted = Wanted { client: &grant.client, grant: grant.id, token, dataset, proven };
        let signing = self.keys.current().await?;
        Ok(decide!(self, &context, |work| self.issue_once(work, &context, &wanted, &signing))?)
    }

    async fn issue_once(&self, mut work: Work<'_>, context: &Context, wanted: &Wanted<'_>, signing: &KeySet) -> Result<Vec<String>, Stop> {
        let dead = |why: &'static str| OAuthError::invalid_token(why);
        let client = work.load::<Client>(&wanted.client.stream()).await?.state.ok_or_else(|| dead("the client is gone"))?;
        let mut loaded = work.load::<Grant>(&wanted.grant.stream()).await?;
        let grant = loaded.or(|| dead("unknown token"))?.clone();
        let standing = self.standing(&mut work, client, &grant).await?;
        let at = self.now();
        // Whoever revokes any of it first wins: all of it is asserted by the append.
        let (access, _) = standing::of_access(&grant, &wanted.token, &standing.parents(), at).map_err(|why| dead(why.as_str()))?;
        credentials::holder(&grant, access, at)?;
        let account = standing.account.as_ref().ok_or_else(|| dead("no account"))?;
        let names: BTreeSet<_> = wanted.dataset.claims.iter().map(|name| (*name).to_owned()).collect();
        let claims = credentials::claims(&wanted.dataset, &self.single_claims(account, &names).await?)?;
        let configuration = wanted.dataset.configuration;
        let (issued_at, expires_at) = configuration.times(at);
        let mut payload = Map::new();
        payload.insert("iss".to_owned(), json!(self.endpoints.issuer));
        payload.insert("iat".to_owned(), json!(issued_at));
        payload.insert("exp".to_owned(), json!(expires_at));
        payload.insert("vct".to_owned(), json!(configuration.vct));
        if configuration.with_sub {
            payload.insert("sub".to_owned(), json!(self.subject(account.id, &standing.client)?));
        }
        let (mut made, mut credentials) = (Vec::new(), Vec::new());
        for key in &wanted.proven.keys {
            let mut payload = payload.clone();
            payload.insert("cnf".to_owned(), json!({ "jwk": key.jwk }));
            // Salts of its own for each, so that two credentials of one batch share nothing but what they disclose.
            let disclosures =
                sd_jwt::conceal(&mut payload, &claims, random::bytes).map_err(|why| OAuthError::server_error(why.to_string()))?;
            let jwt = signing.sign_as(SigningAlg::Es256, FORMAT, &Value::Object(payload)).await?;
            made.push(Made { digest: Digest::of(jwt.as_bytes()), jkt: key.jkt });
            credentials.push(sd_jwt::compact(&jwt, &disclosures));
        }
        let command = Issue {
            access: wanted.token,
            dataset: &wanted.dataset,
            made: &made,
            attested: wanted.proven.attested.clone(),
            kid: signing.active(SigningAlg::Es256)?.kid().to_owned(),
            expires_at: Timestamp(expires_at.saturating_mul(1000)),
            context: context.personal(),
            at,
        };
        let decision = credentials::issue(&command);
        decision.outcome?;
        let seal = self.grant_seal(&grant).await?;
        work.record(&mut loaded, decision.events, &seal)?;
        for nonce in wanted.proven.nonces.values() {
            nonce.take(&mut work, wanted.client.as_str());
        }
        work.commit().await?;
        Ok(credentials)
    }
}

/// The access token of a grant that was brought.
fn used<'a>(grant: &'a Grant, token: &Digest) -> Result<&'a Access, OAuthError> {
    grant.access.iter().find(|own| own.digest.matches(token)).ok_or_else(|| OAuthError::invalid_token("unknown token"))
}

async fn note_misuse(mut work: Work<'_>, grant: GrantId, at: Timestamp) -> Result<(), Stop> {
    let mut loaded = work.load::<Grant>(&grant.stream()).await?;
    let Some(state) = loaded.state.clone() else { return Ok(()) };
    let seal = Seal { key: None, subject: state.account().map(|account| account.to_string()) };
    work.record(&mut loaded, credentials::misused(&state, at).events, &seal)?;
    work.commit().await.map(drop)
}
