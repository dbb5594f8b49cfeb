//! Where clients authenticate: token (RFC 6749 §3.2), introspection (RFC 7662), revocation (RFC 7009).
//!
//! Order: media type and size, repeated parameters, client authentication, grant type, grant (FEATURES.md §3).

use chancery_core::client::attestation::Signal;
use chancery_core::client::metadata::GrantType;
use chancery_core::error::{Code, OAuthError};
use chancery_core::offer::ANONYMOUS;
use poem::http::StatusCode;
use poem::{IntoResponse, Request, Response};
use poem_openapi::registry::{MetaResponse, MetaResponses, Registry};
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::Group;
use crate::app::assertion;
use crate::app::client_auth::Authenticated;
use crate::app::context::Context;
use crate::app::credentials::offer::OfferRequest;
use crate::app::exchange;
use crate::app::introspect::may_be_read_by_all;
use crate::app::receipt::{self, Receipt};
use crate::app::token::{CodeRequest, OwnRequest, Refreshing};
use crate::http::cors::AnsweredClient;
use crate::http::credentials::Place;
use crate::http::error::Refused;
use crate::http::form::DescribedForm;
use crate::http::params::Params;
use crate::http::reply::{Describe, Reply, attach};
use crate::http::server::{Server, context};
use crate::http::{credentials, dpop};

/// Purpose of the limits on failed client authentication.
const FAILURES: &str = "client_authentication";
/// Purpose of the optional limit on requests of one client.
const REQUESTS: &str = "token";

pub struct Token(pub Server);

/// Members of a token request; those of other grants are ignored (RFC 6749 §3.2).
#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct TokenForm {
    /// authorization_code, refresh_token, client_credentials, urn:ietf:params:oauth:grant-type:device_code,
    /// urn:ietf:params:oauth:grant-type:token-exchange, urn:ietf:params:oauth:grant-type:jwt-bearer,
    /// urn:ietf:params:oauth:grant-type:pre-authorized_code or urn:openid:params:grant-type:ciba.
    grant_type: Option<String>,
    code: Option<String>,
    redirect_uri: Option<String>,
    /// RFC 7636 section 4.5.
    code_verifier: Option<String>,
    refresh_token: Option<String>,
    /// RFC 8628 section 3.4.
    device_code: Option<String>,
    /// CIBA Core section 10.1.
    auth_req_id: Option<String>,
    /// RFC 7523 section 2.1.
    assertion: Option<String>,
    /// OpenID4VCI section 6.1, as the next one.
    #[oai(rename = "pre-authorized_code")]
    pre_authorized_code: Option<String>,
    tx_code: Option<String>,
    /// RFC 8693 section 2.1, as the next ones.
    subject_token: Option<String>,
    subject_token_type: Option<String>,
    actor_token: Option<String>,
    actor_token_type: Option<String>,
    requested_token_type: Option<String>,
    audience: Option<Vec<String>>,
    scope: Option<String>,
    /// Less than was granted, or what the client itself asks for: a JSON array (RFC 9396 section 6).
    authorization_details: Option<String>,
    /// The resource server that the access token is for (RFC 8707).
    resource: Option<Vec<String>>,
    client_id: Option<String>,
    client_secret: Option<String>,
    client_assertion: Option<String>,
    client_assertion_type: Option<String>,
}

/// A token to look at or to give back, with the client's credentials.
#[derive(Object)]
#[allow(dead_code)]
struct OneToken {
    token: Option<String>,
    token_type_hint: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    client_assertion: Option<String>,
    client_assertion_type: Option<String>,
}

pub struct TokenAnswer;

impl Describe for TokenAnswer {
    const DESCRIPTION: &'static str = "Tokens (RFC 6749 section 5.1).";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("access_token", "string", "The access token."),
        ("issued_token_type", "string", "After a token exchange (RFC 8693 section 2.2.1)."),
        ("token_type", "string", "Bearer, or DPoP where the request brought a proof."),
        ("expires_in", "integer", "Seconds."),
        ("scope", "string", "What was granted."),
        ("refresh_token", "string", "For clients registered for it."),
        ("refresh_token_expires_in", "integer", "Seconds until it ends when it is not used."),
        ("id_token", "string", "With the scope openid."),
        ("authorization_details", "array", "What was granted beyond scopes (RFC 9396 section 7)."),
    ];
}

pub struct IntrospectionAnswer;

