//! One labelled input of a form, with its hint and its error tied to it for screen readers.

use super::problem::Problem;
use super::text::Text;

/// Name and id are the same, so that an error can link to it.
pub struct Field {
    pub name: &'static str,
    pub label: &'static str,
    /// `type` of the input.
    pub kind: &'static str,
    /// WCAG 2.2 §1.3.5; what password managers go by.
    pub autocomplete: &'static str,
    /// Always empty for a password: it is never sent back.
    pub value: String,
    pub hint: Option<String>,
    pub error: Option<String>,
    pub min_length: Option<usize>,
    pub autofocus: bool,
    pub required: bool,
    /// Takes several lines.
    pub lines: bool,
}

impl Field {
    /// An empty field without hint, with what is wrong with it taken from `problems`.
    pub fn new(name: &'static str, label: &'static str, problems: &[Problem], text: &Text) -> Self {
        let error = problems.iter().find(|problem| problem.field() == Some(name)).map(|problem| text.problem(problem));
        Self {
            name,
            label,
            kind: "text",
            autocomplete: "off",
            value: String::new(),
            hint: None,
            error,
            min_length: None,
            autofocus: false,
            required: true,
            lines: false,
        }
    }

    /// Ids of hint and error for `aria-describedby`.
    pub fn described_by(&self) -> Option<String> {
        let hint = self.hint.is_some().then(|| format!("{}-hint", self.name));
        let error = self.error.is_some().then(|| format!("{}-error", self.name));
        match (hint, error) {
            (Some(hint), Some(error)) => Some(format!("{hint} {error}")),
            (hint, error) => hint.or(error),
        }
    }

    /// Whether the keyboard of a phone should show `@` and leave the spelling alone.
    pub fn is_address(&self) -> bool {
        matches!(self.autocomplete, "username" | "email")
    }
}
