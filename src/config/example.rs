//! `chancery config example`: every setting with its meaning and default, generated from the table.

use std::fmt::Write as _;

use super::fields::{ATTESTER, CLIENT, CREDENTIAL, DETAILS, EXCHANGE, FEED, Field, ISSUER, KEY_ATTESTER, RESOURCE, USER};
use super::table::{Kind, SETTINGS, Setting};

/// The text of a TOML file that configures the defaults. Settings without a default are commented out.
pub fn example() -> String {
    let mut text = String::from(
        "# Chancery's configuration: every setting with its default.\n\
         # A flag is stronger than the environment, the environment is stronger than this file.\n\
         # Durations are seconds, or text such as \"90s\", \"10m\", \"1h\", \"14d\". Secrets may be \"file:PATH\".\n",
    );
    let mut section = "";
    for setting in SETTINGS {
        let (home, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if home != section {
            section = home;
            let _ = write!(text, "\n[{section}]\n");
        }
        describe(&mut text, setting);
        // A default that says nothing is worth a sample beside it.
        let _ = match (setting.default, setting.sample) {
            ("", sample) => writeln!(text, "# {name} = {sample}"),
            (default, "") => writeln!(text, "{name} = {default}"),
            (default, sample) => writeln!(text, "{name} = {default}  # {sample}"),
        };
    }
    entry(
        &mut text,
        "client",
        "Clients that this file owns: an entry that changes is changed at the next start, one that goes is disabled.",
        CLIENT,
    );
    entry(&mut text, "feed", "Events for other systems, at least once each.", FEED);
    entry(&mut text, "resource", "Resource servers that this file owns (RFC 8707).", RESOURCE);
    entry(&mut text, "authorization_details_type", "What requests may be about, beyond scopes (RFC 9396).", DETAILS);
    entry(&mut text, "token_exchange", "What a client may exchange for other tokens (RFC 8693).", EXCHANGE);
    entry(&mut text, "client_attester_draft12", "Who vouches for instances of clients (attest_jwt_client_auth, draft 12).", ATTESTER);
    entry(&mut text, "credential", "What is issued to wallets (OpenID for Verifiable Credential Issuance).", CREDENTIAL);
    entry(&mut text, "key_attester", "Who vouches for keys of wallets (OpenID for Verifiable Credential Issuance).", KEY_ATTESTER);
    entry(&mut text, "assertion_issuer", "Whose assertions are grants (RFC 7523).", ISSUER);
    entry(&mut text, "user", "Users for development; production refuses them.", USER);
    text
}

fn describe(text: &mut String, setting: &Setting) {
    let bounds = match setting.kind {
        Kind::Integer { min, max } => format!(" {min} to {max}."),
        Kind::Duration { min, max } => format!(" {} to {}.", span(min), span(max)),
        Kind::Choice(choices) => format!(" One of {}.", choices.join(", ")),
        Kind::Rate => " COUNT/WINDOW, or off.".to_owned(),
        Kind::Text | Kind::Secret | Kind::List | Kind::Table | Kind::Boolean => String::new(),
    };
    let flag = if setting.flag.is_empty() { String::new() } else { format!(", flag {}", setting.flag) };
    let _ = write!(text, "\n# {}{bounds}\n# Environment {}{flag}.\n", setting.about, setting.variable());
}

fn entry(text: &mut String, name: &str, about: &str, fields: &[Field]) {
    let _ = write!(text, "\n# {about}\n# [[{name}]]\n");
    for field in fields {
        let note = match (field.required, field.about) {
            (true, "") => "  # required".to_owned(),
            (true, about) => format!("  # required; {about}"),
            (false, "") => String::new(),
            (false, about) => format!("  # {about}"),
        };
        let _ = writeln!(text, "# {} = {}{note}", field.name, field.sample);
    }
}

/// Seconds in the largest unit that fits.
fn span(seconds: u64) -> String {
    match seconds {
        0 => "0s".to_owned(),
        s if s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s % 3_600 == 0 => format!("{}h", s / 3_600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}
