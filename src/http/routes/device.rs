//! Device authorization (RFC 8628 §3.1): a device without a browser of its own asks for codes.

use chancery_core::error::OAuthError;
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

/// Purpose of the limit on requests of one address, since a public client's name is public.
const REQUESTS: &str = "device_authorization";

pub struct DeviceAuthorization(pub Server);

/// What the device asks for, with the client's credentials as at the token endpoint.
#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct DeviceRequest {
    client_id: Option<String>,
    client_secret: Option<String>,
    client_assertion: Option<String>,
    client_assertion_type: Option<String>,
    scope: Option<String>,
    /// A JSON array (RFC 9396).
    authorization_details: Option<String>,
    /// All of this in a request object (RFC 9101).
    request: Option<String>,
    /// The id_token shall say how the person signed in; no level is promised.
    acr_values: Option<String>,
    /// Seconds; an older sign-in of the person does not do.
    max_age: Option<String>,
    /// Claims for the id_token and userinfo (OpenID Connect Core section 5.5).
    claims: Option<String>,
    /// An id_token of the person who has to allow it.
    id_token_hint: Option<String>,
    /// Comes back in the id_token.
    nonce: Option<String>,
    /// Languages for the page.
    ui_locales: Option<String>,
    /// The resource servers that the tokens are for (RFC 8707); may repeat.
    resource: Option<Vec<String>>,
}

pub struct Codes;

impl Describe for Codes {
    const DESCRIPTION: &'static str = "Codes for the device and its person (RFC 8628 section 3.2).";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("device_code", "string", "For the device: it polls the token endpoint with it."),
        ("user_code", "string", "For the person, to be typed."),
        ("verification_uri", "string", "Where it is typed."),
        ("verification_uri_complete", "string", "The same with the code in it, for a picture that is scanned."),
        ("expires_in", "integer", "Seconds."),
        ("interval", "integer", "Seconds between two polls."),
    ];
}

#[OpenApi(tag = "Group::Protocol")]
impl DeviceAuthorization {
    /// Device authorization (RFC 8628)
    #[oai(path = "/oidc/device/auth", method = "post", operation_id = "deviceAuthorization")]
    async fn ask(&self, request: &Request, form: StrictForm<DeviceRequest>) -> Result<Reply<Codes>, Refused> {
        let context = context(request);
        let place = granting(&self.0, &self.0.app.endpoints.device_authorization);
        let caller = authenticate(&self.0, &context, (request, &form.params), place).await?;
        let client = client_of(&caller)?;
        let refused = |error: OAuthError| Refused::from(error).for_client(AnsweredClient(client.clone()));
        self.0.count(REQUESTS, request, self.0.app.config.rate_limits.device_requests_per_address)?;
        let parameters = form.params.single();
        let codes = Box::pin(self.0.app.authorize_device(&context, &caller, &parameters, form.params.all("resource")));
        let codes = codes.await.map_err(refused)?;
        let nonce = dpop::next_nonce(&self.0, caller.proof.as_ref());
        Ok(Reply::new(&codes).for_client(&client).with_nonce(nonce).with_receipt(receipt_for(&caller, &context)))
    }
}