impl Describe for IntrospectionAnswer {
    const DESCRIPTION: &'static str =
        "What the token is (RFC 7662 section 2.2); as a signed JWT if Accept names application/token-introspection+jwt (RFC 9701).";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("active", "boolean", "Whether it is alive and the caller may know."),
        ("scope", "string", "What it may do."),
        ("client_id", "string", "To whom it was issued."),
        ("sub", "string", "For whom it speaks."),
        ("aud", "string", "The resource server that it is for."),
        ("auth_time", "integer", "When the person signed in (RFC 9470 section 6.2)."),
        ("acr", "string", "How well the person proved who they are."),
        ("act", "object", "Who acts for the subject, after a token exchange (RFC 8693 section 4.1)."),
        ("may_act", "object", "Who may act for the subject (RFC 8693 section 4.4)."),
        ("cnf", "object", "What it is bound to: jkt (RFC 9449 section 6.2) or x5t#S256 (RFC 8705 section 3.2)."),
        (
            "authorization_details",
            "array",
            "What it may do beyond its scope, as far as it is for the resource server (RFC 9396 section 9.2).",
        ),
        ("exp", "integer", "When it ends."),
    ];
}

/// Revoked, or never alive (RFC 7009 section 2.2): an empty 200.
struct Revoked(Option<Receipt>);

impl IntoResponse for Revoked {
    fn into_response(self) -> Response {
        let mut response = StatusCode::OK.into_response();
        attach(&mut response, self.0);
        response
    }
}

impl ApiResponse for Revoked {
    fn meta() -> MetaResponses {
        let description = "Revoked, or never alive (RFC 7009 section 2.2).";
        let done = MetaResponse { description, status: Some(200), status_range: None, content: Vec::new(), headers: Vec::new() };
        MetaResponses { responses: vec![done] }
    }

    fn register(_: &mut Registry) {}
}

