//! From typed to checked: each kind of the table has one function that says what a value must look like.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::file::{Entry, literal};
use super::given::{Given, Raw};
use super::nearest::suggestion;
use super::problem::{Origin, Problem, shown};
use super::secret::{self, Secret};
use super::table::{self, Kind};
use super::value::{self, Rate};

/// A secret with the file it was read from: the one of `file:`, or the TOML file that holds it.
pub struct Found {
    pub secret: Secret,
    pub stored_in: Option<PathBuf>,
}

/// Reads settings by key and gathers the problems. After a problem the default is returned, so that all the rest is checked too.
pub struct Reader {
    given: BTreeMap<&'static str, Given>,
    pub problems: Vec<Problem>,
    places: BTreeMap<String, Origin>,
    #[cfg(test)]
    pub asked: std::collections::BTreeSet<&'static str>,
}

impl Reader {
    pub fn new(given: BTreeMap<&'static str, Given>, problems: Vec<Problem>) -> Self {
        Self {
            given,
            problems,
            places: BTreeMap::new(),
            #[cfg(test)]
            asked: std::collections::BTreeSet::new(),
        }
    }

    pub fn origin(&self, key: &str) -> Origin {
        self.given.get(key).map_or(Origin::Default, |given| given.origin.clone())
    }

    pub fn refuse(&mut self, key: &str, sentence: impl Into<String>) {
        let problem = Problem { key: key.to_owned(), origin: self.origin(key), sentence: sentence.into() };
        self.problems.push(problem);
    }

    /// Checks the given value, else the default, with `check`. `None`: there is neither, or the table has no such key.
    fn read<T>(&mut self, key: &'static str, check: impl Fn(Kind, &Raw) -> Result<T, String>) -> Option<T> {
        let setting = table::find(key)?;
        #[cfg(test)]
        self.asked.insert(setting.key);
        if let Some(given) = self.given.get(key) {
            match check(setting.kind, &given.raw) {
                Ok(value) => return Some(value),
                Err(sentence) => self.refuse(key, sentence),
            }
        }
        if setting.default.is_empty() { None } else { check(setting.kind, &literal(setting.default)).ok() }
    }

    pub fn text(&mut self, key: &'static str) -> Option<String> {
        self.read(key, text)
    }

    pub fn list<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        self.read(key, |kind, raw| list(kind, raw)?.iter().map(|item| parse(item)).collect()).unwrap_or_default()
    }

    pub fn boolean(&mut self, key: &'static str) -> bool {
        self.read(key, boolean).unwrap_or_default()
    }

    pub fn integer(&mut self, key: &'static str) -> u64 {
        self.read(key, integer).unwrap_or_default()
    }

    /// An integer whose bounds in the table fit the type.
    pub fn small<T: TryFrom<u64> + Default>(&mut self, key: &'static str) -> T {
        T::try_from(self.integer(key)).unwrap_or_default()
    }

    pub fn duration(&mut self, key: &'static str) -> Duration {
        self.read(key, duration).unwrap_or_default()
    }

    pub fn rate(&mut self, key: &'static str) -> Option<Rate> {
        self.read(key, |kind, raw| value::rate(&text(kind, raw)?)).flatten()
    }

    pub fn choice(&mut self, key: &'static str) -> Option<&'static str> {
        self.read(key, choice)
    }

    /// A secret in its checked form, with the file that holds it.
    pub fn parsed<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<(T, Option<PathBuf>)> {
        let found = self.secret(key)?;
        match parse(found.secret.expose()) {
            Ok(value) => Some((value, found.stored_in)),
            Err(sentence) => {
                self.refuse(key, sentence);
                None
            }
        }
    }

    /// Remembers where declared entries and their fields stand, for problems that only the mode makes.
    pub fn place(&mut self, clients: &[Entry], users: &[Entry]) {
        for entry in clients.iter().chain(users) {
            self.places.insert(entry.name.clone(), entry.origin.clone());
            for (field, given) in &entry.fields {
                self.places.insert(format!("{}.{field}", entry.name), given.origin.clone());
            }
        }
    }

    /// Refuses a field of the entry with this index; an empty field means the whole entry.
    pub fn refuse_entry(&mut self, kind: &str, index: usize, field: &str, sentence: String) {
        let key = if field.is_empty() { format!("{kind}[{}]", index + 1) } else { format!("{kind}[{}].{field}", index + 1) };
        let origin = self.places.get(&key).cloned().unwrap_or(Origin::Default);
        self.problems.push(Problem { key, origin, sentence });
    }

    pub fn secret(&mut self, key: &'static str) -> Option<Found> {
        let origin = self.origin(key);
        self.read(key, |kind, raw| found(kind, raw, &origin))
    }
}

