//! Credentials for who holds an access token (OpenID4VCI §8).
//!
//! | Rule | Source |
//! |---|---|
//! | they are about a person who signed in here, or whom an operator offered them; a token that was exchanged, or that an assertion brought, gets none | §8, our own |
//! | a token that is bound to no key opens the endpoint for five minutes | §13.10 |
//! | each key gets one credential | §8.3 |
//! | a claim that the wallet wants by all means is there, or nothing is | Appendix B.1 |
//! | what could link a holder to what verifiers saw stands in the log as ciphertext | §15.4.1 |
//!
//! Out of scope: what the token brings (`credential`), proofs of keys (`credential::proof`), whether the token is alive (`standing`).

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use serde_json::{Map, Value};

use super::event::{CredentialsIssued, Misuse, MisuseRefused};
use super::{Access, Grant, GrantEvent, GrantKind, Person};
use crate::canonical;
use crate::credential::attestation::Attested;
use crate::credential::{Dataset, LONGEST_UNBOUND};
use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::time::Timestamp;

/// The ciphertext of what was issued, beside the event.
pub const CREDENTIALS: &str = "credentials";

/// A credential as the log knows it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Made {
    /// Of the JWT that the issuer signed, without what it discloses.
    pub digest: Digest,
    /// Thumbprint of the holder's key.
    pub jkt: Digest,
}

/// Who gets credentials for this token, at this moment.
///
/// # Errors
/// `insufficient_scope`, `invalid_token`.
pub fn holder<'a>(grant: &'a Grant, access: &Access, at: Timestamp) -> Result<&'a Person, OAuthError> {
    let refuse = |why: &'static str| {
        OAuthError::insufficient_scope(why).saying("This needs the access token of a person who signed in here and allowed the credential.")
    };
    let GrantKind::Person(person) = &grant.kind else { return Err(refuse("nobody's token")) };
    // Whoever it was exchanged for was never shown to the person.
    if grant.exchanged.is_some() {
        return Err(refuse("a token that was exchanged"));
    }
    // Of an offer the operator said who it is for.
    if person.amr.is_empty() && grant.offer.is_none() {
        return Err(refuse("the person did not sign in here"));
    }
    if access.cnf.is_none() && at >= access.issued_at.plus(LONGEST_UNBOUND) {
        return Err(OAuthError::invalid_token("bound to no key, and older than five minutes"));
    }
    Ok(person)
}

/// The claims of a credential, of those that the account has.
///
/// # Errors
/// `credential_request_denied` when one is missing without which the wallet wants none, or all are.
pub fn claims(dataset: &Dataset<'_>, known: &Map<String, Value>) -> Result<Vec<(String, Value)>, OAuthError> {
    let denied = |why: &'static str, sentence: &str| OAuthError::credential_request_denied(why).saying(sentence);
    if !dataset.mandatory.iter().all(|name| known.contains_key(name)) {
        return Err(denied("a mandatory claim is unknown", "A claim that is mandatory is not known of this person."));
    }
    let all: Vec<_> = dataset.claims.iter().filter_map(|name| Some((String::from(*name), known.get(*name)?.clone()))).collect();
    if all.is_empty() {
        return Err(denied("no claim is known", "None of the claims of this credential is known of this person."));
    }
    Ok(all)
}

/// Credentials that are signed and about to leave.
pub struct Issue<'a> {
    pub access: Digest,
    pub dataset: &'a Dataset<'a>,
    pub made: &'a [Made],
    pub attested: Option<Attested>,
    pub kid: String,
    pub expires_at: Timestamp,
    pub context: Option<String>,
    pub at: Timestamp,
}

pub fn issue(cmd: &Issue<'_>) -> Decision<GrantEvent, ()> {
    let mut keys: Vec<_> = cmd.made.iter().map(|one| one.jkt.0).collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair[0] == pair[1]) {
        return Decision::refuse(OAuthError::invalid_proof("a key twice").saying("Each proof needs a key of its own."));
    }
    let Some(credentials) = canonical::to_vec(&cmd.made).ok().and_then(|text| String::from_utf8(text).ok()) else {
        return Decision::refuse(OAuthError::server_error("credentials without a canonical form"));
    };
    let event = CredentialsIssued {
        access: cmd.access,
        at: cmd.at,
        attested: cmd.attested.clone(),
        configuration: cmd.dataset.configuration.id.clone(),
        count: u32::try_from(cmd.made.len()).unwrap_or(u32::MAX),
        expires_at: cmd.expires_at,
        kid: cmd.kid.clone(),
        vct: cmd.dataset.configuration.vct.clone(),
    };
    // Bounded by the batch: 32 entries of about 110 bytes.
    let personal = Personal::default().with_whole(CREDENTIALS, Some(credentials)).with("context", cmd.context.as_deref());
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], ())
}

/// Somebody brought a proof that was made for another issuer or by another client: said once for each grant.
pub fn misused(grant: &Grant, at: Timestamp) -> Decision<GrantEvent, ()> {
    let misuse = Misuse::CredentialProofOfOther;
    if grant.ended.is_some() || grant.misused.contains(&misuse) {
        return Decision::accept(Vec::new(), ());
    }
    Decision::accept(alloc::vec![Draft::from(GrantEvent::from(MisuseRefused { at, by: grant.client.clone(), misuse }))], ())
}

#[cfg(test)]
mod tests {
    use alloc::collections::{BTreeMap, BTreeSet};
    use alloc::vec;

    use super::*;
    use crate::credential::Configuration;
    use crate::dpop::Confirmation;
    use crate::grant::exchanged::{Exchanged, Source, TokenType};
    use crate::testing::*;
    use crate::time::Seconds;
    use serde_json::json;

