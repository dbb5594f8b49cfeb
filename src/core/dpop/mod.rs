//! DPoP: does this proof belong to this request, and is the token bound to its key? RFC 9449.
//!
//! | Rule | Source |
//! |---|---|
//! | `htm` is the method, `htu` the URI of this endpoint without query and fragment, after normalisation | §4.3 (8), (9) |
//! | `iat` is neither old nor ahead | §4.3 (11), §11.1 |
//! | a nonce, if there is one, is a recent one of ours; where nonces are demanded there is one | §4.3 (10), §8, §9 |
//! | with an access token, `ath` is its hash | §4.3 (12), §7.1 |
//! | a client that is registered for it always proves a key | §5.2 |
//! | a code that was bound to a key is redeemed with it | §10 |
//!
//! | a certificate-bound token opens nothing without its certificate | RFC 8705 §3 |
//! | a client that is registered for it always comes with a certificate | RFC 8705 §3.4 |
//!
//! Which key a token is bound to is a [`Confirmation`]. Where refresh tokens are bound: `grant::refresh`.
//!
//! Out of scope: signature and key of the proof (`chancery_jose::dpop`), whether its `jti` was used before (the log arbitrates).

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::base64url;
use crate::client::Client;
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::time::Seconds;

/// JWS algorithms that a proof may use.
pub const ALGS: &[&str] = &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"];

/// What a token is bound to: the `cnf` of a JWT and of introspection (RFC 7800 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Confirmation {
    /// SHA-256 thumbprint of a key that was proven by DPoP (RFC 9449 §6).
    #[serde(rename = "jkt")]
    Jkt(Digest),
    /// SHA-256 of a certificate that was proven by TLS (RFC 8705 §3.1).
    #[serde(rename = "x5t#S256")]
    X5t(Digest),
}

/// What whoever brings an access token proved with the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// By DPoP.
    pub jkt: Option<Digest>,
    /// By TLS. Callers may have a certificate that has nothing to do with the token.
    pub certificate: Option<Digest>,
}

impl Held {
    /// Is it what the token is bound to? A bound token without its key is nothing (RFC 9449 §7.1, RFC 8705 §3), and a proof makes no bound
    /// token of another (RFC 9449 §7.2).
    pub fn opens(&self, bound: Option<&Confirmation>) -> bool {
        match (bound, self.jkt) {
            (None, None) => true,
            (Some(Confirmation::Jkt(own)), Some(held)) => own.matches(&held),
            (Some(Confirmation::X5t(own)), None) => self.certificate.is_some_and(|held| own.matches(&held)),
            _ => false,
        }
    }
}

impl Confirmation {
    /// `token_type` of what is bound so (RFC 9449 §5).
    pub const fn token_type(bound: Option<&Self>) -> &'static str {
        match bound {
            Some(Self::Jkt(_)) => "DPoP",
            // RFC 8705 §3: the same scheme, on another connection.
            Some(Self::X5t(_)) | None => "Bearer",
        }
    }
}

/// What a verified proof says, and what the shell found out about its nonce.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    pub htm: &'a str,
    pub htu: &'a str,
    /// Seconds since 1970.
    pub iat: i64,
    pub ath: Option<&'a str>,
    pub nonce: Nonce,
}

/// The nonce of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonce {
    Absent,
    /// Ours, and recent enough.
    Recent,
    /// Not ours, or too old.
    Unknown,
}

/// The request that a proof came with.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    pub method: &'a str,
    /// URI of the endpoint, from our own configuration and never from what was sent.
    pub uri: &'a str,
    /// The same endpoint for callers with a certificate (RFC 8705 §5), where that is another address.
    pub alias: Option<&'a str>,
    /// The access token that came along.
    pub token: Option<&'a str>,
    /// Seconds since 1970.
    pub now: i64,
    /// How old a proof may be.
    pub lifetime: Seconds,
    /// How far the clocks of others may be off.
    pub tolerance: Seconds,
    pub nonces_demanded: bool,
}

