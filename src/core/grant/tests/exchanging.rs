//! RFC 8693: what may be exchanged for what, and what a fruit of an exchange rests on.

use super::super::exchange::{self, Exchange, Rule, Rules, Subject, admit};
use super::super::exchanged::{Actor, TokenType};
use super::super::standing::of_grant;
use super::*;
use crate::client::metadata::AuthMethod;
use crate::dpop::Confirmation;
use crate::resource::ResourceId;

fn gateway() -> Client {
    client_with(|metadata| {
        metadata.grant_types.insert(GrantType::TokenExchange);
    })
}

fn rule() -> Rule {
    Rule {
        from: [client_id("spa")].into(),
        token_types: TokenType::ALL.iter().copied().collect(),
        impersonation: true,
        delegation: true,
        ..Rule::default()
    }
}

fn person() -> Person {
    Person {
        account: alice(),
        session: session_id(),
        offline: false,
        auth_time: t(-10),
        amr: vec!["pwd".into()],
        nonce: None,
        claims: ClaimsRequest::default(),
        claim_values: None,
        wants_auth_time: true,
        consent_epoch: 1,
    }
}

fn subject() -> Subject {
    Subject {
        token: digest("at-0"),
        token_type: TokenType::AccessToken,
        client: client_id("spa"),
        grant: Some(grant_id()),
        person: Some(person()),
        exchanged: None,
        scope: scope("openid offline_access read write"),
        cnf: None,
        expires_at: t(300),
        is_for_asker: false,
        may_act: None,
    }
}

fn wish() -> Exchange {
    Exchange {
        grant: GrantId(uuid::Uuid::from_u128(0xe)),
        subject: subject(),
        actor: None,
        scope: None,
        access: digest("new"),
        proven: None,
        target: Ok(Target::default()),
        authorization_details: Ok(None),
        context: None,
        at: t(0),
    }
}

fn actor(name: &str) -> Actor {
    Actor { account: None, client: client_id(name) }
}

fn exchanged(change: impl FnOnce(&mut Exchange), rule: &Rule) -> Result<Grant, &'static str> {
    let mut cmd = wish();
    change(&mut cmd);
    let decision = exchange::decide(&gateway(), rule, &cmd, &LIFETIMES);
    match said(&decision) {
        (events, "ok") => Ok(fold(events)),
        (_, code) => Err(code),
    }
}

fn admitted(
    subject: Subject,
    actor: Option<Actor>,
    proven: Option<Confirmation>,
    rule: &Rule,
) -> Result<(), (&'static str, Option<Misuse>)> {
    admit(&gateway(), rule, (&subject, actor.as_ref()), proven).map_err(|refused| (refused.error.code(), refused.misuse))
}

#[test]
fn rfc8693_5_only_a_registered_confidential_client_that_a_rule_names() {
    let rules = Rules([(client_id("app"), rule())].into());
    let of = |client: &Client, rules: &Rules| exchange::rule_of(client, rules).map(|_| ()).map_err(|error| error.code());
    assert_eq!(of(&gateway(), &rules), Ok(()));
    assert_eq!(of(&client(), &rules), Err("unauthorized_client"));
    assert_eq!(of(&gateway(), &Rules::default()), Err("unauthorized_client"));
    let public = client_with(|metadata| {
        metadata.grant_types.insert(GrantType::TokenExchange);
        metadata.token_endpoint_auth_method = AuthMethod::None;
    });
    assert_eq!(of(&public, &rules), Err("unauthorized_client"));
}

#[test]
fn rfc8693_2_1_whose_tokens_a_client_may_bring() {
    let other = Err(("invalid_request", Some(Misuse::ExchangeByOtherClient)));
    let of = |client: &str, token_type, is_for_asker| Subject { client: client_id(client), token_type, is_for_asker, ..subject() };
    for (subject, expected) in [
        (of("spa", TokenType::AccessToken, false), Ok(())),
        (of("app", TokenType::AccessToken, false), Ok(())),
        (of("other", TokenType::AccessToken, true), Ok(())),
        (of("other", TokenType::AccessToken, false), other),
        (of("spa", TokenType::IdToken, false), Ok(())),
        (of("other", TokenType::IdToken, true), other),
        // RFC 6749 §6: whatever the rule says.
        (of("spa", TokenType::RefreshToken, false), other),
        (of("app", TokenType::RefreshToken, false), Ok(())),
    ] {
        assert_eq!(admitted(subject, None, None, &rule()), expected);
    }
    let access_only = Rule { token_types: [TokenType::AccessToken].into(), ..rule() };
    assert_eq!(admitted(of("spa", TokenType::IdToken, false), None, None, &access_only), Err(("invalid_request", None)));
}

