//! Profiles (`chancery_core::profile`): what the configuration means for the rules, and in which points it falls short.

use chancery_core::account::FieldError;
use chancery_core::client::metadata::Metadata;
use chancery_core::profile::Profile;
use chancery_core::profile::demands::{self, Demand};
use chancery_core::request::Policy;
use chancery_core::resource;

use super::{clients, seconds, seed};
use crate::config::{Config, Mode, PkceRequired, Registration};

/// What the rules are told of the configuration.
pub fn policy(config: &Config) -> Policy {
    Policy {
        pkce_for_all: config.pkce == PkceRequired::All,
        front_channel: config.front_channel,
        web_message: config.web_message,
        account_registration: config.registration == Registration::Open,
        pushed_only: config.pushed_only,
        unregistered_redirect_uris: config.unregistered_redirect_uris,
        localhost_ports: config.mode != Mode::Production,
        unsigned_request_objects: config.unsigned_request_objects,
        signed_request_objects: config.signed_request_objects,
        encrypted_request_objects: config.encrypted_request_objects,
        front_channel_logout: config.front_channel_logout,
        session_management: config.session_management,
        client_certificates: config.mtls.is_on(),
        client_authorities: config.mtls.client_ca.is_some(),
        token_exchange: !config.exchanges.is_empty(),
        assertion_issuers: !config.assertion_issuers.is_empty(),
        ciba: config.ciba,
        attesters: !config.attesters.is_empty(),
        attestation_signal: config.attestation_signal,
        credentials: !config.credentials.is_empty(),
        client_documents: config.client_documents.enabled,
        acr_demanded: config.acr_demanded,
        profile: config.profile,
        https: config.issuer.as_str().starts_with("https://"),
        code_lifetime: seconds(config.lifetimes.code),
        pushed_lifetime: seconds(config.lifetimes.pushed_request),
        clock_tolerance: seconds(config.lifetimes.clock_tolerance),
    }
}

/// The points in which a client falls short of the server's profile or its own.
pub fn of_client(metadata: &Metadata, policy: &Policy) -> Vec<FieldError> {
    let profiles = policy.profile.into_iter().chain(metadata.chancery_profile);
    let missed = profiles.flat_map(|profile| demands::of_client(profile, metadata, policy).into_iter().map(move |own| (profile, own)));
    missed.map(|(profile, own)| FieldError { field: own.field, problem: told(profile, own) }).collect()
}

/// The points in which the configuration falls short of a profile: the server, the clients and the resource servers that it declares.
pub fn shortfalls(config: &Config, profile: Profile) -> Vec<String> {
    let policy = Policy { profile: None, ..policy(config) };
    let mut found: Vec<_> = demands::of_server(profile, &policy).into_iter().map(|own| line("", profile, own)).collect();
    for client in &config.clients {
        let whose = format!("client {}: ", client.client_id);
        match clients::validate(&seed::declared(client).asked, true, policy) {
            // What the whole server lacks was said.
            Ok(metadata) => found.extend(
                demands::of_client(profile, &metadata, &policy)
                    .into_iter()
                    .filter(|own| !matches!(own.of, demands::Of::Always(_)))
                    .map(|own| line(&whose, profile, own)),
            ),
            Err(problems) => found.extend(problems.iter().map(|own| format!("{whose}{}: {}", own.field, own.problem))),
        }
    }
    for declared in &config.resources {
        let whose = format!("resource {}: ", declared.identifier);
        if let Ok((_, settings)) = resource::validate(&seed::api(declared)) {
            found.extend(demands::of_resource(profile, &settings).into_iter().map(|own| line(&whose, profile, own)));
        }
    }
    found
}

fn line(whose: &str, profile: Profile, own: &Demand) -> String {
    format!("{whose}{}: {}", own.field, told(profile, own))
}

fn told(profile: Profile, own: &Demand) -> String {
    format!("{} ({}, {}).", own.sentence, profile.as_str(), own.source(profile).unwrap_or_default())
}
