//! Registering an account.
//!
//! | Rule | Source |
//! |---|---|
//! | an e-mail address has one `@`, a domain, no spaces or control characters, at most 254 bytes | RFC 5321 §4.5.3.1 |
//! | a password has at least 8 characters and at most 1,024 bytes, any character | NIST SP 800-63B §5.1.1.2 |
//! | a password is not the address or name itself | NIST SP 800-63B §5.1.1.2 |
//!
//! Out of scope: uniqueness of the address (a claim of the same append decides it).

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::claims::Claims;
use super::sources::{self, Sources};
use super::{AccountEvent, AccountRegistered, FieldError, Role, profile};
use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::id::AccountId;
use crate::time::Timestamp;

/// A wish to register. The password was hashed by the shell; the rules look at the form before that (`problems`).
pub struct Register {
    pub account: AccountId,
    pub email: String,
    pub name: Option<String>,
    pub password_hash: String,
    pub email_index: String,
    /// Everything besides the address and the name.
    pub claims: Claims,
    /// What others assert.
    pub sources: Sources,
    pub key_commitment: Digest,
    pub roles: BTreeSet<Role>,
    pub declared: bool,
    pub context: Option<String>,
    pub at: Timestamp,
}

/// Everything that is wrong with a registration form; empty when it is fine.
pub fn problems(email: &str, password: &str, name: Option<&str>) -> Vec<FieldError> {
    let mut found: Vec<_> = email_problem(email).into_iter().collect();
    found.extend(password_problem(password, email, name));
    if name.is_some_and(|name| name.len() > 256 || name.chars().any(char::is_control)) {
        found.push(FieldError { field: "name", problem: "Use a name of at most 256 bytes without control characters.".to_string() });
    }
    found
}

/// What is wrong with an e-mail address, if anything is. RFC 5321 §4.5.3.1.
pub fn email_problem(email: &str) -> Option<FieldError> {
    let problem = || "Enter an e-mail address such as name@example.com.".to_string();
    (!is_email(email)).then(|| FieldError { field: "email", problem: problem() })
}

/// What is wrong with a password of somebody with this address and name, if anything is. NIST SP 800-63B §5.1.1.2.
pub fn password_problem(password: &str, email: &str, name: Option<&str>) -> Option<FieldError> {
    let wrong = |problem: &str| Some(FieldError { field: "password", problem: problem.to_string() });
    if password.chars().count() < 8 {
        wrong("Choose a password of at least 8 characters.")
    } else if password.len() > 1024 {
        wrong("Choose a password of at most 1,024 bytes.")
    } else if password.eq_ignore_ascii_case(email.trim()) || name.is_some_and(|name| password.eq_ignore_ascii_case(name.trim())) {
        wrong("Choose a password that is not your e-mail address or name.")
    } else {
        None
    }
}

fn is_email(text: &str) -> bool {
    let text = text.trim();
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let plain = |part: &str| {
        !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | ',' | ';' | '@'))
    };
    text.len() <= 254
        && local.len() <= 64
        && plain(local)
        && plain(domain)
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && !domain.contains("..")
}

/// The account, as one event; what others assert of the person, as a second.
pub fn decide(cmd: &Register) -> Decision<AccountEvent, AccountId> {
    let event = AccountRegistered {
        account: cmd.account,
        at: cmd.at,
        key_commitment: cmd.key_commitment,
        roles: cmd.roles.clone(),
        declared: cmd.declared,
    };
    let personal = Personal::default()
        .with("email", Some(cmd.email.trim()))
        .with("name", cmd.name.as_deref().map(str::trim).filter(|name| !name.is_empty()))
        .with("password_hash", Some(cmd.password_hash.as_str()))
        .with("email_index", Some(cmd.email_index.as_str()))
        .with("context", cmd.context.as_deref());
    let personal = if cmd.claims.is_empty() { personal } else { profile::with_claims(personal, &cmd.claims) };
    let mut drafts = alloc::vec![Draft::new(event.into(), personal)];
    if !cmd.sources.is_empty() {
        drafts.push(sources::stating(&cmd.sources, cmd.context.as_deref(), cmd.at));
    }
    Decision::accept(drafts, cmd.account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_field_is_named() {
        let fields: Vec<_> = problems("nobody", "short", Some("a\nb")).into_iter().map(|p| p.field).collect();
        assert_eq!(fields, ["email", "password", "name"]);
        assert_eq!(problems("alice@example.com", "correct horse battery staple", Some("Alice")), []);
        assert_eq!(problems("alice@example.com", "Alice@example.com", None).len(), 1);
    }

    #[test]
    fn rfc5321_4_5_3_1_addresses_are_bounded() {
        for bad in ["", "a", "@b", "a@", "a b@c", "a@b@c", "a@.b", "a@b..c", "<a@b>"] {
            assert!(!is_email(bad), "{bad}");
        }
        assert!(!is_email(&alloc::format!("{}@example.com", "a".repeat(65))));
        assert!(is_email(" a+b@example.co.uk "));
    }
}
