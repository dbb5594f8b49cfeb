//! The one table of what stands in the entries of the TOML file: `[[client]]`, `[[resource]]` and the others.

use super::table::{Kind, YEAR};

/// A field of a `[[client]]` or `[[user]]` table. What the values may be is decided by the rules of registration.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    pub sample: &'static str,
    pub about: &'static str,
}

macro_rules! fields {
    ($constant:ident, $doc:literal: $($name:literal $kind:expr, $required:literal, $sample:literal, $about:literal;)*) => {
        #[doc = $doc]
        pub const $constant: &[Field] = &[$(Field {
            name: $name, kind: $kind, required: $required, sample: $sample, about: $about,
        }),*];
    };
}

fields! { CLIENT, "Fields of `[[client]]`; names as in RFC 7591 §2 and OpenID Connect Registration §2 where these have one.":
    "client_id" Kind::Text, true, r#""demo-app""#, "chosen by you, unique";
    "client_name" Kind::Text, false, r#""Demo""#, "what people read on the consent page";
    "client_secret" Kind::Secret, false, r#""file:/run/secrets/demo-app""#, "at least 32 characters in production";
    "redirect_uris" Kind::List, false, r#"["https://app.example/callback"]"#, "compared exactly";
    "post_logout_redirect_uris" Kind::List, false, r#"["https://app.example/"]"#, "where to go after logout";
    "backchannel_logout_uri" Kind::Text, false, r#""https://app.example/logged-out""#, "where it is told that a session is over";
    "frontchannel_logout_uri" Kind::Text, false, r#""https://app.example/signed-out""#, "the same in a frame, where that is switched on";
    "grant_types" Kind::List, false, r#"["authorization_code", "refresh_token"]"#, "default authorization_code";
    "response_types" Kind::List, false, r#"["code"]"#, "default code";
    "response_modes" Kind::List, false, r#"["jwt"]"#, "how its answers may travel; default in any way";
    "token_endpoint_auth_method" Kind::Text, false, r#""client_secret_basic""#, "none for public clients";
    "token_endpoint_auth_signing_alg" Kind::Text, false, r#""ES256""#, "for private_key_jwt and client_secret_jwt; default any that fits";
    "application_type" Kind::Text, false, r#""web""#, "web or native";
    "scope" Kind::Text, false, r#""openid profile email""#, "separated by spaces; default all standard scopes";
    "authorization_details_types" Kind::List, false, r#"["payment_initiation"]"#, "what it may ask for beyond scopes (RFC 9396); declared as [[authorization_details_type]]";
    "id_token_signed_response_alg" Kind::Text, false, r#""ES256""#, "default RS256";
    "id_token_claims" Kind::Text, false, r#""all""#, "conform (default) or all: whether scopes put claims into the id_token";
    "userinfo_signed_response_alg" Kind::Text, false, r#""ES256""#, "makes userinfo a signed JWT";
    "authorization_signed_response_alg" Kind::Text, false, r#""ES256""#, "signs answers in the .jwt response modes; default RS256";
    "introspection_signed_response_alg" Kind::Text, false, r#""ES256""#, "signs introspection for it; default RS256";
    "subject_type" Kind::Text, false, r#""public""#, "public or pairwise";
    "require_pkce" Kind::Boolean, false, "true", "demand PKCE although the client is confidential";
    "dpop_bound_access_tokens" Kind::Boolean, false, "true", "it proves a key (DPoP, RFC 9449) with every token request, or is refused";
    "tls_client_certificate_bound_access_tokens" Kind::Boolean, false, "true", "its tokens are bound to its certificate (RFC 8705), or it is refused";
    "use_mtls_endpoint_aliases" Kind::Boolean, false, "true", "it is told to use the addresses for client certificates for everything";
    "tls_client_auth_subject_dn" Kind::Text, false, r#""CN=app,O=Example,C=GB""#, "for tls_client_auth: the subject of its certificate as RFC 4514 writes it";
    "tls_client_auth_san_dns" Kind::Text, false, r#""app.example""#, "or a DNS name in it";
    "tls_client_auth_san_uri" Kind::Text, false, r#""spiffe://example/app""#, "or a URI in it";
    "tls_client_auth_san_ip" Kind::Text, false, r#""192.0.2.7""#, "or an address in it";
    "tls_client_auth_san_email" Kind::Text, false, r#""app@example.com""#, "or an e-mail address in it, of a service and not of a person: it stands in the log";
    "require_pushed_authorization_requests" Kind::Boolean, false, "true", "its authorization requests are pushed (RFC 9126), or refused";
    "default_max_age" Kind::Integer { min: 0, max: 10 * YEAR }, false, "3600", "seconds since the last login";
    "rotation" Kind::Text, false, r#""always""#, "always (default) or never: whether a refresh replaces the refresh token";
    "refresh_grace_seconds" Kind::Integer { min: 0, max: 60 }, false, "10", "window for a retried refresh; default 0, at most 60";
    "jwks" Kind::Text, false, r#"'{"keys":[]}'"#, "public keys as JSON, for private_key_jwt";
    "jwks_uri" Kind::Text, false, r#""https://app.example/jwks.json""#, "or where to fetch them";
    "logo_uri" Kind::Text, false, r#""https://app.example/logo.png""#, "shown on the consent page";
    "initiate_login_uri" Kind::Text, false, r#""https://app.example/login""#, "where a login can be begun for it";
    "sector_identifier_uri" Kind::Text, false, r#""https://app.example/sector.json""#, "lists its redirect URIs, for pairwise subjects with several hosts";
    "request_object_signing_alg" Kind::Text, false, r#""ES256""#, "for signed requests (RFC 9101); default any";
    "request_uris" Kind::List, false, r#"["https://app.example/request.jwt"]"#, "where signed requests may be fetched";
    "require_signed_request_object" Kind::Boolean, false, "true", "no request without a signed object";
    "allowed_origins" Kind::List, false, r#"["https://app.example"]"#, "origins of browser code";
    "contacts" Kind::List, false, r#"["ops@app.example"]"#, "whom to write to";
    "introspect" Kind::Boolean, false, "false", "may introspect the tokens of others";
    "backchannel_token_delivery_mode" Kind::Text, false, r#""poll""#, "for CIBA: how it learns of the answer: poll, ping or push";
    "backchannel_client_notification_endpoint" Kind::Text, false, r#""https://app.example/ciba""#, "where it is told, with ping and push";
    "backchannel_authentication_request_signing_alg" Kind::Text, false, r#""ES256""#, "its requests are signed with this, or refused";
    "backchannel_user_code_parameter" Kind::Boolean, false, "true", "it can send the code that a person set for requests";
    "chancery_profile" Kind::Text, false, r#""fapi2-security""#, "holds this client to a profile: oauth21, fapi1-advanced, fapi-ciba, fapi2-security, fapi2-message-signing";
    "chancery_receipts" Kind::Boolean, false, "true", "answers carry receipts of the log; not for public clients";
}

