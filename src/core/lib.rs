//! The rules of Chancery: pure deciders over folded events. No clock, disk, network, SQL or HTTP.
//!
//! A rule is `decide(&State, &Command) -> Decision { events, outcome }`; a state is the fold of its stream's events.
//!
//! | Specification | Room |
//! |---|---|
//! | RFC 6749 §4.1 code, §4.4 client credentials, §6 refresh | [`grant`] |
//! | RFC 6749 §2.3, OpenID Connect Core 1.0 §9 client authentication | [`client::authenticate`] |
//! | RFC 6749 §3.1, OpenID Connect Core 1.0 §3.1.2 authorization request | [`request`] |
//! | OpenID Connect Core 1.0 §5.4, §5.5 claims | [`claims`], [`acr`] |
//! | OpenID Connect Core 1.0 §5.6 claims of other providers | [`account::sources`], [`claims::through`] |
//! | RFC 6749 §3.3, OpenID Connect Core 1.0 §5.4 scope | [`scope`] |
//! | RFC 6749 §5.2 and every other error code | [`error`] |
//! | RFC 7009 revocation | [`grant::revoke`] |
//! | RFC 7523 §2.1 assertions as grants | [`grant::assertion`] |
//! | RFC 7591, OpenID Connect Registration 1.0 client metadata | [`client::metadata`] |
//! | draft-ietf-oauth-client-id-metadata-document-02 (CIMD) clients that describe themselves | [`client::document`], [`id`] |
//! | OpenID Connect RP Metadata Choices 1.0 | [`client::metadata::choices`] |
//! | RFC 7591 §1.2 initial access tokens | [`invitation`] |
//! | RFC 7592 registration management | [`client::manage`] |
//! | RFC 9101, OpenID Connect Core 1.0 §6 request objects | [`request::object`] |
//! | OpenID Connect Core 1.0 §10.2 keys that others encrypt to | [`opening`] |
//! | RFC 7636 PKCE | [`request`], [`grant::redeem`] |
//! | RFC 7662 introspection: is a token alive | [`grant::standing`] |
//! | RFC 8252 native apps | [`client::metadata`], [`interaction::next`] |
//! | RFC 8414, OpenID Connect Discovery 1.0 | [`discovery`] |
//! | RFC 8628 device grant | [`device`], [`grant::device`] |
//! | RFC 8693 token exchange | [`grant::exchange`], [`grant::standing`] |
//! | RFC 8705 client certificates | [`client::certificate`], [`client::authenticate`], [`dpop`] |
//! | RFC 8707 resource indicators | [`resource`], [`grant::target`] |
//! | OpenID Connect Back-Channel Logout 1.0, Front-Channel Logout 1.0 | [`logout`], [`session`] |
//! | RFC 8785 canonical JSON | [`canonical`] |
//! | every event type of every stream, with its JSON Schema | [`event`] |
//! | legal holds (our own) | [`account::hold`], [`hold`] |
//! | RFC 9126 pushed authorization requests | [`pushed`], [`request`] |
//! | RFC 9396 authorization details | [`details`], [`request`], [`grant`] |
//! | RFC 9449 DPoP | [`dpop`], [`grant::redeem`], [`grant::refresh`] |
//! | OAuth 2.1, FAPI 1.0 Advanced, FAPI 2.0 profiles | [`profile`] |
//! | OpenID Connect CIBA Core 1.0 | [`backchannel`], [`grant::backchannel`] |
//! | JARM signed answers | [`request`], [`client::metadata`] |
//! | OpenID Shared Signals Framework 1.0 §8 streams that receivers manage | [`signals`] |
//! | draft-ietf-oauth-attestation-based-client-auth-10 (ABCA), and what is known of 12: attested clients | [`client::attestation`], [`client::authenticate`] |
//! | OpenID for Verifiable Credential Issuance 1.0 (OpenID4VCI), draft-ietf-oauth-sd-jwt-vc | [`credential`], [`offer`], [`grant::credentials`], [`grant::pre_authorized`] |
//! | RFC 9470 step-up | [`acr`], [`interaction::next`] |
//! | RFC 9700 security best current practice | each of the above, at the branch that obeys it |
//! | OpenID Connect Core 1.0 §3.1.2.3, §3.1.2.4 authentication and consent | [`interaction`], [`session`], [`consent`] |
#![no_std]
// The discovery document is one `json!`.
#![recursion_limit = "256"]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod account;
pub mod acr;
pub mod backchannel;
pub mod base64url;
pub mod canonical;
pub mod claims;
pub mod client;
pub mod consent;
pub mod credential;
pub mod decision;
pub mod details;
pub mod device;
pub mod digest;
pub mod discovery;
pub mod dpop;
pub mod error;
pub mod event;
pub mod evidence;
pub mod grant;
pub mod hold;
pub mod id;
pub mod interaction;
pub mod invitation;
pub mod key;
pub mod logout;
pub mod offer;
pub mod opening;
pub mod polled;
pub mod profile;
pub mod pushed;
pub mod request;
pub mod resource;
pub mod scope;
pub mod seal;
pub mod server;
pub mod session;
pub mod signals;
pub mod stream;
#[cfg(test)]
mod testing;
pub mod time;
pub mod token;
