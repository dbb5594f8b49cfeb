//! What begins without a browser: pushed requests, devices, questions on the back channel, offers of credentials.

use super::*;
use crate::offer::{CredentialOfferRedeemed, CredentialOfferReplayed, CredentialOffered, Offer, TransactionCodeRefused};
use crate::pushed::{AuthorizationRequestPushed, PushedRequestMisused, PushedRequestOpened, PushedRequestSpent};

#[test]
fn offer() {
    let id = crate::id::OfferId(Uuid::from_u128(0x0ff));
    let offered = CredentialOffered {
        account: alice(),
        at: t(0),
        code: digest("code"),
        configurations: ["identity".to_string()].into(),
        expires_at: t(600),
        needs_tx_code: true,
        offer: id,
    };
    check::<Offer>(vec![vec![
        offered.into(),
        TransactionCodeRefused { at: t(1), by: client_id("app") }.into(),
        CredentialOfferRedeemed { at: t(2), by: client_id("app"), grant: grant_id() }.into(),
        CredentialOfferReplayed { at: t(3), by: client_id("other") }.into(),
    ]]);
}

fn wishes() -> crate::polled::wishes::Wishes {
    let claims = crate::claims::ClaimsRequest { id_token: ["email".to_string()].into(), userinfo: ["name".to_string()].into() };
    let (hinted_account, max_age) = (Some(alice()), Some(Seconds(300)));
    crate::polled::wishes::Wishes { claims, hinted_account, max_age, ui_locales: Some("de".into()), wants_auth_time: true }
}

fn object() -> crate::request::object::ObjectUsed {
    let alg = Some(crate::client::metadata::RequestObjectAlg::Es256);
    crate::request::object::ObjectUsed { alg, digest: Some(digest("object")), encryption: None, request_uri: None }
}

#[test]
fn device() {
    use crate::device::*;
    let (device, client, code) = (device_id(), client_id("app"), digest("code"));
    let asked = DeviceAuthorizationRequested {
        authorization_details: ["payment".to_string()].into(),
        device,
        client,
        code,
        instance: Some(digest("instance")),
        scope: scope("openid offline_access"),
        resources: ResourceId::parse("https://api.example.com").into_iter().collect(),
        wishes: wishes(),
        object: Some(object()),
        expires_at: t(600),
        at: t(0),
    };
    let (account, session, amr) = (alice(), session_id(), vec!["pwd".into()]);
    check::<Device>(vec![
        vec![
            asked.clone().into(),
            DevicePollingSlowed { interval: Seconds(10), at: t(3) }.into(),
            DeviceCodeMisused { misuse: Misuse::OtherClient, by: client_id("other"), at: t(4) }.into(),
            DeviceApproved { account, session, amr, auth_time: t(-10), consent_epoch: 0, at: t(5) }.into(),
            DeviceCodeRedeemed { grant: grant_id(), at: t(10) }.into(),
        ],
        vec![asked.into(), DeviceDenied { account, at: t(5) }.into()],
    ]);
}

#[test]
fn pushed() {
    let (pushed, key_commitment) = (pushed_id(), digest("data key"));
    let (client, reference) = (client_id("app"), digest("reference"));
    let first = AuthorizationRequestPushed {
        pushed,
        client,
        reference,
        key_commitment,
        request: request("openid email"),
        expires_at: t(60),
        at: t(0),
    };
    check::<Pushed>(vec![vec![
        first.into(),
        PushedRequestOpened { browser: digest("cookie"), at: t(5) }.into(),
        PushedRequestMisused { misuse: crate::pushed::Misuse::OtherClient, by: client_id("other"), at: t(6) }.into(),
        PushedRequestSpent { error: Some("access_denied".into()), at: t(10) }.into(),
    ]]);
}

#[test]
fn backchannel() {
    use crate::backchannel::*;
    use crate::backchannel::{Abandoned, Message};
    use crate::client::metadata::DeliveryMode;
    let backchannel = crate::id::BackchannelId(Uuid::from_u128(0xcba));
    let requested = BackchannelRequested {
        account: alice(),
        at: t(0),
        authorization_details: ["payment".to_string()].into(),
        backchannel,
        client: client_id("app"),
        code: digest("code"),
        delivery_mode: DeliveryMode::Poll,
        expires_at: t(600),
        instance: Some(digest("instance")),
        object: Some(object()),
        resources: ResourceId::parse("https://api.example.com").into_iter().collect(),
        scope: scope("openid"),
        wants_acr: true,
        wishes: wishes(),
    };
    let told = BackchannelRequested { delivery_mode: DeliveryMode::Push, ..requested.clone() };
    let attempted =
        |number, at, message, grant| BackchannelNotificationAttempted { at: t(at), attempt: number, grant, message, next_at: t(at + 10) };
    let approved = BackchannelApproved {
        account: alice(),
        amr: vec!["pwd".into()],
        at: t(20),
        auth_time: t(-10),
        consent_epoch: 0,
        session: session_id(),
    };
    check::<Backchannel>(vec![
        vec![
            requested.clone().into(),
            BackchannelPollingSlowed { at: t(3), interval: Seconds(10) }.into(),
            approved.clone().into(),
            BackchannelRedeemed { at: t(30), grant: grant_id() }.into(),
            BackchannelMisused { at: t(31), by: client_id("app"), misuse: Misuse::Replayed }.into(),
        ],
        vec![
            told.clone().into(),
            approved.into(),
            attempted(1, 20, Message::Tokens, Some(grant_id())).into(),
            BackchannelNotificationFailed { at: t(21), why: "status 503".into() }.into(),
            attempted(2, 30, Message::Tokens, Some(grant_id())).into(),
            BackchannelNotified { at: t(31), grant: Some(grant_id()), status: 204 }.into(),
        ],
        vec![
            told.into(),
            BackchannelDenied { account: alice(), at: t(20) }.into(),
            attempted(1, 20, Message::AccessDenied, None).into(),
            BackchannelNotificationAbandoned { at: t(900), reason: Abandoned::TooLate }.into(),
        ],
        vec![requested.clone().into(), BackchannelDenied { account: alice(), at: t(20) }.into()],
        vec![
            requested.clone().into(),
            BackchannelApprovedOnDevice {
                account: alice(),
                amr: vec!["pwd".into()],
                at: t(20),
                auth_time: t(-10),
                client: client_id("phone"),
                consent_epoch: 0,
                grant: grant_id(),
                session: session_id(),
            }
            .into(),
        ],
        vec![
            requested.into(),
            BackchannelDeniedOnDevice { account: alice(), at: t(20), client: client_id("phone"), grant: grant_id() }.into(),
        ],
    ]);
}
