//! The resolved configuration as canonical text without secrets, and its digest for `ServerStarted`.
//!
//! An auditor compares digests to see that two starts ran with the same settings. Nothing that could be guessed from the
//! digest goes in: no secret, no declared user, of the database only its kind.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use sha2::{Digest as _, Sha256};

use super::{Config, Database, DeclaredClient, DeclaredResource, PkceRequired, Rate, Registration, Signer, pages};

impl Config {
    /// One line of text for each setting that is not secret, by key; declared clients as `client.<client_id>.<field>`.
    pub fn canonical(&self) -> BTreeMap<String, String> {
        let list = |items: Vec<String>| items.join(",");
        let rate = |rate: Option<Rate>| rate.map_or("off".to_owned(), |rate| format!("{}/{}s", rate.count, rate.window.as_secs()));
        let (life, limits) = (&self.lifetimes, &self.rate_limits);
        let path = |path: Option<&std::path::PathBuf>| path.map_or(String::new(), |path| path.display().to_string());
        let settings = [
            ("mode", self.mode.as_str().to_owned()),
            ("listen", list(self.listen.iter().map(ToString::to_string).collect())),
            ("data_dir", self.data_dir.display().to_string()),
            ("database", if matches!(self.database, Database::Sqlite(_)) { "sqlite" } else { "postgres" }.to_owned()),
            ("issuer", self.issuer.as_str().to_owned()),
            ("allowed_origins", list(self.allowed_origins.clone())),
            ("trusted_proxies", list(self.trusted_proxies.iter().map(ToString::to_string).collect())),
            ("registration", if self.registration == Registration::Open { "open" } else { "initial_access_token" }.to_owned()),
            ("cache_mb", self.cache_mb.to_string()),
            ("threads", self.threads.map_or(0, NonZeroUsize::get).to_string()),
            ("pkce.required", if self.pkce == PkceRequired::All { "all" } else { "public" }.to_owned()),
            ("software_statement_issuers", list(self.software_issuers.iter().map(|own| format!("{} {}", own.issuer, own.jwks)).collect())),
            ("outgoing.allowed_networks", list(self.outgoing_networks.iter().map(ToString::to_string).collect())),
            ("client_attestation.signal", format!("{:?}", self.attestation_signal)),
            ("ciba.enabled", self.ciba.to_string()),
            ("credentials.anonymous_access", self.credential_settings.anonymous_access.to_string()),
            ("credentials.batch_size", self.credential_settings.batch_size.to_string()),
            ("credentials.offer_lifetime", self.credential_settings.offer_lifetime.as_secs().to_string()),
            ("credentials.issuer_name", self.credential_settings.issuer_name.clone().unwrap_or_default()),
            ("client_documents.enabled", self.client_documents.enabled.to_string()),
            ("client_documents.allowed_hosts", list(self.client_documents.allowed_hosts.iter().map(ToString::to_string).collect())),
            ("client_documents.denied_hosts", list(self.client_documents.denied_hosts.iter().map(ToString::to_string).collect())),
            ("client_documents.scopes", self.client_documents.scopes.to_string()),
            ("ciba.devices", list(self.ciba_devices.iter().map(ToString::to_string).collect())),
            ("ciba.request_context_required", self.ciba_context.required.to_string()),
            ("ciba.request_context_schema", self.ciba_context.schema.as_ref().map_or(String::new(), |(text, _)| text.clone())),
            ("device.user_code_charset", self.user_codes.charset().as_str().to_owned()),
            ("device.user_code_mask", self.user_codes.mask().to_owned()),
            ("rate_limits.backchannel_requests_per_client", rate(limits.backchannel_requests_per_client)),
            ("rate_limits.backchannel_unknown_hints_per_client", rate(limits.backchannel_unknown_hints_per_client)),
            ("lifetimes.backchannel", life.backchannel.as_secs().to_string()),
            ("acr_values.demanded", self.acr_demanded.as_str().to_owned()),
            ("profile", self.profile.map_or(String::new(), |profile| profile.as_str().to_owned())),
            ("resource_indicators.default", self.resource_indicators.default.as_ref().map_or_else(String::new, ToString::to_string)),
            ("resource_indicators.use_granted", self.resource_indicators.use_granted.to_string()),
            ("pushed_requests.required", self.pushed_only.to_string()),
            ("pushed_requests.unregistered_redirect_uris", self.unregistered_redirect_uris.to_string()),
            ("response_types.front_channel", self.front_channel.to_string()),
            ("response_modes.web_message", self.web_message.to_string()),
            ("logout.front_channel", self.front_channel_logout.to_string()),
            ("logout.session_management", self.session_management.to_string()),
            ("signals.streams", self.signal_streams.to_string()),
            ("request_objects.unsigned", self.unsigned_request_objects.to_string()),
            ("request_objects.required", self.signed_request_objects.to_string()),
            ("request_objects.encrypted", self.encrypted_request_objects.to_string()),
            ("dpop.nonces", self.dpop.nonces.to_string()),
            ("dpop.nonce_lifetime", self.dpop.nonce_lifetime.as_secs().to_string()),
            ("dpop.proof_lifetime", self.dpop.proof_lifetime.as_secs().to_string()),
            ("keys.rotate_every", self.keys.rotate_every.map_or(0, |every| every.as_secs()).to_string()),
            ("keys.publish_ahead", self.keys.publish_ahead.as_secs().to_string()),
            ("signer.command", list(self.signer.iter().flat_map(|own| own.command.clone()).collect())),
            ("signer.keys", list(self.signer.iter().flat_map(Signer::named).collect())),
            ("signer.processes", self.signer.as_ref().map_or(0, |own| own.processes).to_string()),
            ("signer.timeout", self.signer.as_ref().map_or(0, |own| own.timeout.as_secs()).to_string()),
            ("lifetimes.code", life.code.as_secs().to_string()),
            ("lifetimes.access_token", life.access_token.as_secs().to_string()),
            ("lifetimes.client_credentials", life.client_credentials.as_secs().to_string()),
            ("lifetimes.id_token", life.id_token.as_secs().to_string()),
            ("lifetimes.refresh_idle", life.refresh_idle.as_secs().to_string()),
            ("lifetimes.refresh_absolute", life.refresh_absolute.as_secs().to_string()),
            ("lifetimes.session_idle", life.session_idle.as_secs().to_string()),
            ("lifetimes.session_absolute", life.session_absolute.as_secs().to_string()),
            ("lifetimes.interaction", life.interaction.as_secs().to_string()),
            ("lifetimes.pushed_request", life.pushed_request.as_secs().to_string()),
            ("lifetimes.device_code", life.device_code.as_secs().to_string()),
            ("lifetimes.assertion", life.assertion.as_secs().to_string()),
            ("lifetimes.clock_tolerance", life.clock_tolerance.as_secs().to_string()),
            ("scrypt.ln", self.scrypt.ln.to_string()),
            ("scrypt.r", self.scrypt.r.to_string()),
            ("scrypt.p", self.scrypt.p.to_string()),
            ("scrypt.permits", self.scrypt.permits.unwrap_or(0).to_string()),
            ("scrypt.queue", self.scrypt.queue.to_string()),
            ("rate_limits.login_failures_per_account", rate(limits.login_failures_per_account)),
            ("rate_limits.login_failures_per_address", rate(limits.login_failures_per_address)),
            ("rate_limits.account_registrations_per_address", rate(limits.account_registrations_per_address)),
            ("rate_limits.client_registrations_per_address", rate(limits.client_registrations_per_address)),
            ("rate_limits.token_failures_per_client", rate(limits.token_failures_per_client)),
            ("rate_limits.token_failures_per_address", rate(limits.token_failures_per_address)),
            ("rate_limits.token_requests_per_client", rate(limits.token_requests_per_client)),
            ("rate_limits.pushed_requests_per_client", rate(limits.pushed_requests_per_client)),
            ("rate_limits.request_uri_fetches_per_client", rate(limits.request_uri_fetches_per_client)),
            ("rate_limits.request_uri_fetches", rate(limits.request_uri_fetches)),
            ("rate_limits.client_documents_per_host", rate(limits.client_documents_per_host)),
            ("rate_limits.client_documents", rate(limits.client_documents)),
            ("rate_limits.pushed_requests_per_address", rate(limits.pushed_requests_per_address)),
            ("rate_limits.device_requests_per_address", rate(limits.device_requests_per_address)),
            ("rate_limits.user_code_failures_per_account", rate(limits.user_code_failures_per_account)),
            ("rate_limits.user_code_failures_per_address", rate(limits.user_code_failures_per_address)),
            ("rate_limits.user_code_failures", rate(limits.user_code_failures)),
            ("rate_limits.proofs_per_address", rate(limits.proofs_per_address)),
            ("proof.seal_after", self.proof.seal_after.map_or(0, |after| after.as_secs()).to_string()),
            ("proof.public", self.proof.public.to_string()),
            ("proof.anchor_every", self.proof.anchor_every.as_secs().to_string()),
            ("proof.anchor_file", path(self.proof.anchor_file.as_ref())),
            ("proof.anchor_webhook", self.proof.anchor_webhook.as_ref().map_or(String::new(), ToString::to_string)),
            ("proof.timestamp_authority", self.proof.timestamp_authority.as_ref().map_or(String::new(), ToString::to_string)),
            ("proof.witnesses", list(self.proof.witnesses.iter().map(|own| format!("{} {}", own.key, own.url)).collect())),
            ("erasure.vault_backups_kept", self.vault_backups_kept.map_or(0, |kept| kept.as_secs()).to_string()),
            ("archive.directory", path(self.archive.as_ref())),
            ("ops.listen", list(self.ops_listen.iter().map(ToString::to_string).collect())),
            ("ops.hosts", list(self.ops_hosts.clone())),
            ("log.format", if self.log.json { "json" } else { "pretty" }.to_owned()),
            ("log.level", self.log.level.to_owned()),
            ("tls.cert", path(self.tls.as_ref().map(|tls| &tls.cert))),
            ("tls.key", path(self.tls.as_ref().map(|tls| &tls.key))),
            ("mtls.listen", list(self.mtls.listen.iter().map(ToString::to_string).collect())),
            ("mtls.url", self.mtls.url.clone().unwrap_or_default()),
            ("mtls.cert", path(self.mtls.tls.as_ref().map(|tls| &tls.cert))),
            ("mtls.key", path(self.mtls.tls.as_ref().map(|tls| &tls.key))),
            ("mtls.client_ca", path(self.mtls.client_ca.as_ref())),
            ("mtls.proxy_header", self.mtls.proxy_header.to_string()),
        ];
        let mut all: BTreeMap<String, String> = settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let page = |member| self.pages.iter().find(|(own, _)| *own == member).map_or_else(String::new, |(_, page)| page.clone());
        all.extend(pages::PAGES.map(|(member, key)| (key.to_owned(), page(member))));
        for client in &self.clients {
            all.extend(declared(client).map(|(field, value)| (format!("client.{}.{field}", client.client_id), value)));
        }
        for feed in &self.feeds {
            let types = list(feed.types.iter().cloned().collect());
            let said = format!(
                "{:?} {} clear={} beginning={} types={types} client={:?}",
                feed.format,
                feed.to.shown(),
                feed.is_clear,
                feed.from_beginning,
                feed.receiver
            );
            all.insert(format!("feed.{}", feed.name), said);
        }
        for own in &self.details {
            let enrichment = own.enrichment.iter().map(|own| format!("\n{own}")).collect::<String>();
            all.insert(format!("authorization_details_type.{}", own.name), format!("{}\n{}{enrichment}", own.schema, own.words));
        }
        for own in &self.attesters {
            all.insert(format!("client_attester_draft12.{}", own.issuer), format!("{own:?}"));
        }
        for own in &self.credentials {
            all.insert(format!("credential.{}", own.id), format!("{own:?}"));
        }
        for own in &self.key_attesters {
            all.insert(format!("key_attester.{}", own.name), format!("{own:?}"));
        }
        for own in &self.assertion_issuers {
            all.insert(format!("assertion_issuer.{}", own.issuer), format!("{own:?}"));
        }
        for own in &self.exchanges {
            all.insert(format!("token_exchange.{}", own.client_id), format!("{own:?}"));
        }
        for resource in &self.resources {
            all.extend(api(resource).map(|(field, value)| (format!("resource.{}.{field}", resource.identifier), value)));
        }
        all
    }

