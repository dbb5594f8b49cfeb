//! The page that asks who of the people in this browser it shall be (`prompt=select_account`).

use chancery_core::client::Client;
use chancery_core::request::Request as AuthorizationRequest;
use poem::Request;
use poem::http::StatusCode;

use super::Cookies;
use super::interaction::{Interactions, name_of};
use super::show::{Shown, in_interaction, page_for, refusal};
use crate::http::error::Refused;
use crate::http::server::context;
use crate::pages;

impl Interactions {
    pub(super) async fn choose_page(
        &self,
        request: &Request,
        uid: &str,
        cookies: &Cookies,
        client: &Client,
        asked: &AuthorizationRequest,
    ) -> Result<Shown, Refused> {
        let mut people = Vec::new();
        for present in self.0.app.people_in(cookies.browser()).await?.all() {
            let account = &present.current.account;
            people.push(pages::Somebody {
                session: present.current.session.id.to_string(),
                name: self.0.app.unseal_optional(account.name.as_ref()).await?,
                email: self.0.app.unseal_optional(account.email.as_ref()).await?.unwrap_or_default(),
            });
        }
        let page = pages::Choose {
            page: page_for(&self.0, request, asked.ui_locales.as_deref()),
            action: format!("/auth/interaction/{uid}"),
            csrf: self.form_token(cookies),
            client: name_of(client),
            people,
            login_url: format!("/auth/interaction/{uid}/sign-in"),
        };
        Shown::page(&page, StatusCode::OK, in_interaction(&asked.redirect_uri))
    }

    pub(super) async fn choose(&self, request: &Request, uid: &str, cookies: &Cookies, session: &str) -> Result<Shown, Refused> {
        match self.0.app.choose_in(&context(request), uid, cookies.browser(), session).await {
            Ok(held) => Ok(Shown::redirect(&format!("/auth/interaction/{uid}"))?.holding(&self.0, cookies, &held)),
            Err(error) => refusal(&self.0, request, &error),
        }
    }
}
