//! Who is behind a command, and from where: what every event of it carries.

use chancery_core::id::{AccountId, ClientId};
use chancery_core::stream::bounded;
use chancery_ledger::write::Actor;
use serde::Serialize;

/// The request behind a command.
#[derive(Clone, Debug)]
pub struct Context {
    /// One id for everything that a request causes.
    pub correlation: String,
    pub actor: Actor,
    address: Option<String>,
    user_agent: Option<String>,
}

#[derive(Serialize)]
struct Seen<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
}

impl Context {
    /// A request from outside whose caller is not known yet.
    pub fn of_request(correlation: String, address: Option<String>, user_agent: Option<&str>) -> Self {
        let actor = Actor { kind: "anonymous", id: String::new() };
        Self { correlation, actor, address, user_agent: user_agent.map(bounded) }
    }

    /// The server itself, its configuration file or its operator on the machine.
    pub fn of_server(kind: &'static str, correlation: String) -> Self {
        Self { correlation, actor: Actor { kind, id: String::new() }, address: None, user_agent: None }
    }

    #[must_use]
    pub fn as_account(&self, account: AccountId) -> Self {
        Self { actor: Actor { kind: "account", id: account.to_string() }, ..self.clone() }
    }

    #[must_use]
    pub fn as_client(&self, client: &ClientId) -> Self {
        Self { actor: Actor { kind: "client", id: client.to_string() }, ..self.clone() }
    }

    #[must_use]
    pub fn as_operator(&self, id: impl Into<String>) -> Self {
        Self { actor: Actor { kind: "operator", id: id.into() }, ..self.clone() }
    }

    /// Address and user agent as personal data: one JSON text, to be sealed.
    pub fn personal(&self) -> Option<String> {
        if self.address.is_none() && self.user_agent.is_none() {
            return None;
        }
        let seen = Seen { address: self.address.as_deref(), user_agent: self.user_agent.as_deref() };
        serde_json::to_string(&seen).ok()
    }
}