#[test]
fn rfc8693_4_4_may_act_names_who_may() {
    let of = |named: &str| Subject { may_act: Some(client_id(named)), ..subject() };
    assert_eq!(admitted(of("app"), None, None, &rule()), Ok(()));
    assert_eq!(admitted(of("other"), None, None, &rule()), Err(("invalid_request", Some(Misuse::ExchangeByOtherClient))));
    let rules = Rules([(client_id("app"), Rule { announced: true, ..rule() }), (client_id("b"), rule())].into());
    assert_eq!(rules.may_act(&client_id("spa")), Some(&client_id("app")));
    assert_eq!(rules.may_act(&client_id("other")), None);
}

#[test]
fn rfc8693_1_1_impersonation_and_delegation_as_the_rule_says() {
    let (only_delegation, only_impersonation) = (Rule { impersonation: false, ..rule() }, Rule { delegation: false, ..rule() });
    for (rule, actor, expected) in [
        (&only_delegation, None, Err(("invalid_request", None))),
        (&only_delegation, Some(actor("app")), Ok(())),
        (&only_impersonation, Some(actor("app")), Err(("invalid_request", None))),
        (&only_impersonation, None, Ok(())),
    ] {
        assert_eq!(admitted(subject(), actor, None, rule), expected);
    }
}

#[test]
fn abca_9_3_a_refresh_token_of_an_instance_is_exchanged_by_that_instance() {
    let attested = client_with(|metadata| metadata.token_endpoint_auth_method = AuthMethod::Attestation);
    let of = |token_type| Subject { token_type, ..subject() };
    let (proven, instance) = (Some(Confirmation::Jkt(digest("dpop"))), Some(digest("instance")));
    let shown = |client: &Client, token_type| exchange::proven_for(client, &of(token_type), proven, instance);
    assert_eq!(shown(&attested, TokenType::RefreshToken), Some(Confirmation::Jkt(digest("instance"))));
    assert_eq!((shown(&attested, TokenType::AccessToken), shown(&gateway(), TokenType::RefreshToken)), (proven, proven));
}

#[test]
fn rfc9449_5_what_was_bound_stays_bound() {
    let (key, mine) = (Some(Confirmation::Jkt(digest("key"))), Some(Confirmation::Jkt(digest("mine"))));
    let stolen = Err(("invalid_request", Some(Misuse::ExchangeWithOtherKey)));
    let bound = Subject { cnf: key, ..subject() };
    assert_eq!(admitted(bound.clone(), None, key, &rule()), Ok(()));
    for proven in [None, mine] {
        assert_eq!(admitted(bound.clone(), None, proven, &rule()), stolen);
    }
    // The resource server has seen the proof; what it gets is bound to a key of its own.
    let at_api = Subject { is_for_asker: true, ..bound };
    assert_eq!(admitted(at_api.clone(), None, mine, &rule()), Ok(()));
    assert_eq!(admitted(at_api, None, None, &rule()), stolen);
    let grant = exchanged(|cmd| cmd.proven = mine, &rule()).unwrap();
    assert_eq!(grant.access[0].cnf, mine);
}

#[test]
fn rfc8693_4_1_the_chain_keeps_who_acted_before() {
    let first = exchanged(|cmd| cmd.actor = Some(actor("app")), &rule()).unwrap();
    let GrantKind::Person(own) = &first.kind else { panic!("nobody") };
    assert_eq!((own.account, own.session, own.consent_epoch, own.auth_time), (alice(), session_id(), 1, t(-10)));
    let kept = first.exchanged.clone().unwrap();
    assert_eq!((kept.actors.clone(), kept.source.client.as_str(), kept.source.grant), (vec![actor("app")], "spa", Some(grant_id())));
    let again = |cmd: &mut Exchange| {
        cmd.subject = Subject { client: client_id("app"), grant: Some(first.id), exchanged: Some(*kept.clone()), ..subject() };
        cmd.actor = Some(actor("next"));
    };
    let second = exchanged(again, &rule()).unwrap().exchanged.unwrap();
    assert_eq!(second.actors, [actor("next"), actor("app")]);
    // It rests on what the person gave, not on what lies between.
    assert_eq!((second.source.client.as_str(), second.source.grant, second.source.through), ("spa", Some(grant_id()), Some(first.id)));
    // Without a new actor the old ones stay: a chain is never laundered.
    let silent = exchanged(|cmd| (again(cmd), cmd.actor = None).1, &rule()).unwrap().exchanged.unwrap();
    assert_eq!(silent.actors, [actor("app")]);
    let long = |cmd: &mut Exchange| {
        again(cmd);
        cmd.subject.exchanged.as_mut().unwrap().actors = vec![actor("a"); exchange::MOST_ACTORS];
    };
    assert_eq!(exchanged(long, &rule()).unwrap_err(), "invalid_request");
}

