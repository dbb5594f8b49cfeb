//! `chancery openapi`: the document of `/openapi.json`, also as YAML.

use std::fmt::Write as _;

use serde_json::Value;

use super::{print, serve};

#[derive(clap::Args)]
pub struct Args {
    /// As YAML instead of JSON
    #[arg(long)]
    yaml: bool,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let document = serve::openapi();
    if !args.yaml {
        return Ok(print::line(document.trim_end())?);
    }
    let mut text = String::new();
    block(&mut text, &serde_json::from_str(&document)?, 0);
    Ok(print::line(text.trim_end())?)
}

/// A value in block style. Names and texts are quoted as in JSON, which YAML 1.2 §1.3 takes as they are: no text can turn into something else.
fn block(text: &mut String, value: &Value, indent: usize) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                let _ = write!(text, "{pad}{}:", key(name));
                nested(text, member, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let _ = write!(text, "{pad}-");
                nested(text, item, indent);
            }
        }
        leaf => {
            let _ = writeln!(text, "{pad}{leaf}");
        }
    }
}

fn nested(text: &mut String, value: &Value, indent: usize) {
    let is_block = value.as_object().is_some_and(|members| !members.is_empty()) || value.as_array().is_some_and(|items| !items.is_empty());
    if is_block {
        text.push('\n');
        block(text, value, indent + 2);
    } else {
        let _ = writeln!(text, " {value}");
    }
}

/// Plain where nothing but a name can be meant.
fn key(name: &str) -> String {
    let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric()) && name.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_word = matches!(name.to_ascii_lowercase().as_str(), "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null");
    if is_plain && !is_word { name.to_owned() } else { Value::from(name).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::block;

    #[test]
    fn texts_stay_texts() {
        let mut text = String::new();
        let value = json!({"on": "no", "200": ["1.0", {}, {"a": [], "b": {"c": null}}], "x": "a: b\n# c"});
        block(&mut text, &value, 0);
        let expected = "\"on\": \"no\"\n\"200\":\n  - \"1.0\"\n  - {}\n  -\n    a: []\n    b:\n      c: null\nx: \"a: b\\n# c\"\n";
        assert_eq!(text, expected);
    }
}
