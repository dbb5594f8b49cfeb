//! Events as OCSF 1.8.0 JSON (Open Cybersecurity Schema Framework).
//!
//! | Class | Events |
//! |---|---|
//! | Authentication (3002) | sign-ins and their failures, sessions that begin and end, codes, tokens |
//! | Account Change (3001) | accounts, passwords, roles, erasure |
//! | Authorize Session (3003) | what people allow to clients |
//! | Entity Management (3004) | clients, resource servers, keys, the log itself |
//! | API Activity (6003) | everything else: requests, questions of auditors |
//!
//! A type of event that has no row here is API Activity, so that nothing is left out. The event's own data stand in `unmapped`.

use chancery_projections::audit::client_of;
use chancery_projections::envelope::Envelope;
use serde_json::{Map, Value, json};

use super::{Source, clear};

/// The version of the schema.
pub const VERSION: &str = "1.8.0";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    AccountChange,
    Authentication,
    AuthorizeSession,
    EntityManagement,
    ApiActivity,
}

impl Class {
    fn uid(self) -> u32 {
        match self {
            Self::AccountChange => 3001,
            Self::Authentication => 3002,
            Self::AuthorizeSession => 3003,
            Self::EntityManagement => 3004,
            Self::ApiActivity => 6003,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::AccountChange => "Account Change",
            Self::Authentication => "Authentication",
            Self::AuthorizeSession => "Authorize Session",
            Self::EntityManagement => "Entity Management",
            Self::ApiActivity => "API Activity",
        }
    }

    /// Caption of an activity; 99 is told by the type of the event.
    fn activity(self, id: u32) -> Option<&'static str> {
        Some(match (self, id) {
            (Self::AccountChange, 1) | (Self::EntityManagement | Self::ApiActivity, 1) => "Create",
            (Self::AccountChange, 2) | (Self::EntityManagement, 8) => "Enable",
            (Self::AccountChange, 3) => "Password Change",
            (Self::AccountChange, 5) | (Self::EntityManagement, 9) => "Disable",
            (Self::AccountChange, 6) | (Self::EntityManagement, 4) => "Delete",
            (Self::AccountChange, 7) => "Attach Policy",
            (Self::AccountChange, 8) => "Detach Policy",
            (Self::Authentication, 1) => "Logon",
            (Self::Authentication, 2) => "Logoff",
            (Self::Authentication, 3) => "Authentication Ticket",
            (Self::Authentication, 4) => "Service Ticket Request",
            (Self::Authentication, 5) => "Service Ticket Renew",
            (Self::AuthorizeSession, 1) => "Assign Privileges",
            (Self::EntityManagement | Self::ApiActivity, 2) => "Read",
            (Self::EntityManagement | Self::ApiActivity, 3) => "Update",
            (Self::EntityManagement, 10) => "Activate",
            (Self::EntityManagement, 11) => "Deactivate",
            _ => return None,
        })
    }
}

/// Where an event belongs.
#[derive(Clone, Copy)]
struct Told {
    class: Class,
    activity: u32,
    failed: bool,
    severity: u32,
}

const OTHER: u32 = 99;
const INFORMATIONAL: u32 = 1;
const LOW: u32 = 2;
const MEDIUM: u32 = 3;
const HIGH: u32 = 4;