#[test]
fn rfc8693_2_2_1_scope_and_life_shrink_only() {
    let of = |asked: Option<&str>, rule: &Rule| exchanged(|cmd| cmd.scope = asked.map(scope), rule).map(|grant| grant.scope.to_string());
    assert_eq!(of(None, &rule()).as_deref(), Ok("openid read write"));
    assert_eq!(of(Some("read"), &rule()).as_deref(), Ok("read"));
    assert_eq!(of(Some("read admin"), &rule()), Err("invalid_scope"));
    assert_eq!(of(Some("offline_access"), &rule()), Err("invalid_scope"));
    let narrow = Rule { scope: Some(scope("read other")), ..rule() };
    assert_eq!(of(None, &narrow).as_deref(), Ok("read"));
    assert_eq!(of(Some("write"), &narrow), Err("invalid_scope"));
    let api = resource_server("https://api.example.com", "write");
    let at_api = |asked: &str| exchanged(|cmd| (cmd.target, cmd.scope) = (Ok(Target::of(&api, None)), Some(scope(asked))), &rule());
    assert_eq!(at_api("read write").unwrap().scope, scope("write"));
    assert_eq!(at_api("read").unwrap_err(), "invalid_scope");
    let grant = exchanged(|_| (), &rule()).unwrap();
    assert_eq!((grant.access[0].expires_at, grant.refresh), (t(300), None));
    assert_eq!(exchanged(|cmd| cmd.subject.expires_at = t(9_000), &rule()).unwrap().access[0].expires_at, t(600));
}

#[test]
fn rfc8693_2_1_one_target_that_the_rule_names() {
    let id = |text: &str| ResourceId::parse(text).unwrap();
    let of = |own: &[&str], resources: &[&str], audiences: &[&str]| {
        let texts = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        let rule = Rule { resources: own.iter().map(|one| id(one)).collect(), ..rule() };
        let found = exchange::target(&rule, &texts(resources), &texts(audiences), "https://id.example/userinfo");
        found.map(|found| found.map(|id| id.to_string())).map_err(|error| error.code())
    };
    let (a, b) = ("https://a.example", "https://b.example");
    assert_eq!(of(&[], &[], &[]), Ok(None));
    assert_eq!(of(&[], &["https://id.example/userinfo"], &[]), Ok(None));
    assert_eq!(of(&[a], &[], &[]), Ok(Some(a.into())));
    assert_eq!(of(&[a, b], &[], &[b]), Ok(Some(b.into())));
    assert_eq!(of(&[a, b], &[a], &[a]), Ok(Some(a.into())), "the same by both names");
    for (own, resources, audiences) in [(&[a, b][..], &[][..], &[][..]), (&[a], &[b], &[]), (&[], &[a], &[]), (&[a, b], &[a], &[b])] {
        assert_eq!(of(own, resources, audiences), Err("invalid_target"));
    }
    assert_eq!(of(&[a], &["https://id.example/userinfo"], &[]), Err("invalid_target"));
}

#[test]
fn rfc8693_5_what_it_came_from_ends_it() {
    let fruit = exchanged(|_| (), &rule()).unwrap();
    let consent = fold::<Consent>([
        ConsentGiven {
            account: alice(),
            chosen: [].into(),
            client: client_id("spa"),
            scope: scope("read"),
            text: digest("text"),
            at: t(-99),
        }
        .into(),
        ConsentWithdrawn { at: t(-98) }.into(),
    ]);
    let account: Account =
        fold(
            [AccountRegistered { account: alice(), at: t(-100), key_commitment: digest("key"), roles: [].into(), declared: false }.into()],
        );
    let started = SessionStarted {
        session: session_id(),
        account: alice(),
        cookie: digest("cookie"),
        amr: vec![],
        at: t(-10),
        idle: crate::time::Seconds(3600),
        ends_at: t(3600),
    };
    let session: Session = fold([started.into()]);
    let (root, spa, app) = (grant([issued(), redeemed()]), client(), gateway());
    let all = Parents {
        client: Some(&app),
        account: Some(&account),
        session: Some(&session),
        consent: Some(&consent),
        resource: None,
        origin: Origin { grant: Some(&root), client: Some(&spa) },
    };
    assert_eq!(of_grant(&fruit, &all, t(1)), Ok(()));
    let revoked = grant([issued(), redeemed(), ended(EndReason::Revoked, 20)]);
    let disabled: Client = fold([registered("spa", metadata()), ClientDisabled { at: t(1) }.into()]);
    for origin in [
        Origin { grant: Some(&revoked), client: Some(&spa) },
        Origin { grant: Some(&root), client: Some(&disabled) },
        Origin { grant: None, client: Some(&spa) },
        Origin { grant: Some(&root), client: None },
    ] {
        assert_eq!(of_grant(&fruit, &Parents { origin, ..all }, t(1)), Err(Dead::SourceGone));
    }
    // Of an id_token there is no grant.
    let of_id_token = exchanged(|cmd| (cmd.subject.grant, cmd.subject.token_type) = (None, TokenType::IdToken), &rule()).unwrap();
    assert_eq!(of_grant(&of_id_token, &Parents { origin: Origin { grant: None, client: Some(&spa) }, ..all }, t(1)), Ok(()));
}
