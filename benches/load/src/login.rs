//! The login step for servers with plain HTML forms.

use hyper::Method;
use url::{Url, form_urlencoded};

use crate::html::pick_form;
use crate::http::Result;
use crate::user::{Attempt, Tokens, User};

/// Redirects and forms between the authorization request and the code.
const MAX_STEPS: usize = 16;

impl User {
    /// Signs in from an empty jar, consents, and redeems the code.
    pub async fn sign_in(&mut self) -> Result<Tokens> {
        self.connection.forget_cookies();
        let attempt = self.new_attempt();
        let code = code(self, &attempt).await?;
        self.redeem(&code, &attempt.verifier).await
    }
}

async fn code(user: &mut User, attempt: &Attempt) -> Result<String> {
    let mut url = user.authorize_url(&attempt.parameters)?;
    let mut form = None;
    for _ in 0..MAX_STEPS {
        let method = if form.is_some() { Method::POST } else { Method::GET };
        let answer = user.browse(method, &url, form.take()).await?;
        if let Some(location) = answer.location() {
            if let Some(code) = user.code_in(location) {
                return code;
            }
            url = url.join(location).map_err(|e| e.to_string())?;
        } else {
            let page = answer.expect(200)?.text();
            let (action, body) = fill_in(user, &page, &url)?;
            url = action;
            form = Some(body);
        }
    }
    Err(format!("no code after {MAX_STEPS} steps; last at {url}"))
}

fn fill_in(user: &User, page: &str, url: &Url) -> Result<(Url, String)> {
    let form = pick_form(page).ok_or_else(|| format!("no form at {url}"))?;
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(form.fields);
    if form.has_password {
        body.append_pair(&user.config.username_field, &user.config.username);
        body.append_pair(&user.config.password_field, &user.config.password);
    } else {
        body.extend_pairs(user.config.consent_field.iter().filter_map(|pair| pair.split_once('=')));
    }
    let action = if form.action.is_empty() { Ok(url.clone()) } else { url.join(&form.action) };
    Ok((action.map_err(|e| e.to_string())?, body.finish()))
}