fn told(envelope: &Envelope) -> Told {
    use Class::{AccountChange, ApiActivity, Authentication, AuthorizeSession, EntityManagement};
    let well = |class, activity| Told { class, activity, failed: false, severity: INFORMATIONAL };
    let failed = |class, activity, severity| Told { class, activity, failed: true, severity };
    match envelope.kind.as_str() {
        "SessionStarted" => well(Authentication, 1),
        "SessionEnded" => well(Authentication, 2),
        "SessionExtended" | "SessionJoined" | "PersonAuthenticated" | "AccountChosen" | "LoginFailuresCleared" => {
            well(Authentication, OTHER)
        }
        "LoginFailed" | "ClientAuthenticationFailed" => failed(Authentication, 1, LOW),
        "AttemptsRefused" => failed(Authentication, 1, MEDIUM),
        "CodeIssued" | "ImplicitlyGranted" => well(Authentication, 3),
        "CodeRedeemed"
        | "DeviceGranted"
        | "BackchannelGranted"
        | "TokenExchanged"
        | "AssertionGranted"
        | "FrontChannelIssued"
        | "ClientCredentialsGranted"
        | "OperatorTokenMinted"
        | "CredentialsIssued"
        | "PreAuthorizedGranted" => well(Authentication, 4),
        "CodeVerifierRefused" | "DpopProofReplayed" | "SubjectTokenReplayed" | "TransactionCodeRefused" | "CredentialOfferReplayed" => {
            failed(Authentication, 4, MEDIUM)
        }
        "MisuseRefused" => failed(Authentication, 4, HIGH),
        "RefreshTokenRotated" | "RefreshTokenUsed" | "RefreshTokenRepeated" => well(Authentication, 5),
        "AccessTokenRevoked" => well(Authentication, OTHER),
        "GrantEnded" => match envelope.data.get("reason").and_then(Value::as_str) {
            Some("code_replayed" | "refresh_token_reused" | "code_verifier_guessed") => failed(Authentication, 5, HIGH),
            _ => well(Authentication, OTHER),
        },
        "AccountRegistered" => well(AccountChange, 1),
        "AccountEnabled" => well(AccountChange, 2),
        "PasswordChanged" | "RequestCodeChosen" | "RequestCodeRemoved" => well(AccountChange, 3),
        "AccountDisabled" => well(AccountChange, 5),
        "ErasureOrdered" | "DataKeyDestroyed" => well(AccountChange, 6),
        "ErasureRefused" => failed(AccountChange, 6, INFORMATIONAL),
        "RoleGranted" => well(AccountChange, 7),
        "RoleWithdrawn" => well(AccountChange, 8),
        "ProfileChanged" | "ClaimSourcesChanged" | "EmailChanged" | "LegalHoldPlaced" | "LegalHoldLifted" => well(AccountChange, OTHER),
        "StreamHoldPlaced" | "StreamHoldLifted" => well(EntityManagement, OTHER),
        "ConsentGiven" => well(AuthorizeSession, 1),
        "ConsentDenied" => failed(AuthorizeSession, 1, INFORMATIONAL),
        "ConsentWithdrawn" => well(AuthorizeSession, OTHER),
        "ClientRegistered"
        | "ResourceServerRegistered"
        | "SigningKeyPlanned"
        | "LogCreated"
        | "LogKeyCreated"
        | "EncryptionKeyPublished" => well(EntityManagement, 1),
        "ClientRedeclared" | "ResourceServerChanged" | "IssuerChanged" | "LogMoved" | "CatalogueRaised" | "SegmentArchived" => {
            well(EntityManagement, 3)
        }
        "SignalStreamCreated" => well(EntityManagement, 1),
        "SignalStreamChanged" | "SignalStreamStatusChanged" => well(EntityManagement, 3),
        "SigningKeyRemoved" | "SignalStreamDeleted" | "EncryptionKeyDestroyed" => well(EntityManagement, 4),
        "ClientEnabled" => well(EntityManagement, 8),
        "ClientDisabled" | "ResourceServerDisabled" => well(EntityManagement, 9),
        "SigningKeyActivated" => well(EntityManagement, 10),
        "SigningKeyRetired" | "LogKeyRetired" | "EncryptionKeyWithdrawn" => well(EntityManagement, 11),
        "AuthorizationRequested" | "AuthorizationRequestPushed" => well(ApiActivity, 1),
        "AuthorizationRefused" => failed(ApiActivity, OTHER, INFORMATIONAL),
        "PushedRequestMisused"
        | "DeviceCodeMisused"
        | "BackchannelMisused"
        | "UserCodeRefused"
        | "UnknownPersonHinted"
        | "RequestCodeRefused" => failed(ApiActivity, OTHER, MEDIUM),
        "AuditQueried" | "AuditTailOpened" => well(ApiActivity, 2),
        _ => well(ApiActivity, OTHER),
    }
}

fn named(severity: u32) -> &'static str {
    match severity {
        INFORMATIONAL => "Informational",
        LOW => "Low",
        MEDIUM => "Medium",
        _ => "High",
    }
}

/// How much a receiver should care: OCSF's severity, 1 to 4.
pub fn severity(envelope: &Envelope) -> u32 {
    told(envelope).severity
}

