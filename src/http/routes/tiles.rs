//! `/audit/tile/...`: the tree as files that never change.
//!
//! | Rule | Source |
//! |---|---|
//! | `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]`, as octets | C2SP tlog-tiles |
//! | every answer is immutable, a partial tile too: its width is in its name | the same |
//! | what the latest checkpoint does not reach is 404, and so is every other spelling of a path | the same |
//! | entries need `audit:read`, and no shared cache keeps them | docs/adr/0023 |
//!
//! Not an operation of the OpenAPI document, which cannot name a path of any number of segments.

use chancery_core::error::OAuthError;
use chancery_tree::Tile;
use chancery_tree::tile::Content;
use poem::http::{HeaderValue, Method, header};
use poem::{Endpoint, Request, Response, Result};

use super::proof::admit;
use crate::http::credentials;
use crate::http::error::Refused;
use crate::http::server::{Server, context};

/// Prefix of the paths.
const PREFIX: &str = "/audit/";

const FOR_ALL: &str = "public, max-age=31536000, immutable";
const FOR_ONE: &str = "private, max-age=31536000, immutable";

pub struct Tiles(pub Server);

impl Endpoint for Tiles {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return Err(poem::error::MethodNotAllowedError.into());
        }
        Ok(self.tile(&request).await?)
    }
}

impl Tiles {
    async fn tile(&self, request: &Request) -> Result<Response, Refused> {
        let path = request.original_uri().path();
        let tile = path.strip_prefix(PREFIX).and_then(Tile::parse);
        let none = || OAuthError::not_found("no such tile").saying("The log has no such tile.");
        let app = &self.0.app;
        let (bytes, cache) = match tile {
            Some(tile) if tile.content == Content::Entries => {
                let token = credentials::bearer(request, None)?;
                let bearer = app.operator(token.as_deref(), "audit:read").await?;
                let context = context(request).as_operator(bearer.grant.id.to_string());
                (app.entry_bundle(&context, tile).await?, FOR_ONE)
            }
            tile => {
                admit(&self.0, request).await?;
                let Some(tile) = tile else { return Err(none().into()) };
                (app.hash_tile(tile).await?, if app.config.proof.public { FOR_ALL } else { FOR_ONE })
            }
        };
        let bytes = bytes.ok_or_else(none)?;
        let mut response = Response::builder().content_type("application/octet-stream").body(bytes);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
        Ok(response)
    }
}
