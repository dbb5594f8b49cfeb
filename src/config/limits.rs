//! How often somebody may try: the limits on attempts and requests.

use super::reader::Reader;
use super::value::Rate;

/// `None` = not limited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimits {
    pub login_failures_per_account: Option<Rate>,
    pub login_failures_per_address: Option<Rate>,
    pub account_registrations_per_address: Option<Rate>,
    pub client_registrations_per_address: Option<Rate>,
    pub token_failures_per_client: Option<Rate>,
    pub token_failures_per_address: Option<Rate>,
    pub token_requests_per_client: Option<Rate>,
    pub pushed_requests_per_client: Option<Rate>,
    pub request_uri_fetches_per_client: Option<Rate>,
    pub request_uri_fetches: Option<Rate>,
    pub client_documents_per_host: Option<Rate>,
    pub client_documents: Option<Rate>,
    pub pushed_requests_per_address: Option<Rate>,
    pub device_requests_per_address: Option<Rate>,
    pub backchannel_requests_per_client: Option<Rate>,
    pub backchannel_unknown_hints_per_client: Option<Rate>,
    pub user_code_failures_per_account: Option<Rate>,
    pub user_code_failures_per_address: Option<Rate>,
    pub user_code_failures: Option<Rate>,
    pub proofs_per_address: Option<Rate>,
}

pub(super) fn read(reader: &mut Reader) -> RateLimits {
    RateLimits {
        login_failures_per_account: reader.rate("rate_limits.login_failures_per_account"),
        login_failures_per_address: reader.rate("rate_limits.login_failures_per_address"),
        account_registrations_per_address: reader.rate("rate_limits.account_registrations_per_address"),
        client_registrations_per_address: reader.rate("rate_limits.client_registrations_per_address"),
        token_failures_per_client: reader.rate("rate_limits.token_failures_per_client"),
        token_failures_per_address: reader.rate("rate_limits.token_failures_per_address"),
        token_requests_per_client: reader.rate("rate_limits.token_requests_per_client"),
        pushed_requests_per_client: reader.rate("rate_limits.pushed_requests_per_client"),
        request_uri_fetches_per_client: reader.rate("rate_limits.request_uri_fetches_per_client"),
        request_uri_fetches: reader.rate("rate_limits.request_uri_fetches"),
        client_documents_per_host: reader.rate("rate_limits.client_documents_per_host"),
        client_documents: reader.rate("rate_limits.client_documents"),
        pushed_requests_per_address: reader.rate("rate_limits.pushed_requests_per_address"),
        device_requests_per_address: reader.rate("rate_limits.device_requests_per_address"),
        backchannel_requests_per_client: reader.rate("rate_limits.backchannel_requests_per_client"),
        backchannel_unknown_hints_per_client: reader.rate("rate_limits.backchannel_unknown_hints_per_client"),
        user_code_failures_per_account: reader.rate("rate_limits.user_code_failures_per_account"),
        user_code_failures_per_address: reader.rate("rate_limits.user_code_failures_per_address"),
        user_code_failures: reader.rate("rate_limits.user_code_failures"),
        proofs_per_address: reader.rate("rate_limits.proofs_per_address"),
    }
}
