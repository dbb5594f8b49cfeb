//! How a grant begins.

use super::*;
use crate::grant::issue::{self, IssueCode, IssueToClient, MintForOperator};

fn to_client(own: &str, asked: Option<&str>) -> Decision<GrantEvent, issue::IssuedToClient> {
    let client = client_with(|metadata| {
        metadata.grant_types = [GrantType::ClientCredentials].into();
        metadata.scope = scope(own);
    });
    let cmd = IssueToClient {
        grant: grant_id(),
        scope: asked.map(scope),
        access: digest("at"),
        proven: None,
        target: Ok(Target::default()),
        authorization_details: Ok(None),
        context: None,
        at: t(0),
    };
    issue::to_client(&client, &cmd, &LIFETIMES)
}

#[test]
fn rfc6749_4_1_2_a_code_lives_shortly_and_remembers_what_it_is_bound_to() {
    let cmd = IssueCode {
        grant: grant_id(),
        client: client_id("app"),
        account: alice(),
        session: session_id(),
        interaction: interaction_id(),
        scope: scope("openid email"),
        code: Some(digest("code")),
        redirect_uri: "https://app.example.com/cb".into(),
        redirect_uri_omitted: false,
        claims: crate::claims::ClaimsRequest::default(),
        resources: BTreeSet::new(),
        code_challenge: None,
        dpop_jkt: None,
        instance: None,
        auth_time: t(-10),
        amr: vec!["pwd".into()],
        wants_auth_time: false,
        consent_epoch: 0,
        nonce: Some("n".into()),
        authorization_details: None,
        claim_values: Some("{}".into()),
        context: None,
        at: t(0),
    };
    let decision = issue::code(&cmd, &LIFETIMES);
    assert_eq!(said(&decision), (vec![issued()], "ok"));
    let personal = &decision.events[0].personal;
    assert_eq!(personal.iter().collect::<Vec<_>>(), [("claim_values", "{}"), ("nonce", "n")]);
    assert!(personal.is_whole("claim_values"), "it is read back");
}

#[test]
fn rfc6749_4_4_3_client_credentials_bring_no_refresh_token() {
    let decision = to_client("api", None);
    let grant = grant([decision.events[0].event.clone()]);
    assert!(grant.refresh.is_none() && grant.account().is_none() && grant.bound_session().is_none());
    assert_eq!(grant.access[0].expires_at, t(600));
}

#[test]
fn rfc6749_3_3_a_client_gets_no_more_scope_than_it_registered() {
    assert_eq!(to_client("api write", None).outcome.unwrap().scope, scope("api write"));
    assert_eq!(to_client("api", Some("api other")).outcome.unwrap().scope, scope("api"));
    assert_eq!(said(&to_client("api", Some("other"))), (vec![], "invalid_scope"));
}

#[test]
fn oidc_core_3_1_2_1_scopes_about_a_person_are_no_scopes_of_a_client() {
    assert_eq!(to_client("openid email api", None).outcome.unwrap().scope, scope("api"));
    assert_eq!(said(&to_client("openid email api", Some("openid"))).1, "invalid_scope");
}

#[test]
fn rfc6749_5_2_client_credentials_need_their_registration() {
    let cmd = IssueToClient {
        grant: grant_id(),
        scope: None,
        access: digest("at"),
        proven: None,
        target: Ok(Target::default()),
        authorization_details: Ok(None),
        context: None,
        at: t(0),
    };
    assert_eq!(said(&issue::to_client(&client(), &cmd, &LIFETIMES)), (vec![], "unauthorized_client"));
}

#[test]
fn an_operator_token_has_management_scopes_and_nothing_else() {
    let mint = |text: &str| {
        let (grant, client, access) = (grant_id(), client_id("operator"), digest("at"));
        said(&issue::to_operator(&MintForOperator { grant, client, scope: scope(text), access, expires_at: t(60), at: t(0) }))
    };
    assert_eq!((mint("admin audit:read").0.len(), mint("admin audit:read").1), (1, "ok"));
    assert_eq!(mint("admin openid"), (vec![], "invalid_scope"));
    assert_eq!(mint(""), (vec![], "invalid_scope"));
}
