//! Every row of the table of demands is named by `chancery doctor` for a configuration that breaks it, and by nothing less.

use std::collections::BTreeSet;

use chancery_core::profile::Profile;
use chancery_core::profile::demands::{self, DEMANDS};
use chancery_core::request::Policy;
use chancery_core::time::Seconds;

use super::fapi::doctor_of;
use crate::support::jwt::Key;

const SERVER: &str = r#"
[pkce]
required = "public"
[pushed_requests]
required = false
[response_types]
front_channel = true
[request_objects]
unsigned = true
[lifetimes]
pushed_request = "10m"
clock_tolerance = "5s"
code = "10m"
"#;

/// A server that lacks everything, but for certificates, and clients that each have something else that some profile forbids.
const CLIENTS: &str = r#"
[[resource]]
identifier = "https://api.example"
[[client]]
client_id = "loose"
client_secret = "a-secret-of-forty-characters-for-the-test"
redirect_uris = ["https://app.example/cb"]
grant_types = ["authorization_code", "refresh_token", "implicit"]
response_types = ["code", "code id_token token"]
request_object_signing_alg = "RS256"
userinfo_signed_response_alg = "RS256"
authorization_signed_response_alg = "RS256"
introspection_signed_response_alg = "RS256"
[[client]]
client_id = "phone"
application_type = "native"
token_endpoint_auth_method = "none"
redirect_uris = ["http://localhost:1234/cb"]
require_pushed_authorization_requests = true
[[client]]
client_id = "teller"
token_endpoint_auth_method = "private_key_jwt"
token_endpoint_auth_signing_alg = "RS256"
grant_types = ["urn:openid:params:grant-type:ciba"]
response_types = []
backchannel_token_delivery_mode = "push"
backchannel_client_notification_endpoint = "https://app.example/ciba"
backchannel_authentication_request_signing_alg = "RS256"
"#;

#[test]
fn every_demand_of_every_profile_is_named_where_it_is_broken() {
    let directory = tempfile::TempDir::with_prefix("chancery").unwrap();
    let (broken, bare) = (directory.path().join("broken.toml"), directory.path().join("bare.toml"));
    let keys = format!("jwks = '{}'\n", Key::generate("RS256").jwks());
    std::fs::write(&broken, format!("{SERVER}[ciba]\nenabled = true\n{CLIENTS}{keys}")).unwrap();
    std::fs::write(&bare, "").unwrap();
    for profile in Profile::ALL {
        let mut named = BTreeSet::new();
        for (issuer, file) in [("https://id.example", &broken), ("http://127.0.0.1:8080", &bare)] {
            let (content, said) = doctor_of(issuer, file, &["--profile", profile.as_str()]);
            let start = format!("the profile {}: ", profile.as_str());
            let found: Vec<_> = said.lines().filter_map(|line| Some(line.split_once(&start)?.1.to_owned())).collect();
            assert!(!content && !found.is_empty(), "{said}");
            named.extend(found);
        }
        let mut unbroken = Vec::new();
        for own in DEMANDS {
            let Some(source) = own.source(*profile) else { continue };
            let line = format!("{}: {} ({}, {source}).", own.field, own.sentence, profile.as_str());
            // No configuration file can have more than ten minutes; the table says so all the same.
            if own.sentence == "set it to 10 minutes at most" {
                let policy = Policy { code_lifetime: Seconds(601), ..Policy::default() };
                assert!(
                    demands::of_server(*profile, &policy).iter().any(|found| (found.field, found.sentence) == (own.field, own.sentence)),
                    "{line}"
                );
            } else if !named.iter().any(|found| found.ends_with(&line)) {
                unbroken.push(line);
            }
        }
        assert_eq!(unbroken, [""; 0], "{named:#?}");
    }
}
