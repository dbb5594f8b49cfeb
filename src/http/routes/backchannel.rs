//! Backchannel authentication (CIBA Core §7): a client asks a person whom it knows.

use chancery_core::error::{Code, OAuthError};
use poem::Request;
use poem_openapi::{Object, OpenApi};

use super::Group;
use super::token::{authenticate, client_of, granting, receipt_for};
use crate::http::cors::AnsweredClient;
use crate::http::dpop;
use crate::http::error::Refused;
use crate::http::form::StrictForm;
use crate::http::reply::{Describe, Reply};
use crate::http::server::{Server, context};

/// Purpose of the limit on requests of one client: each of them stands before somebody's eyes.
const REQUESTS: &str = "backchannel_authentication";
/// Purpose of the limit on hints of one client that name nobody.
const UNKNOWN: &str = "backchannel_unknown_hint";

pub struct BackchannelAuthentication(pub Server);

/// Whom the client asks for what, with its credentials as at the token endpoint.
#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct BackchannelRequest {
    client_id: Option<String>,
    client_secret: Option<String>,
    client_assertion: Option<String>,
    client_assertion_type: Option<String>,
    scope: Option<String>,
    /// An e-mail address; or the next.
    login_hint: Option<String>,
    /// An id_token of this client; or the next.
    id_token_hint: Option<String>,
    /// A JWT of an issuer whom the operator trusts, made for this endpoint; its sub is the id of an account.
    login_hint_token: Option<String>,
    /// All of this in a JWT under the client's key, where the client is registered to sign (CIBA Core section 7.1.1).
    request: Option<String>,
    /// Shown on both screens, so that the person can compare.
    binding_message: Option<String>,
    /// The code that the person set for such requests, of a client that is registered to send it.
    user_code: Option<String>,
    /// Of a client that is told (ping, push): the bearer token that it knows us by, of 22 to 1024 characters.
    client_notification_token: Option<String>,
    /// The id_token shall say how the person signed in; no level is promised.
    acr_values: Option<String>,
    /// Seconds; an older sign-in of the person does not do.
    max_age: Option<String>,
    /// Claims for the id_token and userinfo (OpenID Connect Core section 5.5).
    claims: Option<String>,
    /// A JSON array (RFC 9396).
    authorization_details: Option<String>,
    /// A JSON object that tells how the client came to ask (FAPI-CIBA section 5.3).
    request_context: Option<String>,
    /// Comes back in the id_token.
    nonce: Option<String>,
    /// Seconds until it is too late for an answer.
    requested_expiry: Option<String>,
    /// The resource servers that the tokens are for (RFC 8707); may repeat.
    resource: Option<Vec<String>>,
}

pub struct Acknowledgement;

impl Describe for Acknowledgement {
    const DESCRIPTION: &'static str = "The person is asked (CIBA Core section 7.3).";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("auth_req_id", "string", "The client polls the token endpoint with it, and is told of it."),
        ("expires_in", "integer", "Seconds."),
        ("interval", "integer", "Seconds between two polls; absent where tokens are pushed."),
    ];
}

#[OpenApi(tag = "Group::Protocol")]
impl BackchannelAuthentication {
    /// Backchannel authentication (CIBA)
    ///
    /// Where it is switched on (ciba.enabled).
    #[oai(path = "/oidc/backchannel", method = "post", operation_id = "backchannelAuthentication")]
    async fn ask(&self, request: &Request, form: StrictForm<BackchannelRequest>) -> Result<Reply<Acknowledgement>, Refused> {
        let app = &self.0.app;
        if !app.config.ciba {
            return Err(OAuthError::not_found("ciba is switched off").into());
        }
        let context = context(request);
        let place = granting(&self.0, &app.endpoints.backchannel_authentication);
        let caller = authenticate(&self.0, &context, (request, &form.params), place).await?;
        let client = client_of(&caller)?;
        let refused = |error: OAuthError| Refused::from(error).for_client(AnsweredClient(client.clone()));
        self.0.count_name(REQUESTS, &client, app.config.rate_limits.backchannel_requests_per_client)?;
        // Each tells the client that somebody has no account here: that is what the endpoint is for, and no way to try a list of addresses.
        let unknown = app.config.rate_limits.backchannel_unknown_hints_per_client;
        self.0.check_name(UNKNOWN, &client, unknown)?;
        let parameters = form.params.single();
        let answer = Box::pin(app.ask_backchannel(&context, &caller, &parameters, form.params.all("resource")));
        let answer = answer.await.map_err(|error| {
            if error.code == Code::UnknownUserId {
                // The answer stays what it is; the next one may be 429.
                let _ = self.0.count_name(UNKNOWN, &client, unknown);
            }
            refused(error)
        })?;
        let nonce = dpop::next_nonce(&self.0, caller.proof.as_ref());
        Ok(Reply::new(&answer).for_client(&client).with_nonce(nonce).with_receipt(receipt_for(&caller, &context)))
    }
}
