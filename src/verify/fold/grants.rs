//! Grants: from the code to the end of the last token.
//!
//! | Rule | Source |
//! |---|---|
//! | a code is redeemed once, before it expires | RFC 6749 §4.1.2 |
//! | refresh generations follow one another; a used refresh token has not expired | RFC 9700 §4.14.2 |
//! | nothing is issued once the grant has ended | RFC 6749 §10.5, RFC 9700 §4.14.2 |
//! | a token is exchanged for one whose grant and client stand | RFC 8693 §5 |
//! | at each token the client, account, session (unless it survives logout) and consent are alive | DESIGN: events |

use super::{Fold, Step};
use crate::fact::{Data, Fact};

/// What is followed of a grant.
pub(super) struct Grant {
    version: u64,
    client: Option<Box<str>>,
    /// Where the first token of an exchange came from: its client, and its grant unless it was an id_token.
    source: Option<(Box<str>, Option<u128>)>,
    person: Option<Person>,
    /// An authorization code: when it expires, and whether it was redeemed.
    code: Option<(i64, bool)>,
    refresh: Option<Refresh>,
    has_ended: bool,
    over_at: i64,
}

struct Person {
    account: u128,
    /// `None` when the grant survives logout.
    session: Option<u128>,
    consent_epoch: u64,
}

struct Refresh {
    generation: u64,
    expires_at: i64,
    ends_at: i64,
}

impl Grant {
    /// The moment after which nothing of it can be used.
    pub(super) fn over_at(&self) -> i64 {
        if self.has_ended { i64::MIN } else { self.over_at }
    }

    fn begin(fact: &Fact) -> Self {
        let data = &fact.data;
        // An operator's token names no registered client: it was minted on the machine itself.
        let client = data.client.clone().filter(|_| fact.kind != "OperatorTokenMinted");
        let person = data.account.map(|account| Person {
            account,
            session: data.session.filter(|_| !data.is_offline),
            consent_epoch: data.consent_epoch.unwrap_or(0),
        });
        let code = data.code_expires_at.map(|expires_at| (expires_at, false));
        let source = data.source_client.clone().map(|client| (client, data.source_grant));
        Self {
            version: 0,
            client,
            source,
            person,
            code,
            refresh: None,
            has_ended: false,
            over_at: data.code_expires_at.unwrap_or(i64::MIN),
        }
    }
}

impl Fold {
    pub(super) fn grant(&mut self, id: u128, fact: &Fact) -> Result<(), String> {
        let before = self.grants.get(&id).map(|grant| grant.version);
        let mut grant = match self.version(fact, before)? {
            Step::Late => return Ok(()),
            Step::First => {
                let named = fact.data.grant.filter(|own| *own != id);
                if named.is_some() {
                    return Err(format!("{} names another grant than its stream", fact.kind));
                }
                Grant::begin(fact)
            }
            Step::Next => self.grants.remove(&id).ok_or("its grant is unknown")?,
        };
        let result = self.on_grant(&mut grant, fact, before.is_none());
        grant.version = fact.version;
        self.grants.insert(id, grant);
        result
    }

    fn on_grant(&self, grant: &mut Grant, fact: &Fact, is_first: bool) -> Result<(), String> {
        let data = &fact.data;
        let at = data.at.unwrap_or(fact.recorded_at);
        // After its end only what others tried with it is recorded.
        if grant.has_ended && fact.kind != "MisuseRefused" {
            return Err(format!("{} follows the end of its grant", fact.kind));
        }
        let begins_again = !is_first && (data.code_expires_at.is_some() || data.grant.is_some());
        if begins_again {
            return Err(format!("{} begins a grant that has begun", fact.kind));
        }
        // A credential is no token, and rests on the same.
        if is_first || data.access.is_some() || fact.kind == "CredentialsIssued" {
            self.parents(grant, at).map_err(|why| format!("{} was issued {why}", fact.kind))?;
        }
        if let Some(kid) = &data.kid {
            self.check_kid(kid)?;
        }
        match fact.kind {
            "CodeRedeemed" => {
                let Some((expires_at, is_redeemed)) = &mut grant.code else {
                    return Err("a code was redeemed that was never issued".into());
                };
                if *is_redeemed {
                    return Err("a code was redeemed a second time".into());
                }
                if at >= *expires_at {
                    return Err("a code was redeemed after it had expired".into());
                }
                *is_redeemed = true;
            }
            "RefreshTokenRotated" | "RefreshTokenUsed" | "RefreshTokenRepeated" => refreshed(grant, fact, at)?,
            "GrantEnded" => grant.has_ended = true,
            _ => {}
        }
        extend(grant, data, at)
    }

