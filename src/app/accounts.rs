//! Accounts: registering, and proving a password.
//!
//! | Rule | Source |
//! |---|---|
//! | one account per e-mail address, decided by a claim on its blind index | DESIGN: §5 |
//! | unknown, wrong and disabled look the same and cost the same | OWASP user enumeration |
//! | a failed login is an event, known account or not | DESIGN: events |

use std::collections::BTreeSet;
use std::sync::Arc;

use chancery_core::account::claims::{By, Claims, Stated};
use chancery_core::account::register::{self, Register};
use chancery_core::account::{Account, AccountEvent, FieldError, PasswordChange, Role, Standing};
use chancery_core::account::{sources, standing};
use chancery_core::decision::{Decision, Draft};
use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use chancery_core::evidence::{self, Attempts, EvidenceEvent};
use chancery_core::id::AccountId;
use chancery_ledger::recorded::Freshness;

use super::App;
use super::context::Context;
use super::vault::email::{blind_index, normalised};
use super::vault::{DataKey, KeyKind};
use super::work::{Loaded, Seal, Stop, Work, decide, unreadable, vault_trouble};
use super::{random, work};

/// Kind of the claim on an e-mail address.
pub(super) const EMAIL: &str = "email";

/// A registration form.
pub struct Form<'a> {
    pub email: &'a str,
    pub password: &'a str,
    pub name: Option<&'a str>,
    /// Other claims, stated by an operator or the configuration file.
    pub stated: Stated,
    pub roles: BTreeSet<Role>,
    pub declared: bool,
}

/// Why there is no account.
#[derive(Debug)]
pub enum NotRegistered {
    /// The form has problems: all of them.
    Problems(Vec<FieldError>),
    Refused(OAuthError),
}

impl From<OAuthError> for NotRegistered {
    fn from(error: OAuthError) -> Self {
        Self::Refused(error)
    }
}

/// A person whose password was right.
pub struct Proven {
    pub account: AccountId,
    /// The attempts to clear in the append that uses the login.
    pub(super) attempts: Option<evidence::Attempt>,
}

impl App {
    /// Registers an account.
    ///
    /// # Errors
    /// Every problem of the form, a taken address among them; or the log cannot be written.
    pub async fn register_account(&self, context: &Context, form: &Form<'_>) -> Result<AccountId, NotRegistered> {
        let mut problems = register::problems(form.email, form.password, form.name);
        let (stated, sources) = sources::apart(&form.stated, By::Operator).unwrap_or_else(|wrong| {
            problems.extend(wrong);
            Default::default()
        });
        let claims = Claims::default().stating(&stated, By::Operator).unwrap_or_else(|wrong| {
            problems.extend(wrong);
            Claims::default()
        });
        if !problems.is_empty() {
            return Err(NotRegistered::Problems(problems));
        }
        if !form.declared {
            self.people.pass(form.email).await;
        }
        let index = blind_index(&self.names.blind_index, form.email);
        if self.ledger.claim_owner(EMAIL, &index).await.map_err(unreadable)?.is_some() {
            return Err(taken());
        }
        // Everything slow and fallible stands before the append.
        let password_hash = self.passwords.hash(form.password).await?;
        let account = AccountId(random::uuid_v7(self.clock.now_ms()));
        let key = self.vault.create(KeyKind::Account, &account.to_string()).await.map_err(vault_trouble)?;
        let context = if context.actor.kind == "anonymous" { context.as_account(account) } else { context.clone() };
        let command = Register {
            account,
            email: form.email.to_owned(),
            name: form.name.or(claims.get("name")).map(str::to_owned),
            password_hash,
            email_index: chancery_core::base64url::encode(&index),
            claims,
            sources: sources.unwrap_or_default(),
            key_commitment: Digest(key.commitment()),
            roles: form.roles.clone(),
            declared: form.declared,
            context: context.personal(),
            at: self.now(),
        };
        let seal = account_seal(account, key);
        match decide!(self, &context, |work| register_once(work, &command, &index, &seal)) {
            Ok(()) => Ok(account),
            Err(Stop::Taken(EMAIL)) => {
                // The loser of the race leaves no key behind.
                self.vault.destroy(KeyKind::Account, &[account.to_string()]).await.map_err(vault_trouble)?;
                Err(taken())
            }
            Err(stop) => Err(NotRegistered::Refused(stop.into())),
        }
    }

    /// Checks a password, with the back-off of the account. The failure is recorded here, the success by who uses it.
    ///
    /// # Errors
    /// `invalid_credentials` for unknown, wrong and disabled; `slow_down` while blocked.
    pub async fn prove_password(&self, context: &Context, email: &str, password: &str) -> Result<Proven, OAuthError> {
        self.people.pass(email).await;
        let account = self.account_of(email).await?;
        let hash = match account.as_ref().and_then(|account| account.password_hash.as_ref()) {
            Some(sealed) => Some(self.unseal(sealed).await?),
            None => None,
        };
        let checked = self.passwords.check(password, hash.as_deref()).await?;
        let active = account.as_ref().is_some_and(|own| own.is_active());
        let attempt = evidence::Attempt {
            account: account.as_ref().map(|account| account.id),
            correct: checked.correct && active,
            identifier: normalised(email),
            context: context.personal(),
            at: self.now(),
        };
        let context = account.as_ref().map_or_else(|| context.clone(), |account| context.as_account(account.id));
        let seal = match &account {
            Some(account) if account.standing == Standing::Active || account.standing == Standing::Disabled => {
                account_seal(account.id, self.data_key(KeyKind::Account, &account.id.to_string()).await?)
            }
            _ => Seal { key: Some(self.epoch_key().await?), subject: None },
        };
        if account.is_none() {
            let index = blind_index(&self.names.blind_index, email);
            let decision = self.strangers.attempt(index.to_vec(), &attempt);
            let refusal = decision.outcome.err();
            self.record_stranger(&context, decision.events, &seal).await?;
            return Err(refusal.unwrap_or_else(|| OAuthError::invalid_credentials("wrong credentials")));
        }
        decide!(self, &context, |work| attempt_once(work, &attempt, &seal))?;
        let Some(account) = account.filter(|_| attempt.correct) else { return Err(OAuthError::invalid_credentials("wrong credentials")) };
        if checked.outdated {
            self.new_password(&context, account.id, password, PasswordChange::StrongerParameters, &seal).await?;
        }
        Ok(Proven { account: account.id, attempts: Some(attempt) })
    }

