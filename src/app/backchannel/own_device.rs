//! A person answers the back channel in an application of theirs, by its access token: an authentication device of the operator's own.
//!
//! | Step | What is appended |
//! |---|---|
//! | [`App::own_device`] | nothing: whose token it is, and whether it may |
//! | [`App::asked_on`] | nothing: what waits for the person |
//! | [`App::answer_on`] | as on our own page, with `BackchannelApprovedOnDevice` or `BackchannelDeniedOnDevice` |
//!
//! Out of scope: the rules (`chancery_core::backchannel::own_device`), how the application hears that there is something to ask for.

use chancery_core::backchannel::own_device::{self, By, Speaker};
use chancery_core::client::Client;
use chancery_core::details::Details;
use chancery_core::details::enrichment::Picked;
use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use chancery_core::grant::{Grant, standing};
use chancery_core::id::{ClientId, GrantId};
use chancery_core::scope::Scope;
use chancery_core::session::Session;
use chancery_core::token::opaque::digest;
use serde::Serialize;
use serde_json::Value;

use super::{Answering, Waiting};
use crate::app::App;
use crate::app::bearer::Brought;
use crate::app::context::Context;
use crate::app::details::{Offered, Said};
use crate::app::sessions::Current;
use crate::app::work::{Stop, Work};

/// What an application reads that cannot ask what the page asks.
const ON_PAGE: &str = "There is something to choose: the person allows this at /account/requests.";

/// A person, and the token that speaks for them.
pub struct OwnDevice {
    current: Current,
    client: ClientId,
    grant: GrantId,
    token: Digest,
}

/// A request, as the application shows it.
#[derive(Serialize)]
pub struct Shown {
    pub request: String,
    pub client_id: String,
    pub client_name: String,
    /// With what claims that were asked for one by one mean.
    pub scope: String,
    /// Beyond scopes (RFC 9396): as they were sent, for the application's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<Value>,
    /// Each of them in the operator's words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding_message: Option<String>,
    /// What the client says of how it came to ask (FAPI-CIBA §5.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_context: Option<Value>,
    /// Something is left to the person to choose: only our own page asks for that.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub on_page: bool,
    /// The person has to sign in again before they can allow it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sign_in: bool,
    /// Seconds since 1970.
    pub requested_at: i64,
    /// Seconds.
    pub expires_in: u32,
    /// Comes back with the answer: it is for what was read.
    pub read: Digest,
}

impl App {
    /// The person for whom a token may answer.
    ///
    /// # Errors
    /// `invalid_token`, also when the person has signed out; `insufficient_scope`.
    pub async fn own_device(&self, context: &Context, token: &str, brought: &Brought<'_>) -> Result<OwnDevice, OAuthError> {
        let bearer = self.bearer(context, token, brought).await?;
        let session = own_device::person(&self.speaker(&bearer.grant, &bearer.scope, bearer.cnf.is_some()))?.session;
        // With offline_access the token outlives the session. An answer says when and how the person signed in: somebody has to be.
        let signed_out =
            || OAuthError::invalid_token("its session is over").saying("The person has signed out; have them sign in for another token.");
        let session = self.read::<Session>(&session.stream()).await?.filter(|own| own.is_alive(self.now())).ok_or_else(signed_out)?;
        let account = bearer.account.ok_or_else(|| OAuthError::invalid_token("no account"))?;
        let current = Current { watched: vec![session.id], session, account };
        Ok(OwnDevice { current, client: bearer.grant.client.clone(), grant: bearer.grant.id, token: digest(token) })
    }

    fn speaker<'a>(&self, grant: &'a Grant, scope: &'a Scope, is_bound: bool) -> Speaker<'a> {
        let is_named = self.config.ciba_devices.contains(&grant.client);
        Speaker { kind: &grant.kind, scope, is_bound, is_named, is_exchanged: grant.exchanged.is_some() }
    }

