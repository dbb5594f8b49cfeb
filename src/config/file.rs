//! The TOML file: every known key with its line; unknown and duplicated keys are errors.
//!
//! The parser's own messages quote the line they complain about, which may hold a secret, so only what is wrong and the
//! line number are passed on.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::attester;
use super::fields::{ATTESTER, CLIENT, CREDENTIAL, DETAILS, EXCHANGE, FEED, Field, ISSUER, KEY_ATTESTER, RESOURCE, USER};
use super::given::{Given, Raw};
use super::nearest::suggestion;
use super::problem::{Origin, Problem, shown};
use super::table::{self, SETTINGS};

/// One `[[client]]` or `[[user]]` with the fields that were given.
pub struct Entry {
    /// `client[2]`, counted from 1.
    pub name: String,
    pub origin: Origin,
    pub fields: BTreeMap<&'static str, Given>,
}

#[derive(Default)]
pub struct Parsed {
    pub settings: BTreeMap<&'static str, Given>,
    pub clients: Vec<Entry>,
    pub users: Vec<Entry>,
    pub resources: Vec<Entry>,
    pub feeds: Vec<Entry>,
    pub details: Vec<Entry>,
    pub exchanges: Vec<Entry>,
    pub issuers: Vec<Entry>,
    pub attesters: Vec<Entry>,
    pub credentials: Vec<Entry>,
    pub key_attesters: Vec<Entry>,
}

/// Reads and parses the file that `origin` names.
pub fn read(path: &Path, origin: &Origin, problems: &mut Vec<Problem>) -> Parsed {
    const LARGEST: u64 = 4 * 1024 * 1024;
    let mut refuse = |why: String| {
        let sentence = format!("the file {} cannot be read: {why}.", path.display());
        problems.push(Problem { key: "config".to_owned(), origin: origin.clone(), sentence });
        Parsed::default()
    };
    let content = match std::fs::metadata(path) {
        Ok(about) if !about.is_file() => return refuse("it is not a file".to_owned()),
        Ok(about) if about.len() > LARGEST => return refuse("it is larger than 4 MiB".to_owned()),
        Ok(_) => std::fs::read(path),
        Err(error) => Err(error),
    };
    match content.map(String::from_utf8) {
        Ok(Ok(text)) => parse(path, &text, problems),
        Ok(Err(_)) => refuse("it is not valid UTF-8".to_owned()),
        Err(error) => refuse(error.to_string()),
    }
}

/// Parses the text of a file; `path` is for messages.
pub fn parse(path: &Path, text: &str, problems: &mut Vec<Problem>) -> Parsed {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut walk = Walk { path, text, problems };
    for error in errors {
        let line = error.span().map_or(0, |span| span.start);
        // The message names what was expected; only a duplicate key is quoted in it, and keys are no secrets.
        walk.refuse("config", line, format!("is not TOML: {}.", error.message().replace('\n', " ")));
    }
    // After a syntax error the rest would complain about what the parser guessed.
    if !walk.problems.is_empty() {
        return Parsed::default();
    }
    walk.document(document.get_ref())
}

