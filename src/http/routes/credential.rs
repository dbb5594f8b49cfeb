//! Credentials for wallets: OpenID for Verifiable Credential Issuance 1.0 §4.1.3, §7, §8, §12.2, and where verifiers find the keys
//! (draft-ietf-oauth-sd-jwt-vc §4). Where nothing is declared to be issued, there is nothing here.
//!
//! Order at the credential endpoint: switched on, access token, limits, media type and size, what the request says.

use chancery_core::credential::metadata::{self, credential_endpoint};
use chancery_core::error::{Code, OAuthError};
use poem::{Body, Request};
use poem_openapi::param::Path;
use poem_openapi::payload::Payload;
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, Object, OpenApi};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Group;
use super::discovery::CACHE;
use super::token::count_request;
use crate::app::published::Published;
use crate::http::cors::AnsweredClient;
use crate::http::document::Document;
use crate::http::error::Refused;
use crate::http::form::expect_media_type;
use crate::http::json::{self as strict, JSON, StrictJson};
use crate::http::limits;
use crate::http::reply::{Describe, Reply};
use crate::http::resource::{Presented, Resource};
use crate::http::server::{Server, context};

/// Purpose of the optional limit on requests of one client.
const REQUESTS: &str = "credential";

pub struct Credentials {
    server: Server,
    /// `None`: nothing is issued.
    published: Option<(Published, Published)>,
}

/// A request for credentials.
#[derive(Object, Deserialize)]
#[allow(dead_code)] // read as a value; the fields are the schema
struct CredentialRequest {
    /// One of those in the token response; if there were none, credential_configuration_id.
    credential_identifier: Option<String>,
    credential_configuration_id: Option<String>,
    /// The one member jwt: a proof for each key.
    proofs: Option<std::collections::BTreeMap<String, Vec<String>>>,
}

/// The body, taken in after the access token was looked at.
struct CredentialBody(Body);

impl<'a> ApiExtractor<'a> for CredentialBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <StrictJson<CredentialRequest> as Payload>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let schema = <StrictJson<CredentialRequest> as Payload>::schema_ref();
        Some(MetaRequest { description: None, content: vec![MetaMediaType { content_type: JSON, schema }], required: true })
    }

    async fn from_request(_: &'a Request, body: &mut poem::RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        Ok(Self(body.take()?))
    }
}

impl CredentialBody {
    /// OpenID4VCI §8.3.1.2: what is wrong with the body has a code of its own.
    async fn value(self, request: &Request) -> Result<Value, Refused> {
        let own = |error: OAuthError| match error.code {
            Code::InvalidRequest => OAuthError { code: Code::InvalidCredentialRequest, ..error },
            _ => error,
        };
        expect_media_type(request, JSON)?;
        let bytes = limits::read_bounded(self.0, limits::BODY).await?;
        Ok(strict::parse(&bytes).map_err(own)?)
    }
}

pub struct IssuerMetadata;

impl Describe for IssuerMetadata {
    const DESCRIPTION: &'static str = "What credentials are issued, and how.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("credential_issuer", "string", "The issuer, compared byte for byte."),
        ("credential_endpoint", "string", "Where wallets get credentials."),
        ("nonce_endpoint", "string", "Where they get nonces for proofs."),
        ("mtls_endpoint_aliases", "object", "Where the two are reached with a client certificate, if that is elsewhere."),
        ("batch_credential_issuance", "object", "How many keys one request can bring, if more than one."),
        ("display", "array", "What the issuer calls itself."),
        ("credential_configurations_supported", "object", "Each kind of credential, by its id."),
    ];
}

pub struct IssuerKeys;

impl Describe for IssuerKeys {
    const DESCRIPTION: &'static str = "Where the keys are that credentials are signed with.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] =
        &[("issuer", "string", "The iss of credentials."), ("jwks_uri", "string", "Where the public keys are.")];
}

pub struct NonceAnswer;

impl Describe for NonceAnswer {
    const DESCRIPTION: &'static str = "A nonce for the proofs of the next request, good once.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[("c_nonce", "string", "To be the claim nonce of the proofs.")];
}

pub struct CredentialOffer;

impl Describe for CredentialOffer {
    const DESCRIPTION: &'static str = "What is offered, and the code for it.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("credential_issuer", "string", "The issuer."),
        ("credential_configuration_ids", "array", "What is offered."),
        ("grants", "object", "The pre-authorized code, and whether a transaction code comes with it."),
    ];
}