/// Holds a proof against its request.
///
/// # Errors
/// `invalid_dpop_proof`, `use_dpop_nonce`.
pub fn check(proof: &Proof<'_>, sent: &Sent<'_>) -> Result<(), OAuthError> {
    let refuse = |why: &'static str, sentence: &str| Err(OAuthError::invalid_dpop_proof(why).saying(sentence));
    if proof.htm != sent.method {
        return refuse("htm", "htm of the DPoP proof is not the method of this request.");
    }
    let is_here = |htu: &String| normal(sent.uri).as_ref() == Some(htu) || sent.alias.is_some_and(|uri| normal(uri).as_ref() == Some(htu));
    if !normal(proof.htu).as_ref().is_some_and(is_here) {
        return refuse("htu", "htu of the DPoP proof is not the URI of this endpoint.");
    }
    let (lifetime, tolerance) = (i64::from(sent.lifetime.0), i64::from(sent.tolerance.0));
    if proof.iat > sent.now.saturating_add(tolerance) {
        return refuse("iat is ahead", "iat of the DPoP proof lies in the future; check the clock.");
    }
    if sent.now >= proof.iat.saturating_add(lifetime).saturating_add(tolerance) {
        return refuse("iat is old", "The DPoP proof is too old; make a new one for each request.");
    }
    match (sent.token, proof.ath) {
        (None, _) => {}
        (Some(token), Some(ath)) if base64url::encode(&Digest::of(token.as_bytes()).0) == ath => {}
        (Some(_), _) => return refuse("ath", "ath of the DPoP proof is not the hash of the access token."),
    }
    // Last: whoever is told to come back with a nonce has everything else right.
    match proof.nonce {
        Nonce::Recent => Ok(()),
        Nonce::Absent if !sent.nonces_demanded => Ok(()),
        Nonce::Absent => Err(OAuthError::use_dpop_nonce("no nonce")),
        Nonce::Unknown => Err(OAuthError::use_dpop_nonce("unknown or old nonce")),
    }
}

/// Has the client proven a key or a certificate, if it always does? RFC 9449 §5.2, RFC 8705 §3.4.
///
/// # Errors
/// `invalid_dpop_proof`, `invalid_request`.
pub fn check_demand(client: &Client, proven: Option<&Confirmation>) -> Result<(), OAuthError> {
    if client.metadata.dpop_bound_access_tokens && !matches!(proven, Some(Confirmation::Jkt(_))) {
        return Err(OAuthError::invalid_dpop_proof("no proof").saying("This client has to prove a key: send a DPoP header."));
    }
    if client.metadata.tls_client_certificate_bound_access_tokens && !matches!(proven, Some(Confirmation::X5t(_))) {
        return Err(OAuthError::invalid_request("no certificate").saying(
            "Tokens of this client are bound to its certificate: use the mtls_endpoint_aliases with it, and send no DPoP header.",
        ));
    }
    Ok(())
}

/// A URI without query and fragment, in one spelling: RFC 3986 §6.2.2, §6.2.3. `None` for what is no http URI.
fn normal(uri: &str) -> Option<String> {
    let bare = uri.split(['?', '#']).next()?;
    let (scheme, rest) = bare.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "https" => "443",
        "http" => "80",
        _ => return None,
    };
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    // Nobody has a name and a password in the address of an endpoint.
    if authority.contains('@') || uri.bytes().any(|b| b <= b' ' || b >= 0x7f) {
        return None;
    }
    let authority = authority.to_ascii_lowercase();
    // Only a literal in brackets has colons of its own.
    let host_ends = authority.find(']').unwrap_or(0);
    let port_begins = authority[host_ends..].find(':').map(|at| host_ends + at);
    let (host, port) = port_begins.map_or((authority.as_str(), ""), |at| (&authority[..at], &authority[at + 1..]));
    if host.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let port = if port.is_empty() || port == default_port { String::new() } else { alloc::format!(":{port}") };
    let mut segments = alloc::vec::Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let decoded = unreserved(part)?;
        let is_last = parts.peek().is_none();
        match decoded.as_str() {
            "." | ".." => {
                if decoded == ".." {
                    segments.pop();
                }
                // `/a/.` names the same as `/a/`.
                if is_last {
                    segments.push(String::new());
                }
            }
            _ => segments.push(decoded),
        }
    }
    Some(alloc::format!("{scheme}://{host}{port}/{}", segments.join("/")))
}