    /// What waits for the person, the oldest first.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn asked_on(&self, device: &OwnDevice) -> Result<Vec<Shown>, OAuthError> {
        let mut shown = Vec::new();
        for request in self.waiting_for(device.current.account.id).await? {
            if !own_device::is_for(&request, &device.client) {
                continue;
            }
            if let Some(waiting) = self.shown_backchannel(request).await? {
                shown.push(self.shown_on_device(waiting, device).await?);
            }
        }
        Ok(shown)
    }

    /// The digest of what a person reads there.
    fn read_on(&self, device: &OwnDevice, waiting: &Waiting) -> Result<Digest, OAuthError> {
        let sentences = waiting.details.as_ref().map(|own| self.details.sentences(own)).unwrap_or_default();
        own_device::read(&waiting.request, name_of(&waiting.client), (&waiting.scope_for(&device.current), &sentences))
    }

    /// Details with what is added to them, and what is left to the person.
    async fn offered_on(&self, device: &OwnDevice, waiting: &Waiting) -> Result<Offered, OAuthError> {
        self.offer(&device.current.account, waiting.details.as_ref()).await
    }

    async fn shown_on_device(&self, waiting: Waiting, device: &OwnDevice) -> Result<Shown, OAuthError> {
        let (request, client_name) = (&waiting.request, name_of(&waiting.client));
        let offered = self.offered_on(device, &waiting).await?;
        let request_context = self.unseal_optional(request.request_context.as_ref()).await?;
        Ok(Shown {
            request: request.id.to_string(),
            client_id: request.client.to_string(),
            read: self.read_on(device, &waiting)?,
            client_name: client_name.to_owned(),
            scope: waiting.scope_for(&device.current).to_string(),
            details: offered.details.as_ref().map(|own| self.details.in_words(own)).unwrap_or_default(),
            authorization_details: offered.details.as_ref().map(Details::value),
            on_page: !offered.questions.is_empty(),
            request_context: request_context.and_then(|text| serde_json::from_str(&text).ok()),
            sign_in: waiting.check_login(&device.current, self.now()).is_err(),
            requested_at: request.requested_at.numeric_date(),
            expires_in: self.now().seconds_until(request.expires_at),
            binding_message: waiting.binding_message,
        })
    }

    /// The person pressed Allow or Deny; `read` came with what was shown.
    ///
    /// # Errors
    /// `invalid_request` when the request is over, `conflict` when it does not say any more what was read; `access_denied` of an
    /// application that asked itself.
    pub async fn answer_on(
        &self,
        context: &Context,
        device: &OwnDevice,
        request: &str,
        (read, allow): (&str, bool),
    ) -> Result<(), OAuthError> {
        let over = || OAuthError::invalid_request("over, or another person's").saying("This request is over.");
        let waiting = self.backchannel_of(request, &device.current).await?.ok_or_else(over)?;
        let text = self.read_on(device, &waiting)?;
        if read != text.to_string() {
            return Err(
                OAuthError::conflict("another text was read").saying("This is not what the request says; read it again, and answer that.")
            );
        }
        let answering = Answering { waiting: &waiting, current: &device.current, device: Some(device) };
        if allow && !self.offered_on(device, &waiting).await?.questions.is_empty() {
            return Err(OAuthError::invalid_request("something to choose").saying(ON_PAGE));
        }
        self.answer_backchannel(context, &answering, &Said { text, allow, picked: Picked::new() }).await
    }

    /// The token stands at this moment, and the append asserts it: whoever revokes it first wins.
    pub(super) async fn assert_device(&self, work: &mut Work<'_>, device: &OwnDevice, context: &Context) -> Result<By, Stop> {
        let dead = |why: &'static str| OAuthError::invalid_token(why);
        let client = work.load::<Client>(&device.client.stream()).await?.state.ok_or_else(|| dead("the client is gone"))?;
        let grant = work.load::<Grant>(&device.grant.stream()).await?.state.ok_or_else(|| dead("unknown token"))?;
        let standing = self.standing(work, client, &grant).await?;
        let (access, scope) =
            standing::of_access(&grant, &device.token, &standing.parents(), self.now()).map_err(|why| dead(why.as_str()))?;
        own_device::person(&self.speaker(&grant, scope, access.cnf.is_some()))?;
        Ok(By { client: device.client.clone(), grant: device.grant, details: None, context: context.personal() })
    }
}

fn name_of(client: &Client) -> &str {
    client.metadata.client_name.as_deref().unwrap_or(client.id.as_str())
}
