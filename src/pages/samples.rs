//! One example of each page, and more where a page has several faces. Every text that others supply goes through `dress`,
//! so that a test can put anything into all of them at once.

use chancery_core::account::claims::{By, Claims};

use super::demo::{Claim, DemoResult, DemoStart, RollEvent, Token};
use super::home::{Person, SignIn};
use super::text::account::Done;
use super::web_message::WebMessage;
use super::{
    Choose, Consent, Detail, ErrorPage, FormPost, Home, Link, LoggedOut, Login, Logout, Page, Problem, Register, Somebody, Template, Text,
    Trouble, account,
};
use super::{backchannel, device};
use crate::app::history::What;

mod audit;
mod choices;

/// Name and HTML of every sample.
pub fn all(locales: &str, dress: &dyn Fn(&str) -> String) -> Vec<(String, String)> {
    let samples = Samples { page: page(locales), dress };
    let mut pages = samples.forms();
    pages.extend(samples.readings());
    pages.extend(samples.audit());
    pages.into_iter().map(|(name, html)| (name.to_owned(), html.unwrap())).chain(samples.troubles()).collect()
}

pub fn plain(locales: &str) -> Vec<(String, String)> {
    all(locales, &str::to_owned)
}

pub fn page(locales: &str) -> Page {
    Page { text: Text::for_locales(locales), host: "localhost:3000".to_owned(), development: true }
}

pub fn consent() -> Consent {
    Samples { page: page("en"), dress: &str::to_owned }.consent()
}

pub fn web_message() -> WebMessage {
    Samples { page: page("en"), dress: &str::to_owned }.web_message()
}

pub fn form_post() -> FormPost {
    Samples { page: page("en"), dress: &str::to_owned }.form_post()
}

type Rendered = (&'static str, askama::Result<String>);

struct Samples<'a> {
    page: Page,
    dress: &'a dyn Fn(&str) -> String,
}

