//! The choices of a consent page: questions on their way out, answers on their way in (RFC 9396 §7.1).

use chancery_core::details::enrichment::{Picked, Unfit};
use chancery_core::error::OAuthError;

use crate::app::details::Offered;
use crate::http::params::Params;
use crate::pages::choice::{Choice, FIELDS};
use crate::pages::{Problem, Text};

/// What stands before the number of a question.
const PREFIX: &str = "choice-";

/// What was chosen until now, and what is wrong with it.
#[derive(Default)]
pub(super) struct Chosen {
    pub picked: Picked,
    pub problems: Vec<Problem>,
}

impl Chosen {
    /// What a form says. What names no question of ours is kept under a number that none has, so that it is refused, not passed over.
    pub fn of(form: &Params) -> Self {
        let mut picked = Picked::new();
        for (name, values) in form.iter() {
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            let (number, id) = match rest.split_once('.') {
                Some((number, id)) => (number, id),
                None => (rest, values.first().map(String::as_str).unwrap_or_default()),
            };
            let number = number.parse().unwrap_or(usize::MAX);
            picked.entry(number).or_default().insert(id.to_owned());
        }
        Self { picked, problems: Vec::new() }
    }

    /// Something that the person can put right; everything else is a refusal.
    ///
    /// # Errors
    /// The refusal.
    pub fn wrong(mut self, unfit: Unfit) -> Result<Self, OAuthError> {
        let field = |question: usize| FIELDS.get(question).copied().ok_or_else(|| OAuthError::invalid_request("a question too many"));
        self.problems.push(match unfit {
            Unfit::TooFew { question, least } => Problem::NotChosen { field: field(question)?, least },
            Unfit::TooMany { question, most } => Problem::TooManyChosen { field: field(question)?, most },
            Unfit::Refused(error) => return Err(error),
        });
        Ok(self)
    }

    /// The questions, as a page asks them.
    pub fn shown(&self, offered: &Offered, text: &Text) -> Vec<Choice> {
        // Whoever sent a form and chose nothing has chosen nothing.
        let none = Default::default();
        let picked = |number: usize| self.picked.get(&number).or((!self.problems.is_empty()).then_some(&none));
        let numbered = FIELDS.iter().zip(&offered.questions).enumerate();
        numbered.map(|(number, (field, question))| Choice::new(field, question, picked(number), &self.problems, text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_what_was_chosen_and_nothing_of_it_is_passed_over() {
        let form =
            Params::parse(b"choice-0=a&choice-1.b=on&choice-1.c=on&decision=allow&choice-x=d&choice-99999999999999999999=e&other-2=f")
                .unwrap();
        let picked = Chosen::of(&form).picked;
        let ids = |number: usize| picked.get(&number).into_iter().flatten().map(String::as_str).collect::<Vec<_>>();
        assert_eq!((ids(0), ids(1), ids(usize::MAX)), (vec!["a"], vec!["b", "c"], vec!["d", "e"]));
        assert_eq!(picked.len(), 3);
    }
}
