//! The table of checks: each row with its code, and where the refusal may go.

use alloc::string::ToString;
use alloc::vec::Vec;

mod answers;

use super::*;
use crate::client::metadata::{ApplicationType, AuthMethod, GrantType};
use crate::testing::*;

const URI: &str = "https://app.example.com/cb";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A good request with these changes; an empty value takes the parameter away.
fn parameters(changes: &[(&str, &str)]) -> Parameters {
    let mut all: Parameters =
        [("redirect_uri", URI), ("response_type", "code"), ("scope", "openid")].map(|(name, value)| (name.into(), value.into())).into();
    for (name, value) in changes {
        if value.is_empty() {
            all.remove(*name)
        } else {
            all.insert((*name).into(), (*value).into())
        };
    }
    all
}

fn run(client: &Client, changes: &[(&str, &str)]) -> Result<Request, Refusal> {
    validate(&Asked {
        parameters: &parameters(changes),
        client,
        hint: Ok(None),
        policy: Policy::default(),
        arrival: Arrival::Browser,
        resources: Resources::default(),
        types: &crate::details::NONE,
    })
}

fn accepted(changes: &[(&str, &str)]) -> Request {
    run(&client(), changes).unwrap()
}

/// The code of a refusal that travels to the client, and its mode.
fn redirected(client: &Client, changes: &[(&str, &str)]) -> (&'static str, ResponseMode) {
    match run(client, changes) {
        Err(Refusal::Redirect { redirect_uri, response_mode, error }) => {
            assert!(redirect_uri == URI && error.code.may_redirect());
            (error.code(), response_mode)
        }
        other => panic!("{other:?}"),
    }
}

fn refused(changes: &[(&str, &str)]) -> &'static str {
    redirected(&client(), changes).0
}

#[test]
fn rfc6749_4_1_1_a_plain_request_passes() {
    assert_eq!(accepted(&[]), request("openid"));
}