#[OpenApi(tag = "Group::Protocol")]
impl Token {
    /// Tokens (RFC 6749)
    #[oai(path = "/oidc/token", method = "post", operation_id = "token")]
    async fn token(&self, request: &Request, form: DescribedForm<TokenForm>) -> Result<Reply<TokenAnswer>, Refused> {
        let (params, context) = (&form.params, context(request));
        let place = granting(&self.0, &self.0.app.endpoints.token);
        let is_anonymous = is_anonymous(&self.0, request, params, place);
        let mut caller = if is_anonymous {
            anonymous(&self.0, request).await?
        } else {
            authenticate(&self.0, &context, (request, params), place).await?
        };
        let client = client_of(&caller)?;
        let refused = |error: OAuthError| Refused::from(error).for_client(AnsweredClient(client.clone()));
        dpop::prove(&self.0, request, &self.0.app.endpoints.token, &mut caller)
            .map_err(|refused| refused.for_client(AnsweredClient(client.clone())))?;
        count_request(&self.0, request, REQUESTS, &client)?;
        let need = |name: &'static str| {
            let missing = || OAuthError::invalid_request(name).saying(format!("The parameter {name} is missing."));
            params.get(name).ok_or_else(missing)
        };
        let app = &self.0.app;
        let grant_type = need("grant_type").map_err(refused)?;
        let authorization_details = params.get("authorization_details");
        // Boxed one by one: each layer moves the whole future below it, which would be as large as the largest of these.
        let tokens = match GrantType::parse(grant_type) {
            Some(GrantType::AuthorizationCode) => {
                let asked = CodeRequest {
                    code: need("code").map_err(refused)?,
                    redirect_uri: params.get("redirect_uri"),
                    code_verifier: params.get("code_verifier"),
                    resources: params.all("resource"),
                    authorization_details,
                };
                Box::pin(app.redeem_code(&context, &caller, &asked)).await
            }
            Some(GrantType::RefreshToken) => {
                let token = need("refresh_token").map_err(refused)?;
                let (scope, resources) = (params.get("scope"), params.all("resource"));
                let sent = Refreshing { token, scope, resources, authorization_details };
                Box::pin(app.refresh_token(&context, &caller, &sent)).await
            }
            Some(GrantType::ClientCredentials) => {
                let (scope, resources) = (params.get("scope"), params.all("resource"));
                Box::pin(app.client_credentials(&context, &caller, &OwnRequest { scope, resources, authorization_details })).await
            }
            // It is never dropped in silence.
            Some(GrantType::DeviceCode | GrantType::Ciba) if authorization_details.is_some() => {
                Err(OAuthError::invalid_authorization_details("polling")
                    .saying("With this grant_type authorization_details are named when the person is asked, not here."))
            }
            Some(GrantType::DeviceCode) => {
                let code = need("device_code").map_err(refused)?;
                Box::pin(app.redeem_device(&context, &caller, code, params.all("resource"))).await
            }
            Some(GrantType::TokenExchange) if app.exchanges.0.is_empty() => Err(OAuthError::unsupported_grant_type("no rule")),
            Some(GrantType::TokenExchange) => {
                let asked = exchange::Asked {
                    subject_token: need("subject_token").map_err(refused)?,
                    subject_token_type: need("subject_token_type").map_err(refused)?,
                    actor_token: params.get("actor_token"),
                    actor_token_type: params.get("actor_token_type"),
                    requested_token_type: params.get("requested_token_type"),
                    scope: params.get("scope"),
                    resources: params.all("resource"),
                    audiences: params.all("audience"),
                    authorization_details,
                };
                Box::pin(app.exchange_token(&context, &caller, &asked)).await
            }
            Some(GrantType::JwtBearer) if app.issuers.rules.0.is_empty() => Err(OAuthError::unsupported_grant_type("no issuer")),
            Some(GrantType::Ciba) if !app.config.ciba => Err(OAuthError::unsupported_grant_type("ciba is switched off")),
            // RFC 9396 §6: nothing of it is granted this way, and it is never dropped in silence.
            Some(GrantType::JwtBearer) if authorization_details.is_some() => {
                Err(OAuthError::invalid_authorization_details("a grant without details")
                    .saying("No authorization_details can be had with this grant_type."))
            }
            Some(GrantType::JwtBearer) => {
                let assertion = need("assertion").map_err(refused)?;
                let asked = assertion::Asked { assertion, scope: params.get("scope"), resources: params.all("resource") };
                Box::pin(app.grant_for_assertion(&context, &caller, &asked)).await
            }
            Some(GrantType::PreAuthorizedCode) if app.details.credentials.is_empty() => {
                Err(OAuthError::unsupported_grant_type("no credential"))
            }
            Some(GrantType::PreAuthorizedCode) => {
                let code = need("pre-authorized_code").map_err(refused)?;
                let asked = OfferRequest { code, tx_code: params.get("tx_code"), authorization_details };
                Box::pin(app.redeem_offer(&context, &caller, &asked)).await
            }
            Some(GrantType::Ciba) => {
                let code = need("auth_req_id").map_err(refused)?;
                Box::pin(app.redeem_backchannel(&context, &caller, code, params.all("resource"))).await
            }
            // Its tokens come from the authorization endpoint.
            Some(GrantType::Implicit) | None => Err(OAuthError::unsupported_grant_type("unknown grant type")),
        };
        let tokens = tokens.map_err(|error| {
            // No name stands against the guesses of who has none.
            if is_anonymous && error.code == Code::InvalidGrant {
                let _ = self.0.count(FAILURES, request, app.config.rate_limits.token_failures_per_address);
            }
            refused(error)
        })?;
        let nonce = dpop::next_nonce(&self.0, caller.proof.as_ref());
        Ok(Reply::new(&tokens).for_client(&client).with_nonce(nonce).with_receipt(receipt_for(&caller, &context)))
    }

    /// Introspection (RFC 7662)
    #[oai(path = "/oidc/introspection", method = "post", operation_id = "introspection")]
    async fn introspection(&self, request: &Request, form: DescribedForm<OneToken>) -> Result<Reply<IntrospectionAnswer>, Refused> {
        let place = reading(&self.0.app.endpoints.introspection);
        let bare = credentials::presented(request, &form.params, place).is_ok_and(|own| own.is_bare());
        // RFC 9701 §5: 400 for whoever does not authenticate; RFC 7662 §2.3 has 401 for credentials that do not hold.
        let told = |refused: Refused| match refused.refusal.code {
            Code::InvalidClient if bare => Refused { refusal: OAuthError::not_authenticated(refused.refusal.detail.clone()), ..refused },
            _ => refused,
        };
        let caller = authenticate(&self.0, &context(request), (request, &form.params), place).await.map_err(told)?;
        let token = token_of(&form.params)?;
        self.0.app.use_proof_of(&context(request), &caller).await?;
        let answer = Box::pin(self.0.app.introspect(&caller, token)).await?;
        // RFC 9701 §4: only who names the type gets it.
        if !accepts(request, INTROSPECTION_JWT) {
            may_be_read_by_all(&caller)?;
            return Ok(Reply::new(&answer));
        }
        Ok(Reply::jwt(self.0.app.signed_introspection(&caller, &answer).await?).of_type(INTROSPECTION_JWT))
    }

    /// Revocation (RFC 7009)
    #[oai(path = "/oidc/revocation", method = "post", operation_id = "revocation")]
    async fn revocation(&self, request: &Request, form: DescribedForm<OneToken>) -> Result<Revoked, Refused> {
        let context = context(request);
        let place = reading(&self.0.app.endpoints.revocation);
        let caller = authenticate(&self.0, &context, (request, &form.params), place).await?;
        let client = AnsweredClient(client_of(&caller)?);
        let refused = |error: OAuthError| Refused::from(error).for_client(client.clone());
        let token = token_of(&form.params).map_err(refused)?;
        Box::pin(self.0.app.revoke(&context, &caller, token)).await.map_err(refused)?;
        Ok(Revoked(receipt_for(&caller, &context)))
    }
}

