//! The machine endpoints: parse, hand to the application, answer. No rules.
//!
//! | File | Endpoints |
//! |---|---|
//! | `discovery` | both metadata documents, JWKS |
//! | `token` | token, introspection, revocation |
//! | `pushed` | pushed authorization requests |
//! | `attestation` | challenges for attested clients |
//! | `credential` | credentials for wallets |
//! | `device`, `backchannel` | device authorization, backchannel authentication |
//! | `own_device` | answers of people in an application of theirs |
//! | `userinfo` | userinfo |
//! | `signals` | streams of shared signals |
//! | `registration` | dynamic registration, `POST /clients`, `GET /clients/{client_id}` |
//! | `accounts` | `POST /auth/register`, `POST /auth/login` |
//! | `erasure` | erasing a person, and its certificate |
//! | `audit` | questions to the log |
//! | `proof`, `tiles` | checkpoint, proofs and tiles of the log |
//! | `health` | live and ready |
//! | `metrics` | numbers for Prometheus |
//!
//! Browser endpoints (authorize, interaction, logout) are `pages`.

pub mod accounts;
pub mod attestation;
pub mod audit;
pub mod backchannel;
pub mod credential;
pub mod device;
pub mod discovery;
pub mod erasure;
pub mod health;
pub mod metrics;
pub mod own_device;
pub mod proof;
pub mod pushed;
pub mod registration;
pub mod signals;
pub mod tiles;
pub mod token;
pub mod userinfo;

use poem_openapi::{OpenApi, Tags};

use super::server::Server;

/// The groups of the OpenAPI document.
#[derive(Tags)]
pub enum Group {
    /// OpenID Connect and OAuth 2.0, as the specifications say.
    Protocol,
    /// Accounts and clients.
    App,
    /// Questions to the log.
    Audit,
    /// For whoever runs the server.
    Operations,
}

/// What stands on an address of its own, for whoever runs the server.
pub fn operations(server: &Server) -> impl OpenApi + use<> {
    (health::Health(server.clone()), metrics::OpenMetrics(server.clone()))
}

/// All machine endpoints.
pub fn api(server: &Server) -> impl OpenApi + use<> {
    (
        discovery::Discovery::new(server),
        token::Token(server.clone()),
        pushed::PushedRequests(server.clone()),
        (
            device::DeviceAuthorization(server.clone()),
            backchannel::BackchannelAuthentication(server.clone()),
            attestation::Challenges(server.clone()),
            credential::Credentials::new(server),
        ),
        own_device::OwnDevices(server.clone()),
        userinfo::UserInfo(server.clone()),
        signals::Signals(server.clone()),
        registration::Registration(server.clone()),
        accounts::Accounts(server.clone()),
        erasure::Erasure(server.clone()),
        audit::Audit(server.clone()),
        proof::Proof(server.clone()),
        audit::Then(audit::Audit(server.clone())),
        health::Health(server.clone()),
        metrics::Metrics(server.clone()),
    )
}
