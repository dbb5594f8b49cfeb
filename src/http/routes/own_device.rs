//! People answer the back channel in an application of theirs: an authentication device of the operator's own (CIBA Core §8).
//!
//! Order: media type and size of the body, switched on, access token, whose request it is. Answers are for the application alone.

use chancery_core::backchannel::own_device::ANSWER;
use chancery_core::error::OAuthError;
use poem::Request;
use poem_openapi::param::Path;
use poem_openapi::{Enum, Object, OpenApi};
use serde::Deserialize;
use serde_json::json;

use super::Group;
use crate::app::backchannel::own_device::OwnDevice;
use crate::http::error::Refused;
use crate::http::json::StrictJson;
use crate::http::reply::{Describe, Reply};
use crate::http::resource::{Presented, Resource};
use crate::http::server::{Server, context};

const PATH: &str = "/backchannel/requests";

pub struct OwnDevices(pub Server);

/// What the person said.
#[derive(Clone, Copy, Enum, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum DeviceDecision {
    Allow,
    Deny,
}

/// An answer to one request.
#[derive(Object, Deserialize)]
struct DeviceAnswer {
    decision: DeviceDecision,
    /// As it came with the request: the answer is for what was read.
    read: String,
}

pub struct Waiting;

impl Describe for Waiting {
    const DESCRIPTION: &'static str = "What waits for the person.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[(
        "requests",
        "array",
        "The oldest first: request (its id), client_id, client_name, scope, authorization_details, details (the same in words), \
         binding_message, request_context, requested_at (seconds since 1970), expires_in (seconds), sign_in (the person has to sign in \
         again before they can allow it), on_page (something is left to choose: allowed at /account/requests alone), read (comes back with the answer).",
    )];
}

pub struct Answered;

impl Describe for Answered {
    const STATUS: u16 = 204;
    const DESCRIPTION: &'static str = "The answer is recorded.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[];
}

#[OpenApi(tag = "Group::Protocol")]
impl OwnDevices {
    /// What clients ask the person of this token
    ///
    /// Where the operator named the application (ciba.devices). With an access token that is bound to a key, scope ciba.answer.
    #[oai(path = "/oidc/backchannel/requests", method = "get", operation_id = "backchannelRequests")]
    async fn show(&self, request: &Request) -> Result<Reply<Waiting>, Refused> {
        let (device, presented) = self.device(request, PATH).await?;
        let waiting = self.0.app.asked_on(&device).await?;
        Ok(Reply::new(&json!({ "requests": waiting })).with_nonce(presented.next_nonce(&self.0)))
    }

    /// Allow or deny a request
    #[oai(path = "/oidc/backchannel/requests/:request_id", method = "post", operation_id = "answerBackchannelRequest")]
    async fn answer(
        &self,
        request: &Request,
        request_id: Path<String>,
        body: StrictJson<DeviceAnswer>,
    ) -> Result<Reply<Answered>, Refused> {
        let (device, presented) = self.device(request, &format!("{PATH}/{}", request_id.0)).await?;
        let allow = matches!(body.decision, DeviceDecision::Allow);
        self.0.app.answer_on(&context(request), &device, &request_id.0, (body.read.as_str(), allow)).await?;
        Ok(Reply::empty().with_nonce(presented.next_nonce(&self.0)))
    }
}

impl OwnDevices {
    async fn device(&self, request: &Request, path: &str) -> Result<(OwnDevice, Presented), Refused> {
        let app = &self.0.app;
        if app.config.ciba_devices.is_empty() {
            return Err(OAuthError::not_found("ciba.devices is empty").saying("Nobody answers here with an application.").into());
        }
        let uri = format!("{}{path}", app.endpoints.issuer);
        let presented = Presented::of(&self.0, request, None, Resource { uri: &uri, scope: ANSWER })?;
        let brought = presented.brought(request);
        let device = app.own_device(&context(request), &presented.token, &brought).await;
        Ok((device.map_err(|error| presented.refused(error))?, presented))
    }
}
