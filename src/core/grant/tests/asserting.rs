//! RFC 7523 §2.1: what an assertion of a trusted issuer gives.

use super::super::assertion::{self, GrantForAssertion, Rule, Subject, admit};
use super::*;

fn rule() -> Rule {
    Rule { subject: Subject::Account, clients: [client_id("app")].into(), scope: scope("read offline_access"), resources: BTreeSet::new() }
}

fn bearer() -> Client {
    client_with(|metadata| {
        metadata.grant_types.insert(GrantType::JwtBearer);
        metadata.scope = scope("read write offline_access");
    })
}

fn granted(asked: Option<&str>, account: Option<crate::id::AccountId>) -> Result<Grant, &'static str> {
    let cmd = GrantForAssertion {
        grant: grant_id(),
        issuer: "https://partner.example".into(),
        account,
        consent_epoch: 3,
        assertion: digest("assertion"),
        issued_at: t(-5),
        scope: asked.map(scope),
        access: digest("at"),
        proven: None,
        target: Ok(Target::default()),
        context: None,
        at: t(0),
    };
    match said(&assertion::decide(&bearer(), &rule(), &cmd, &LIFETIMES)) {
        (events, "ok") => Ok(fold(events)),
        (_, code) => Err(code),
    }
}

#[test]
fn rfc7523_2_1_only_a_registered_client_that_the_rule_names() {
    assert_eq!(admit(&bearer(), &rule()).map_err(|error| error.code()), Ok(()));
    assert_eq!(admit(&client(), &rule()).unwrap_err().code(), "unauthorized_client");
    let elsewhere = Rule { clients: [client_id("other")].into(), ..rule() };
    assert_eq!(admit(&bearer(), &elsewhere).unwrap_err().code(), "unauthorized_client");
}

#[test]
fn rfc7521_4_1_scope_is_what_rule_and_client_share_and_there_is_no_refresh_token() {
    let grant = granted(None, Some(alice())).unwrap();
    assert_eq!((grant.scope.to_string().as_str(), grant.refresh.is_none(), grant.access.len()), ("read", true, 1));
    for more in ["write", "read write", "offline_access"] {
        assert_eq!(granted(Some(more), Some(alice())).unwrap_err(), "invalid_scope", "{more}");
    }
}

#[test]
fn rfc7523_3_it_speaks_for_its_subject_and_for_no_session() {
    let grant = granted(None, Some(alice())).unwrap();
    let GrantKind::Person(person) = &grant.kind else { panic!("nobody") };
    assert_eq!((person.account, grant.bound_session(), person.consent_epoch, person.amr.len()), (alice(), None, 3, 0));
    assert_eq!(granted(None, None).unwrap().kind, GrantKind::Client);
}
