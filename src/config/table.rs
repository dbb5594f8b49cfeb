//! The one table of settings: names, shapes, bounds, defaults and what they are for.
//!
//! | Column | Meaning |
//! |---|---|
//! | key | place in the TOML file; the part before the dot is the section |
//! | env | environment variable; empty: `CHANCERY_` + the key in capitals, dots as underscores |
//! | flag | command line flag, if there is one (`--set key=value` sets any other that is not secret) |
//! | kind | shape and bounds |
//! | default | TOML literal; empty: no value of its own |
//! | sample | TOML literal for `config example` where there is no default |
//!
//! The reader, the generated example and the documentation all come from here.

/// The shape of a value. Text sources (flags, environment) write a list with commas and a number in digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// Text that is never shown, logged or put on a command line; `file:PATH` reads it from a file.
    Secret,
    List,
    /// Text, true or false by name, one level deep or two.
    Table,
    Boolean,
    Integer {
        min: u64,
        max: u64,
    },
    /// Seconds as a number, or `90s`, `10m`, `1h`, `14d`. Bounds in seconds.
    Duration {
        min: u64,
        max: u64,
    },
    /// `10/15m` (ten in fifteen minutes) or `off`.
    Rate,
    Choice(&'static [&'static str]),
}

/// One row.
#[derive(Debug)]
pub struct Setting {
    pub key: &'static str,
    env: &'static str,
    pub flag: &'static str,
    pub kind: Kind,
    pub default: &'static str,
    pub sample: &'static str,
    pub about: &'static str,
}

impl Setting {
    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        if self.env.is_empty() { format!("CHANCERY_{}", self.key.replace('.', "_").to_uppercase()) } else { self.env.to_owned() }
    }

    pub fn is_secret(&self) -> bool {
        self.kind == Kind::Secret
    }
}

/// The row of a key.
pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
pub(super) const YEAR: u64 = 365 * DAY;

macro_rules! settings {
    ($($key:literal $env:literal $flag:literal $kind:expr, $default:literal, $sample:literal, $about:literal;)*) => {
        /// Every setting, in the order of the example.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            key: $key, env: $env, flag: $flag, kind: $kind, default: $default, sample: $sample, about: $about,
        }),*];
    };
}

