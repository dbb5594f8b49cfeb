//! Pushed authorization requests (RFC 9126): a client leaves its request here and gets a name for it.
//!
//! Order: media type and size, repeated parameters, client authentication, the checks of the authorization request.

use chancery_core::client::Client;
use chancery_core::error::OAuthError;
use poem::Request;
use poem_openapi::{Object, OpenApi};

use super::Group;
use super::token::{authenticate, client_of, granting, receipt_for};
use crate::app::authorize::Sent;
use crate::http::cors::AnsweredClient;
use crate::http::dpop;
use crate::http::error::Refused;
use crate::http::form::StrictForm;
use crate::http::reply::{Describe, Reply};
use crate::http::server::{Server, context};

/// Purpose of the optional limit on requests of one client.
const REQUESTS: &str = "pushed_request";

pub struct PushedRequests(pub Server);

/// An authorization request, with the client's credentials as at the token endpoint.
#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct PushedRequest {
    client_id: Option<String>,
    client_secret: Option<String>,
    client_assertion: Option<String>,
    client_assertion_type: Option<String>,
    redirect_uri: Option<String>,
    response_type: Option<String>,
    response_mode: Option<String>,
    scope: Option<String>,
    state: Option<String>,
    nonce: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    prompt: Option<String>,
    max_age: Option<String>,
    login_hint: Option<String>,
    id_token_hint: Option<String>,
    ui_locales: Option<String>,
    claims: Option<String>,
    acr_values: Option<String>,
    /// A JSON array (RFC 9396).
    authorization_details: Option<String>,
    /// Thumbprint of the key that the code is bound to (RFC 9449 section 10).
    dpop_jkt: Option<String>,
    resource: Option<Vec<String>>,
}

pub struct Kept;

impl Describe for Kept {
    const STATUS: u16 = 201;
    const DESCRIPTION: &'static str = "The request is kept (RFC 9126 section 2.2).";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("request_uri", "string", "Its name, for the authorization endpoint: once."),
        ("expires_in", "integer", "Seconds in which a browser has to bring it."),
    ];
}

#[OpenApi(tag = "Group::Protocol")]
impl PushedRequests {
    /// Pushed authorization request (RFC 9126)
    #[oai(path = "/oidc/par", method = "post", operation_id = "pushAuthorizationRequest")]
    async fn push(&self, request: &Request, form: StrictForm<PushedRequest>) -> Result<Reply<Kept>, Refused> {
        let uri = &self.0.app.endpoints.pushed_authorization_request;
        let mut caller = authenticate(&self.0, &context(request), (request, &form.params), granting(&self.0, uri)).await?;
        let client = client_of(&caller)?;
        let refused = |error: OAuthError| Refused::from(error).for_client(AnsweredClient(client.clone()));
        dpop::prove(&self.0, request, uri, &mut caller).map_err(|refused| refused.for_client(AnsweredClient(client.clone())))?;
        let rates = &self.0.app.config.rate_limits;
        self.0.count_name(REQUESTS, &client, rates.pushed_requests_per_client)?;
        // Each leaves an event, and whoever knows the name of a public client can send them.
        if caller.client.state.as_deref().is_some_and(Client::is_public) {
            self.0.count(REQUESTS, request, rates.pushed_requests_per_address)?;
        }
        let context = context(request);
        let parameters = form.params.single();
        let sent = Sent { parameters: &parameters, resources: form.params.all("resource") };
        let kept = self.0.app.push_request(&context, &caller, &sent).await.map_err(refused)?;
        let nonce = dpop::next_nonce(&self.0, caller.proof.as_ref());
        Ok(Reply::new(&kept).for_client(&client).with_nonce(nonce).with_receipt(receipt_for(&caller, &context)))
    }
}
