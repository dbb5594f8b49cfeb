//! Histories of grants: of a person, of a device, of a client alone, of an operator, through the front channel.

use super::*;
use crate::credential::attestation::{Attested, ProofType};
use crate::grant::exchanged::{Actor, Source, TokenType};

#[test]
fn grant() {
    let (grant, client, id_token_kid) = (grant_id(), client_id("app"), Some("2027-01".to_string()));
    let access = |name: &str, at: i64| IssuedAccess {
        digest: digest(name),
        expires_at: t(at + 600),
        audience: ResourceId::parse("https://api.example.com"),
        cnf: Some(crate::dpop::Confirmation::Jkt(digest("key"))),
        kid: Some("2027-01".into()),
    };
    let claims = || crate::claims::ClaimsRequest { id_token: ["email".to_string()].into(), userinfo: ["name".to_string()].into() };
    let issued = CodeIssued {
        grant,
        client: client.clone(),
        account: alice(),
        session: session_id(),
        interaction: interaction_id(),
        scope: scope("openid email"),
        claims: crate::claims::ClaimsRequest::default(),
        resources: ResourceId::parse("https://api.example.com").into_iter().collect(),
        code: digest("code"),
        code_expires_at: t(60),
        redirect_uri: "https://app.example.com/cb".into(),
        redirect_uri_omitted: false,
        code_challenge: Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into()),
        dpop_jkt: Some(digest("key")),
        instance: Some(digest("instance")),
        auth_time: t(-10),
        amr: vec!["pwd".into()],
        wants_auth_time: true,
        consent_epoch: 0,
        at: t(0),
    };
    let refresh = Some(IssuedRefresh { cnf: None, digest: digest("rt-0"), expires_at: t(14 * DAY), ends_at: t(90 * DAY) });
    let rotated = RefreshTokenRotated {
        cnf: Some(crate::dpop::Confirmation::Jkt(digest("key"))),
        generation: 1,
        refresh: digest("rt-1"),
        refresh_expires_at: t(14 * DAY),
        access: access("at-1", 20),
        scope: Some(scope("email")),
        id_token_kid: None,
        at: t(20),
    };
    let person: Vec<GrantEvent> = vec![
        issued.into(),
        MisuseRefused { misuse: Misuse::CodeByOtherClient, by: client_id("other"), at: t(1) }.into(),
        CodeVerifierRefused { at: t(2) }.into(),
        CodeRedeemed { access: access("at-0", 10), refresh, scope: None, id_token_kid: id_token_kid.clone(), at: t(10) }.into(),
        rotated.into(),
        RefreshTokenRepeated { access: access("at-2", 21), scope: None, id_token_kid: id_token_kid.clone(), at: t(21) }.into(),
        RefreshTokenUsed { refresh_expires_at: t(14 * DAY), access: access("at-3", 30), scope: None, id_token_kid, at: t(30) }.into(),
        CredentialsIssued {
            access: digest("at-3"),
            at: t(35),
            attested: Some(Attested {
                attester: "Meadow Wallet".into(),
                key_storage: ["iso_18045_high".into()].into(),
                proof_type: ProofType::Jwt,
                user_authentication: ["iso_18045_moderate".into()].into(),
            }),
            configuration: "identity".into(),
            count: 1,
            expires_at: t(14 * DAY),
            kid: "2027-01".into(),
            vct: "https://id.example.com/credentials/identity".into(),
        }
        .into(),
        AccessTokenRevoked { access: digest("at-3"), at: t(40) }.into(),
        GrantEnded { reason: EndReason::RefreshTokenReused, at: t(50) }.into(),
    ];
    let alone = ClientCredentialsGranted { grant, client, scope: scope("api"), access: access("at", 0), at: t(0) };
    let tv: GrantEvent = DeviceGranted {
        grant,
        device: device_id(),
        client: client_id("app"),
        account: alice(),
        session: session_id(),
        auth_time: t(-10),
        amr: vec!["pwd".into()],
        consent_epoch: 0,
        scope: scope("openid offline_access api"),
        access_scope: Some(scope("api")),
        resources: ResourceId::parse("https://api.example.com").into_iter().collect(),
        access: access("at-d", 0),
        refresh: Some(IssuedRefresh { cnf: None, digest: digest("rt-d"), expires_at: t(14 * DAY), ends_at: t(90 * DAY) }),
        id_token_kid: Some("2027-01".into()),
        claims: claims(),
        wants_auth_time: true,
        at: t(0),
    }
    .into();
    let asked: GrantEvent = BackchannelGranted {
        grant,
        backchannel: crate::id::BackchannelId(Uuid::from_u128(0xcba)),
        client: client_id("app"),
        account: alice(),
        session: session_id(),
        auth_time: t(-10),
        amr: vec!["pwd".into()],
        consent_epoch: 0,
        scope: scope("openid offline_access api"),
        access_scope: Some(scope("api")),
        resources: ResourceId::parse("https://api.example.com").into_iter().collect(),
        access: access("at-d", 0),
        refresh: Some(IssuedRefresh { cnf: None, digest: digest("rt-d"), expires_at: t(14 * DAY), ends_at: t(90 * DAY) }),
        id_token_kid: Some("2027-01".into()),
        wants_acr: true,
        claims: claims(),
        wants_auth_time: true,
        at: t(0),
    }
    .into();
    let exchanged: GrantEvent = TokenExchanged {
        access: access("at-x", 0),
        account: Some(alice()),
        actors: vec![Actor { account: None, client: client_id("gateway") }, Actor { account: Some(bob()), client: client_id("desk") }],
        amr: vec!["pwd".into()],
        at: t(0),
        auth_time: Some(t(-10)),
        client: client_id("gateway"),
        consent_epoch: Some(0),
        grant,
        offline: true,
        scope: scope("api"),
        session: Some(session_id()),
        single_use: true,
        source: Source {
            client: client_id("app"),
            grant: Some(grant_id()),
            through: Some(grant_id()),
            digest: digest("at-0"),
            token_type: TokenType::AccessToken,
        },
    }
    .into();
    let asserted: GrantEvent = AssertionGranted {
        access: access("at-a", 0),
        account: Some(alice()),
        assertion: digest("assertion"),
        at: t(0),
        client: client_id("app"),
        consent_epoch: Some(0),
        grant,
        issued_at: t(-5),
        issuer: "https://partner.example".into(),
        scope: scope("api"),
    }
    .into();
    let offered: GrantEvent = PreAuthorizedGranted {
        access: access("at-p", 0),
        account: alice(),
        at: t(0),
        client: client_id("app"),
        consent_epoch: 0,
        grant,
        offer: crate::id::OfferId(Uuid::from_u128(0x0ff)),
        scope: scope(""),
    }
    .into();
    let operator = OperatorTokenMinted { grant, client: client_id("operator"), scope: scope("admin"), access: access("at", 0), at: t(0) };
    let claims = crate::claims::ClaimsRequest { id_token: ["acr".into()].into(), userinfo: ["email".into()].into() };
    let implicit: Vec<GrantEvent> = vec![
        ImplicitlyGranted {
            grant,
            client: client_id("app"),
            account: alice(),
            session: session_id(),
            interaction: interaction_id(),
            scope: scope("openid email"),
            claims,
            resources: BTreeSet::new(),
            auth_time: t(-10),
            amr: vec!["pwd".into()],
            wants_auth_time: false,
            consent_epoch: 0,
            at: t(0),
        }
        .into(),
        FrontChannelIssued { access: Some(access("at", 0)), id_token_kid: Some("2027-01".into()), scope: None, at: t(0) }.into(),
    ];
    check::<Grant>(vec![
        implicit,
        person,
        vec![tv],
        vec![asked],
        vec![exchanged],
        vec![asserted],
        vec![offered],
        vec![alone.into()],
        vec![operator.into()],
    ]);
}