settings! {
    "listen" "" "--listen" Kind::List, r#"["127.0.0.1:3000", "[::1]:3000"]"#, "",
        "Addresses to listen on, IP:PORT; localhost:PORT means both loopbacks.";
    "data_dir" "" "--data-dir" Kind::Text, r#""./chancery-data""#, "",
        "Where the embedded database, the vault and the local socket live.";
    "database_url" "DATABASE_URL" "" Kind::Secret, "", r#""postgres://chancery@db.example/chancery""#,
        "postgres:// URL. Unset: embedded SQLite in the data directory.";
    "issuer" "OIDC_ISSUER" "--issuer" Kind::Text, r#""http://localhost:3000""#, "",
        "Base of the issuer: /oidc is appended unless it ends so. Compared byte for byte. An http loopback address means development.";
    "dev" "CHANCERY_DEV" "--dev" Kind::Boolean, "false", "",
        "Stay in development although a listener is not on a loopback address (containers). The issuer must still be http on loopback.";
    "cookie_secret" "OIDC_COOKIE_SECRET" "" Kind::Secret, "", r#""file:/run/secrets/chancery-cookie""#,
        "At least 32 characters; two separated by a comma while rotating, the new one first. Development makes its own.";
    "master_key" "CHANCERY_MASTER_KEY" "" Kind::Secret, "", r#""file:/run/secrets/chancery-master""#,
        "32 bytes in base64 or hex that wrap every key in the vault. In production from outside the data directory; development makes its own.";
    "jwks_private_key" "JWKS_PRIVATE_KEY" "" Kind::Secret, "", r#""file:/run/secrets/jwks.pem""#,
        "PKCS#8 PEM of a signing key to import. Unset: keys are generated and kept in the vault.";
    "allowed_origins" "ALLOWED_ORIGINS" "" Kind::List, "[]", r#"["https://app.example"]"#,
        "Origins that browsers may call from, besides those of the clients. Exact, without a path.";
    "trusted_proxies" "" "" Kind::List, "[]", r#"["10.0.0.0/8"]"#,
        "Networks whose forwarded headers are believed. From anybody else they are stripped.";
    "registration" "" "" Kind::Choice(&["open", "initial_access_token"]), "", r#""initial_access_token""#,
        "Who may register clients. Unset: open in development, with an initial access token in production.";
    "software_statement_issuers" "" "" Kind::List, "[]", r#"["https://directory.example /etc/chancery/directory.jwks.json"]"#,
        "Whose statements about software count in a registration (RFC 7591 section 2.3): issuer and file with its JWK set.";
    "cache_mb" "" "" Kind::Integer { min: 1, max: 65_536 }, "8", "",
        "Memory for cached state, in MiB.";
    "threads" "" "" Kind::Integer { min: 0, max: 1024 }, "0", "",
        "Threads that answer requests; writing, hashing and reading from disk have others. 0: one fewer than there are processors, at least one.";

    "profile" "" "" Kind::Choice(&["oauth21", "fapi1-advanced", "fapi-ciba", "fapi2-security", "fapi2-message-signing"]), "", r#""fapi2-security""#,
        "Holds the whole server and all of its clients to a profile; settings that it needs follow, and one that contradicts it refuses to start.";
    "pkce.required" "" "" Kind::Choice(&["public", "all"]), r#""public""#, "",
        "Which clients must use PKCE.";
    "acr_values.demanded" "" "" Kind::Choice(&["resources", "always", "never"]), r#""resources""#, "",
        "When acr_values that cannot be met are refused: where a resource server reads the token (RFC 9470), always, or never: then they are a wish.";

    "ciba.enabled" "" "" Kind::Boolean, "false", "",
        "Clients may ask people on the back channel (CIBA); they answer at /account/requests.";
    "ciba.devices" "" "" Kind::List, "[]", r#"["bank-app"]"#,
        "client_ids of applications in which people may answer as well, with tokens of the scope ciba.answer that are bound to a key.";
    "ciba.request_context_required" "" "" Kind::Boolean, "false", "",
        "Refuse a request that does not tell how the client came to ask (request_context, FAPI-CIBA section 5.3).";
    "ciba.request_context_schema" "" "" Kind::Text, "", r#"'{"properties": {"ip": {"type": "string"}}, "required": ["ip"]}'"#,
        "JSON Schema for what it tells, with the keywords of authorization details. Unset: any object.";

    "device.user_code_charset" "" "" Kind::Choice(&["base-20", "digits"]), r#""base-20""#, "",
        "What the codes of devices are made of: twenty consonants, or digits for people who have no other keys (RFC 8628 section 6.1).";
    "device.user_code_mask" "" "" Kind::Text, r#""****-****""#, "",
        "How they look: * for each letter, - and spaces for the eye. So many letters that rate_limits.user_code_failures keeps them from being guessed.";

    "client_attestation.signal" "" "" Kind::Choice(&["off", "optional", "required"]), r#""off""#, "",
        "An attestation beside another client authentication: passed over, held to if one is sent, or demanded ([[client_attester_draft12]]).";

    "credentials.anonymous_access" "" "" Kind::Boolean, "false", "",
        "Wallets redeem offers of credentials without a client_id: nobody is registered for it, and no wallet can be told from another.";
    "credentials.batch_size" "" "" Kind::Integer { min: 1, max: 32 }, "1", "",
        "Keys that a wallet may bring in one request for credentials, each of which gets one ([[credential]]).";
    "credentials.issuer_name" "" "" Kind::Text, "", r#""Meadow""#,
        "What the issuer of credentials calls itself in its metadata.";
    "credentials.offer_lifetime" "" "" Kind::Duration { min: MINUTE, max: 7 * DAY }, r#""10m""#, "",
        "How long an offer of credentials can be redeemed (chancery credential offer).";

    "client_documents.enabled" "" "" Kind::Boolean, "false", "",
        "A client_id may be the https URL of a document in which the client says what it is (CIMD, draft 02): nobody registers it.";
    "client_documents.allowed_hosts" "" "" Kind::List, "[]", r#"["client.example", "*.apps.example"]"#,
        "Hosts whose documents are taken, *. for all below one; empty = of every host.";
    "client_documents.denied_hosts" "" "" Kind::List, "[]", r#"["*.evil.example"]"#,
        "Hosts whose documents are not taken, whatever is allowed.";
    "client_documents.scopes" "" "" Kind::List, r#"["openid", "profile", "email", "offline_access"]"#, "",
        "The most that such clients may ask for; scopes of resource servers stand here too.";

    "pushed_requests.required" "" "" Kind::Boolean, "false", "",
        "Every client has to push its authorization requests (RFC 9126); false: those that are registered for it.";

    "pushed_requests.unregistered_redirect_uris" "" "" Kind::Boolean, "false", "",
        "Clients that authenticate may push an https redirect_uri that they did not register (RFC 9126 section 2.4).";

    "discovery.service_documentation" "" "" Kind::Text, "", r#""https://id.example/docs""#,
        "Page for developers that the metadata name.";
    "discovery.op_policy_uri" "" "" Kind::Text, "", r#""https://id.example/privacy""#,
        "Page that says what clients may do with data of people.";
    "discovery.op_tos_uri" "" "" Kind::Text, "", r#""https://id.example/terms""#,
        "Page with the terms of service.";

    "resource_indicators.default" "" "" Kind::Text, "", r#""https://api.example""#,
        "The resource of a request that names none (RFC 8707); unset: userinfo of this server.";
    "resource_indicators.use_granted" "" "" Kind::Boolean, "true", "",
        "A token request that names no resource means the one that was granted; false: with the scope openid it means userinfo.";

    "outgoing.allowed_networks" "" "" Kind::List, "[]", r#"["10.0.0.0/8"]"#,
        "Networks that requests of the server itself (logout of clients) may reach although they are not public, also by http.";

    "response_types.front_channel" "" "" Kind::Boolean, "false", "",
        "Also the implicit and hybrid flows, whose tokens pass through the browser. RFC 9700 advises against them; certification needs them.";

    "response_modes.web_message" "" "" Kind::Boolean, "false", "",
        "Answers may travel as messages to the window that opened ours in a pop-up or frames it (response_mode=web_message).";

    "logout.front_channel" "" "" Kind::Boolean, "false", "",
        "Clients may be told of a logout in frames of our page, too. Browsers that keep third-party cookies apart break it; back-channel logout always works.";
    "logout.session_management" "" "" Kind::Boolean, "false", "",
        "Clients may watch in a frame whether somebody is still signed in (OpenID Connect Session Management), with the same weakness.";

    "signals.streams" "" "" Kind::Boolean, "false", "",
        "Clients may make streams of shared signals by themselves (OpenID Shared Signals Framework), with the scope ssf.manage, pushed or polled.";

    "request_objects.unsigned" "" "" Kind::Boolean, "false", "",
        "Request objects may come without a signature, where a client is not registered for one. Certification needs it; it protects nothing.";
    "request_objects.required" "" "" Kind::Boolean, "false", "",
        "Every client sends its authorization requests as signed objects (RFC 9101); false: those that are registered for it. Clients without keys make none then.";
    "request_objects.encrypted" "" "" Kind::Boolean, "false", "",
        "Request objects may come encrypted: keys for that are made, published in the JWKS and rotated like the keys that sign.";

    "dpop.nonces" "" "" Kind::Boolean, "false", "",
        "Demand a nonce of ours in every DPoP proof: no proof can then be made in advance. Costs clients a round trip now and then.";
    "dpop.nonce_lifetime" "" "" Kind::Duration { min: 10, max: HOUR }, r#""5m""#, "",
        "How long one nonce is given out; it is accepted for as long again.";
    "dpop.proof_lifetime" "" "" Kind::Duration { min: 5, max: HOUR }, r#""5m""#, "",
        "How old a DPoP proof may be; for so long each is remembered.";

    "keys.rotate_every" "" "" Kind::Duration { min: 0, max: 10 * YEAR }, r#""90d""#, "",
        "How long a generated signing key signs; 0 = until it is rotated by command. An imported key is never rotated by itself.";
    "keys.publish_ahead" "" "" Kind::Duration { min: 0, max: 30 * DAY }, r#""1d""#, "",
        "How long the next signing key is in the JWKS before it signs: longer than clients cache that.";

    "signer.command" "" "" Kind::List, "[]", r#"["chancery-signer", "--module", "/usr/lib/softhsm/libsofthsm2.so", "--token", "chancery", "--pin-file", "/run/secrets/pin"]"#,
        "A program, with its arguments, that signs with keys which are not in the vault: of an HSM or a key service.";
    "signer.keys" "" "" Kind::List, "[]", r#"["RS256=chancery-rs-2026", "ES256=chancery-es-2026"]"#,
        "Which algorithms it signs with, and what it calls the key of each. The others are signed with keys of the vault.";
    "signer.processes" "" "" Kind::Integer { min: 1, max: 16 }, "2", "",
        "How many of these programs run at once: each signs one token at a time.";
    "signer.timeout" "" "" Kind::Duration { min: 1, max: 14 }, r#""5s""#, "",
        "How long a signature may take, waiting for its turn included. After that there is no token and the program is started anew.";

    "lifetimes.code" "" "" Kind::Duration { min: 1, max: 10 * MINUTE }, r#""60s""#, "",
        "Authorization code; RFC 6749 recommends ten minutes at most.";
    "lifetimes.access_token" "" "" Kind::Duration { min: 1, max: DAY }, r#""10m""#, "",
        "Access token.";
    "lifetimes.client_credentials" "" "" Kind::Duration { min: 1, max: DAY }, r#""10m""#, "",
        "Access token of the client credentials grant.";
    "lifetimes.id_token" "" "" Kind::Duration { min: 1, max: DAY }, r#""1h""#, "",
        "id_token.";
    "lifetimes.refresh_idle" "" "" Kind::Duration { min: 1, max: 10 * YEAR }, r#""14d""#, "",
        "Refresh token that nobody uses.";
    "lifetimes.refresh_absolute" "" "" Kind::Duration { min: 1, max: 10 * YEAR }, r#""90d""#, "",
        "Refresh tokens of one grant, however often they rotate.";
    "lifetimes.session_idle" "" "" Kind::Duration { min: 1, max: 10 * YEAR }, r#""14d""#, "",
        "Session that nobody uses.";
    "lifetimes.session_absolute" "" "" Kind::Duration { min: 1, max: 10 * YEAR }, r#""90d""#, "",
        "Session, however often it is used.";
    "lifetimes.interaction" "" "" Kind::Duration { min: MINUTE, max: DAY }, r#""1h""#, "",
        "Time a person has to sign in and consent.";
    "lifetimes.pushed_request" "" "" Kind::Duration { min: 5, max: 10 * MINUTE }, r#""60s""#, "",
        "Time in which a browser has to bring a pushed authorization request.";
    "lifetimes.device_code" "" "" Kind::Duration { min: MINUTE, max: HOUR }, r#""10m""#, "",
        "Time in which a person has to type and answer the code of a device.";
    "lifetimes.backchannel" "" "" Kind::Duration { min: MINUTE, max: HOUR }, r#""10m""#, "",
        "Time in which a person has to answer a request on the back channel.";
    "lifetimes.assertion" "" "" Kind::Duration { min: 1, max: 24 * HOUR }, r#""1h""#, "",
        "How far ahead the exp of a client assertion may lie.";
    "lifetimes.clock_tolerance" "" "" Kind::Duration { min: 0, max: 5 * MINUTE }, r#""15s""#, "",
        "How far the clocks of others may be off.";

    "scrypt.ln" "" "" Kind::Integer { min: 1, max: 20 }, "17", "",
        "Password hashing: binary logarithm of N. 17 with r = 8 takes 128 MiB and about 0.4 s for each login.";
    "scrypt.r" "" "" Kind::Integer { min: 1, max: 16 }, "8", "",
        "Password hashing: block size.";
    "scrypt.p" "" "" Kind::Integer { min: 1, max: 16 }, "1", "",
        "Password hashing: parallelism.";
    "scrypt.permits" "" "" Kind::Integer { min: 0, max: 256 }, "0", "",
        "Hashes computed at the same time, which bounds memory; 0 = one for each processor.";
    "scrypt.queue" "" "" Kind::Integer { min: 1, max: 10_000 }, "64", "",
        "Logins that may wait for a permit; beyond, the answer is 503 with Retry-After.";

    "rate_limits.login_failures_per_account" "" "" Kind::Rate, r#""10/15m""#, "",
        "Failed logins of one account.";
    "rate_limits.login_failures_per_address" "" "" Kind::Rate, r#""50/15m""#, "",
        "Failed logins from one address.";
    "rate_limits.account_registrations_per_address" "" "" Kind::Rate, r#""20/1h""#, "",
        "New accounts from one address.";
    "rate_limits.client_registrations_per_address" "" "" Kind::Rate, r#""60/1h""#, "",
        "New clients from one address.";
    "rate_limits.token_failures_per_client" "" "" Kind::Rate, r#""60/1m""#, "",
        "Refused requests at the token endpoint for one client_id.";
    "rate_limits.token_failures_per_address" "" "" Kind::Rate, r#""120/1m""#, "",
        "Refused requests at the token endpoint from one address.";
    "rate_limits.token_requests_per_client" "" "" Kind::Rate, r#""off""#, "",
        "Successful requests at the token endpoint for one client_id.";

    "rate_limits.pushed_requests_per_client" "" "" Kind::Rate, r#""off""#, "",
        "Pushed authorization requests of one client_id.";

    "rate_limits.request_uri_fetches_per_client" "" "" Kind::Rate, r#""60/1m""#, "",
        "Request objects fetched from addresses of one client_id.";
    "rate_limits.request_uri_fetches" "" "" Kind::Rate, r#""600/1m""#, "",
        "Request objects fetched for all clients together.";

    "rate_limits.client_documents_per_host" "" "" Kind::Rate, r#""20/1m""#, "",
        "Documents of clients fetched from one host; those that are known have as much again.";
    "rate_limits.client_documents" "" "" Kind::Rate, r#""120/1m""#, "",
        "Documents of clients fetched from all hosts together; those that are known have as much again.";

    "rate_limits.pushed_requests_per_address" "" "" Kind::Rate, r#""120/1m""#, "",
        "Pushed authorization requests of public clients from one address: their names are public.";
    "rate_limits.device_requests_per_address" "" "" Kind::Rate, r#""120/1m""#, "",
        "Device authorizations asked for from one address.";
    "rate_limits.backchannel_requests_per_client" "" "" Kind::Rate, r#""600/1m""#, "",
        "Requests on the back channel of one client: each of them stands before somebody's eyes.";
    "rate_limits.backchannel_unknown_hints_per_client" "" "" Kind::Rate, r#""30/15m""#, "",
        "Hints of one client that name nobody: each tells it that an address has no account.";
    "rate_limits.user_code_failures_per_account" "" "" Kind::Rate, r#""10/15m""#, "",
        "Wrong user codes that one account types.";
    "rate_limits.user_code_failures_per_address" "" "" Kind::Rate, r#""20/15m""#, "",
        "Wrong user codes typed from one address.";
    "rate_limits.user_code_failures" "" "" Kind::Rate, r#""600/15m""#, "",
        "Wrong user codes that everybody types together.";

    "rate_limits.proofs_per_address" "" "" Kind::Rate, r#""1200/1m""#, "",
        "Checkpoints, proofs and tiles of hashes asked for without a token from one address.";

    "proof.seal_after" "" "" Kind::Duration { min: 0, max: DAY }, r#""60s""#, "",
        "A log in which nothing happened for this long appends a seal, so that silence can be proven; 0 = never.";
    "proof.public" "" "" Kind::Boolean, "true", "",
        "Anybody may read checkpoints, hashes and proofs, which hold no content; false: only with the scope audit:read.";
    "proof.anchor_every" "" "" Kind::Duration { min: 1, max: DAY }, r#""60s""#, "",
        "How often a new checkpoint goes to the file, the webhook and the witnesses.";
    "proof.anchor_file" "" "" Kind::Text, "", r#""/var/log/chancery-checkpoints.jsonl""#,
        "File that gets each anchored checkpoint as a line of JSON; ship it to where the server cannot change it.";
    "proof.anchor_webhook" "" "" Kind::Text, "", r#""https://archive.example/checkpoints""#,
        "URL that gets each anchored checkpoint by POST, as text/plain.";
    "proof.timestamp_authority" "" "" Kind::Text, "", r#""https://tsa.example/""#,
        "Timestamp authority (RFC 3161) that stamps each anchored checkpoint: it gets a hash and learns nothing of the log.";
    "proof.witnesses" "" "" Kind::List, "[]", r#"["witness.example/w1+5bc6b6a1+BOnp... https://witness.example"]"#,
        "Witnesses that cosign checkpoints: verifier key, a space, URL.";

    "erasure.vault_backups_kept" "" "" Kind::Duration { min: 0, max: 10 * YEAR }, r#""0s""#, "",
        "How long you keep backups of the vault: an erasure certificate names the day when the last of them is gone; 0 = it names none.";

    "archive.directory" "" "" Kind::Text, "", r#""/var/lib/chancery-archive""#,
        "Directory to which `chancery ledger archive` moved old events; needed only to read them: audits, rebuilds, replays.";

    "log.format" "" "--log-format" Kind::Choice(&["pretty", "json"]), r#""pretty""#, "",
        "Form of the log lines.";
    "log.level" "" "--log-level" Kind::Choice(&["error", "warn", "info", "debug", "trace"]), r#""info""#, "",
        "Least severe lines to print.";

    "ops.listen" "" "--ops-listen" Kind::List, "[]", r#"["127.0.0.1:9090"]"#,
        "Addresses for /health and /metrics alone, without a token: let only those reach them who watch the server.";
    "ops.hosts" "" "" Kind::List, "[]", r#"["chancery.internal"]"#,
        "Names by which those who watch call ops.listen, besides addresses, localhost and the issuer's host: a stranger's name for this machine is refused.";

    "tls.cert" "" "" Kind::Text, "", r#""/etc/chancery/tls.crt""#,
        "PEM file with the certificate chain. Unset: plain http, for loopback or behind a proxy that ends TLS.";
    "tls.key" "" "" Kind::Text, "", r#""/etc/chancery/tls.key""#,
        "PEM file with its private key. Both files are read again when they change.";

    "mtls.listen" "" "" Kind::List, "[]", r#"["0.0.0.0:8443"]"#,
        "Addresses of a listener of its own that asks callers for a certificate (RFC 8705). It answers the endpoints of clients, and no pages.";
    "mtls.url" "" "" Kind::Text, "", r#""https://mtls.id.example""#,
        "Where clients reach that listener: what mtls_endpoint_aliases in discovery say.";
    "mtls.cert" "" "" Kind::Text, "", r#""/etc/chancery/mtls.crt""#,
        "PEM file with the certificate chain that it shows. Unset: that of tls.cert.";
    "mtls.key" "" "" Kind::Text, "", r#""/etc/chancery/mtls.key""#,
        "PEM file with its private key.";
    "mtls.client_ca" "" "" Kind::Text, "", r#""/etc/chancery/client-ca.pem""#,
        "PEM file with the authorities whose certificates authenticate clients (tls_client_auth). Unset: only certificates that are registered themselves.";
    "mtls.proxy_header" "" "" Kind::Boolean, "false", "",
        "Trusted proxies end TLS and hand the client's certificate on as Client-Cert (RFC 9440). They must remove what callers send under that name.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn keys_and_variables_are_unique() {
        let keys: BTreeSet<_> = SETTINGS.iter().map(|setting| setting.key).collect();
        let variables: BTreeSet<_> = SETTINGS.iter().map(Setting::variable).collect();
        assert_eq!((keys.len(), variables.len()), (SETTINGS.len(), SETTINGS.len()));
        assert_eq!(find("lifetimes.code").unwrap().variable(), "CHANCERY_LIFETIMES_CODE");
    }

    #[test]
    fn secrets_have_no_flag_because_a_command_line_is_public() {
        assert!(SETTINGS.iter().filter(|setting| setting.is_secret()).all(|setting| setting.flag.is_empty()));
    }
}
