//! Enrichment: members that this server adds to what a client asked for. RFC 9396 §7.1.
//!
//! | Rule | Source |
//! |---|---|
//! | a type says which members are added and where they come from: a constant, a claim, what the person chooses from a list of theirs | RFC 9396 §7.1; docs/adr/0090 |
//! | a request has none of them, unless the schema names one that is chosen: then it says which of the person's values are meant | RFC 9396 §5; our own |
//! | nothing is chosen that was not offered, neither fewer nor more than the type says | our own |
//! | what is told of a person stands in the sentence that the person reads | RFC 9396 §3; our own |
//! | a token request may leave them out, or ask for fewer of what was chosen | RFC 9396 §6 |
//!
//! Out of scope: where lists come from (`account::lists`), pages.

mod declared;
mod member;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::{Map, Value};

use super::words::Words;
use super::{Details, Type, Types, refuse, type_of};
use crate::account::lists::{Entry, Lists};
use crate::error::OAuthError;
use member::{get, put, take};

/// Bytes of details that were enriched: they go into access tokens, and so into headers.
pub const LONGEST: usize = 8192;
/// What one request may ask of a person.
pub const MOST_QUESTIONS: usize = 16;
/// What a type adds, in the order of its members.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Enrichment(Vec<Addition>);

#[derive(Clone, Debug, PartialEq)]
struct Addition {
    /// Names, outermost first.
    path: Vec<String>,
    source: Source,
}

#[derive(Clone, Debug, PartialEq)]
enum Source {
    Constant(Value),
    /// A standard claim of the person; a person without it has no such member.
    Claim(String),
    Chosen(Choice),
}

/// What a person is asked.
#[derive(Clone, Debug, PartialEq)]
struct Choice {
    list: String,
    words: Words,
    /// The member is the one value that was chosen, and no array.
    one: bool,
    least: usize,
    most: usize,
    /// A request may have the member.
    named: bool,
}

/// What this server knows of a person.
pub struct Person<'a> {
    pub claims: &'a Map<String, Value>,
    pub lists: &'a Lists,
}

/// A question to a person, as a page asks it.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// What the person reads.
    pub words: String,
    /// The same as the operator wrote it, without what is particular.
    pub sentence: String,
    pub one: bool,
    pub least: usize,
    pub most: usize,
    pub offered: Vec<Entry>,
}

/// What the forms of a person say: ids of entries, by the number of the question.
pub type Picked = BTreeMap<usize, BTreeSet<String>>;

/// Why nothing comes of what was picked.
#[derive(Debug)]
pub enum Unfit {
    TooFew { question: usize, least: usize },
    TooMany { question: usize, most: usize },
    Refused(OAuthError),
}

impl From<OAuthError> for Unfit {
    fn from(error: OAuthError) -> Self {
        Self::Refused(error)
    }
}

impl From<Unfit> for OAuthError {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Refused(error) => error,
            _ => Self::invalid_request("fewer or more chosen than the type says").saying("Go back and load the page again."),
        }
    }
}

impl Enrichment {
    /// Is there a part that only a person can give?
    fn is_personal(&self) -> bool {
        self.0.iter().any(|own| !matches!(own.source, Source::Constant(_)))
    }

    /// Does a claim of the person go into it?
    fn has_claims(&self) -> bool {
        self.0.iter().any(|own| matches!(own.source, Source::Claim(_)))
    }

    /// The members that a schema has nothing to say of: in a request those that are added, in what was `granted` all that holds one, which
    /// is compared with what a schema has seen before ([`Self::narrow`]).
    pub(super) fn apart(&self, granted: bool) -> Vec<Vec<&str>> {
        let apart = self.0.iter().filter(|own| granted || !own.is_named());
        let depth = if granted { 1 } else { usize::MAX };
        apart.map(|own| own.path.iter().take(depth).map(String::as_str).collect()).collect()
    }

    /// May a request have what it has of these members?
    ///
    /// # Errors
    /// Which it may not.
    pub(super) fn check(&self, asked: &Map<String, Value>) -> Result<(), String> {
        for own in &self.0 {
            let name = own.path.join(".");
            match (own.source.choice(), get(asked, &own.path)) {
                (_, Err(())) => return Err(format!("{name} would stand in something that is no object.")),
                (_, Ok(Some(_))) if !own.is_named() => return Err(format!("{name} is added here, and no request has it.")),
                (Some(choice), Ok(Some(value))) if !choice.one && !value.is_array() => return Err(format!("{name} is not an array.")),
                _ => {}
            }
        }
        Ok(())
    }

