//! Answers as signed JWTs (JARM): whoever carries them through the browser can neither change nor make one, nor, where the client wants that,
//! read it.
//!
//! | Rule | Source |
//! |---|---|
//! | iss, aud and a near exp, with every parameter of the answer beside them | JARM §2.1 |
//! | what is a number is a number in it too | JARM §2.1 |
//! | the one parameter is `response` | JARM §2.3 |
//! | errors are answers too | JARM §2.1 |
//! | signed with what the client registered, RS256 without | JARM §3 |
//! | encrypted after that, if the client registered it; then never in clear | JARM §2.2, §3 |
//!
//! Out of scope: which modes there are (`core::request`).

use chancery_core::client::Client;
use chancery_core::error::OAuthError;
use serde_json::{Map, Value, json};

use super::Answer;
use crate::app::App;

/// Seconds that an answer may be on its way (JARM §2.1: ten minutes at most).
const LIFETIME: i64 = 120;

impl App {
    /// The answer in the form that the request asked for. It is signed and encrypted before anything is appended.
    ///
    /// # Errors
    /// `server_error` when nothing can be signed; `temporarily_unavailable` when the client's key cannot be read.
    pub(super) async fn signed_if_asked(&self, client: &Client, answer: Answer) -> Result<Answer, OAuthError> {
        if !answer.response_mode.is_signed() {
            return Ok(answer);
        }
        let mut claims: Map<String, Value> =
            answer.parameters.iter().map(|(name, value)| ((*name).to_owned(), member(name, value))).collect();
        claims.insert("iss".to_owned(), json!(self.endpoints.issuer));
        claims.insert("aud".to_owned(), json!(client.id));
        claims.insert("exp".to_owned(), json!(self.now().numeric_date() + LIFETIME));
        let alg = client.metadata.authorization_signed_response_alg.unwrap_or_else(|| self.policy().usual_alg(client));
        let signed = self.keys.current().await?.sign(alg, &Value::Object(claims)).await?;
        let metadata = &client.metadata;
        let wish = (metadata.authorization_encrypted_response_alg, metadata.authorization_encrypted_response_enc);
        let response = self.nested_for(client, wish, signed).await?;
        Ok(Answer { parameters: vec![("response", response)], ..answer })
    }
}

/// JARM §2.1: of the parameters of an answer the lifetime of its access token is the one number.
fn member(name: &str, value: &str) -> Value {
    match value.parse::<u64>() {
        Ok(seconds) if name == "expires_in" => json!(seconds),
        _ => json!(value),
    }
}
