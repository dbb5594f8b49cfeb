//! Logos of clients, as this server shows them: fetched through the guard, looked at, and served from here.
//!
//! | Rule | Source |
//! |---|---|
//! | no page makes a person's browser ask the client's server: it would learn who looks at the consent page, and when | OpenID Connect Registration 1.0 §2; our own |
//! | a picture of pixels alone, known by its first bytes: a drawing can hold script | our own |
//! | in production only of clients that somebody vouches for: a logo makes a page look true | RFC 9700 §4.11 in spirit |
//! | kept for an hour, what was not found for five minutes; so much memory and no more | our own |

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chancery_core::client::Client;
use chancery_core::error::OAuthError;
use chancery_core::id::ClientId;

use super::App;
use super::remote::{Wanted, Whose};

/// Bytes of one picture.
const MOST_BYTES: usize = 64 * 1024;
/// Pictures that are kept.
const MOST: usize = 64;
const KEPT_MS: i64 = 60 * 60 * 1000;
const MISSED_MS: i64 = 5 * 60 * 1000;

/// A picture.
#[derive(Clone)]
pub struct Logo {
    pub media_type: &'static str,
    pub bytes: Arc<[u8]>,
}

struct Kept {
    uri: String,
    until: i64,
    logo: Option<Logo>,
}

/// What was looked for lately.
#[derive(Default)]
pub struct Logos(Mutex<HashMap<ClientId, Kept>>);

/// The type of a picture, by its first bytes; `None` for everything else.
fn media_type(bytes: &[u8]) -> Option<&'static str> {
    const SIGNS: [(&[u8], &str); 4] =
        [(b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF87a", "image/gif"), (b"GIF89a", "image/gif")];
    let webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    webp.then_some("image/webp").or_else(|| SIGNS.iter().find(|(sign, _)| bytes.starts_with(sign)).map(|(_, kind)| *kind))
}

impl App {
    /// Does a page show a logo for this client?
    pub fn shows_logo(&self, client: &Client) -> bool {
        client.metadata.logo_uri.is_some() && (!self.is_production() || client.origin.is_vouched())
    }

    /// The logo of a client; `None` when there is none to show.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn logo(&self, id: &str) -> Result<Option<Logo>, OAuthError> {
        let Some(id) = ClientId::parse(id) else { return Ok(None) };
        let Some(client) = self.load_client(&id.stream()).await?.state.filter(|own| own.is_active() && self.shows_logo(own)) else {
            return Ok(None);
        };
        let Some(uri) = client.metadata.logo_uri.clone() else { return Ok(None) };
        let now = self.now().0;
        if let Some(logo) = self.kept_logo(&id, &uri, now) {
            return Ok(logo);
        }
        let wanted = Wanted {
            url: uri.clone(),
            accept: "image/png, image/jpeg, image/gif, image/webp",
            most: MOST_BYTES,
            whose: Whose::of(&client),
        };
        let logo = match self.fetch(wanted).await? {
            Ok(fetched) => media_type(&fetched.body).map(|media_type| Logo { media_type, bytes: fetched.body.into() }),
            Err(why) => {
                tracing::info!(client = %id, why, "a logo could not be fetched");
                None
            }
        };
        let until = now + if logo.is_some() { KEPT_MS } else { MISSED_MS };
        self.keep_logo(id, Kept { uri, until, logo: logo.clone() });
        Ok(logo)
    }

    fn kept_logo(&self, id: &ClientId, uri: &str, now: i64) -> Option<Option<Logo>> {
        let kept = self.logos.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(id).filter(|own| own.uri == uri && now < own.until).map(|own| own.logo.clone())
    }

    fn keep_logo(&self, id: ClientId, own: Kept) {
        let mut kept = self.logos.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST
            && let Some(oldest) = kept.iter().min_by_key(|(_, own)| own.until).map(|(id, _)| id.clone())
        {
            kept.remove(&oldest);
        }
        kept.insert(id, own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_of_pixels_are_logos() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0....", Some("image/jpeg")),
            (b"GIF89a....", Some("image/gif")),
            (b"RIFF....WEBPVP8 ", Some("image/webp")),
            (b"RIFF....WAVE", None),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\">", None),
            (b"<html>", None),
            (b"", None),
        ] {
            assert_eq!(media_type(bytes), kind);
        }
    }
}