pub struct CredentialAnswer;

impl Describe for CredentialAnswer {
    const DESCRIPTION: &'static str = "Credentials, one for each key.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] =
        &[("credentials", "array", "Objects with the member credential: an SD-JWT VC.")];
}

#[OpenApi(tag = "Group::Protocol")]
impl Credentials {
    /// Credential issuer metadata (OpenID4VCI)
    ///
    /// 404 where no credential is declared.
    #[oai(path = "/.well-known/openid-credential-issuer/oidc", method = "get", operation_id = "openidCredentialIssuer")]
    async fn issuer_metadata(&self, request: &Request) -> Result<Document<IssuerMetadata>, Refused> {
        Ok(Document::of(&self.published()?.0, request.headers(), &CACHE))
    }

    /// Keys of credentials (SD-JWT VC)
    ///
    /// 404 where no credential is declared.
    #[oai(path = "/.well-known/jwt-vc-issuer/oidc", method = "get", operation_id = "jwtVcIssuer")]
    async fn keys(&self, request: &Request) -> Result<Document<IssuerKeys>, Refused> {
        Ok(Document::of(&self.published()?.1, request.headers(), &CACHE))
    }

    /// Nonce for proofs of keys (OpenID4VCI)
    #[oai(path = "/oidc/credential/nonce", method = "post", operation_id = "credentialNonce")]
    async fn nonce(&self) -> Result<Reply<NonceAnswer>, Refused> {
        self.published()?;
        Ok(Reply::new(&json!({ "c_nonce": self.server.app.credential_nonce() })))
    }

    /// Credential offer (OpenID4VCI)
    ///
    /// The offer that an operator made, by reference, as long as it can be redeemed.
    #[oai(path = "/oidc/credential/offer/:code", method = "get", operation_id = "credentialOffer")]
    async fn offer(&self, code: Path<String>) -> Result<Reply<CredentialOffer>, Refused> {
        self.published()?;
        Ok(Reply::new(&self.server.app.shown_offer(&code.0).await?))
    }

    /// Credentials (OpenID4VCI)
    ///
    /// With an access token that a person allowed credentials with, and a proof of each key.
    #[oai(path = "/oidc/credential", method = "post", operation_id = "credential")]
    async fn credential(&self, request: &Request, body: CredentialBody) -> Result<Reply<CredentialAnswer>, Refused> {
        self.published()?;
        let app = &self.server.app;
        let uri = credential_endpoint(&app.endpoints.issuer);
        let presented = Presented::of(&self.server, request, None, Resource { uri: &uri, scope: "" })?;
        let (context, brought) = (context(request), presented.brought(request));
        let bearer = Box::pin(app.credential_holder(&context, &presented.token, &brought)).await;
        let bearer = bearer.map_err(|error| presented.refused(error))?;
        let client = bearer.grant.client.as_str();
        count_request(&self.server, request, REQUESTS, client)?;
        let for_client = |refused: Refused| refused.for_client(AnsweredClient(client.to_owned()));
        let body = body.value(request).await.map_err(for_client)?;
        let issued = Box::pin(app.issue_credentials(&context, &presented.token, &bearer, &body)).await;
        let issued = issued.map_err(|error| for_client(presented.refused(error)))?;
        let all: Vec<_> = issued.iter().map(|own| json!({ "credential": own })).collect();
        let reply = Reply::new(&json!({ "credentials": all })).for_client(client);
        Ok(reply.with_nonce(presented.next_nonce(&self.server)))
    }
}

impl Credentials {
    pub fn new(server: &Server) -> Self {
        let (app, catalogue) = (&server.app, &server.app.details.credentials);
        let policy = app.policy();
        let published = (!catalogue.is_empty()).then(|| {
            let issuer = metadata::issuer(catalogue, |alg| policy.allows(alg), |uri| app.endpoints.alias(uri));
            (Published::json(&issuer), Published::json(&metadata::keys(&app.endpoints.issuer, &app.endpoints.jwks)))
        });
        Self { server: server.clone(), published }
    }

    fn published(&self) -> Result<&(Published, Published), Refused> {
        let none = || OAuthError::not_found("no credential").saying("This server issues no credentials.");
        Ok(self.published.as_ref().ok_or_else(none)?)
    }
}