/// Text without control characters.
pub fn text(_: Kind, raw: &Raw) -> Result<String, String> {
    let text = single(raw)?;
    if text.trim().is_empty() {
        return Err("is empty; remove it or give it a value.".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("holds a control character (a line end, tab or NUL); remove it.".to_owned());
    }
    Ok(text.to_owned())
}

/// JSON, which may stand on several lines.
pub fn lines(_: Kind, raw: &Raw) -> Result<String, String> {
    let text = single(raw)?;
    if text.trim().is_empty() {
        return Err("is empty; remove it or give it a value.".to_owned());
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err("holds a control character such as NUL; remove it.".to_owned());
    }
    Ok(text.to_owned())
}

/// A secret, read from its file if it names one. Line ends may stand in it, as in PEM; NUL never.
pub fn found(_: Kind, raw: &Raw, origin: &Origin) -> Result<Found, String> {
    let text = single(raw)?;
    let (secret, file) = secret::resolve(text.trim())?;
    if secret.expose().is_empty() {
        return Err("is empty; remove it or give it a value.".to_owned());
    }
    if secret.expose().chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err("holds a control character such as NUL; remove it.".to_owned());
    }
    let stored_in = file.or_else(|| if let Origin::File { path, .. } = origin { Some(path.clone()) } else { None });
    Ok(Found { secret, stored_in })
}

fn single(raw: &Raw) -> Result<&str, String> {
    match raw {
        Raw::Text(text) => Ok(text),
        other => Err(format!("is {}; write text in quotes.", named(other))),
    }
}

/// A list of texts; flags and environment separate them with commas.
pub fn list(kind: Kind, raw: &Raw) -> Result<Vec<String>, String> {
    let items: Vec<String> = match raw {
        Raw::List(items) => items.clone(),
        Raw::Text(text) => text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect(),
        other => return Err(format!("is {}; write a list such as [\"one\", \"two\"].", named(other))),
    };
    items.into_iter().map(|item| text(kind, &Raw::Text(item))).collect()
}

pub fn boolean(_: Kind, raw: &Raw) -> Result<bool, String> {
    match raw {
        Raw::Boolean(truth) => Ok(*truth),
        Raw::Text(text) => match text.as_str() {
            "1" | "true" | "yes" | "on" => Ok(true),
            "0" | "false" | "no" | "off" => Ok(false),
            _ => Err(format!("{} is neither true nor false; write true, false, 1 or 0.", shown(text))),
        },
        other => Err(format!("is {}; write true or false.", named(other))),
    }
}

pub fn integer(kind: Kind, raw: &Raw) -> Result<u64, String> {
    let digits = match raw {
        Raw::Integer(digits) => digits,
        Raw::Text(text) => text,
        other => return Err(format!("is {}; write a whole number.", named(other))),
    };
    let (min, max) = if let Kind::Integer { min, max } = kind { (min, max) } else { (0, u64::MAX) };
    let magnitude = digits.strip_prefix('-').unwrap_or(digits);
    if magnitude.is_empty() || !magnitude.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("{} is not a whole number; write {min} to {max}.", shown(digits)));
    }
    match digits.parse::<u64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(format!("{} is out of bounds; write {min} to {max}.", shown(digits))),
    }
}

pub fn duration(kind: Kind, raw: &Raw) -> Result<Duration, String> {
    let typed = match raw {
        Raw::Integer(digits) => digits,
        Raw::Text(text) => text,
        other => return Err(format!("is {}; write seconds, or \"90s\", \"10m\", \"1h\", \"14d\".", named(other))),
    };
    let seconds = value::duration(typed)?;
    let (min, max) = if let Kind::Duration { min, max } = kind { (min, max) } else { (0, u64::MAX) };
    if !(min..=max).contains(&seconds) {
        return Err(format!("{} is out of bounds; write {min}s to {max}s.", shown(typed)));
    }
    Ok(Duration::from_secs(seconds))
}

pub fn choice(kind: Kind, raw: &Raw) -> Result<&'static str, String> {
    let text = single(raw)?;
    let choices = if let Kind::Choice(choices) = kind { choices } else { &[] };
    choices.iter().find(|choice| **choice == text).copied().ok_or_else(|| {
        let near = suggestion(text, choices.iter().copied());
        format!("{} is not one of {}.{near}", shown(text), choices.join(", "))
    })
}

fn named(raw: &Raw) -> &'static str {
    match raw {
        Raw::Text(_) => "text",
        Raw::Integer(_) => "a number",
        Raw::Boolean(_) => "true or false",
        Raw::List(_) => "a list",
        Raw::Table(_) => "a table",
        Raw::Other(name) => name,
    }
}