#[test]
fn rfc9700_4_11_nothing_is_redirected_before_the_redirect_uri_is_verified() {
    for uri in ["https://evil.example/cb", "https://app.example.com/cb/", "https://app.example.com/CB", "https://app.example.com/cb?x=1"] {
        // Everything else is wrong too: the page comes first.
        match run(&client(), &[("redirect_uri", uri), ("response_type", "token"), ("response_mode", "fragment")]) {
            Err(Refusal::Page(error)) => assert_eq!(error.code(), "invalid_request"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn rfc6749_3_1_2_3_the_only_registered_redirect_uri_may_be_left_out_outside_of_openid_connect() {
    let without = |scope: &str, client: &Client| run(client, &[("redirect_uri", ""), ("scope", scope)]);
    let request = without("email", &client()).unwrap();
    assert_eq!((request.redirect_uri.as_str(), request.redirect_uri_omitted), (URI, true));
    assert!(!accepted(&[]).redirect_uri_omitted);
    let several = client_with(|metadata| metadata.redirect_uris.push("https://app.example.com/other".into()));
    let native = client_with(|metadata| {
        metadata.application_type = ApplicationType::Native;
        metadata.redirect_uris = ["http://127.0.0.1/cb".to_string()].into();
    });
    for (scope, client) in [("openid", &client()), ("email openid", &client()), ("email", &several), ("email", &native)] {
        match without(scope, client) {
            Err(Refusal::Page(error)) => assert_eq!(error.code(), "invalid_request"),
            other => panic!("{scope}: {other:?}"),
        }
    }
}

#[test]
fn rfc8252_7_3_a_native_client_may_use_any_loopback_port() {
    let client = client_with(|metadata| {
        metadata.application_type = ApplicationType::Native;
        metadata.redirect_uris = ["http://127.0.0.1/cb".to_string()].into();
    });
    assert_eq!(run(&client, &[("redirect_uri", "http://127.0.0.1:5101/cb")]).unwrap().redirect_uri, "http://127.0.0.1:5101/cb");
    assert!(matches!(run(&client, &[("redirect_uri", "http://127.0.0.1:5101/other")]), Err(Refusal::Page(_))));
}

#[test]
fn multiple_response_types_2_1_the_mode_is_read_first_so_that_later_refusals_travel_in_it() {
    let form = redirected(&client(), &[("response_mode", "form_post"), ("response_type", "token")]);
    assert_eq!(form, ("unsupported_response_type", ResponseMode::FormPost));
    assert_eq!(redirected(&client(), &[("response_mode", "carrier_pigeon")]), ("invalid_request", ResponseMode::Query));
}

#[test]
fn oidc_core_3_1_2_6_inline_registration_has_a_code_of_its_own() {
    assert_eq!(refused(&[("registration", "{}")]), "registration_not_supported");
}

#[test]
fn rfc6749_3_1_1_the_response_type_is_code() {
    assert_eq!(refused(&[("response_type", "")]), "invalid_request");
    for other in ["token", "id_token", "code id_token", "id_token token", "CODE", "code code", "none code"] {
        assert_eq!(refused(&[("response_type", other)]), "unsupported_response_type", "{other}");
    }
    let machine = client_with(|metadata| metadata.response_types.clear());
    assert_eq!(redirected(&machine, &[]).0, "unauthorized_client");
}

#[test]
fn rfc6749_3_3_unknown_scopes_are_dropped_and_nothing_left_is_refused() {
    assert_eq!(accepted(&[("scope", "openid email admin unknown")]).scope, scope("openid email"));
    for bad in ["", "admin", "unknown", "op\"enid", "openid\temail"] {
        assert_eq!(refused(&[("scope", bad)]), "invalid_scope", "{bad}");
    }
    assert_eq!(refused(&[("scope", &"a ".repeat(1025))]), "invalid_scope");
}

#[test]
fn rfc8707_2_every_resource_is_known_and_our_own_userinfo_needs_none() {
    let (server, userinfo) = (Arc::new(resource_server("https://api.example.com", "read")), "https://id.example/oidc/userinfo");
    let run = |asked: &[&str]| {
        let asked: Vec<_> = asked.iter().map(ToString::to_string).collect();
        let resources = Resources {
            asked: &asked,
            found: core::slice::from_ref(&server),
            own: Own { userinfo, credential_issuer: Some("https://id.example/oidc") },
        };
        validate(&Asked {
            parameters: &parameters(&[]),
            client: &client(),
            hint: Ok(None),
            policy: Policy::default(),
            arrival: Arrival::Browser,
            resources,
            types: &crate::details::NONE,
        })
    };
    assert_eq!(run(&["https://api.example.com", userinfo]).unwrap().resources, [server.identifier.clone()].into());
    // OpenID4VCI §5.1.2: the credential issuer may be named; what is asked for there is in scope and details.
    assert_eq!(run(&["https://id.example/oidc"]).unwrap().resources, [].into());
    for bad in
        [&["https://other.example.com"][..], &["/api"], &["https://api.example.com#x"], &["https://api.example.com/"], &[userinfo; 9]]
    {
        match run(bad) {
            Err(Refusal::Redirect { error, .. }) => assert_eq!(error.code(), "invalid_target", "{bad:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn oidc_core_11_offline_access_needs_a_client_with_refresh_tokens() {
    let without = client_with(|metadata| metadata.grant_types = [GrantType::AuthorizationCode].into());
    assert_eq!(run(&without, &[("scope", "openid offline_access")]).unwrap().scope, scope("openid"));
    assert_eq!(redirected(&without, &[("scope", "offline_access")]).0, "invalid_scope");
    assert_eq!(accepted(&[("scope", "openid offline_access")]).scope, scope("openid offline_access"));
}

#[test]
fn rfc7636_4_3_only_s256() {
    let s256 = accepted(&[("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]);
    assert_eq!(s256.code_challenge.as_deref(), Some(CHALLENGE));
    for method in ["", "plain", "s256", "S512"] {
        assert_eq!(refused(&[("code_challenge", CHALLENGE), ("code_challenge_method", method)]), "invalid_request", "{method}");
    }
    for challenge in ["", "short", &CHALLENGE[1..], &CHALLENGE.replace('-', "+"), &"a".repeat(44)] {
        assert_eq!(refused(&[("code_challenge", challenge), ("code_challenge_method", "S256")]), "invalid_request", "{challenge}");
    }
}

#[test]
fn rfc9700_2_1_1_who_must_use_pkce() {
    let public = client_with(|metadata| metadata.token_endpoint_auth_method = AuthMethod::None);
    let strict = client_with(|metadata| metadata.require_pkce = true);
    let with = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    for client in [&public, &strict] {
        assert_eq!(redirected(client, &[]).0, "invalid_request");
        assert!(run(client, &with).is_ok());
    }
    let all = Asked {
        parameters: &parameters(&[]),
        client: &client(),
        hint: Ok(None),
        policy: Policy { pkce_for_all: true, ..Policy::default() },
        arrival: Arrival::Browser,
        resources: Resources::default(),
        types: &crate::details::NONE,
    };
    assert!(matches!(validate(&all), Err(Refusal::Redirect { error, .. }) if error.code() == "invalid_request"));
}

#[test]
fn oidc_core_3_1_2_1_prompt_is_a_list_of_known_words_and_none_stands_alone() {
    assert_eq!(accepted(&[("prompt", "login  consent")]).prompt, [Prompt::Login, Prompt::Consent].into());
    assert_eq!(accepted(&[("prompt", "none")]).prompt, [Prompt::None].into());
    for bad in ["none login", "consent none", "magic", "Login"] {
        assert_eq!(refused(&[("prompt", bad)]), "invalid_request", "{bad}");
    }
}

#[test]
fn oidc_core_3_1_2_1_max_age_is_a_whole_number_and_asks_for_auth_time() {
    let asked = |text| (accepted(&[("max_age", text)]).max_age, accepted(&[("max_age", text)]).wants_auth_time);
    assert_eq!(asked("0"), (Some(Seconds(0)), true));
    assert_eq!(asked("3600"), (Some(Seconds(3600)), true));
    assert_eq!(asked("99999999999999999999999"), (None, true));
    for bad in ["-1", "1.5", "1e3", "+1", "0x10", "\u{661}"] {
        assert_eq!(refused(&[("max_age", bad)]), "invalid_request", "{bad}");
    }
}

#[test]
fn oidc_registration_2_default_max_age_and_require_auth_time() {
    let default = client_with(|metadata| metadata.default_max_age = Some(Seconds(60)));
    let (plain, asked) = (run(&default, &[]).unwrap(), run(&default, &[("max_age", "5")]).unwrap());
    assert_eq!((plain.max_age, plain.wants_auth_time, asked.max_age), (Some(Seconds(60)), true, Some(Seconds(5))));
    let required = client_with(|metadata| metadata.require_auth_time = true);
    assert!(run(&required, &[]).unwrap().wants_auth_time);
}

#[test]
fn rfc9470_5_acr_values_are_a_demand_where_somebody_else_reads_the_token() {
    let of = |demanded, response_type, scopes, values| {
        let policy = Policy { acr_demanded: demanded, front_channel: true, ..Policy::default() };
        let types = ["code", "id_token", "none"].map(|kind| ResponseType::parse(kind).unwrap());
        let client = client_with(|metadata| (metadata.response_types, metadata.scope) = (types.into(), scope("openid email api")));
        let sent = [("response_type", response_type), ("scope", scopes), ("acr_values", values), ("nonce", "n")];
        let (hint, arrival, resources) = (Ok(None), Arrival::Browser, Resources::default());
        let asked =
            Asked { parameters: &parameters(&sent), client: &client, hint, policy, arrival, resources, types: &crate::details::NONE };
        match validate(&asked) {
            Ok(request) => Ok(request.claims.id_token.contains("acr")),
            Err(Refusal::Redirect { error, .. }) => Err(error.code()),
            Err(Refusal::Page(error)) => panic!("{error:?}"),
        }
    };
    let unmet = Err("unmet_authentication_requirements");
    let default = |response_type, scopes| of(Demanded::default(), response_type, scopes, "gold silver");
    assert_eq!((default("code", "openid email"), default("code", "openid api"), default("code", "email")), (Ok(true), unmet, unmet));
    // Nobody gets an access token.
    assert_eq!((default("id_token", "openid api"), default("none", "openid api")), (Ok(true), Ok(true)));
    for scopes in ["openid", "openid api", "api"] {
        assert_eq!(of(Demanded::Always, "code", scopes, "gold"), unmet, "{scopes}");
        assert_eq!(of(Demanded::Never, "code", scopes, "gold"), Ok(true), "{scopes}");
        for values in [crate::acr::PASSWORD, "gold urn:chancery:acr:password", " "] {
            assert_eq!(of(Demanded::Always, "code", scopes, values), Ok(true), "{values}");
        }
    }
}

#[test]
fn rfc9470_5_so_they_are_where_no_browser_brings_the_request() {
    let client = client_with(|metadata| metadata.scope = scope("openid api"));
    let polled = |scopes: &str, values: &str| {
        let parameters: Parameters = [("scope", scopes), ("acr_values", values)].map(|(name, value)| (name.into(), value.into())).into();
        let (hint, policy, arrival, resources) = (Ok(None), Policy::default(), Arrival::Pushing, Resources::default());
        let asked = Asked { parameters: &parameters, client: &client, hint, policy, arrival, resources, types: &crate::details::NONE };
        of_polled(&asked).map(|request| request.claims.id_token.contains("acr")).map_err(|error| error.code())
    };
    assert_eq!((polled("openid", "gold"), polled("openid api", "gold")), (Ok(true), Err("unmet_authentication_requirements")));
    assert_eq!(polled("openid api", crate::acr::PASSWORD), Ok(true));
}

#[test]
fn strings_of_others_are_bounded() {
    for name in ["state", "nonce", "login_hint"] {
        assert_eq!(refused(&[(name, &"x".repeat(2049))]), "invalid_request", "{name}");
        accepted(&[(name, &"x".repeat(2048))]);
    }
}

#[test]
fn oidc_core_3_1_2_1_an_id_token_hint_that_is_not_ours_is_refused() {
    let with = |hint| {
        validate(&Asked {
            parameters: &parameters(&[]),
            client: &client(),
            hint,
            policy: Policy::default(),
            arrival: Arrival::Browser,
            resources: Resources::default(),
            types: &crate::details::NONE,
        })
    };
    assert!(matches!(with(Err(())), Err(Refusal::Redirect { error, .. }) if error.code() == "invalid_request"));
    assert_eq!(with(Ok(Some(alice()))).unwrap().hinted_account, Some(alice()));
}

#[test]
fn every_check_names_its_source_once() {
    let mut names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
    assert!(CHECKS.iter().all(|check| !check.source.is_empty()));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CHECKS.len());
}

proptest::proptest! {
    #[test]
    fn nothing_panics(values in proptest::collection::btree_map("[a-z_]{4,14}", ".{0,40}", 0..6), known in proptest::collection::vec(".{0,60}", 10)) {
        let names = ["response_type", "scope", "code_challenge", "code_challenge_method", "prompt", "max_age", "state", "response_mode", "nonce", "request"];
        let mut all: Parameters = values;
        all.extend(names.iter().zip(known).map(|(name, value)| ((*name).to_string(), value)));
        all.insert("redirect_uri".into(), URI.into());
        let _ = validate(&Asked { parameters: &all, client: &client(), hint: Ok(None), policy: Policy::default(), arrival: Arrival::Browser, resources: Resources::default(), types: &crate::details::NONE });
    }
}

/// The code of the refusal of a request that arrives so, of a client that must push or need not.
fn arriving(arrival: Arrival, must_push: bool, pushed_only: bool, changes: &[(&str, &str)]) -> Option<&'static str> {
    let parameters = parameters(changes);
    let client = client_with(|metadata| metadata.require_pushed_authorization_requests = must_push);
    let policy = Policy { pushed_only, ..Policy::default() };
    let asked = Asked {
        parameters: &parameters,
        client: &client,
        hint: Ok(None),
        policy,
        arrival,
        resources: Resources::default(),
        types: &crate::details::NONE,
    };
    match validate(&asked) {
        Err(Refusal::Redirect { error, .. }) => Some(error.code()),
        Err(Refusal::Page(error)) => panic!("{error:?}"),
        Ok(_) => None,
    }
}

#[test]
fn rfc9126_4_a_request_that_has_to_be_pushed_does_not_come_through_the_browser() {
    for (must_push, pushed_only) in [(true, false), (false, true)] {
        assert_eq!(arriving(Arrival::Browser, must_push, pushed_only, &[]), Some("invalid_request"));
        assert_eq!(arriving(Arrival::Pushing, must_push, pushed_only, &[]), None);
        assert_eq!(arriving(Arrival::Pushed, must_push, pushed_only, &[]), None);
    }
    assert_eq!(arriving(Arrival::Browser, false, false, &[]), None);
}

#[test]
fn rfc9126_2_1_a_request_uri_cannot_be_pushed() {
    assert_eq!(arriving(Arrival::Pushing, false, false, &[("request_uri", "urn:x:y")]), Some("invalid_request"));
}

#[test]
fn rfc9449_10_dpop_jkt_is_a_thumbprint() {
    let jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    assert_eq!(accepted(&[("dpop_jkt", jkt)]).dpop_jkt.unwrap().to_string(), jkt);
    for bad in ["x", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4J", &jkt[1..], &jkt.replace('-', "+")] {
        assert_eq!(refused(&[("dpop_jkt", bad)]), "invalid_request", "{bad}");
    }
}
