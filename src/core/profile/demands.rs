//! What profiles demand: one table, rows are demands, each with the profiles that make it and where these say so.

use alloc::vec::Vec;

use super::Profile::{self, Fapi1Advanced as F1, Fapi2MessageSigning as MS, Fapi2Security as F2, FapiCiba as FC, OAuth21 as O21};
use crate::client::metadata::{ApplicationType, AuthMethod, DeliveryMode, GrantType, Metadata, Rotation, SigningAlg, TokenFormat};
use crate::request::Policy;
use crate::resource::Settings;

/// Of what something is demanded.
pub enum Of {
    /// Of the server, when the profile is its own.
    Server(fn(&Policy) -> bool),
    /// Of the server, also when the profile is one client's.
    Always(fn(&Policy) -> bool),
    /// Of a client, with the policy that it lives under.
    Client(fn(Profile, &Metadata, &Policy) -> bool),
    /// Of a resource server.
    Resource(fn(Profile, &Settings) -> bool),
}

/// One row.
pub struct Demand {
    /// The setting, or the member of a registration.
    pub field: &'static str,
    pub of: Of,
    /// Which profiles demand it, and where.
    pub by: &'static [(Profile, &'static str)],
    /// What to do.
    pub sentence: &'static str,
}

impl Demand {
    /// Where this profile says so.
    pub fn source(&self, profile: Profile) -> Option<&'static str> {
        self.by.iter().find(|(own, _)| *own == profile).map(|(_, source)| *source)
    }
}

fn allowed(profile: Profile, alg: Option<SigningAlg>) -> bool {
    alg.is_none_or(|alg| profile.allows(alg.as_str()))
}

fn is_plain(uri: &str) -> bool {
    uri.starts_with("http://")
}

