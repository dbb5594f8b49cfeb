//! The pages for auditors.

use super::{Rendered, Samples};
use crate::pages::audit::{
    Ask, CheckLine, EventPage, Line, Near, PersonalFact, Proof, StoryPage, StreamPage, Timeline, TokenPage, VerdictView, near,
};
use crate::pages::{Page, Template, Text};

impl Samples<'_> {
    pub(super) fn audit(&self) -> Vec<Rendered> {
        let page = Page { text: Text::for_locales("en"), ..self.page.clone() };
        let near = || Near { label: "person", text: self.say("01a1fc15"), href: near::filtered("subject", "01a1fc15") };
        let line = |position| Line {
            position,
            at: "2026-03-14T09:26:53.123Z".to_owned(),
            sentence: self.say("The client redeemed the code and got tokens."),
            kind: "CodeRedeemed".to_owned(),
            near: vec![near(), Near::event(3)],
        };
        let auditor = self.say("auditor@example.org");
        let ask = || Ask::text("as_of", "As of", Some(&self.say("1733"))).hinted("A position, or a time");
        let facts = || vec![("Issued", self.say("2026-03-14 09:26:53 UTC"))];
        let timeline = Timeline {
            page: page.clone(),
            auditor: auditor.clone(),
            fields: vec![Ask::text("client", "Client", Some(&self.say("demo"))), ask()],
            lines: vec![line(17), line(16)],
            older: Some("/admin/audit?until=16".to_owned()),
            indexed: 18,
            problem: Some(self.say("There is no account with this e-mail address.")),
        };
        let event = EventPage {
            page: page.clone(),
            auditor: auditor.clone(),
            line: line(17),
            facts: facts(),
            personal: vec![PersonalFact { field: self.say("context"), shown: self.say("erased") }],
            data: self.say("{}"),
            leaf: self.say("{}"),
            proof: Proof {
                leaf_hash: "2jmj7l5rSw0yVb/vlWAYkK/YBwk=".to_owned(),
                size: 18,
                root: "2jmj7l5rSw0yVb/vlWAYkK/YBwk=".to_owned(),
                hashes: vec!["2jmj7l5rSw0yVb/vlWAYkK/YBwk=".to_owned()],
                checkpoint: Some(self.say("localhost:3000/oidc\n18\n")),
            },
            newer: Some("/admin/audit/events/18".to_owned()),
            older: Some("/admin/audit/events/16".to_owned()),
        };
        let stream = StreamPage {
            page: page.clone(),
            auditor: auditor.clone(),
            stream: self.say("grant-01a1fc16"),
            as_of: ask(),
            facts: facts(),
            state: Some(self.say("{}")),
            problem: None,
            events: near::filtered("stream", "grant-01a1fc16"),
        };
        let checks = [true, false].map(|alive| CheckLine {
            what: "grant".to_owned(),
            alive,
            said: self.say("its grant had ended"),
            event: Some(Near::event(17)),
        });
        let verdict = VerdictView {
            active: false,
            why: self.say("It was not active: its grant had ended."),
            facts: facts(),
            checks: checks.into(),
            near: vec![near()],
        };
        let token = TokenPage {
            page: page.clone(),
            auditor: auditor.clone(),
            csrf: "csrf-1".to_owned(),
            fields: vec![ask()],
            problem: None,
            verdict: Some(verdict),
        };
        let story = StoryPage {
            page,
            auditor,
            kind: "Access token".to_owned(),
            token: self.say("fyeP5jZvqQnjx_MD3ItLB1h81CsMe_NIKyRBd2hWiIM"),
            facts: facts(),
            near: vec![near()],
            lines: vec![line(16), line(17)],
            in_force: facts(),
            more: true,
        };
        vec![
            ("audit-timeline", timeline.render()),
            ("audit-event", event.render()),
            ("audit-stream", stream.render()),
            ("audit-token", token.render()),
            ("audit-story", story.render()),
        ]
    }
}
