//! Offers of credentials (OpenID4VCI §4): an operator makes one for a person, a wallet redeems its code (§6).
//!
//! | Step | What is appended |
//! |---|---|
//! | [`App::offer_credentials`] | `CredentialOffered` |
//! | [`App::shown_offer`] | nothing: the offer by reference |
//! | [`App::redeem_offer`] | `CredentialOfferRedeemed` + `PreAuthorizedGranted`; `TransactionCodeRefused`, `CredentialOfferReplayed` for what is refused |
//!
//! Out of scope: the rules (`chancery_core::offer`, `chancery_core::grant::pre_authorized`).

use std::collections::BTreeSet;

use chancery_core::account::Account;
use chancery_core::consent::Consent;
use chancery_core::details::Details;
use chancery_core::digest::Digest;
use chancery_core::dpop::Confirmation;
use chancery_core::error::OAuthError;
use chancery_core::grant::pre_authorized::{self, GrantOffer};
use chancery_core::id::{AccountId, GrantId, OfferId, consent_stream};
use chancery_core::offer::{self, Make, Offer, Redeem, transaction_code};
use chancery_core::scope::Scope;
use chancery_core::time::Timestamp;
use chancery_core::token::opaque::{Kind, Opaque, digest};
use serde_json::Value;

use crate::app::access::Spoken;
use crate::app::accounts::account_seal;
use crate::app::client_auth::Authenticated;
use crate::app::context::Context;
use crate::app::token::Tokens;
use crate::app::vault::KeyKind;
use crate::app::work::{Loaded, Seal, Stop, Work, decide};
use crate::app::{App, random, seconds};

/// An offer that was made.
pub struct Offered {
    pub offer: OfferId,
    /// What the wallet reads.
    pub document: Value,
    /// Where it can read it.
    pub uri: String,
    /// For the person, on another way.
    pub tx_code: Option<String>,
    pub expires_at: Timestamp,
}

/// A code as it came in.
pub struct OfferRequest<'a> {
    pub code: &'a str,
    pub tx_code: Option<&'a str>,
    /// Less than was offered (RFC 9396 §6).
    pub authorization_details: Option<&'a str>,
}

impl App {
    /// Offers credentials to a person.
    ///
    /// # Errors
    /// `invalid_request` for what is not issued here, `not_found` for nobody.
    pub async fn offer_credentials(
        &self,
        context: &Context,
        account: AccountId,
        configurations: &[String],
        with_tx_code: bool,
    ) -> Result<Offered, OAuthError> {
        let known = &self.details.credentials.configurations;
        let configurations: BTreeSet<String> = configurations.iter().cloned().collect();
        if configurations.is_empty() || configurations.iter().any(|own| !known.contains_key(own)) {
            let all: Vec<_> = known.keys().map(String::as_str).collect();
            return Err(OAuthError::invalid_request("credential").saying(match all.as_slice() {
                [] => "No credential is declared: add a [[credential]] to the configuration file.".to_owned(),
                all => format!("Name one or more of the credentials that are declared: {}.", all.join(", ")),
            }));
        }
        self.active_account(account).await?;
        let offer = OfferId(random::uuid_v7(self.clock.now_ms()));
        let minted = self.mint.opaque(Kind::PreAuthorizedCode, offer.0);
        let tx_code = with_tx_code.then(|| transaction_code(random::bytes()));
        let lifetime = seconds(self.config.credential_settings.offer_lifetime);
        let at = self.now();
        let command = Make { offer, account, code: minted.digest, configurations, tx_code: tx_code.clone(), lifetime, at };
        let seal = account_seal(account, self.data_key(KeyKind::Account, &account.to_string()).await?);
        decide!(self, context, |work| offer_once(work, &command, &seal))?;
        let names = command.configurations.iter().map(String::as_str);
        let document = offer::document(&self.endpoints.issuer, names, &minted.text, with_tx_code);
        let uri = format!("{}/credential/offer/{}", self.endpoints.issuer, minted.text);
        Ok(Offered { offer, document, uri, tx_code, expires_at: at.plus(lifetime) })
    }

    async fn active_account(&self, account: AccountId) -> Result<(), OAuthError> {
        let state = self.read::<Account>(&account.stream()).await?;
        if state.is_some_and(|own| own.is_active()) { Ok(()) } else { Err(no_account()) }
    }

    /// The offer behind its code, as long as it can be redeemed.
    ///
    /// # Errors
    /// `not_found`: it is over, or there is none.
    pub async fn shown_offer(&self, code: &str) -> Result<Value, OAuthError> {
        let none = || OAuthError::not_found("no such offer").saying("This offer is over, or there is none.");
        let parsed = Opaque::parse(Kind::PreAuthorizedCode, code).ok_or_else(none)?;
        let offer = self.read::<Offer>(&OfferId(parsed.stream).stream()).await?;
        let offer = offer.filter(|own| own.is_open(&digest(code), self.now())).ok_or_else(none)?;
        Ok(offer::document(&self.endpoints.issuer, offer.configurations.iter().map(String::as_str), code, offer.needs_tx_code))
    }