/// Percent-encoding in one spelling: what needs none is decoded, the rest in capitals. RFC 3986 §6.2.2.1, §6.2.2.2.
fn unreserved(segment: &str) -> Option<String> {
    let mut out = String::with_capacity(segment.len());
    let mut rest = segment;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 3)?;
        let byte = u8::from_str_radix(code, 16).ok().filter(|_| code.bytes().all(|b| b.is_ascii_hexdigit()))?;
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&code.to_ascii_uppercase());
        }
        rest = &rest[at + 3..];
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use proptest::prelude::*;

    const URI: &str = "https://server.example.com/token";
    const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    const ATH: &str = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo";

    fn proof() -> Proof<'static> {
        Proof { htm: "POST", htu: URI, iat: 1000, ath: None, nonce: Nonce::Absent }
    }

    fn sent() -> Sent<'static> {
        Sent {
            method: "POST",
            uri: URI,
            alias: None,
            token: None,
            now: 1000,
            lifetime: Seconds(300),
            tolerance: Seconds(15),
            nonces_demanded: false,
        }
    }

    fn said(proof: Proof<'_>, sent: Sent<'_>) -> &'static str {
        check(&proof, &sent).map_or_else(|error| error.code(), |()| "ok")
    }

    #[test]
    fn rfc9449_4_3_method_and_uri_are_those_of_the_request() {
        assert_eq!(said(proof(), sent()), "ok");
        for htm in ["GET", "post", ""] {
            assert_eq!(said(Proof { htm, ..proof() }, sent()), "invalid_dpop_proof", "{htm}");
        }
        for htu in ["https://server.example.com/token/", "https://evil.example/token", "http://server.example.com/token", "token", ""] {
            assert_eq!(said(Proof { htu, ..proof() }, sent()), "invalid_dpop_proof", "{htu}");
        }
    }

    #[test]
    fn rfc8705_5_the_alias_of_an_endpoint_is_its_uri_too() {
        let other = Proof { htu: "https://mtls.example.com/token", ..proof() };
        assert_eq!(said(other, sent()), "invalid_dpop_proof");
        assert_eq!(said(other, Sent { alias: Some("https://mtls.example.com/token"), ..sent() }), "ok");
        assert_eq!(said(proof(), Sent { alias: Some("https://mtls.example.com/token"), ..sent() }), "ok");
    }

    #[test]
    fn rfc9449_4_3_the_uri_is_normalised_and_query_and_fragment_do_not_count() {
        for htu in [
            "https://server.example.com/token?x=1",
            "https://server.example.com/token#x",
            "HTTPS://SERVER.example.com:443/token",
            "https://server.example.com/%74oken",
            "https://server.example.com/a/../token",
            "https://server.example.com/./token",
        ] {
            assert_eq!(said(Proof { htu, ..proof() }, sent()), "ok", "{htu}");
        }
        assert_eq!(normal("https://a.example"), normal("https://a.example/"));
        assert_eq!(normal("https://[2001:DB8::1]:443/"), normal("https://[2001:db8::1]"));
        assert_ne!(normal("https://a.example:444/"), normal("https://a.example/"));
        assert_ne!(normal("https://a.example/%2f"), normal("https://a.example//"));
        assert_eq!(normal("https://a.example/%2f"), normal("https://a.example/%2F"));
        for bad in [
            "https://",
            "https://:443/",
            "https://a.example:443:443/",
            "https://a@b.example/",
            "ftp://a.example/",
            "https://a.example/%zz",
            "https://a.example/%+1",
            "https://a.ex\u{e9}/",
        ] {
            assert_eq!(normal(bad), None, "{bad}");
        }
    }

    #[test]
    fn rfc9449_11_1_a_proof_is_neither_old_nor_ahead() {
        for (now, code) in [(984, "invalid_dpop_proof"), (985, "ok"), (1314, "ok"), (1315, "invalid_dpop_proof")] {
            assert_eq!(said(proof(), Sent { now, ..sent() }), code, "{now}");
        }
        for iat in [i64::MIN, i64::MAX] {
            assert_eq!(said(Proof { iat, ..proof() }, sent()), "invalid_dpop_proof");
        }
    }

    #[test]
    fn rfc9449_7_1_ath_is_the_hash_of_the_token_that_came_along() {
        let with = |ath| said(Proof { ath, ..proof() }, Sent { token: Some(TOKEN), ..sent() });
        assert_eq!((with(Some(ATH)), with(Some("x")), with(None)), ("ok", "invalid_dpop_proof", "invalid_dpop_proof"));
        assert_eq!(said(Proof { ath: Some("x"), ..proof() }, sent()), "ok", "without a token it means nothing");
    }

    #[test]
    fn rfc9449_8_a_nonce_is_ours_and_there_where_it_is_demanded() {
        for (demanded, nonce, code) in [
            (false, Nonce::Absent, "ok"),
            (false, Nonce::Recent, "ok"),
            (false, Nonce::Unknown, "use_dpop_nonce"),
            (true, Nonce::Absent, "use_dpop_nonce"),
            (true, Nonce::Recent, "ok"),
            (true, Nonce::Unknown, "use_dpop_nonce"),
        ] {
            assert_eq!(said(Proof { nonce, ..proof() }, Sent { nonces_demanded: demanded, ..sent() }), code, "{demanded} {nonce:?}");
        }
    }

    #[test]
    fn rfc9449_5_2_a_client_that_always_proves_a_key_is_refused_without() {
        let strict = client_with(|metadata| metadata.dpop_bound_access_tokens = true);
        let key = Confirmation::Jkt(digest("key"));
        assert_eq!(check_demand(&strict, None).unwrap_err().code(), "invalid_dpop_proof");
        assert!(check_demand(&strict, Some(&key)).is_ok() && check_demand(&client(), None).is_ok());
    }

    #[test]
    fn rfc8705_3_a_bound_token_opens_with_its_certificate_alone() {
        let (own, other) = (digest("certificate"), digest("another"));
        let bound = Confirmation::X5t(own);
        let held = |jkt, certificate| Held { jkt, certificate };
        assert!(held(None, Some(own)).opens(Some(&bound)));
        for wrong in [held(None, None), held(None, Some(other)), held(Some(own), None), held(Some(other), Some(own))] {
            assert!(!wrong.opens(Some(&bound)), "{wrong:?}");
        }
        assert!(held(None, Some(own)).opens(None), "a certificate that nobody asked for means nothing");
        assert!(!held(Some(own), None).opens(None) && !held(None, Some(own)).opens(Some(&Confirmation::Jkt(own))));
        assert_eq!(serde_json::to_string(&bound).unwrap(), alloc::format!("{{\"x5t#S256\":\"{own}\"}}"));
        assert_eq!(Confirmation::token_type(Some(&bound)), "Bearer");
    }

    #[test]
    fn rfc8705_3_4_a_client_that_binds_its_tokens_comes_with_a_certificate() {
        let strict = client_with(|metadata| metadata.tls_client_certificate_bound_access_tokens = true);
        assert_eq!(check_demand(&strict, None).unwrap_err().code(), "invalid_request");
        assert!(check_demand(&strict, Some(&Confirmation::Jkt(digest("key")))).is_err());
        assert!(check_demand(&strict, Some(&Confirmation::X5t(digest("certificate")))).is_ok());
    }

    #[test]
    fn rfc9449_6_a_confirmation_is_written_as_in_a_token() {
        let text = serde_json::to_string(&Confirmation::Jkt(digest("key"))).unwrap();
        assert_eq!(text, alloc::format!("{{\"jkt\":\"{}\"}}", digest("key")));
        assert_eq!((Confirmation::token_type(Some(&Confirmation::Jkt(digest("key")))), Confirmation::token_type(None)), ("DPoP", "Bearer"));
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(uri in "https?://[a-zA-Z.:0-9]{1,12}(/[a-z.%0-9A-F]{0,6}){0,4}") {
            if let Some(once) = normal(&uri) {
                prop_assert_eq!(normal(&once), Some(once.clone()));
            }
        }

        #[test]
        fn nothing_panics(uri in "\\PC{0,60}") {
            let _ = normal(&uri);
        }
    }
}