    /// The choices that one of its objects leaves to the person.
    fn choices<'a>(&'a self, asked: &'a Map<String, Value>) -> impl Iterator<Item = (&'a Addition, &'a Choice, Option<&'a Value>)> {
        self.0.iter().filter_map(|own| {
            let stated = get(asked, &own.path).ok().flatten();
            let choice = own.source.choice()?;
            // What a client may ask for and does not, it does not want. One value is part of the thing, and always wanted.
            let is_wanted = choice.one || !choice.named || stated.is_some();
            is_wanted.then_some((own, choice, stated))
        })
    }

    /// What a token gets of one object that was granted, if it is asked for nothing else: the same with what was added, or fewer of what
    /// was chosen (RFC 9396 §6).
    pub(super) fn narrow(&self, asked: &Map<String, Value>, granted: &Map<String, Value>) -> Option<Map<String, Value>> {
        let (mut rest, mut own) = (asked.clone(), granted.clone());
        let mut added = Vec::new();
        for addition in &self.0 {
            let (wish, has) = (take(&mut rest, &addition.path), take(&mut own, &addition.path));
            let value = match (wish, has) {
                (None, has) => has,
                (Some(wish), Some(has)) if wish == has => Some(has),
                (Some(Value::Array(wish)), Some(Value::Array(has))) if addition.source.choice().is_some_and(|choice| !choice.one) => {
                    // An empty list leaves it to the person, as it did in the request.
                    let chosen = if wish.is_empty() { has } else { wish.iter().all(|one| has.contains(one)).then_some(wish)? };
                    Some(Value::Array(chosen))
                }
                _ => return None,
            };
            added.extend(value.map(|value| (&addition.path, value)));
        }
        if !super::is_within(&rest, &own) {
            return None;
        }
        added.into_iter().try_for_each(|(path, value)| put(&mut rest, path, value)).ok()?;
        Some(rest)
    }
}

impl Addition {
    fn is_named(&self) -> bool {
        self.source.choice().is_some_and(|choice| choice.named)
    }
}

impl Source {
    fn choice(&self) -> Option<&Choice> {
        match self {
            Self::Chosen(choice) => Some(choice),
            _ => None,
        }
    }
}

impl Choice {
    /// What is there to choose, where a request may have said what it means.
    fn offered<'a>(&'a self, stated: Option<&'a Value>, lists: &'a Lists) -> impl Iterator<Item = &'a Entry> {
        let is_meant = move |entry: &&Entry| match stated {
            None => true,
            Some(Value::Array(meant)) if !self.one => meant.is_empty() || meant.contains(&entry.value),
            Some(meant) => *meant == entry.value,
        };
        lists.get(&self.list).iter().filter(is_meant)
    }

    /// The values of what was picked, in the order of the list.
    fn take(&self, question: usize, offered: &[&Entry], picked: Option<&BTreeSet<String>>) -> Result<Value, Unfit> {
        let chosen: Vec<&Value> =
            offered.iter().filter(|entry| picked.is_some_and(|ids| ids.contains(&entry.id()))).map(|entry| &entry.value).collect();
        // A form that names what was not offered is none of ours, or the list is another by now.
        if chosen.len() < picked.map_or(0, BTreeSet::len) {
            return Err(not_offered().into());
        }
        match chosen.as_slice() {
            few if few.len() < self.least => Err(Unfit::TooFew { question, least: self.least }),
            many if many.len() > self.most => Err(Unfit::TooMany { question, most: self.most }),
            [one] if self.one => Ok((*one).clone()),
            all => Ok(Value::Array(all.iter().copied().cloned().collect())),
        }
    }
}

fn not_offered() -> OAuthError {
    OAuthError::invalid_request("a choice that was not offered")
        .saying("What was chosen is not among what was offered. Go back and load the page again.")
}

impl Types {
    fn enrichment_of(&self, one: &Map<String, Value>) -> Option<&Enrichment> {
        self.declared.get(type_of(one)).map(|kind: &Type| &kind.enrichment)
    }

    /// What the person has to be asked about details, in this order.
    pub fn questions(&self, details: &Details, lists: &Lists) -> Vec<Question> {
        let of_one = |one| self.enrichment_of(one).into_iter().flat_map(move |own| own.choices(one).map(move |asked| (one, asked)));
        let question = |(one, (_, choice, stated)): (&Map<String, Value>, (&Addition, &Choice, Option<&Value>))| Question {
            words: choice.words.say(one),
            sentence: choice.words.text().into(),
            one: choice.one,
            least: choice.least,
            most: choice.most,
            offered: choice.offered(stated, lists).cloned().collect(),
        };
        details.0.iter().flat_map(of_one).map(question).collect()
    }

    /// Does a claim of the person go into them?
    pub fn tell_claims(&self, details: &Details) -> bool {
        details.0.iter().filter_map(|one| self.enrichment_of(one)).any(Enrichment::has_claims)
    }