fn is_loopback(uri: &str) -> bool {
    ["http://127.0.0.1", "http://[::1]"]
        .iter()
        .any(|start| uri.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/'])))
}

/// Every demand.
pub const DEMANDS: &[Demand] = &[
    Demand {
        field: "issuer",
        of: Of::Always(|policy| policy.https),
        by: &[(F1, "FAPI 1.0 Part 2 §8.5"), (FC, "FAPI 1.0 Part 2 §8.5"), (F2, "§5.2.1"), (MS, "§5.2.1")],
        sentence: "the issuer is not https",
    },
    Demand {
        field: "pkce.required",
        of: Of::Server(|policy| policy.pkce_for_all),
        by: &[(O21, "§4.1.1"), (F2, "§5.3.2.2"), (MS, "§5.3.2.2")],
        sentence: "set it to \"all\"",
    },
    Demand {
        field: "pushed_requests.required",
        of: Of::Server(|policy| policy.pushed_only),
        by: &[(F2, "§5.3.2.2"), (MS, "§5.3.2.2")],
        sentence: "set it to true",
    },
    Demand {
        field: "response_types.front_channel",
        of: Of::Server(|policy| !policy.front_channel),
        by: &[(O21, "§10.1"), (F2, "§5.3.2.2"), (MS, "§5.3.2.2")],
        sentence: "set it to false",
    },
    Demand { field: "ciba.enabled", of: Of::Always(|policy| policy.ciba), by: &[(FC, "FAPI-CIBA §5.2.2")], sentence: "set it to true" },
    Demand {
        field: "mtls.listen",
        of: Of::Always(|policy| policy.client_certificates),
        by: &[(F1, "§5.2.2"), (FC, "FAPI 1.0 Part 2 §5.2.2")],
        sentence: "name an address, or set mtls.proxy_header: tokens are bound to certificates, and none reaches the server",
    },
    Demand {
        field: "request_objects.unsigned",
        of: Of::Always(|policy| !policy.unsigned_request_objects),
        by: &[(F1, "§5.2.2"), (FC, "FAPI 1.0 Part 2 §5.2.2"), (F2, "§5.4.1"), (MS, "§5.3.1")],
        sentence: "set it to false",
    },
    Demand {
        field: "lifetimes.code",
        of: Of::Always(|policy| policy.code_lifetime.0 <= 60),
        by: &[(F2, "§5.3.2.1"), (MS, "§5.3.2.1")],
        sentence: "set it to 60 seconds at most",
    },
    Demand {
        field: "lifetimes.code",
        of: Of::Always(|policy| policy.code_lifetime.0 <= 600),
        by: &[(O21, "§4.1.2"), (F1, "RFC 6749 §4.1.2"), (FC, "RFC 6749 §4.1.2")],
        sentence: "set it to 10 minutes at most",
    },
    Demand {
        field: "lifetimes.pushed_request",
        of: Of::Always(|policy| policy.pushed_lifetime.0 < 600),
        by: &[(F2, "§5.3.2.2"), (MS, "§5.3.2.2")],
        sentence: "set it to less than 10 minutes",
    },
    Demand {
        field: "lifetimes.clock_tolerance",
        of: Of::Always(|policy| (10..=60).contains(&policy.clock_tolerance.0)),
        by: &[(F2, "§5.3.2.1"), (MS, "§5.3.2.1")],
        sentence: "set it to 10 to 60 seconds",
    },
    Demand {
        field: "token_endpoint_auth_method",
        of: Of::Client(|_, own, _| {
            use AuthMethod::{PrivateKeyJwt, SelfSignedTlsClientAuth, TlsClientAuth};
            matches!(own.token_endpoint_auth_method, PrivateKeyJwt | TlsClientAuth | SelfSignedTlsClientAuth)
        }),
        by: &[(F1, "§5.2.2"), (FC, "FAPI 1.0 Part 2 §5.2.2"), (F2, "§5.3.2.1"), (MS, "§5.3.2.1")],
        sentence: "use private_key_jwt, tls_client_auth or self_signed_tls_client_auth",
    },
    Demand {
        field: "token_endpoint_auth_signing_alg",
        of: Of::Client(|profile, own, _| {
            own.token_endpoint_auth_method != AuthMethod::PrivateKeyJwt || own.assertion_algs().all(|alg| profile.allows(alg.as_str()))
        }),
        by: &[(F1, "§8.6"), (FC, "FAPI 1.0 Part 2 §8.6"), (F2, "§5.4.1"), (MS, "§5.4.1")],
        sentence: "name one of PS256, ES256 or, in FAPI 2.0, EdDSA",
    },
    Demand {
        field: "tls_client_certificate_bound_access_tokens",
        of: Of::Client(|_, own, _| own.tls_client_certificate_bound_access_tokens),
        by: &[(F1, "§5.2.2"), (FC, "FAPI 1.0 Part 2 §5.2.2")],
        sentence: "set it to true: tokens are bound to the client's certificate",
    },
    Demand {
        field: "dpop_bound_access_tokens",
        of: Of::Client(|_, own, _| own.binds_tokens()),
        by: &[(F2, "§5.3.2.1"), (MS, "§5.3.2.1")],
        sentence: "set it or tls_client_certificate_bound_access_tokens to true: tokens are bound to a key",
    },
    Demand {
        field: "response_types",
        of: Of::Client(|profile, own, _| own.response_types.iter().all(|kind| profile.has_response_type(kind.as_str()))),
        by: &[(O21, "§10.1"), (F1, "§5.2.2"), (FC, "FAPI 1.0 Part 2 §5.2.2"), (F2, "§5.3.2.2"), (MS, "§5.3.2.2")],
        sentence: "use code, or in FAPI 1.0 code id_token",
    },
    Demand {
        field: "grant_types",
        of: Of::Client(|_, own, _| !own.grant_types.contains(&GrantType::Implicit)),
        by: &[(O21, "§10.1"), (F2, "§5.3.2.2"), (MS, "§5.3.2.2")],
        sentence: "leave implicit out",
    },
    Demand {
        field: "redirect_uris",
        of: Of::Client(|_, own, _| {
            let native = own.application_type == ApplicationType::Native;
            own.redirect_uris.iter().all(|uri| !is_plain(uri) || (native && is_loopback(uri)))
        }),
        by: &[(F2, "§5.3.2.2"), (MS, "§5.3.2.2")],
        sentence: "use https; plain http only on the loopback addresses of native clients",
    },
    Demand {
        field: "redirect_uris",
        of: Of::Client(|_, own, _| own.redirect_uris.iter().all(|uri| uri.starts_with("https://"))),
        by: &[(F1, "FAPI 1.0 Part 1 §5.2.2"), (FC, "FAPI 1.0 Part 1 §5.2.2")],
        sentence: "use https",
    },
    Demand {
        field: "require_pkce",
        of: Of::Client(|_, own, policy| {
            own.require_pkce || policy.pkce_for_all || !own.grant_types.contains(&GrantType::AuthorizationCode)
        }),
        by: &[(O21, "§4.1.1"), (F2, "§5.3.2.2"), (MS, "§5.3.2.2")],
        sentence: "set it to true",
    },
    Demand {
        field: "require_pkce",
        of: Of::Client(|_, own, policy| {
            let pushes = own.require_pushed_authorization_requests || policy.pushed_only;
            own.require_pkce || policy.pkce_for_all || !pushes
        }),
        by: &[(F1, "§5.2.2"), (FC, "FAPI 1.0 Part 2 §5.2.2")],
        sentence: "set it to true where requests are pushed",
    },
    Demand {
        field: "require_pushed_authorization_requests",
        of: Of::Client(|_, own, policy| {
            own.require_pushed_authorization_requests || policy.pushed_only || !own.grant_types.contains(&GrantType::AuthorizationCode)
        }),
        by: &[(F2, "§5.3.2.2"), (MS, "§5.3.2.2")],
        sentence: "set it to true",
    },
    Demand {
        field: "require_signed_request_object",
        of: Of::Client(|_, own, policy| {
            own.require_signed_request_object || policy.signed_request_objects || own.response_types.is_empty()
        }),
        by: &[(F1, "§5.2.2"), (FC, "FAPI 1.0 Part 2 §5.2.2"), (MS, "§5.3.1")],
        sentence: "set it to true",
    },
    Demand {
        field: "request_object_signing_alg",
        of: Of::Client(|profile, own, _| {
            let needed = profile.wants_signed_requests() && !own.response_types.is_empty();
            own.request_object_signing_alg.map_or(!needed, |alg| profile.allows(alg.as_str()))
        }),
        by: &[(F1, "§8.6"), (FC, "FAPI 1.0 Part 2 §8.6"), (F2, "§5.4.1"), (MS, "§5.4.1")],
        sentence: "name one of PS256, ES256 or, in FAPI 2.0, EdDSA",
    },
    Demand {
        field: "id_token_signed_response_alg",
        of: Of::Client(|profile, own, _| allowed(profile, Some(own.id_token_signed_response_alg))),
        by: &[(F1, "§8.6"), (FC, "FAPI 1.0 Part 2 §8.6"), (F2, "§5.4.1"), (MS, "§5.4.1")],
        sentence: "name one of PS256, ES256 or, in FAPI 2.0, EdDSA",
    },
    Demand {
        field: "userinfo_signed_response_alg",
        of: Of::Client(|profile, own, _| allowed(profile, own.userinfo_signed_response_alg)),
        by: &[(F1, "§8.6"), (FC, "FAPI 1.0 Part 2 §8.6"), (F2, "§5.4.1"), (MS, "§5.4.1")],
        sentence: "name one of PS256, ES256 or, in FAPI 2.0, EdDSA",
    },
    Demand {
        field: "authorization_signed_response_alg",
        of: Of::Client(|profile, own, _| allowed(profile, own.authorization_signed_response_alg)),
        by: &[(F1, "§8.6"), (FC, "FAPI 1.0 Part 2 §8.6"), (F2, "§5.4.1"), (MS, "§5.4.1")],
        sentence: "name one of PS256, ES256 or, in FAPI 2.0, EdDSA",
    },
    Demand {
        field: "introspection_signed_response_alg",
        of: Of::Client(|profile, own, _| allowed(profile, own.introspection_signed_response_alg)),
        by: &[(F1, "§8.6"), (FC, "FAPI 1.0 Part 2 §8.6"), (F2, "§5.4.1"), (MS, "§5.4.1")],
        sentence: "name one of PS256, ES256 or, in FAPI 2.0, EdDSA",
    },
    Demand {
        field: "backchannel_authentication_request_signing_alg",
        of: Of::Client(|profile, own, _| {
            let needed = profile == FC && own.grant_types.contains(&GrantType::Ciba);
            own.backchannel_authentication_request_signing_alg.map_or(!needed, |alg| profile.allows(alg.as_str()))
        }),
        by: &[(F1, "§8.6"), (FC, "FAPI-CIBA §5.2.2"), (F2, "§5.4.1"), (MS, "§5.4.1")],
        sentence: "name one of PS256, ES256 or, in FAPI 2.0, EdDSA",
    },
    Demand {
        field: "backchannel_token_delivery_mode",
        of: Of::Client(|profile, own, _| {
            own.backchannel_token_delivery_mode.is_none_or(|mode| profile.has_delivery_mode(mode == DeliveryMode::Push))
        }),
        by: &[(FC, "FAPI-CIBA §5.2.2")],
        sentence: "use poll or ping",
    },
    Demand {
        field: "refresh_token_rotation",
        of: Of::Client(|_, own, _| own.refresh_token_rotation == Rotation::Never || !own.grant_types.contains(&GrantType::RefreshToken)),
        by: &[(F2, "§5.3.2.1"), (MS, "§5.3.2.1")],
        sentence: "set it to never (rotation = \"never\" in the configuration file): the tokens are bound",
    },
    Demand {
        field: "signing_alg",
        of: Of::Resource(|profile, own| own.token_format != TokenFormat::Jwt || allowed(profile, Some(own.signing_alg))),
        by: &[(F1, "§8.6"), (FC, "FAPI 1.0 Part 2 §8.6"), (F2, "§5.4.1"), (MS, "§5.4.1")],
        sentence: "name one of PS256, ES256 or, in FAPI 2.0, EdDSA",
    },
];

fn made(profile: Profile, holds: impl Fn(&Of) -> bool) -> Vec<&'static Demand> {
    DEMANDS.iter().filter(|own| own.source(profile).is_some() && !holds(&own.of)).collect()
}

/// In which points the server falls short of its own profile.
pub fn of_server(profile: Profile, policy: &Policy) -> Vec<&'static Demand> {
    made(profile, |of| match of {
        Of::Server(holds) | Of::Always(holds) => holds(policy),
        Of::Client(_) | Of::Resource(_) => true,
    })
}

/// In which points a client falls short of a profile, and the server for it.
pub fn of_client(profile: Profile, client: &Metadata, policy: &Policy) -> Vec<&'static Demand> {
    made(profile, |of| match of {
        Of::Client(holds) => holds(profile, client, policy),
        Of::Always(holds) => holds(policy),
        Of::Server(_) | Of::Resource(_) => true,
    })
}

/// The same for a resource server.
pub fn of_resource(profile: Profile, resource: &Settings) -> Vec<&'static Demand> {
    made(profile, |of| match of {
        Of::Resource(holds) => holds(profile, resource),
        Of::Server(_) | Of::Always(_) | Of::Client(_) => true,
    })
}

/// Does the client meet the server's profile and its own?
pub fn is_met(client: &Metadata, policy: &Policy) -> bool {
    policy.profile.iter().chain(&client.chancery_profile).all(|profile| of_client(*profile, client, policy).is_empty())
}
