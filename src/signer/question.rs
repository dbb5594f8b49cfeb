//! What the server asks: which key, and what to sign.

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::token::Alg;

pub enum Question {
    Public { key: String },
    Sign { key: String, alg: Alg, message: Vec<u8> },
}

impl Question {
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn read(line: &[u8]) -> anyhow::Result<Self> {
        let question: Value = serde_json::from_slice(line).context("the question is no JSON")?;
        let text = |member: &'static str| {
            question.get(member).and_then(Value::as_str).with_context(|| format!("the member {member} is missing or no text"))
        };
        let key = text("key")?.to_owned();
        match text("ask")? {
            "public" => Ok(Self::Public { key }),
            "sign" => {
                let alg = Alg::parse(text("alg")?)?;
                let message = URL_SAFE_NO_PAD.decode(text("message")?).context("the member message is not base64url")?;
                Ok(Self::Sign { key, alg, message })
            }
            other => bail!("nobody can be asked for {other:?}; ask for public or sign"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_and_everything_else_has_a_sentence() {
        let read = |line: &str| Question::read(line.as_bytes());
        assert!(matches!(read(r#"{"ask":"public","key":"k"}"#).unwrap(), Question::Public { key } if key == "k"));
        let sign = read(r#"{"ask":"sign","key":"k","alg":"PS256","message":"YWJj"}"#).unwrap();
        assert!(matches!(sign, Question::Sign { alg: Alg::Ps256, message, .. } if message == b"abc"));
        for (line, said) in [
            ("{", "no JSON"),
            (r#"{"ask":"public"}"#, "key"),
            (r#"{"key":"k"}"#, "ask"),
            (r#"{"ask":"dance","key":"k"}"#, "dance"),
            (r#"{"ask":"sign","key":"k","alg":"none","message":""}"#, "none"),
            (r#"{"ask":"sign","key":"k","alg":"ES256","message":"a+b="}"#, "base64url"),
            (r#"{"ask":"sign","key":"k","alg":"ES256"}"#, "message"),
        ] {
            let error = format!("{:#}", read(line).map(drop).unwrap_err());
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}