fields! { USER, "Fields of `[[user]]`, allowed in development only.":
    "email" Kind::Text, true, r#""alice@example.com""#, "unique";
    "password" Kind::Secret, true, r#""correct horse battery staple""#, "";
    "name" Kind::Text, false, r#""Alice""#, "";
    "claims" Kind::Table, false, r#"{ given_name = "Alice", email_verified = true, address = { locality = "London", country = "UK" } }"#,
        "standard claims by the names of OpenID Connect Core §5.1; also _claim_names and _claim_sources (§5.6.2), as tables, and _lists, as JSON text or a table of lists";
}

fields! { FEED, "Fields of `[[feed]]`: what of the log goes where.":
    "name" Kind::Text, true, r#""siem""#, "lower-case letters, digits and hyphens; its place in the log is kept under it";
    "format" Kind::Choice(&["ocsf", "cloudevents", "jsonl", "csv", "parquet", "ssf"]), true, r#""ocsf""#,
        "OCSF 1.8.0, CloudEvents 1.0, the events as they are, or shared signals (security event tokens) for a client";
    "to" Kind::Text, true, r#""syslog+tls://siem.example:6514""#, "file:PATH, https://..., syslog+tls://..., syslog+tcp:// or syslog+udp://";
    "types" Kind::List, false, r#"["SessionStarted", "LoginFailed"]"#, "types of events; default all";
    "from" Kind::Choice(&["now", "beginning"]), false, r#""now""#, "where a new feed begins; default now";
    "personal" Kind::Choice(&["sealed", "clear"]), false, r#""sealed""#, "clear opens personal data for this receiver; what is erased later stays with them";
    "bearer" Kind::Secret, false, r#""file:/run/secrets/siem-token""#, "for the Authorization header of a webhook";
    "client" Kind::Text, false, r#""app""#, "with ssf: the client_id of the receiver, the aud of its signals";
    "ca" Kind::Text, false, r#""/etc/chancery/siem-ca.pem""#, "certificates that a syslog receiver is checked against; default the system's";
    "plain" Kind::Boolean, false, "false", "syslog may leave this machine without TLS";
}