    /// An attempt on an address without account, which nobody folds.
    async fn record_stranger(&self, context: &Context, drafts: Vec<Draft<EvidenceEvent>>, seal: &Seal) -> Result<(), OAuthError> {
        let mut work = self.work(context, Freshness::Cached);
        work.record_evidence(evidence::ANONYMOUS, drafts, seal)?;
        work.commit().await?;
        Ok(())
    }

    /// The account of an e-mail address.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn account_of(&self, email: &str) -> Result<Option<Arc<Account>>, OAuthError> {
        let index = blind_index(&self.names.blind_index, email);
        let Some(owner) = self.ledger.claim_owner(EMAIL, &index).await.map_err(unreadable)? else { return Ok(None) };
        let Some(account) = AccountId::parse(&owner) else { return Err(OAuthError::server_error("a claim without account")) };
        self.read(&account.stream()).await
    }

    /// Opens a disabled account again.
    ///
    /// # Errors
    /// `not_found`, `conflict` for an erased one, `temporarily_unavailable`.
    pub async fn enable_account(&self, context: &Context, account: AccountId) -> Result<(), OAuthError> {
        let at = self.now();
        decide!(self, context, |work| standing_once(work, account, |state| standing::enable(state, at)))?;
        Ok(())
    }

    /// Gives an account a role on Chancery's own pages, or takes it back.
    ///
    /// # Errors
    /// `not_found`, `conflict` for an erased one, `temporarily_unavailable`.
    pub async fn set_role(&self, context: &Context, account: AccountId, role: Role, given: bool) -> Result<(), OAuthError> {
        let at = self.now();
        let rule = |state: &Account| if given { standing::grant_role(state, role, at) } else { standing::withdraw_role(state, role, at) };
        decide!(self, context, |work| standing_once(work, account, rule))?;
        Ok(())
    }

    /// Clears the count of wrong passwords in the append that uses a right one.
    ///
    /// # Errors
    /// `slow_down` when somebody guessed meanwhile.
    pub(super) async fn clear_attempts(&self, work: &mut Work<'_>, proven: &Proven, seal: &Seal) -> Result<(), Stop> {
        let Some(attempt) = &proven.attempts else { return Ok(()) };
        let mut attempts = work.load::<Attempts>(&evidence::attempts_stream(proven.account)).await?;
        let state = attempts.state.clone().unwrap_or_default();
        let decision = evidence::attempt(&state, attempt);
        decision.outcome?;
        Ok(work.record(&mut attempts, decision.events, seal)?)
    }
}

/// The data key of an account, and its name as subject.
pub fn account_seal(account: AccountId, key: std::sync::Arc<DataKey>) -> Seal {
    Seal { key: Some(key), subject: Some(account.to_string()) }
}

fn taken() -> NotRegistered {
    NotRegistered::Problems(vec![address_taken()])
}

/// The problem with an address that another account has.
pub(super) fn address_taken() -> FieldError {
    FieldError { field: "email", problem: "There is an account with this address already; sign in instead.".into() }
}

async fn register_once(mut work: Work<'_>, command: &Register, index: &[u8], seal: &Seal) -> Result<(), Stop> {
    let mut account: Loaded<Account> = work.fresh(command.account.stream());
    work.record(&mut account, register::decide(command).events, seal)?;
    work.take(EMAIL, index.to_vec(), command.account.to_string());
    work.commit().await.map(drop)
}

/// Decides an attempt and appends what it leaves behind. A success leaves nothing here: the login clears the count.
async fn attempt_once(mut work: Work<'_>, attempt: &evidence::Attempt, seal: &Seal) -> Result<(), Stop> {
    let account = attempt.account.ok_or_else(|| OAuthError::server_error("an attempt without account"))?;
    let mut attempts = work.load::<Attempts>(&evidence::attempts_stream(account)).await?;
    let decision = evidence::attempt(&attempts.state.clone().unwrap_or_default(), attempt);
    if decision.outcome.is_err() {
        work.record(&mut attempts, decision.events, seal)?;
        work.commit().await?;
    }
    Ok(decision.outcome?)
}

/// A decision about whether the account can be used.
async fn standing_once(mut work: Work<'_>, account: AccountId, rule: impl Fn(&Account) -> Decision<AccountEvent, ()>) -> Result<(), Stop> {
    let mut loaded = work.load::<Account>(&account.stream()).await?;
    let decision = rule(loaded.or(no_such_account)?);
    decision.outcome?;
    let seal = Seal { key: None, subject: Some(account.to_string()) };
    work.record(&mut loaded, decision.events, &seal)?;
    work.commit().await.map(drop)
}

pub(super) fn no_such_account() -> OAuthError {
    OAuthError::not_found("no such account").saying("There is no account with this id or e-mail address.")
}

impl From<work::Stop> for NotRegistered {
    fn from(stop: work::Stop) -> Self {
        Self::Refused(stop.into())
    }
}
