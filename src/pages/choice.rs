//! What authorization details leave to the person (RFC 9396 §7.1): radio buttons for one, boxes for several; no JavaScript.
//!
//! | Rule | Source |
//! |---|---|
//! | the question is the legend of its group, the hint and the error are tied to it | WCAG 2.2 §1.3.1, §3.3.1, §3.3.2 |
//! | what was chosen stays when something is wrong | WCAG 2.2 §3.3.7 |
//! | nothing is chosen beforehand, unless there is only one thing that can be | our own |
//!
//! Out of scope: what is offered and what may be chosen (`chancery_core::details::enrichment`).

use std::collections::BTreeSet;

use chancery_core::details::enrichment::{MOST_QUESTIONS, Question};

use super::problem::Problem;
use super::text::Text;

/// Names of the groups: each is the id of its group too, so that an error can link to it.
pub const FIELDS: [&str; MOST_QUESTIONS] = [
    "choice-0",
    "choice-1",
    "choice-2",
    "choice-3",
    "choice-4",
    "choice-5",
    "choice-6",
    "choice-7",
    "choice-8",
    "choice-9",
    "choice-10",
    "choice-11",
    "choice-12",
    "choice-13",
    "choice-14",
    "choice-15",
];

/// Radio buttons send `FIELD=ID`, boxes `FIELD.ID=on`: no name comes twice.
pub struct Choice {
    pub field: &'static str,
    /// What the person reads.
    pub words: String,
    /// The same as the operator wrote it, without what is particular.
    pub sentence: String,
    pub one: bool,
    pub hint: String,
    pub offers: Vec<Offer>,
    pub error: Option<String>,
    /// Enough is offered.
    pub is_possible: bool,
}

/// One thing to choose.
pub struct Offer {
    pub id: String,
    pub label: String,
    pub is_chosen: bool,
}

impl Choice {
    /// A question with what was chosen until now, and what is wrong with that.
    pub fn new(field: &'static str, question: &Question, picked: Option<&BTreeSet<String>>, problems: &[Problem], text: &Text) -> Self {
        let Question { one, least, most, .. } = *question;
        let there = question.offered.len();
        let only = picked.is_none() && there == 1 && least == 1;
        let offer = |entry: &chancery_core::account::lists::Entry| {
            let id = entry.id();
            Offer { is_chosen: only || picked.is_some_and(|ids| ids.contains(&id)), id, label: entry.label.clone() }
        };
        Self {
            field,
            words: question.words.clone(),
            sentence: question.sentence.clone(),
            one,
            hint: if there == 0 {
                text.nothing_to_choose.to_owned()
            } else {
                text.choose_hint(least, Some(most).filter(|most| *most < there || one))
            },
            offers: question.offered.iter().map(offer).collect(),
            error: problems.iter().find(|problem| problem.field() == Some(field)).map(|problem| text.problem(problem)),
            is_possible: there >= least,
        }
    }

    /// What an offer is called in the form.
    pub fn name(&self, offer: &Offer) -> String {
        if self.one { self.field.to_owned() } else { format!("{}.{}", self.field, offer.id) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_core::account::lists::Entry;

    #[test]
    fn the_only_thing_is_chosen_and_nothing_else_is() {
        let entry = |label: &str| Entry { label: label.to_owned(), value: label.into() };
        let question = |offered: &[&str], least| Question {
            words: "Which?".into(),
            sentence: "Which?".into(),
            one: false,
            least,
            most: 8,
            offered: offered.iter().map(|label| entry(label)).collect(),
        };
        let text = super::super::text::LANGUAGES[0];
        let shown = |question: &Question, picked: Option<&BTreeSet<String>>| {
            Choice::new(FIELDS[0], question, picked, &[], text).offers.iter().map(|offer| offer.is_chosen).collect::<Vec<_>>()
        };
        assert_eq!(shown(&question(&["a"], 1), None), [true]);
        assert_eq!(shown(&question(&["a"], 0), None), [false]);
        assert_eq!(shown(&question(&["a", "b"], 1), None), [false, false]);
        assert_eq!(shown(&question(&["a", "b"], 1), Some(&[entry("b").id()].into())), [false, true]);
        assert_eq!(shown(&question(&["a"], 1), Some(&BTreeSet::new())), [false], "the person took it back");
        assert!(!Choice::new(FIELDS[0], &question(&[], 1), None, &[], text).is_possible);
    }
}