/// A wallet that says nothing of itself, for the one grant that it can have so (OpenID4VCI §6.1). Where nobody lets such in, it is refused as a
/// client that did not authenticate.
fn is_anonymous(server: &Server, request: &Request, form: &Params, place: Place<'_>) -> bool {
    server.app.details.credentials.anonymous
        // Where everybody shows an attestation nobody is without a name.
        && place.signal != Signal::Required
        && form.get("grant_type").and_then(GrantType::parse) == Some(GrantType::PreAuthorizedCode)
        && credentials::presented(request, form, place).is_ok_and(|own| own.names_nobody())
}

async fn anonymous(server: &Server, request: &Request) -> Result<Authenticated, Refused> {
    server.check_limit(FAILURES, request, server.app.config.rate_limits.token_failures_per_address)?;
    Ok(server.app.anonymous_wallet().await?)
}

/// Counts a request of a client; of those without a name by address, or one of them could use up the share of all.
pub(super) fn count_request(server: &Server, request: &Request, purpose: &'static str, client: &str) -> Result<(), Refused> {
    let rate = server.app.config.rate_limits.token_requests_per_client;
    if client == ANONYMOUS { server.count(purpose, request, rate) } else { server.count_name(purpose, client, rate) }
}

/// Where grants begin or go on: an attestation beside other credentials counts as the operator says (ABCA §7.6).
pub(super) fn granting<'a>(server: &Server, uri: &'a str) -> Place<'a> {
    Place { uri, signal: server.app.config.attestation_signal }
}

/// Where a token is looked at or given back, by resource servers too, which no attester knows.
fn reading(uri: &str) -> Place<'_> {
    Place { uri, signal: Signal::Off }
}

/// Failures count against the address and the client; success costs nothing.
pub(super) async fn authenticate(
    server: &Server,
    context: &Context,
    (request, form): (&Request, &Params),
    place: Place<'_>,
) -> Result<Authenticated, Refused> {
    let rates = &server.app.config.rate_limits;
    server.check_limit(FAILURES, request, rates.token_failures_per_address)?;
    let presented = credentials::presented(request, form, place)?;
    let named = presented.basic.as_ref().map(|(id, _)| id.clone()).or_else(|| presented.client_id.clone());
    if let Some(name) = &named {
        server.check_name(FAILURES, name, rates.token_failures_per_client)?;
    }
    match Box::pin(server.app.authenticate_client(context, &presented)).await {
        Ok(caller) => Ok(caller),
        Err(error) => {
            // In combined mode a DPoP proof that does not hold is one of these.
            if matches!(error.code, Code::InvalidClient | Code::InvalidClientAttestation | Code::InvalidDpopProof) {
                // The answer stays what it is; the next one may be 429.
                let _ = server.count(FAILURES, request, rates.token_failures_per_address);
                if let Some(name) = &named {
                    let _ = server.count_name(FAILURES, name, rates.token_failures_per_client);
                }
            }
            let refused = match error.code {
                // ABCA §7.4: with the challenge to come back with.
                Code::UseAttestationChallenge => Refused::from(error).with_nonce(server.app.attestation_challenge()),
                Code::UseDpopNonce => Refused::from(error).with_nonce(server.app.newest_nonce()),
                _ => Refused::from(error),
            };
            Err(match named {
                Some(name) => refused.for_client(AnsweredClient(name)),
                None => refused,
            })
        }
    }
}

/// RFC 9701 §4, §5.
const INTROSPECTION_JWT: &str = "application/token-introspection+jwt";

/// Does `Accept` name this type? A wildcard does not: it is what callers send who know nothing of the type.
fn accepts(request: &Request, media_type: &str) -> bool {
    let named =
        |value: &str| value.split(',').any(|one| one.split(';').next().is_some_and(|one| one.trim().eq_ignore_ascii_case(media_type)));
    request.headers().get_all("accept").iter().filter_map(|value| value.to_str().ok()).any(named)
}

/// What the client may keep of this request, if its registration asks.
pub(super) fn receipt_for(caller: &Authenticated, context: &Context) -> Option<Receipt> {
    caller.client.state.as_deref().filter(|client| receipt::are_wanted(client)).and_then(|_| context.receipt())
}

pub(super) fn client_of(caller: &Authenticated) -> Result<String, OAuthError> {
    Ok(caller.client.or(|| OAuthError::invalid_client("the client is gone"))?.id.to_string())
}

fn token_of(form: &Params) -> Result<&str, OAuthError> {
    form.get("token").ok_or_else(|| OAuthError::invalid_request("token").saying("The parameter token is missing."))
}
