//! How things stood at a moment: a stream, a token, and what happened between two moments.

use chancery_core::error::OAuthError;
use chancery_core::id::GrantId;
use chancery_core::token::opaque::{Kind, Opaque, digest};
use chancery_ledger::Ledger;
use chancery_projections::audit::diff::{self, Diff};
use chancery_projections::audit::moment::{self, Moment, Place, StreamThen};
use chancery_projections::audit::provenance::{self, Provenance};
use chancery_projections::audit::token::{self, Known, Verdict};

use super::personal::Showing;
use super::unanswered;
use crate::app::App;
use crate::app::context::Context;
use crate::app::work::unreadable;

/// A token by its digest, and its grant where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub digest: String,
    pub grant: Option<GrantId>,
}

impl Named {
    /// The name of a token or code of ours from its text; `None` for any other text.
    pub fn of_text(text: &str) -> Option<Self> {
        let parsed =
            [Kind::AccessToken, Kind::RefreshToken, Kind::AuthorizationCode].into_iter().find_map(|kind| Opaque::parse(kind, text));
        parsed.map(|token| Self { digest: digest(text).to_string(), grant: Some(GrantId(token.stream)) })
    }

    /// As it stands in the log; `None` if it does not.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn find(&self, ledger: &Ledger) -> Result<Option<Known>, OAuthError> {
        token::find(ledger, &self.digest, self.grant).await.map_err(unanswered)
    }
}

impl App {
    /// The name of a token or code from its text: opaque, or a JWT that this server signed. `None` for any other text.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn name_of_token(&self, text: &str) -> Result<Option<Named>, OAuthError> {
        if let Some(named) = Named::of_text(text) {
            return Ok(Some(named));
        }
        let known = self.known_token(text).await?;
        Ok(known.and_then(|known| match known {
            crate::app::access::Known::Access { grant, digest } => Some(Named { digest: digest.to_string(), grant: Some(grant) }),
            crate::app::access::Known::Refresh { .. } => None,
        }))
    }

    /// The place of a moment; of none, the end of the log and the time of now.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn place(&self, moment: Option<Moment>) -> Result<Place, OAuthError> {
        match moment {
            Some(moment) => moment.place(&self.ledger).await.map_err(unreadable),
            None => Ok(Place { size: self.ledger.head().await.map_err(unreadable)?.size, at: self.now() }),
        }
    }

    /// The state of a stream, with its personal data as they may be shown; `None` if it had not begun.
    ///
    /// # Errors
    /// `temporarily_unavailable`; an event that cannot be folded is a fault.
    pub async fn stream_then(
        &self,
        context: &Context,
        stream: &str,
        place: Place,
        showing: Showing,
    ) -> Result<Option<StreamThen>, OAuthError> {
        let words = format!(
            "stream={stream} as of {} events{}",
            place.size,
            if showing == Showing::Clear { ", personal data in clear" } else { "" }
        );
        self.note_question(context, &words).await?;
        let Some(mut then) = moment::stream_then(&self.ledger, stream, place).await.map_err(unanswered)? else { return Ok(None) };
        if let Some(state) = then.state.take() {
            then.state = Some(self.state_shown(state, showing).await?);
        }
        Ok(Some(then))
    }

    /// Was the token active? `None` if the log does not know it.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn introspect_then(&self, context: &Context, named: &Named, place: Place) -> Result<Option<Verdict>, OAuthError> {
        self.note_question(context, &format!("token={} active as of {} events", named.digest, place.size)).await?;
        let Some(known) = named.find(&self.ledger).await? else { return Ok(None) };
        token::verdict(&self.ledger, &known, place).await.map(Some).map_err(unanswered)
    }

    /// The whole story of a token; `None` if the log does not know it.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn provenance(&self, context: &Context, named: &Named) -> Result<Option<Provenance>, OAuthError> {
        self.note_question(context, &format!("provenance of token={}", named.digest)).await?;
        let Some(known) = named.find(&self.ledger).await? else { return Ok(None) };
        provenance::of(&self.ledger, &known).await.map(Some).map_err(unanswered)
    }

    /// What came, changed and ended.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn diff(&self, context: &Context, from: Place, to: Place) -> Result<Diff, OAuthError> {
        self.note_question(context, &format!("difference of {} and {} events", from.size, to.size)).await?;
        diff::between(&self.ledger, from, to).await.map_err(unanswered)
    }
}