    /// SHA-256 over `canonical`, each key and value preceded by its length, so that no two configurations read alike.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"chancery config v1\0");
        for (key, value) in self.canonical() {
            for part in [key, value] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        hash.finalize().into()
    }
}

fn api(resource: &DeclaredResource) -> impl Iterator<Item = (&'static str, String)> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    [
        ("name", text(&resource.name)),
        ("scope", text(&resource.scope)),
        ("token_format", text(&resource.token_format)),
        ("signing_alg", text(&resource.signing_alg)),
        ("access_token_lifetime", resource.access_token_lifetime.map_or_else(String::new, |seconds| seconds.to_string())),
        ("introspected_by", resource.introspected_by.join("\n")),
        ("encryption_alg", text(&resource.encryption_alg)),
        ("encryption_enc", text(&resource.encryption_enc)),
        ("jwks", text(&resource.jwks)),
    ]
    .into_iter()
}

fn declared(client: &DeclaredClient) -> impl Iterator<Item = (&'static str, String)> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let list = |values: &[String]| values.join("\n");
    // Absent and empty differ: a client may have no response type at all.
    let optional = |values: &Option<Vec<String>>| values.as_ref().map_or("default".to_owned(), |values| format!("[{}]", values.join("\n")));
    [
        ("client_name", text(&client.client_name)),
        ("has_secret", client.client_secret.is_some().to_string()),
        ("redirect_uris", list(&client.redirect_uris)),
        ("post_logout_redirect_uris", list(&client.post_logout_redirect_uris)),
        ("backchannel_logout_uri", text(&client.backchannel_logout_uri)),
        ("frontchannel_logout_uri", text(&client.frontchannel_logout_uri)),
        ("grant_types", optional(&client.grant_types)),
        ("response_types", optional(&client.response_types)),
        ("token_endpoint_auth_method", text(&client.token_endpoint_auth_method)),
        ("token_endpoint_auth_signing_alg", text(&client.token_endpoint_auth_signing_alg)),
        ("application_type", text(&client.application_type)),
        ("scope", text(&client.scope)),
        ("authorization_details_types", list(&client.authorization_details_types)),
        ("id_token_signed_response_alg", text(&client.id_token_signed_response_alg)),
        ("id_token_claims", text(&client.id_token_claims)),
        ("userinfo_signed_response_alg", text(&client.userinfo_signed_response_alg)),
        ("authorization_signed_response_alg", text(&client.authorization_signed_response_alg)),
        ("introspection_signed_response_alg", text(&client.introspection_signed_response_alg)),
        ("subject_type", text(&client.subject_type)),
        ("require_pkce", client.require_pkce.to_string()),
        ("dpop_bound_access_tokens", client.dpop_bound_access_tokens.to_string()),
        ("tls_client_certificate_bound_access_tokens", client.tls_client_certificate_bound_access_tokens.to_string()),
        ("response_modes", optional(&client.response_modes)),
        ("use_mtls_endpoint_aliases", client.use_mtls_endpoint_aliases.to_string()),
        ("tls_client_auth_subject_dn", text(&client.tls_client_auth_subject_dn)),
        ("tls_client_auth_san_dns", text(&client.tls_client_auth_san_dns)),
        ("tls_client_auth_san_uri", text(&client.tls_client_auth_san_uri)),
        ("tls_client_auth_san_ip", text(&client.tls_client_auth_san_ip)),
        ("tls_client_auth_san_email", text(&client.tls_client_auth_san_email)),
        ("require_pushed_authorization_requests", client.require_pushed_authorization_requests.to_string()),
        ("default_max_age", client.default_max_age.map_or_else(String::new, |seconds| seconds.to_string())),
        ("rotation", text(&client.rotation)),
        ("refresh_grace_seconds", client.refresh_grace_seconds.to_string()),
        ("jwks", text(&client.jwks)),
        ("jwks_uri", text(&client.jwks_uri)),
        ("logo_uri", text(&client.logo_uri)),
        ("initiate_login_uri", text(&client.initiate_login_uri)),
        ("sector_identifier_uri", text(&client.sector_identifier_uri)),
        ("request_object_signing_alg", text(&client.request_object_signing_alg)),
        ("request_uris", list(&client.request_uris)),
        ("require_signed_request_object", client.require_signed_request_object.to_string()),
        ("allowed_origins", list(&client.allowed_origins)),
        ("introspect", client.introspect.to_string()),
        ("backchannel_token_delivery_mode", text(&client.backchannel_token_delivery_mode)),
        ("backchannel_client_notification_endpoint", text(&client.backchannel_client_notification_endpoint)),
        ("backchannel_authentication_request_signing_alg", text(&client.backchannel_authentication_request_signing_alg)),
        ("backchannel_user_code_parameter", client.backchannel_user_code_parameter.to_string()),
        ("chancery_profile", text(&client.chancery_profile)),
        ("chancery_receipts", client.chancery_receipts.to_string()),
    ]
    .into_iter()
}
