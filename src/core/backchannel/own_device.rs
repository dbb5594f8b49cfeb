//! An authentication device of the operator's own: a person answers in an application that they signed in to, instead of on our page.
//!
//! | Rule | Source |
//! |---|---|
//! | the token has the scope `ciba.answer`, and is that of a person who signed in here | CIBA Core §8; our own |
//! | its client is one that the operator named, and the person allowed it: no token that was exchanged for theirs | our own |
//! | it is bound to a key: whoever copied it answers nothing | RFC 9700 §2.2.1 |
//! | a client answers nothing that it asked itself | our own |
//! | what is answered is what was read | CIBA Core §8; our own |
//!
//! Out of scope: whether the token and its session are alive (`grant::standing`, `session`), who is asked and until when (the room above).

use alloc::string::String;

use serde::Serialize;

use super::{Backchannel, BackchannelApprovedOnDevice, BackchannelDeniedOnDevice, BackchannelEvent, check_login, check_open};
use crate::canonical;
use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::grant::{DETAILS, GrantKind, Person};
use crate::id::{AccountId, BackchannelId, ClientId, GrantId};
use crate::polled::Approval;
use crate::scope::Scope;
use crate::time::Timestamp;

/// The scope of tokens that answer for their person.
pub const ANSWER: &str = "ciba.answer";

/// A token that lives, and wants to speak for its person.
pub struct Speaker<'a> {
    pub kind: &'a GrantKind,
    /// Of the token: it may be less than that of its grant.
    pub scope: &'a Scope,
    pub is_bound: bool,
    /// The operator named its client.
    pub is_named: bool,
    /// It was given for another token (RFC 8693).
    pub is_exchanged: bool,
}

/// For whom does it speak?
///
/// # Errors
/// `insufficient_scope`; `invalid_token` of one that is bound to no key.
pub fn person<'a>(own: &Speaker<'a>) -> Result<&'a Person, OAuthError> {
    if !own.scope.has(ANSWER) {
        return Err(OAuthError::insufficient_scope(ANSWER).saying("This needs an access token with the scope ciba.answer."));
    }
    // Whoever registers a client chooses its scopes: the name of one gives no power over other clients' requests.
    if !own.is_named {
        let why = "the client is not in ciba.devices";
        return Err(OAuthError::insufficient_scope(why).saying("The operator has not named this client as one that people answer with."));
    }
    if own.is_exchanged {
        let sentence = "A token that was exchanged for another one answers nothing; have the person sign in.";
        return Err(OAuthError::insufficient_scope("exchanged").saying(sentence));
    }
    let signed_in = match own.kind {
        // Without a sign-in here there is nothing that the approval could say of when and how.
        GrantKind::Person(person) => Some(person).filter(|person| !person.amr.is_empty()),
        GrantKind::Client | GrantKind::Operator => None,
    };
    let nobody =
        || OAuthError::insufficient_scope("no sign-in of a person").saying("This needs a token for which a person signed in here.");
    let person = signed_in.ok_or_else(nobody)?;
    if !own.is_bound {
        let sentence = "This needs a token that is bound to a key, with DPoP or a client certificate.";
        return Err(OAuthError::invalid_token("bound to no key").saying(sentence));
    }
    Ok(person)
}

/// Through what a person answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    pub client: ClientId,
    pub grant: GrantId,
    /// The details as they are granted, in their one text, to be sealed.
    pub details: Option<String>,
    /// Address and user agent, to be sealed.
    pub context: Option<String>,
}

/// May it be answered through this client, at all?
pub fn is_for(own: &Backchannel, client: &ClientId) -> bool {
    // It would give itself what it asks for.
    own.client != *client
}

/// What a person reads, as far as its digest may stay in the log for ever: account and message could be guessed by it.
#[derive(Serialize)]
struct Read<'a> {
    client_id: &'a ClientId,
    client_name: &'a str,
    /// What is asked beyond scopes, in the sentences of the operator: without what is particular.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    details: &'a [String],
    request: BackchannelId,
    scope: &'a Scope,
}

/// The digest of what a device gets to show, as canonical JSON (RFC 8785) of `client_id`, `client_name`, `details` where there are any, `request`
/// and `scope`.
///
/// # Errors
/// `server_error`: not for any request that there is.
pub fn read(own: &Backchannel, client_name: &str, (scope, details): (&Scope, &[String])) -> Result<Digest, OAuthError> {
    let read = Read { client_id: &own.client, client_name, details, request: own.id, scope };
    let text = canonical::to_vec(&read).map_err(|error| OAuthError::server_error(error.0))?;
    Ok(Digest::of(&text))
}

fn check(own: &Backchannel, account: AccountId, by: &By, at: Timestamp) -> Result<(), OAuthError> {
    check_open(own, account, at)?;
    if is_for(own, &by.client) {
        return Ok(());
    }
    Err(OAuthError::access_denied("its own request").saying("An application does not answer what it asked itself."))
}

/// The person allows it there.
pub fn approve(own: &Backchannel, approval: &Approval, by: By, at: Timestamp) -> Decision<BackchannelEvent, ()> {
    if let Err(error) = check(own, approval.account, &by, at).and_then(|()| check_login(own, approval, at)) {
        return Decision::refuse(error);
    }
    let event = BackchannelApprovedOnDevice {
        account: approval.account,
        amr: approval.amr.clone(),
        at,
        auth_time: approval.auth_time,
        client: by.client,
        consent_epoch: approval.consent_epoch,
        grant: by.grant,
        session: approval.session,
    };
    Decision::accept(
        alloc::vec![Draft::new(event.into(), Personal::default().with_whole(DETAILS, by.details).with("context", by.context))],
        (),
    )
}