    /// Is everything alive that the grant rests on?
    fn parents(&self, grant: &Grant, at: i64) -> Result<(), &'static str> {
        if let Some(client) = &grant.client {
            let client = self.clients.get(client).ok_or("to a client that was never registered")?;
            if client.is_disabled {
                return Err("to a client that was disabled");
            }
        }
        if let Some((client, from)) = &grant.source {
            let client = self.clients.get(client).ok_or("for a token of a client that was never registered")?;
            if client.is_disabled {
                return Err("for a token of a client that was disabled");
            }
            // One that is long over is not followed any more; its end cannot have come after that.
            if from.is_some_and(|from| self.grants.get(&from).is_some_and(|own| own.has_ended)) {
                return Err("for a token whose grant had ended");
            }
        }
        let Some(person) = &grant.person else { return Ok(()) };
        let account = self.accounts.get(&person.account).ok_or("for an account that was never registered")?;
        account.alive()?;
        if let Some(client) = grant.source.as_ref().map(|(client, _)| client).or(grant.client.as_ref()) {
            let stream = consent_stream(person.account, client);
            if self.consents.get(stream.as_str()).is_some_and(|withdrawals| *withdrawals != person.consent_epoch) {
                return Err("after its consent had been withdrawn");
            }
        }
        let Some(session) = person.session else { return Ok(()) };
        let session = self.sessions.get(&session).ok_or("in a session that is unknown or long over")?;
        session.alive(person.account, at)
    }
}

fn refreshed(grant: &mut Grant, fact: &Fact, at: i64) -> Result<(), String> {
    let Some(refresh) = &mut grant.refresh else { return Err(format!("{}, but the grant has no refresh token", fact.kind)) };
    // The grace window repeats what was used in time; its own use can come after.
    if fact.kind != "RefreshTokenRepeated" && at >= refresh.expires_at {
        return Err("a refresh token was used after it had expired".into());
    }
    if fact.kind == "RefreshTokenRotated" {
        if fact.data.generation != Some(refresh.generation + 1) {
            return Err(format!("a refresh token of generation {:?} follows generation {}", fact.data.generation, refresh.generation));
        }
        refresh.generation += 1;
    }
    if let Some(expires_at) = fact.data.refresh_expires_at {
        if expires_at > refresh.ends_at {
            return Err("a refresh token outlives its family".into());
        }
        refresh.expires_at = expires_at;
        grant.over_at = grant.over_at.max(expires_at);
    }
    Ok(())
}

fn extend(grant: &mut Grant, data: &Data, at: i64) -> Result<(), String> {
    if let Some(access) = data.access {
        if access.expires_at <= at {
            return Err("a token had expired when it was issued".into());
        }
        grant.over_at = grant.over_at.max(access.expires_at);
    }
    if let Some(family) = data.family {
        if grant.refresh.is_some() || family.expires_at > family.ends_at {
            return Err("a second family of refresh tokens begins, or one that outlives itself".into());
        }
        grant.refresh = Some(Refresh { generation: 0, expires_at: family.expires_at, ends_at: family.ends_at });
        grant.over_at = grant.over_at.max(family.expires_at);
    }
    Ok(())
}

fn consent_stream(account: u128, client: &str) -> String {
    let h = |shift: u32, bits: u32| (account >> shift) & ((1 << bits) - 1);
    format!("consent-{:08x}-{:04x}-{:04x}-{:04x}-{:012x}-{client}", h(96, 32), h(80, 16), h(64, 16), h(48, 16), h(0, 48))
}
