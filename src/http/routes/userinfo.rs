//! UserInfo: OpenID Connect Core 1.0 §5.3, with the errors of RFC 6750 §3.

use poem::Request;
use poem_openapi::OpenApi;

use super::Group;
use crate::app::userinfo::UserInfo as Claimed;
use crate::http::error::Refused;
use crate::http::form::FORM;
use crate::http::limits;
use crate::http::params::Params;
use crate::http::reply::{Describe, Reply};
use crate::http::resource::{Presented, Resource};
use crate::http::server::{Server, context};

pub struct UserInfo(pub Server);

pub struct Claims;

impl Describe for Claims {
    const DESCRIPTION: &'static str = "The claims that the token may read.";
    const MAY_BE_JWT: bool = true;
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("sub", "string", "The person's identifier, never used for anybody else."),
        ("name", "string", "With the scope profile."),
        ("given_name", "string", "With the scope profile."),
        ("family_name", "string", "With the scope profile."),
        ("middle_name", "string", "With the scope profile."),
        ("nickname", "string", "With the scope profile."),
        ("preferred_username", "string", "With the scope profile; not unique."),
        ("profile", "string", "With the scope profile: the address of a page."),
        ("picture", "string", "With the scope profile: the address of an image."),
        ("website", "string", "With the scope profile: the address of a page."),
        ("gender", "string", "With the scope profile."),
        ("birthdate", "string", "With the scope profile: 2001-12-31, 0000-12-31 or 2001."),
        ("zoneinfo", "string", "With the scope profile, such as Europe/Paris."),
        ("locale", "string", "With the scope profile, such as en-GB."),
        ("updated_at", "integer", "With the scope profile: when any of this last changed, in seconds since 1970."),
        ("email", "string", "With the scope email."),
        ("email_verified", "boolean", "With the scope email."),
        ("address", "object", "With the scope address: formatted, street_address, locality, region, postal_code, country."),
        ("phone_number", "string", "With the scope phone."),
        ("phone_number_verified", "boolean", "With the scope phone."),
    ];
}

#[OpenApi(tag = "Group::Protocol")]
impl UserInfo {
    /// Claims about the person
    #[oai(path = "/oidc/userinfo", method = "get", operation_id = "userinfo")]
    async fn get(&self, request: &Request) -> Result<Reply<Claims>, Refused> {
        self.answer(request, None).await
    }

    /// Claims about the person
    #[oai(path = "/oidc/userinfo", method = "post", operation_id = "userinfoByPost")]
    async fn post(&self, request: &Request, body: poem::Body) -> Result<Reply<Claims>, Refused> {
        let is_form =
            request.content_type().is_some_and(|sent| sent.split(';').next().is_some_and(|sent| sent.trim().eq_ignore_ascii_case(FORM)));
        if !is_form {
            return self.answer(request, None).await;
        }
        let bytes = limits::read_bounded(body, limits::BODY).await?;
        let params = Params::parse(&bytes)?;
        self.answer(request, Some(&params)).await
    }
}

impl UserInfo {
    async fn answer(&self, request: &Request, form: Option<&Params>) -> Result<Reply<Claims>, Refused> {
        let resource = Resource { uri: &self.0.app.endpoints.userinfo, scope: "openid" };
        let presented = Presented::of(&self.0, request, form, resource)?;
        let told = Box::pin(self.0.app.userinfo(&context(request), &presented.token, &presented.brought(request))).await;
        let told = told.map_err(|error| presented.refused(error))?;
        // OpenID Connect Core 1.0 §5.3.1: scripts of the client's origins read it.
        let reply = match told.info {
            Claimed::Json(claims) => Reply::new(&claims),
            Claimed::Jwt(token) => Reply::jwt(token),
        };
        Ok(reply.with_nonce(presented.next_nonce(&self.0)).for_client(told.client.as_str()))
    }
}