impl Samples<'_> {
    fn say(&self, text: &str) -> String {
        (self.dress)(text)
    }

    // White space and control characters are no part of an address; `Link` refuses them.
    fn link(&self, address: &str) -> Link {
        let dressed: String = self.say(address).chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
        Link::web(&dressed).unwrap()
    }

    fn forms(&self) -> Vec<Rendered> {
        let all_wrong = vec![Problem::NameTooLong { max: 100 }, Problem::EmailInvalid, Problem::PasswordTooShort { min: 12 }];
        let plain_consent = Consent { logo: None, policy_uri: None, tos_uri: None, ..self.consent() };
        let calls_itself = Some(self.say("Meadow Calendar"));
        let stranger = Consent { client: self.say("meadow.example"), calls_itself, logo: None, ..self.consent() };
        let mut pages = vec![
            ("login", self.login(Vec::new()).render()),
            ("login-bare", Login { client: None, login: String::new(), register_url: None, ..self.login(Vec::new()) }.render()),
            ("login-wrong", self.login(vec![Problem::WrongCredentials]).render()),
            ("login-wait", self.login(vec![Problem::TooManyAttempts { wait_seconds: 95 }]).render()),
            ("login-fields", self.login(vec![Problem::LoginMissing, Problem::PasswordMissing]).render()),
            ("register", self.register(Vec::new()).render()),
            ("register-wrong", self.register(all_wrong).render()),
            ("consent", self.consent().render()),
            ("consent-plain", plain_consent.render()),
            ("consent-stranger", stranger.render()),
            ("consent-unfit", self.consent_unfit().render()),
            ("consent-without-choice", self.consent_without_choice().render()),
            ("form-post", self.form_post().render()),
            ("web-message", self.web_message().render()),
        ];
        let logout = Logout {
            page: self.page.clone(),
            action: "/oidc/session/end".to_owned(),
            csrf: self.say("csrf-1"),
            client: Some(self.say("Meadow Calendar")),
            account: Some(self.say("alice@example.org")),
            beside: Vec::new(),
            hidden: vec![("state".to_owned(), self.say("xyz"))],
        };
        pages.push(("logout", logout.render()));
        pages.push(("logout-beside", Logout { beside: vec![self.say("bob@example.org")], ..logout }.render()));
        let somebody = |name: Option<&str>, email: &str| Somebody {
            session: "01a1fc16-4534-7e67-8ce8-dbfca289eadd".to_owned(),
            name: name.map(|name| self.say(name)),
            email: self.say(email),
        };
        let choose = Choose {
            page: self.page.clone(),
            action: "/auth/interaction/i-1".to_owned(),
            csrf: self.say("csrf-1"),
            client: self.say("Meadow Calendar"),
            people: vec![somebody(Some("Alice Liddell"), "alice@example.org"), somebody(None, "bob@example.org")],
            login_url: "/auth/interaction/i-1/sign-in".to_owned(),
        };
        pages.push(("choose", choose.render()));
        pages.extend(self.account());
        pages.extend(self.device());
        pages.extend(self.backchannel());
        pages
    }

    fn device(&self) -> Vec<Rendered> {
        let enter = |problems: Vec<Problem>| device::Enter { page: self.page.clone(), typed: self.say("WDJB-MJHT"), problems };
        let confirm = |from: Option<&str>| device::Confirm {
            page: self.page.clone(),
            csrf: self.say("csrf-1"),
            client: self.say("Meadow Television"),
            user_code: self.say("WDJB-MJHT"),
            scopes: vec!["openid".to_owned(), "profile".to_owned(), "offline_access".to_owned(), self.say("films:watch")],
            details: vec![super::Detail { words: self.say("Pay 5 EUR to Ann"), sentence: "Pay {amount} to {name}".to_owned() }],
            choices: self.choices(&[]),
            problems: Vec::new(),
            from: from.map(|from| self.say(from)),
            at: "2026-03-14T09:26:53Z".to_owned(),
            account: self.say("alice@example.org"),
            policy_uri: Some(self.link("https://meadow.example/privacy")),
            tos_uri: None,
        };
        let answered = |allowed| device::Answered { page: self.page.clone(), allowed };
        vec![
            ("device", device::Enter { typed: String::new(), ..enter(Vec::new()) }.render()),
            ("device-wrong", enter(vec![Problem::UserCodeUnknown]).render()),
            ("device-wait", enter(vec![Problem::TooManyAttempts { wait_seconds: 95 }]).render()),
            ("device-confirm", confirm(Some("Firefox, Linux, 192.0.2.1")).render()),
            ("device-confirm-unknown", confirm(None).render()),
            ("device-allowed", answered(true).render()),
            ("device-denied", answered(false).render()),
        ]
    }

    fn backchannel(&self) -> Vec<Rendered> {
        let confirm = |message: Option<&str>, more| backchannel::Confirm {
            page: self.page.clone(),
            csrf: self.say("csrf-1"),
            request: self.say("01a1fc15-89d7-7b17-918b-b59aee50a778"),
            client: self.say("Meadow Bank"),
            scopes: vec!["openid".to_owned(), "profile".to_owned(), self.say("payments")],
            details: vec![Detail { words: self.say("Pay 5 EUR to Ann"), sentence: self.say("Pay {amount} to {name}") }],
            choices: self.choices(&[]),
            problems: Vec::new(),
            binding_message: message.map(|message| self.say(message)),
            at: "2026-03-14T09:26:53Z".to_owned(),
            account: self.say("alice@example.org"),
            more,
            policy_uri: Some(self.link("https://meadow.example/privacy")),
            tos_uri: None,
        };
        let nothing = |answered| backchannel::Nothing { page: self.page.clone(), answered };
        let code = |done: Option<bool>, problems| backchannel::Code {
            page: self.page.clone(),
            csrf: self.say("csrf-1"),
            is_there: done.is_some(),
            done,
            problems,
        };
        vec![
            ("requests", nothing(None).render()),
            ("requests-allowed", nothing(Some(true)).render()),
            ("requests-denied", nothing(Some(false)).render()),
            ("requests-confirm", confirm(Some("W4SCT"), true).render()),
            ("requests-confirm-plain", confirm(None, false).render()),
            ("requests-code", code(None, Vec::new()).render()),
            ("requests-code-set", code(Some(true), Vec::new()).render()),
            ("requests-code-unfit", code(None, vec![Problem::CurrentPasswordWrong, Problem::RequestCodeUnfit]).render()),
        ]
    }

    fn account(&self) -> Vec<Rendered> {
        let stated = [
            ("name", "Alice Liddell"),
            ("address.street_address", "1 High Street\nFlat 2"),
            ("phone_number", "+442079460958"),
            ("phone_number_verified", "true"),
        ];
        let claims = Claims::default().stating(&stated.map(|(name, text)| (name.into(), text.into())).into(), By::Operator).unwrap();
        let wrong = vec![Problem::ClaimInvalid { field: "birthdate" }, Problem::ClaimTooLong { field: "address.locality", max: 128 }];
        let form = |problems: Vec<Problem>| account::Profile {
            page: self.page.clone(),
            csrf: self.say("csrf-1"),
            groups: account::groups(&claims, |name| Some(self.say(name)), &problems, self.page.text),
            problems,
        };
        let password = |problems| account::Password { page: self.page.clone(), csrf: self.say("csrf-1"), password_min: 8, problems };
        let email =
            |email: &str, problems| account::Email { page: self.page.clone(), csrf: self.say("csrf-1"), email: self.say(email), problems };
        let nothing =
            account::Overview { done: None, claims: Vec::new(), apps: Vec::new(), sessions: Vec::new(), ..self.overview(&claims) };
        vec![
            ("account", self.overview(&claims).render()),
            ("account-bare", nothing.render()),
            ("account-profile", form(Vec::new()).render()),
            ("account-profile-wrong", form(wrong).render()),
            ("account-password", password(Vec::new()).render()),
            ("account-email", email("carol@example.org", Vec::new()).render()),
            ("account-email-wrong", email("bob@example", vec![Problem::EmailTaken, Problem::CurrentPasswordWrong]).render()),
            ("account-password-wrong", password(vec![Problem::CurrentPasswordWrong, Problem::PasswordTooShort { min: 8 }]).render()),
        ]
    }

    fn overview(&self, claims: &Claims) -> account::Overview {
        let at = "2026-03-14T09:26:53Z".to_owned();
        let session = |id: &str, from: &str, is_this| account::SignedIn { id: self.say(id), from: self.say(from), at: at.clone(), is_this };
        let line = |what, name: Option<&str>| account::Line {
            at: at.clone(),
            sentence: (self.page.text.account.happened)(what),
            name: name.map(|name| self.say(name)),
        };
        let others = [("credit_score".to_owned(), "bank".to_owned())].into();
        account::Overview {
            page: self.page.clone(),
            csrf: self.say("csrf-1"),
            done: Some(Done::Withdrawn),
            email: self.say("alice@example.org"),
            claims: account::said(claims, &others, self.page.text).into_iter().map(|(label, text)| (label, self.say(&text))).collect(),
            sessions: vec![session("s-1", "Firefox, Linux, 192.0.2.1", true), session("s-2", "Safari, iPhone, 2001:db8::1", false)],
            apps: vec![account::App {
                open: Link::web("https://meadow.example/login?iss=https%3A%2F%2Fid.example"),
                client_id: self.say("calendar"),
                name: self.say("Meadow Calendar"),
                disabled: true,
                scopes: vec!["openid".to_owned(), "offline_access".to_owned(), self.say("calendar:write")],
                at: at.clone(),
            }],
            history: vec![
                line(What::Withdrawn, Some("Meadow Calendar")),
                line(What::SignInFailed, Some("curl, 203.0.113.7")),
                line(What::PasswordChanged, None),
            ],
        }
    }

    fn readings(&self) -> Vec<Rendered> {
        let return_to = Some(self.link("https://calendar.meadow.example/bye?state=1"));
        let nobody = Home { person: None, ..self.home() };
        vec![
            ("logged-out", LoggedOut { page: self.page.clone(), return_to, goes_on: false, frames: Vec::new() }.render()),
            ("home", nobody.render()),
            ("home-signed-in", self.home().render()),
            ("demo-start", self.demo_start(None).render()),
            ("demo-start-denied", self.demo_start(Some((self.say("access_denied"), self.say("The request was denied.")))).render()),
            ("demo-result", self.demo_result().render()),
        ]
    }

    fn troubles(&self) -> Vec<(String, String)> {
        let pages = Trouble::ALL.map(|trouble| {
            let error = ErrorPage {
                page: self.page.clone(),
                trouble,
                code: self.say("invalid_request"),
                description: Some(self.say("redirect_uri is not registered for this client.")),
                reference: self.say("019a7c1e-4d0b-7c9e-8f2a-5b6c7d8e9f00"),
                client: Some(self.say("Meadow Calendar")),
                return_to: Some(self.link("https://calendar.meadow.example/cb?error=access_denied")),
                developer_detail: Some(self.say("sent: http://localhost:8080/callbak\nregistered: http://localhost:8080/callback")),
            };
            (format!("error-{trouble:?}").to_lowercase(), error.render().unwrap())
        });
        pages.into()
    }

    fn login(&self, problems: Vec<Problem>) -> Login {
        Login {
            page: self.page.clone(),
            action: self.say("/auth/interaction/abc"),
            csrf: self.say("csrf-1"),
            client: Some(self.say("Meadow Calendar")),
            login: self.say("alice@example.org"),
            problems,
            register_url: Some(self.say("/auth/register?uid=abc")),
        }
    }

    fn register(&self, problems: Vec<Problem>) -> Register {
        Register {
            page: self.page.clone(),
            action: self.say("/auth/register"),
            csrf: self.say("csrf-1"),
            client: Some(self.say("Meadow Calendar")),
            email: self.say("alice@example"),
            name: self.say("Alice"),
            password_min: 12,
            problems,
            login_url: Some(self.say("/auth/interaction/abc")),
        }
    }

    fn consent(&self) -> Consent {
        let standard = ["openid", "profile", "email", "offline_access"].map(str::to_owned);
        Consent {
            page: self.page.clone(),
            action: self.say("/auth/interaction/abc"),
            switch_action: self.say("/auth/interaction/abc/switch"),
            csrf: self.say("csrf-1"),
            client: self.say("Meadow Calendar"),
            calls_itself: None,
            redirect_uri: self.link("https://calendar.meadow.example/cb"),
            logo: Some(self.say("/assets/seal.svg")),
            policy_uri: Some(self.link("https://meadow.example/privacy")),
            tos_uri: Some(self.link("https://meadow.example/terms")),
            scopes: standard
                .into_iter()
                .chain([self.say("calendar:write"), format!("urn:chancery:claim:{}", self.say("credit_score"))])
                .collect(),
            details: vec![Detail { words: self.say("Pay 5 EUR to Ann"), sentence: self.say("Pay {amount} to {name}") }],
            choices: self.choices(&[]),
            problems: Vec::new(),
            account: self.say("alice@example.org"),
        }
    }

    fn form_post(&self) -> FormPost {
        let parameters = [("code", "cha_ac_1"), ("state", "xyz"), ("iss", "http://localhost:3000/oidc"), ("submit", "1")];
        FormPost {
            page: self.page.clone(),
            redirect_uri: self.link("https://calendar.meadow.example/cb"),
            client: Some(self.say("Meadow Calendar")),
            parameters: parameters.map(|(name, value)| (name.to_owned(), self.say(value))).into(),
        }
    }

    fn web_message(&self) -> WebMessage {
        let parameters = [("code", "cha_ac_1"), ("state", "xyz"), ("iss", "http://localhost:3000/oidc")];
        let response = parameters.map(|(name, value)| (name.to_owned(), self.say(value).into())).into_iter().collect();
        WebMessage {
            page: self.page.clone(),
            redirect_uri: self.link("https://calendar.meadow.example/cb"),
            origin: "https://calendar.meadow.example".to_owned(),
            response: serde_json::Value::Object(response).to_string(),
        }
    }

    fn home(&self) -> Home {
        let sign_ins = [("2026-03-14T09:26:53Z", "Firefox on Linux"), ("2026-03-12T17:02:10Z", "Safari on iPhone")];
        let person = Person {
            name: Some(self.say("Alice Liddell")),
            account: self.say("alice@example.org"),
            sign_ins: sign_ins.map(|(at, from)| SignIn { at: at.to_owned(), from: Some(self.say(from)) }).into(),
            logout_url: "/oidc/session/end".to_owned(),
        };
        Home {
            page: self.page.clone(),
            person: Some(person),
            discovery_url: "/oidc/.well-known/openid-configuration".to_owned(),
            docs_url: "/docs".to_owned(),
        }
    }

    fn demo_start(&self, problem: Option<(String, String)>) -> DemoStart {
        DemoStart { page: self.page.clone(), login_url: "/login".to_owned(), problem }
    }

    fn demo_result(&self) -> DemoResult {
        let claims = [("sub", "7Qm2vX9dLr4k"), ("name", "Alice Liddell"), ("email", "alice@example.org"), ("email_verified", "false")];
        let tokens = [("access_token", "opaque, 15 minutes"), ("refresh_token", "30 days"), ("id_token", "ES256")];
        let kinds = ["AuthorizationRequested", "PasswordVerified", "ConsentGiven", "CodeIssued", "TokensIssued"];
        let event = |(position, kind): (u64, &str)| RollEvent {
            position: 41 + position,
            at: "2026-03-14T09:26:53.123Z".to_owned(),
            kind: self.say(kind),
            stream: self.say("interaction-019a7c1e4d0b7c9e8f2a5b6c7d8e9f00"),
            data: self
                .say("{\n  \"client_id\": \"demo\",\n  \"scope\": \"openid profile email\",\n  \"consent_text\": \"sha256:5b0c7e\"\n}"),
        };
        let claim = |(name, value): (&str, &str)| Claim { name: self.say(name), value: self.say(value), source: "id_token".to_owned() };
        let token =
            |(name, note): (&str, &str)| Token::new(name, "cha_at_4f9aQ2bC7dE1fG5hJ8kL0mN3pR6sT9vW2xY5z0123456789abcdefgh", self.say(note));
        DemoResult {
            page: self.page.clone(),
            greeting: self.say("Alice Liddell"),
            claims: claims.map(claim).into(),
            tokens: tokens.map(token).into(),
            events: (0..).zip(kinds).map(event).collect(),
            refresh_url: Some("/refresh".to_owned()),
            logout_url: "/logout".to_owned(),
            events_url: Some("/events.json".to_owned()),
        }
    }
}