fields! { RESOURCE, "Fields of `[[resource]]`: an API that access tokens are for.":
    "identifier" Kind::Text, true, r#""https://api.example""#, "an absolute URI: the resource of a request, the aud of a token";
    "name" Kind::Text, false, r#""Orders""#, "what people read";
    "scope" Kind::Text, false, r#""orders:read orders:write""#, "the scopes that it knows, separated by spaces";
    "token_format" Kind::Text, false, r#""jwt""#, "jwt (default) or opaque";
    "signing_alg" Kind::Text, false, r#""ES256""#, "for its JWTs; default RS256";
    "access_token_lifetime" Kind::Integer { min: 1, max: 86_400 }, false, "300", "seconds; default lifetimes.access_token";
    "introspected_by" Kind::List, false, r#"["orders-backend"]"#, "clients that it introspects its tokens as";
    "encryption_alg" Kind::Text, false, r#""ECDH-ES""#, "its JWTs are encrypted to a key of its own, after they were signed";
    "encryption_enc" Kind::Text, false, r#""A256GCM""#, "how; default A128CBC-HS256";
    "jwks" Kind::Text, false, r#"'{"keys":[]}'"#, "its public keys as JSON, for encryption";
}

fields! { ISSUER, "Fields of `[[assertion_issuer]]`: whose assertions are grants (RFC 7523).":
    "issuer" Kind::Text, true, r#""https://partner.example""#, "the iss of its assertions";
    "jwks" Kind::Text, true, r#"'{"keys":[]}'"#, "its public keys as JSON";
    "clients" Kind::List, true, r#"["batch"]"#, "who may bring them: clients that are registered for the grant type";
    "scope" Kind::Text, true, r#""orders:read""#, "the most that tokens may do";
    "subject" Kind::Text, false, r#""account""#, "account (default): sub is the id of an account here; client: sub is the client that brings it";
    "resources" Kind::List, false, r#"["https://api.example"]"#, "what tokens may be for; default this server's userinfo";
}

fields! { ATTESTER, "Fields of `[[client_attester_draft12]]`: who vouches for instances of clients (attest_jwt_client_auth, draft 12).":
    "issuer" Kind::Text, true, r#""https://attester.example""#, "its name; the iss of its attestations, if they have one";
    "jwks" Kind::Text, true, r#"'{"keys":[]}'"#, "its public keys as JSON";
    "clients" Kind::List, true, r#"["wallet"]"#, "clients that it may vouch for: registered with attest_jwt_client_auth or attest_jwt_client_auth_dpop, or sending a signal";
}