    /// The members that the person chooses, by type: all that stands in the log in clear of a choice.
    pub fn chosen(&self, details: &Details) -> BTreeMap<String, BTreeSet<String>> {
        let mut all = BTreeMap::<String, BTreeSet<String>>::new();
        for one in &details.0 {
            let choices = self.enrichment_of(one).into_iter().flat_map(|own| own.choices(one));
            let members: Vec<String> = choices.map(|(own, _, _)| own.path.join(".")).collect();
            if !members.is_empty() {
                all.entry(type_of(one).to_string()).or_default().extend(members);
            }
        }
        all
    }

    /// Details with everything that is known before the person chooses: what the sentences on the page are about.
    ///
    /// # Errors
    /// `invalid_authorization_details` when they become too long.
    pub fn before_choice(&self, details: &Details, claims: &Map<String, Value>) -> Result<Details, OAuthError> {
        let known = |_: usize, source: &Source, _: Option<&Value>| Ok::<_, OAuthError>(known(source, claims));
        self.add(details, known)
    }

    /// Details as they are granted (RFC 9396 §7.1).
    ///
    /// # Errors
    /// Fewer or more chosen than the type says, or what was not offered.
    pub fn enrich(&self, details: &Details, person: &Person<'_>, picked: &Picked) -> Result<Details, Unfit> {
        // An answer to a question that nobody asked comes from no page of ours, whatever else is right or wrong with it.
        let asked = self.count_questions(details);
        if picked.keys().any(|question| *question >= asked) {
            return Err(not_offered().into());
        }
        self.add(details, |question, source, stated| match source {
            Source::Chosen(choice) => {
                let offered: Vec<&Entry> = choice.offered(stated, person.lists).collect();
                choice.take(question, &offered, picked.get(&question)).map(Some)
            }
            source => Ok(known(source, person.claims)),
        })
    }

    /// Details that a client is granted for itself: there is nobody to choose, or to tell of.
    ///
    /// # Errors
    /// `invalid_authorization_details` for a type that is about a person.
    pub fn enrich_for_client(&self, details: Details) -> Result<Details, OAuthError> {
        let details = details.without_credentials()?;
        if details.0.iter().filter_map(|one| self.enrichment_of(one)).any(Enrichment::is_personal) {
            return Err(refuse("A type in authorization_details is about a person, and here is none."));
        }
        self.before_choice(&details, &Map::new())
    }

    /// `value` says what each member becomes, with the number of the question that it is, and what the request has of it.
    fn add<E: From<OAuthError>>(
        &self,
        details: &Details,
        mut value: impl FnMut(usize, &Source, Option<&Value>) -> Result<Option<Value>, E>,
    ) -> Result<Details, E> {
        let mut question = 0;
        let mut all = details.0.clone();
        for one in &mut all {
            let asked = one.clone();
            let Some(enrichment) = self.enrichment_of(&asked) else { continue };
            let wanted: Vec<&Addition> = enrichment.choices(&asked).map(|(own, _, _)| own).collect();
            for own in &enrichment.0 {
                let is_choice = own.source.choice().is_some();
                if is_choice && !wanted.contains(&own) {
                    continue;
                }
                let added = value(question, &own.source, get(&asked, &own.path).ok().flatten())?;
                question += usize::from(is_choice);
                let added = added.map(|added| put(one, &own.path, added)).transpose();
                added.map_err(|()| refuse(format!("{} would stand in something that is no object.", own.path.join("."))))?;
            }
        }
        let enriched = Details(all);
        // What was only asked for is bounded where it came in.
        if enriched != *details && enriched.text().len() > LONGEST {
            return Err(refuse("authorization_details become longer than 8192 bytes.").into());
        }
        Ok(enriched)
    }

    fn count_questions(&self, details: &Details) -> usize {
        details.0.iter().filter_map(|one| Some(self.enrichment_of(one)?.choices(one).count())).sum()
    }

    /// # Errors
    /// `invalid_authorization_details` for more than a person can be asked on one page.
    pub(super) fn check_questions(&self, details: &Details) -> Result<(), OAuthError> {
        if self.count_questions(details) > MOST_QUESTIONS {
            return Err(refuse("authorization_details leave more than 16 choices to the person."));
        }
        Ok(())
    }
}

/// What needs no choice.
fn known(source: &Source, claims: &Map<String, Value>) -> Option<Value> {
    match source {
        Source::Constant(value) => Some(value.clone()),
        Source::Claim(name) => claims.get(name).cloned(),
        Source::Chosen(_) => None,
    }
}

#[cfg(test)]
mod tests;