    fn access(cnf: Option<Confirmation>) -> Access {
        Access { audience: None, cnf, digest: digest("at"), issued_at: t(0), expires_at: t(600), scope: None, details: None }
    }

    fn person() -> Person {
        Person {
            account: alice(),
            session: session_id(),
            offline: false,
            auth_time: t(-10),
            amr: vec!["pwd".into()],
            nonce: None,
            claims: crate::claims::ClaimsRequest::default(),
            claim_values: None,
            wants_auth_time: false,
            consent_epoch: 0,
        }
    }

    fn grant() -> Grant {
        Grant {
            id: grant_id(),
            client: client_id("wallet"),
            scope: scope("openid identity"),
            resources: BTreeSet::new(),
            granted_at: t(0),
            details: None,
            kind: GrantKind::Person(person()),
            exchanged: None,
            offer: None,
            code: None,
            refresh: None,
            access: vec![access(None)],
            ended: None,
            misused: BTreeSet::new(),
        }
    }

    fn configuration() -> Configuration {
        Configuration {
            id: "identity".into(),
            vct: "https://id.example/credentials/identity".into(),
            scope: Some("identity".into()),
            claims: vec!["given_name".into(), "birthdate".into()],
            name: "Identity".into(),
            lifetime: Seconds(3600),
            proof_algs: vec!["ES256".into()],
            with_sub: false,
            attesters: BTreeSet::new(),
            attestation: None,
        }
    }

    fn may(change: impl FnOnce(&mut Grant), cnf: Option<Confirmation>, at: i64) -> &'static str {
        let mut grant = grant();
        change(&mut grant);
        holder(&grant, &access(cnf), t(at)).map_or_else(|error| error.code(), |_| "ok")
    }

    #[test]
    fn openid4vci_8_only_a_person_who_signed_in_here_gets_one() {
        assert_eq!(may(|_| (), None, 0), "ok");
        assert_eq!(may(|grant| grant.kind = GrantKind::Client, None, 0), "insufficient_scope");
        assert_eq!(may(|grant| grant.kind = GrantKind::Operator, None, 0), "insufficient_scope");
        let asserted = |grant: &mut Grant| grant.kind = GrantKind::Person(Person { amr: vec![], ..person() });
        assert_eq!(may(asserted, None, 0), "insufficient_scope");
        let offered = |grant: &mut Grant| {
            asserted(grant);
            grant.offer = Some(crate::id::OfferId(uuid::Uuid::nil()));
        };
        assert_eq!(may(offered, None, 0), "ok");
        let source =
            Source { client: client_id("app"), digest: digest("t"), grant: None, through: None, token_type: TokenType::AccessToken };
        let exchanged = |grant: &mut Grant| grant.exchanged = Some(Exchanged { source, actors: vec![] }.into());
        assert_eq!(may(exchanged, None, 0), "insufficient_scope");
    }

    #[test]
    fn openid4vci_13_10_a_token_without_a_key_opens_for_five_minutes() {
        assert_eq!((may(|_| (), None, 299), may(|_| (), None, 300)), ("ok", "invalid_token"));
        assert_eq!(may(|_| (), Some(Confirmation::Jkt(digest("key"))), 599), "ok");
    }

    #[test]
    fn openid4vci_b_1_a_mandatory_claim_is_there_or_nothing_is() {
        let own = configuration();
        let known = Map::from_iter([("given_name".into(), json!("Alice")), ("email".into(), json!("a@b.example"))]);
        let dataset = |mandatory: &[&str]| Dataset {
            configuration: &own,
            claims: vec!["given_name", "birthdate"],
            mandatory: mandatory.iter().map(|name| String::from(*name)).collect(),
        };
        assert_eq!(claims(&dataset(&[]), &known).unwrap(), [("given_name".into(), json!("Alice"))], "nothing else than was asked for");
        assert_eq!(claims(&dataset(&["given_name"]), &known).unwrap().len(), 1);
        assert_eq!(claims(&dataset(&["birthdate"]), &known).unwrap_err().code(), "credential_request_denied");
        assert_eq!(claims(&dataset(&[]), &Map::new()).unwrap_err().code(), "credential_request_denied");
    }

    #[test]
    fn openid4vci_8_3_each_key_gets_one_and_the_log_has_what_links_it_as_ciphertext() {
        let own = configuration();
        let dataset = Dataset { configuration: &own, claims: vec!["given_name"], mandatory: BTreeSet::new() };
        let made = |jkts: &[&str]| jkts.iter().map(|jkt| Made { digest: digest("jwt"), jkt: digest(jkt) }).collect::<Vec<_>>();
        let issued = |made: &[Made]| {
            issue(&Issue {
                access: digest("at"),
                dataset: &dataset,
                made,
                attested: None,
                kid: "k".into(),
                expires_at: t(9),
                context: None,
                at: t(0),
            })
        };
        assert_eq!(said(&issued(&made(&["a", "b", "a"]))), (vec![], "invalid_proof"));
        let decision = issued(&made(&["a", "b"]));
        let sealed: BTreeMap<_, _> = decision.events[0].personal.iter().collect();
        assert!(sealed["credentials"].contains(&alloc::format!("{}", digest("b"))), "{sealed:?}");
        let clear = serde_json::to_string(&decision.events[0].event).unwrap();
        assert!(clear.contains("\"count\":2") && !clear.contains(&alloc::format!("{}", digest("b"))), "{clear}");
    }

    #[test]
    fn a_proof_of_somebody_else_is_said_once() {
        let mut grant = grant();
        assert_eq!(misused(&grant, t(0)).events.len(), 1);
        grant.misused.insert(Misuse::CredentialProofOfOther);
        assert_eq!(misused(&grant, t(0)).events.len(), 0);
    }
}