/// One event. `personal` holds its personal data as they may be shown to this receiver.
pub fn event(envelope: &Envelope, source: &Source<'_>, personal: Option<&Value>) -> Value {
    let told = told(envelope);
    let at = envelope.data.get("at").and_then(Value::as_i64).unwrap_or(envelope.recorded_at);
    let class = told.class.uid();
    let (status, status_id) = if told.failed { ("Failure", 2) } else { ("Success", 1) };
    let mut event = json!({
        "activity_id": told.activity,
        "activity_name": told.class.activity(told.activity).unwrap_or(&envelope.kind),
        "category_uid": class / 1000,
        "category_name": if class < 6000 { "Identity & Access Management" } else { "Application Activity" },
        "class_uid": class,
        "class_name": told.class.name(),
        "type_uid": class * 100 + told.activity,
        "severity_id": told.severity,
        "severity": named(told.severity),
        "status_id": status_id,
        "status": status,
        "time": at,
        "message": format!("{} on {}", envelope.kind, envelope.stream),
        "metadata": {
            "version": VERSION,
            "product": { "name": "Chancery", "vendor_name": "Chancery", "version": source.version },
            "uid": envelope.id,
            "event_code": envelope.kind,
            "correlation_uid": envelope.correlation,
            "sequence": envelope.position,
            "log_name": source.issuer,
            "logged_time": envelope.recorded_at,
        },
        "actor": actor(envelope),
    });
    let mut unmapped =
        json!({ "position": envelope.position, "stream": envelope.stream, "stream_version": envelope.version, "data": envelope.data });
    if let Some(personal) = personal {
        unmapped["personal"] = personal.clone();
    }
    let mut rest = of_class(told.class, envelope, source, personal);
    rest.insert("unmapped".to_owned(), unmapped);
    if let Value::Object(members) = &mut event {
        members.extend(rest);
    }
    event
}

/// What only this class has.
fn of_class(class: Class, envelope: &Envelope, source: &Source<'_>, personal: Option<&Value>) -> Map<String, Value> {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    match class {
        Class::Authentication => {
            put("user", user(envelope, personal));
            put("service", json!({ "name": "Chancery", "uid": source.issuer }));
            put("auth_protocol", json!("OpenID"));
            put("auth_protocol_id", json!(4));
            let session = envelope.stream.strip_prefix("session-").or_else(|| envelope.data.get("session").and_then(Value::as_str));
            if let Some(session) = session {
                put("session", json!({ "uid": session, "issuer": source.issuer }));
            }
        }
        Class::AccountChange => {
            put("user", user(envelope, personal));
            if let Some(role) = envelope.data.get("role").and_then(Value::as_str) {
                put("policy", json!({ "name": role, "type": "role" }));
            }
        }
        Class::AuthorizeSession => {
            put("user", user(envelope, personal));
            put("privileges", json!(privileges(envelope)));
        }
        Class::EntityManagement => {
            let (kind, id) = envelope.stream.split_once('-').unwrap_or((envelope.stream.as_str(), source.issuer));
            put("entity", json!({ "uid": id, "type": kind, "type_id": OTHER }));
        }
        Class::ApiActivity => {
            put("api", json!({ "operation": envelope.kind, "service": { "name": "Chancery", "uid": source.issuer } }));
        }
    }
    match (address(personal), class) {
        (Some(address), _) => put("src_endpoint", json!({ "ip": address })),
        // The class demands one; who it was is sealed in the log.
        (None, Class::ApiActivity) => put("src_endpoint", json!({ "name": "undisclosed" })),
        (None, _) => {}
    }
    members
}

/// Whom it is about: the account, else the client, else nobody who is known.
fn user(envelope: &Envelope, personal: Option<&Value>) -> Value {
    let mut user = match (&envelope.subject, client_of(envelope)) {
        (Some(subject), _) => json!({ "uid": subject, "type_id": 1, "type": "User" }),
        (None, Some(client)) => json!({ "uid": client, "type_id": 4, "type": "Service" }),
        (None, None) if envelope.actor.kind == "operator" => json!({ "name": "operator", "type_id": 2, "type": "Admin" }),
        (None, None) => json!({ "name": "unknown", "type_id": 0, "type": "Unknown" }),
    };
    if let Some(email) = clear(personal, "email").and_then(Value::as_str) {
        user["email_addr"] = json!(email);
    }
    user
}

fn actor(envelope: &Envelope) -> Value {
    let id = &envelope.actor.id;
    match envelope.actor.kind.as_str() {
        "account" => json!({ "user": { "uid": id, "type_id": 1, "type": "User" } }),
        "client" => json!({ "app_uid": id }),
        "operator" => json!({ "user": { "name": "operator", "uid": id, "type_id": 2, "type": "Admin" } }),
        "anonymous" => json!({ "user": { "name": "anonymous", "type_id": 0, "type": "Unknown" } }),
        kind => json!({ "app_name": format!("chancery {kind}") }),
    }
}

/// The scope as a list; everything, where the event is about all of it.
fn privileges(envelope: &Envelope) -> Vec<String> {
    match envelope.data.get("scope") {
        Some(Value::String(scope)) => scope.split_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(scope)) => scope.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => vec!["*".to_owned()],
    }
}

/// The address that a request came from, if it may be shown.
fn address(personal: Option<&Value>) -> Option<&str> {
    clear(personal, "context").and_then(|context| context.get("address")).or_else(|| clear(personal, "source")).and_then(Value::as_str)
}
