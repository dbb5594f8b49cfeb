//! Answers as signed JWTs (JARM): whoever carries them through the browser can neither change nor make one.
//!
//! | Rule | Source |
//! |---|---|
//! | iss, aud and a near exp, with every parameter of the answer beside them | JARM §2.1 |
//! | the one parameter is `response` | JARM §2.3 |
//! | errors are answers too | JARM §2.1 |
//! | signed with what the client registered, RS256 without | JARM §3 |
//!
//! Out of scope: encryption, which modes there are (`core::request`).

use chancery_core::client::Client;
use chancery_core::error::OAuthError;
use serde_json::{Map, Value, json};

use super::Answer;
use crate::app::App;

/// Seconds that an answer may be on its way (JARM §2.1: ten minutes at most).
const LIFETIME: i64 = 120;

impl App {
    /// The answer in the form that the request asked for. It is signed before anything is appended.
    ///
    /// # Errors
    /// `server_error` when nothing can be signed.
    pub(super) async fn signed_if_asked(&self, client: &Client, answer: Answer) -> Result<Answer, OAuthError> {
        if !answer.response_mode.is_signed() {
            return Ok(answer);
        }
        let mut claims: Map<String, Value> = answer.parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        claims.insert("iss".to_owned(), json!(self.endpoints.issuer));
        claims.insert("aud".to_owned(), json!(client.id));
        claims.insert("exp".to_owned(), json!(self.now().numeric_date() + LIFETIME));
        let alg = client.metadata.authorization_signed_response_alg.unwrap_or_else(|| self.policy().usual_alg(client));
        let signed = self.keys.current().await?.sign(alg, &Value::Object(claims))?;
        Ok(Answer { parameters: vec![("response", signed)], ..answer })
    }
}