/// The person says no there.
pub fn deny(own: &Backchannel, account: AccountId, by: By, at: Timestamp) -> Decision<BackchannelEvent, ()> {
    match check(own, account, &by, at) {
        Ok(()) => Decision::accept(alloc::vec![BackchannelDeniedOnDevice { account, at, client: by.client, grant: by.grant }.into()], ()),
        Err(error) => Decision::refuse(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backchannel::tests::{approval, history, wish};
    use crate::backchannel::{Ask, ask};
    use crate::client::metadata::DeliveryMode;
    use crate::testing::*;

    fn person_of(amr: &[&str]) -> GrantKind {
        GrantKind::Person(Person {
            account: alice(),
            session: session_id(),
            offline: false,
            auth_time: t(-10),
            amr: amr.iter().map(|one| (*one).into()).collect(),
            nonce: None,
            claims: crate::claims::ClaimsRequest::default(),
            claim_values: None,
            wants_auth_time: false,
            consent_epoch: 0,
        })
    }

    fn by(client: &str) -> By {
        By { client: client_id(client), grant: grant_id(), details: None, context: None }
    }

    #[test]
    fn only_a_bound_token_of_a_person_at_a_named_client_answers() {
        let (alice, nobody, scope) = (person_of(&["pwd"]), person_of(&[]), scope("ciba.answer openid"));
        let right = Speaker { kind: &alice, scope: &scope, is_bound: true, is_named: true, is_exchanged: false };
        assert_eq!(person(&right).map(|own| own.session), Ok(session_id()));
        let other = crate::testing::scope("openid");
        for (wrong, code) in [
            (Speaker { scope: &other, ..right }, "insufficient_scope"),
            (Speaker { is_named: false, ..right }, "insufficient_scope"),
            (Speaker { is_exchanged: true, ..right }, "insufficient_scope"),
            (Speaker { kind: &nobody, ..right }, "insufficient_scope"),
            (Speaker { kind: &GrantKind::Client, ..right }, "insufficient_scope"),
            (Speaker { kind: &GrantKind::Operator, ..right }, "insufficient_scope"),
            (Speaker { is_bound: false, ..right }, "invalid_token"),
        ] {
            assert_eq!(person(&wrong).map(|own| own.session).map_err(|error| error.code()), Err(code));
        }
    }

    #[test]
    fn ciba_8_one_answer_on_a_device_by_the_person_who_was_asked() {
        let own = history([]);
        let (events, code) = said(&approve(&own, &approval(), by("phone"), t(20)));
        assert_eq!((events.len(), code), (1, "ok"));
        let after = evolve(Some(own.clone()), 2, &events[0], &[]).unwrap();
        assert_eq!(after.answer, crate::polled::Answer::Approved(approval()));
        assert_survives_the_row(&after);
        let (events, code) = said(&deny(&own, alice(), by("phone"), t(20)));
        assert_eq!(code, "ok");
        let denied = evolve(Some(own.clone()), 2, &events[0], &[]).unwrap();
        assert_eq!(denied.answer, crate::polled::Answer::Denied);
        for over in [&after, &denied] {
            assert_eq!(said(&approve(over, &approval(), by("phone"), t(21))), (alloc::vec![], "invalid_request"));
            assert_eq!(said(&deny(over, alice(), by("phone"), t(21))), (alloc::vec![], "invalid_request"));
        }
        assert_eq!(said(&deny(&own, bob(), by("phone"), t(20))).1, "invalid_request", "another person");
        assert_eq!(said(&approve(&own, &approval(), by("phone"), t(600))).1, "invalid_request", "too late");
    }

    #[test]
    fn ciba_10_2_a_client_that_is_told_is_told_of_such_an_answer_at_once() {
        let token = Some("8d67dc78-7faa-4d41-aabd-67707b374255".into());
        let asked = ask(&Ask { delivery_mode: DeliveryMode::Ping, client_notification_token: token, ..wish() }).events.remove(0).event;
        let sealed = ["binding_message", "auth_req_id", "client_notification_token"];
        let own: Backchannel = fold_sealed([asked], &sealed);
        let due = |own: &Backchannel| own.notice.as_ref().and_then(|notice| notice.due_at);
        assert_eq!(due(&own), Some(t(600)));
        let (allowed, denied) = (approve(&own, &approval(), by("phone"), t(20)), deny(&own, alice(), by("phone"), t(20)));
        for event in [&said(&allowed).0[0], &said(&denied).0[0]] {
            assert_eq!(due(&evolve(Some(own.clone()), 2, event, &[]).unwrap()), Some(t(20)));
        }
    }

    #[test]
    fn a_client_answers_nothing_that_it_asked_itself() {
        let own = history([]);
        assert!(is_for(&own, &client_id("phone")) && !is_for(&own, &client_id("app")));
        assert_eq!(said(&approve(&own, &approval(), by("app"), t(20))), (alloc::vec![], "access_denied"));
        assert_eq!(said(&deny(&own, alice(), by("app"), t(20))), (alloc::vec![], "access_denied"));
    }

    #[test]
    fn what_is_answered_is_what_was_read() {
        let own = history([]);
        let text = alloc::format!(r#"{{"client_id":"app","client_name":"Meadow Bank","request":"{}","scope":"openid"}}"#, own.id);
        let shown = |name: &str, details: &[String]| read(&own, name, (&own.scope, details));
        assert_eq!(shown("Meadow Bank", &[]), Ok(Digest::of(text.as_bytes())));
        assert_ne!(shown("Meadow Bank", &[]), shown("Meadow Banks", &[]));
        assert_ne!(shown("Meadow Bank", &[]), shown("Meadow Bank", &["Pay {amount}".into()]));
    }
}
