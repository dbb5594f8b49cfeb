//! The front page, and the files that pages load.

use poem::http::{HeaderValue, StatusCode, header};
use poem::{Request, Response};
use poem_openapi::OpenApi;
use poem_openapi::param::Path;

use super::show::{Shown, page_for};
use super::{Cookies, Group};
use crate::http::error::Refused;
use crate::http::headers::PagePolicy;
use crate::http::server::Server;
use crate::pages::home::{Person, SignIn};
use crate::pages::{self, asset};

/// Sign-ins that the page lists.
const LISTED: usize = 5;

pub struct Home(pub Server);

#[OpenApi(tag = "Group::Browser")]
impl Home {
    /// The front page
    #[oai(path = "/", method = "get", operation_id = "home")]
    async fn home(&self, request: &Request) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        let app = &self.0.app;
        let person = match app.session_of(cookies.session.as_deref()).await? {
            None => None,
            Some(current) => Some(Person {
                name: app.unseal_optional(current.account.name.as_ref()).await?,
                account: app.unseal_optional(current.account.email.as_ref()).await?.unwrap_or_default(),
                sign_ins: app
                    .sessions_of(current.account.id)
                    .await?
                    .into_iter()
                    .take(LISTED)
                    .map(|session| SignIn { at: utc(session.auth_time.0), from: None })
                    .collect(),
                logout_url: "/oidc/session/end".to_owned(),
            }),
        };
        let page = pages::Home {
            page: page_for(&self.0, request, None),
            person,
            discovery_url: "/oidc/.well-known/openid-configuration".to_owned(),
            docs_url: "/docs".to_owned(),
        };
        Shown::page(&page, StatusCode::OK, PagePolicy::default())
    }

    /// The logo of a client, as the consent page shows it
    #[oai(path = "/logo/:client_id", method = "get", operation_id = "logo")]
    async fn logo(&self, client_id: Path<String>) -> Result<Shown, Refused> {
        let Some(logo) = self.0.app.logo(&client_id).await? else {
            return Err(chancery_core::error::OAuthError::not_found("no logo").into());
        };
        let mut response = Response::builder().content_type(logo.media_type).body(logo.bytes.to_vec());
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
        Ok(Shown::raw(response))
    }

    /// A file that pages load
    #[oai(path = "/assets/:name", method = "get", operation_id = "asset")]
    async fn asset(&self, name: Path<String>) -> Result<Shown, Refused> {
        let path = format!("/assets/{}", name.0);
        let Some(found) = asset::all().into_iter().find(|own| own.path == path) else {
            return Err(chancery_core::error::OAuthError::not_found("no such asset").into());
        };
        let mut response = Response::builder().content_type(found.content_type).body(found.body);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(asset::CACHE_CONTROL));
        Ok(Shown::raw(response))
    }
}

/// `2026-11-21T01:44:50Z` of milliseconds since the epoch, as the page's view wants it.
fn utc(ms: i64) -> String {
    crate::app::clock::rfc3339(ms)
}