fields! { CREDENTIAL, "Fields of `[[credential]]`: what is issued to wallets (OpenID for Verifiable Credential Issuance).":
    "id" Kind::Text, true, r#""identity""#, "what wallets know it by: credential_configuration_id";
    "format" Kind::Choice(&["dc+sd-jwt"]), true, r#""dc+sd-jwt""#, "the one format: SD-JWT VC";
    "vct" Kind::Text, true, r#""https://id.example/credentials/identity""#, "what verifiers know it by: a URI of yours";
    "name" Kind::Text, true, r#""Meadow identity""#, "what people read before they allow it";
    "claims" Kind::List, true, r#"["given_name", "family_name", "birthdate"]"#, "claims of accounts; the holder discloses each by itself";
    "scope" Kind::Text, false, r#""identity""#, "the scope that asks for it; without one only authorization_details do";
    "lifetime" Kind::Duration { min: 5 * 60, max: 10 * YEAR }, false, r#""14d""#, "how long it is good; default 14d";
    "proof_signing_algs" Kind::List, false, r#"["ES256"]"#, "what wallets may sign the proofs of their keys with; default ES256";
    "subject" Kind::Boolean, false, "true", "it says whose account it is (sub), by which verifiers can link what they saw";
    "key_attesters" Kind::List, false, r#"["meadow-wallet"]"#, "names of [[key_attester]] whose word counts for its keys";
    "key_attestations_required" Kind::Table, false, r#"{ key_storage = ["iso_18045_high", "iso_18045_moderate"] }"#, "only attested keys get one; key_storage and user_authentication: levels that are enough, each of them optional; {} takes any";
}

fields! { KEY_ATTESTER, "Fields of `[[key_attester]]`: who vouches for keys of wallets (OpenID for Verifiable Credential Issuance, Appendix D).":
    "name" Kind::Text, true, r#""meadow-wallet""#, "what [[credential]] and the log call it";
    "jwks" Kind::Text, true, r#"'{"keys":[]}'"#, "its public keys as JSON";
    "issuer" Kind::Text, false, r#""https://wallet.example""#, "the iss of its attestations, if they have one; without it iss is not looked at";
}

fields! { EXCHANGE, "Fields of `[[token_exchange]]`: what a client may exchange (RFC 8693).":
    "client_id" Kind::Text, true, r#""gateway""#, "who exchanges: a client that authenticates, registered for the grant type";
    "subject_clients" Kind::List, false, r#"["web-app"]"#, "clients whose tokens it may bring, besides its own and those for a resource server that it is introspected_by";
    "subject_token_types" Kind::List, false, r#"["access_token"]"#, "access_token (default), id_token, refresh_token (only its own)";
    "modes" Kind::List, false, r#"["delegation"]"#, "delegation (default): it names who acts; impersonation: nobody is named";
    "resources" Kind::List, false, r#"["https://api.example"]"#, "what the new tokens may be for; default this server's userinfo";
    "scope" Kind::Text, false, r#""orders:read""#, "the most that they may do; default what the token has that was brought";
    "single_use" Kind::Boolean, false, "true", "each token is good for one exchange";
    "may_act" Kind::Boolean, false, "true", "tokens of subject_clients name it in may_act";
}

fields! { DETAILS, "Fields of `[[authorization_details_type]]`: what requests may be about, beyond scopes (RFC 9396).":
    "name" Kind::Text, true, r#""payment_initiation""#, "the type member of authorization_details";
    "schema" Kind::Text, true, r#"'{"properties":{"amount":{"type":"string"}},"required":["amount"],"additionalProperties":false}'"#, "JSON Schema of the object without its type: type, enum, const, bounds, items, properties, required, additionalProperties";
    "words" Kind::Text, true, r#""Pay {amount}""#, "what people read before they allow it, with members in braces";
    "enrichment" Kind::Text, false, r#"'{"debtor_account":{"choose_one":"accounts","words":"From which account?"}}'"#, "members that are added when it is granted (RFC 9396 §7.1), as JSON: { \"const\": ... }, { \"claim\": NAME }, { \"choose\": LIST, \"words\": ..., \"least\": 1, \"most\": 8 } or { \"choose_one\": LIST, \"words\": ... }";
}
