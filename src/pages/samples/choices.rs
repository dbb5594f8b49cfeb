//! Choices that authorization details leave to a person: one, and several with something wrong.

use chancery_core::account::lists::Entry;
use chancery_core::details::enrichment::Question;

use super::Samples;
use crate::pages::choice::{Choice, FIELDS};
use crate::pages::{Consent, Problem};

impl Samples<'_> {
    pub(super) fn choices(&self, problems: &[Problem]) -> Vec<Choice> {
        let entry = |label: &str| Entry { label: self.say(label), value: label.into() };
        let question = |words: &str, sentence: &str, one, offered: &[&str]| Question {
            words: self.say(words),
            sentence: self.say(sentence),
            one,
            least: 1,
            most: if one { 1 } else { 2 },
            offered: offered.iter().map(|label| entry(label)).collect(),
        };
        let accounts = ["Current account, DE40 1001 0010 3307 1186 08", "Savings, DE02 1203 0000 0000 2020 51"];
        let from = question("From which account?", "From which account?", true, &accounts);
        let years = question("Which statements of Ann?", "Which statements of {name}?", false, &["2024", "2025", "2026"]);
        [from, years].iter().zip(FIELDS).map(|(own, field)| Choice::new(field, own, None, problems, self.page.text)).collect()
    }

    /// A consent that was sent back because too little and too much was chosen.
    pub(super) fn consent_unfit(&self) -> Consent {
        let problems = vec![Problem::NotChosen { field: FIELDS[0], least: 1 }, Problem::TooManyChosen { field: FIELDS[1], most: 2 }];
        Consent { choices: self.choices(&problems), problems, ..self.consent() }
    }

    /// A consent that cannot be given: there is nothing to choose from.
    pub(super) fn consent_without_choice(&self) -> Consent {
        let question = Question {
            words: self.say("From which account?"),
            sentence: self.say("From which account?"),
            one: true,
            least: 1,
            most: 1,
            offered: Vec::new(),
        };
        Consent { choices: vec![Choice::new(FIELDS[0], &question, None, &[], self.page.text)], ..self.consent() }
    }
}
