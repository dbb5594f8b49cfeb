//! Who is behind a command, and from where: what every event of it carries.

use std::sync::{Arc, Mutex, PoisonError};

use chancery_core::id::{AccountId, ClientId};
use chancery_core::stream::bounded;
use chancery_ledger::recorded::Committed;
use chancery_ledger::write::Actor;
use serde::Serialize;

use super::receipt::Receipt;

/// The request behind a command.
#[derive(Clone, Debug)]
pub struct Context {
    /// One id for everything that a request causes.
    pub correlation: String,
    pub actor: Actor,
    address: Option<String>,
    user_agent: Option<String>,
    /// The last commit of the request, for its receipt. Clones look at the same one.
    committed: Arc<Mutex<Option<Committed>>>,
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
        Self { correlation, actor, address, user_agent: user_agent.map(bounded), committed: Arc::default() }
    }

    /// The server itself, its configuration file or its operator on the machine.
    pub fn of_server(kind: &'static str, correlation: String) -> Self {
        let actor = Actor { kind, id: String::new() };
        Self { correlation, actor, address: None, user_agent: None, committed: Arc::default() }
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

    /// A unit of work of this request was committed.
    pub(super) fn note_commit(&self, committed: &Committed) {
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner) = Some(committed.clone());
    }

    /// The receipt of what this request appended last.
    pub fn receipt(&self) -> Option<Receipt> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(Receipt::of)
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