    /// OpenID4VCI §6.1.
    ///
    /// # Errors
    /// `invalid_grant`, `invalid_request`, `invalid_authorization_details` and those of the client.
    pub async fn redeem_offer(&self, context: &Context, caller: &Authenticated, asked: &OfferRequest<'_>) -> Result<Tokens, OAuthError> {
        let client = caller.client.or(|| OAuthError::invalid_client("the client is gone"))?;
        let context = context.as_client(&client.id);
        let parsed =
            Opaque::parse(Kind::PreAuthorizedCode, asked.code).ok_or_else(|| OAuthError::invalid_grant("not a code of this server"))?;
        let id = OfferId(parsed.stream);
        let outcome = decide!(self, &context, |work| self.redeem_offer_once(work, &context, caller, asked, id));
        self.noting_replay(&context, caller.proof.as_ref(), Some(&client.id), outcome).await
    }

    async fn redeem_offer_once(
        &self,
        mut work: Work<'_>,
        context: &Context,
        caller: &Authenticated,
        asked: &OfferRequest<'_>,
        id: OfferId,
    ) -> Result<Tokens, Stop> {
        let client = caller.assert(&mut work).await?;
        let mut loaded = work.load::<Offer>(&id.stream()).await?;
        let offer = loaded.or(|| OAuthError::invalid_grant("unknown code"))?.clone();
        let account = offer.account;
        let seal = self.person_seal(account, OAuthError::invalid_grant).await?;
        let bare = Seal { key: None, subject: seal.subject.clone() };
        let (at, grant_id) = (self.now(), GrantId(random::uuid_v7(self.clock.now_ms())));
        let of_text = |text: &str| Digest::of(text.as_bytes());
        let command = Redeem {
            code: digest(asked.code),
            expected: self.unseal_optional(offer.tx_code.as_ref()).await?.as_deref().map(of_text),
            sent: asked.tx_code.map(of_text),
            by: client.id.clone(),
            grant: grant_id,
            at,
        };
        let redeemed = offer::redeem(&offer, &command);
        if let Err(error) = redeemed.outcome {
            // The refusal and the fact: every wrong transaction code counts.
            work.record(&mut loaded, redeemed.events, &bare)?;
            work.commit().await?;
            return Err(error.into());
        }
        let offered = Details::of_credentials(offer.configurations.iter().map(String::as_str));
        let details = self.details.narrow(Some(&offered), asked.authorization_details)?.unwrap_or(offered);
        let consent = work.load::<Consent>(&consent_stream(account, &client.id)).await?;
        let aim = self.aim(&mut work, Ok(None), None).await?;
        let access = self.draft_access(grant_id, &aim);
        let (cnf, scope) = (caller.proven(), Scope::default());
        let wish = GrantOffer {
            grant: grant_id,
            offer: id,
            account,
            consent_epoch: consent.state.as_ref().map_or(0, |own| own.withdrawals),
            access: access.digest,
            proven: cnf,
            authorization_details: details.text(),
            context: context.personal(),
            at,
        };
        let granted = pre_authorized::decide(&client, &wish, &self.lifetimes_for(&scope, Some(&details), cnf));
        let expires_at = granted.outcome?;
        work.record(&mut loaded, redeemed.events, &bare)?;
        let (grant, standing) = self.begin(&mut work, client, (grant_id, granted.events), &seal, OAuthError::invalid_grant).await?;
        let spoken =
            Spoken { client: &standing.client, grant: &grant, cnf, details: Some(&details), scope: &scope, issued_at: at, expires_at };
        let access_token = self.write_access(access, &spoken).await?;
        work.commit().await?;
        Ok(Tokens {
            access_token,
            issued_token_type: None,
            token_type: Confirmation::token_type(cnf.as_ref()),
            expires_in: at.seconds_until(expires_at),
            scope: String::new(),
            refresh_token: None,
            refresh_token_expires_in: None,
            id_token: None,
            // OpenID4VCI §6.2: told to who asked by them; others name configurations, as in the offer.
            authorization_details: asked.authorization_details.and_then(|_| self.told_details(&scope, Some(&details))),
        })
    }
}

fn no_account() -> OAuthError {
    OAuthError::not_found("no such account").saying("There is no such account, or it is closed.")
}

async fn offer_once(mut work: Work<'_>, command: &Make, seal: &Seal) -> Result<(), Stop> {
    let account = work.load::<Account>(&command.account.stream()).await?.state;
    if !account.is_some_and(|own| own.is_active()) {
        return Err(no_account().into());
    }
    let mut loaded: Loaded<Offer> = work.fresh(command.offer.stream());
    work.record(&mut loaded, offer::make(command).events, seal)?;
    work.commit().await.map(drop)
}