struct Walk<'a> {
    path: &'a Path,
    text: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn origin(&self, offset: usize) -> Origin {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Origin::File { path: self.path.to_owned(), line }
    }

    fn refuse(&mut self, key: impl Into<String>, offset: usize, sentence: impl Into<String>) {
        let problem = Problem { key: key.into(), origin: self.origin(offset), sentence: sentence.into() };
        self.problems.push(problem);
    }

    fn document(&mut self, document: &DeTable<'_>) -> Parsed {
        let mut parsed = Parsed::default();
        for (key, value) in document {
            let (name, at) = (key.get_ref().as_ref(), key.span().start);
            let is_section = SETTINGS.iter().any(|setting| setting.key.split_once('.').is_some_and(|(section, _)| section == name));
            match (name, value.get_ref()) {
                ("client", _) => parsed.clients = self.entries("client", CLIENT, value),
                ("user", _) => parsed.users = self.entries("user", USER, value),
                ("feed", _) => parsed.feeds = self.entries("feed", FEED, value),
                ("authorization_details_type", _) => parsed.details = self.entries("authorization_details_type", DETAILS, value),
                ("token_exchange", _) => parsed.exchanges = self.entries("token_exchange", EXCHANGE, value),
                ("client_attester_draft12", _) => parsed.attesters = self.entries("client_attester_draft12", ATTESTER, value),
                // The draft moves: an attester of before would be refused at each request, so it is said here.
                ("client_attester_draft10", _) => self.refuse(name, at, attester::RENAMED),
                ("credential", _) => parsed.credentials = self.entries("credential", CREDENTIAL, value),
                ("key_attester", _) => parsed.key_attesters = self.entries("key_attester", KEY_ATTESTER, value),
                ("assertion_issuer", _) => parsed.issuers = self.entries("assertion_issuer", ISSUER, value),
                ("resource", _) => parsed.resources = self.entries("resource", RESOURCE, value),
                (_, DeValue::Table(section)) if is_section => {
                    for (inner, value) in section {
                        self.setting(&format!("{name}.{}", inner.get_ref()), inner.span().start, value, &mut parsed);
                    }
                }
                _ if is_section => self.refuse(name, at, format!("is a section; write [{name}] and its keys below.")),
                // `"a.b" = 1` would be a second way to say a.b, which no check for duplicates would see.
                _ if name.contains('.') => self.refuse(shown(name), at, "is quoted as one word; write it without the quotes."),
                _ => self.setting(name, at, value, &mut parsed),
            }
        }
        parsed
    }

    fn setting(&mut self, key: &str, at: usize, value: &Spanned<DeValue<'_>>, parsed: &mut Parsed) {
        let Some(setting) = table::find(key) else {
            let near = suggestion(
                key,
                SETTINGS.iter().map(|setting| setting.key).chain([
                    "client",
                    "user",
                    "resource",
                    "feed",
                    "authorization_details_type",
                    "token_exchange",
                    "assertion_issuer",
                    "client_attester_draft12",
                    "credential",
                    "key_attester",
                ]),
            );
            return self.refuse(shown(key).trim_matches('"'), at, format!("is not a setting.{near}"));
        };
        parsed.settings.insert(setting.key, Given { raw: raw(value.get_ref()), origin: self.origin(at) });
    }

    fn entries(&mut self, name: &str, known: &'static [Field], value: &Spanned<DeValue<'_>>) -> Vec<Entry> {
        let tables = value.get_ref().as_array().filter(|items| items.iter().all(|item| item.get_ref().is_table()));
        let Some(tables) = tables else {
            self.refuse(name, value.span().start, format!("is a list of tables; write [[{name}]] and its fields below."));
            return Vec::new();
        };
        let mut entries = Vec::new();
        for (index, table) in tables.iter().enumerate() {
            let entry = format!("{name}[{}]", index + 1);
            let mut fields = BTreeMap::new();
            for (key, value) in table.get_ref().as_table().into_iter().flatten() {
                let (field, at) = (key.get_ref().as_ref(), key.span().start);
                match known.iter().find(|known| known.name == field) {
                    Some(known) => {
                        fields.insert(known.name, Given { raw: raw(value.get_ref()), origin: self.origin(at) });
                    }
                    None => {
                        let near = suggestion(field, known.iter().map(|known| known.name));
                        self.refuse(format!("{entry}.{}", shown(field).trim_matches('"')), at, format!("is not a field of {name}.{near}"));
                    }
                }
            }
            entries.push(Entry { name: entry, origin: self.origin(table.span().start), fields });
        }
        entries
    }
}

/// The value of a TOML literal, such as a default of the table.
pub fn literal(text: &str) -> Raw {
    DeValue::parse(text).map_or(Raw::Other("malformed literal"), |value| raw(value.get_ref()))
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.clone().into_owned()),
        DeValue::Boolean(truth) => Raw::Boolean(*truth),
        DeValue::Integer(number) => {
            // Beyond 128 bits only the sign still matters: every bound is smaller.
            let digits = number.as_str().replace('_', "");
            let edge = if digits.starts_with('-') { i128::MIN } else { i128::MAX };
            Raw::Integer(i128::from_str_radix(&digits, number.radix()).unwrap_or(edge).to_string())
        }
        DeValue::Array(items) => items
            .iter()
            .map(|item| item.get_ref().as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .map_or(Raw::Other("a list of something else than text"), Raw::List),
        DeValue::Float(_) => Raw::Other("a fraction"),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Table(members) => {
            Raw::Table(members.iter().map(|(name, member)| (name.get_ref().clone().into_owned(), raw(member.get_ref()))).collect())
        }
    }
}
