//! The specifications, one file each, and what no specification covers. Tests are named `rfcNNNN_section_sentence`.

mod account_pages;
mod anchor;
mod app_routes;
mod audit;
mod fail_closed;
mod hostile;
mod moving;
mod oidc_backchannel;
mod oidc_claims;
mod oidc_core;
mod oidc_discovery;
mod oidc_flows;
mod oidc_rp_logout;
mod rfc6749;
mod rfc6750;
mod rfc6962;
mod rfc7009;
mod rfc7591;
mod rfc7636;
mod rfc7662;
mod rfc8252;
mod rfc8707;
mod rfc9068;
mod rfc9700;
mod taking_away;
mod time;
