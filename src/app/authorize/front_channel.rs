//! Tokens that leave through the browser: the implicit and hybrid flows, where the operator switched them on.
//!
//! | Rule | Source |
//! |---|---|
//! | the id_token vouches for code, access token and state beside it | OpenID Connect Core 1.0 §3.2.2.10, §3.3.2.11 |
//! | without an access token the claims of the scopes stand in the id_token | OpenID Connect Core 1.0 §5.4 |
//! | the answer names type, lifetime and scope of its access token | OpenID Connect Core 1.0 §3.2.2.5, RFC 6749 §4.2.2 |

use chancery_core::client::metadata::ResponseType;
use chancery_core::error::OAuthError;
use chancery_core::grant::issue::{self, IssueDirectly};
use chancery_core::grant::{Grant, GrantKind, target};

use super::answer::Granting;
use crate::app::App;
use crate::app::access::Spoken;
use crate::app::id_token::IdToken;
use crate::app::work::{Loaded, Seal, Stop, Work};

impl App {
    /// Records the tokens beside the code, or without one, and gives them as parameters of the answer.
    pub(super) async fn issue_directly(
        &self,
        work: &mut Work<'_>,
        loaded: &mut Loaded<Grant>,
        asked: &Granting<'_>,
        code: Option<&str>,
        seal: &Seal,
    ) -> Result<Vec<(&'static str, String)>, Stop> {
        let (request, client, at) = (asked.request, &asked.parents.client, self.now());
        let kind = request.response_type;
        let keys = self.keys.current().await?;
        let grant = loaded.or(|| OAuthError::server_error("a grant without state"))?.clone();
        let mut draft = None;
        let mut access = None;
        if kind.has_token() {
            let chosen = target::choose(&request.resources, &request.scope, &[], self.usual_target());
            let aim = self.aim(work, chosen, None).await?;
            let drawn = self.draft_access(grant.id, &aim);
            access = Some((drawn.digest, aim.target?));
            draft = Some(drawn);
        }
        let id_token_kid = if kind.has_id_token() { self.id_token_kid(&request.scope, client, &keys)? } else { None };
        let decision = issue::directly(&grant.scope, &IssueDirectly { access, id_token_kid, at }, &self.lifetimes());
        let issued = decision.outcome?;
        let mut parameters = Vec::new();
        let mut access_token = None;
        if let (Some(draft), Some(expires_at)) = (draft, issued.access_expires_at) {
            let text = self
                .write_access(
                    draft,
                    &Spoken { client, grant: &grant, cnf: None, details: None, scope: &issued.scope, issued_at: at, expires_at },
                )
                .await?;
            parameters.push(("access_token", text.clone()));
            parameters.push(("token_type", "Bearer".to_owned()));
            parameters.push(("expires_in", at.seconds_until(expires_at).to_string()));
            parameters.push(("scope", issued.scope.to_string()));
            access_token = Some(text);
        }
        if let GrantKind::Person(person) = &grant.kind
            && kind.has_id_token()
        {
            let token = IdToken {
                client,
                account: &asked.parents.account,
                person,
                scope: &request.scope,
                nonce: asked.private.nonce.clone(),
                access: access_token.as_deref(),
                code,
                state: asked.private.state.as_deref(),
                pushed: None,
                with_scope_claims: kind == ResponseType::IdToken,
                at,
            };
            parameters.push(("id_token", self.id_token(&token, &keys).await?));
        }
        work.record(loaded, decision.events, seal)?;
        Ok(parameters)
    }
}
