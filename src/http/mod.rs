//! HTTP: from bytes on a socket to a parsed request, and from a refusal to status and headers. No rules.
//!
//! | File | What it is |
//! |---|---|
//! | `listen`, `connection` | the accept loop in front of poem; what one connection may cost |
//! | `limits` | every timeout and size, with its reason; the deadline of a request; the bounded body |
//! | `surface` | which paths exist, with their methods (Allow) and kind (page, protocol, public ...) |
//! | `params`, `form`, `json` | strict parsing of query, form and JSON bodies |
//! | `error`, `refused`, `challenge` | every refusal and fault, turned into JSON or a page |
//! | `headers`, `cors` | the headers that protect browsers |
//! | `cookies`, `csrf` | signed cookies; who may send a page's form |
//! | `client_address`, `client_certificate`, `rate_limit` | who asks, with which certificate, and how often they may |
//! | `tls` | certificates that we show, and those of clients |
//! | `development` | what development mode refuses |
//! | `request_id` | the correlation id, the span and the access line |
//! | `requests`, `exposition` | how many requests there were; the text format of metrics |
//! | `dpop`, `resource` | the proof of a key that a request brings; the token of a request to a resource of ours |
//! | `server`, `credentials`, `reply`, `document` | what routes hold, what callers present, what they get |
//! | `guarded`, `outgoing`, `deliver` | requests that the server makes: to clients, to its operator's places, feeds |
//! | `routes` | the machine endpoints |
//! | `stack` | all of it in the right order around the routes |
//!
//! Out of scope: rules (`core`), HTML (`pages`), what a request does (`app`).

pub mod challenge;
pub mod client_address;
pub mod client_certificate;
pub mod connection;
pub mod cookies;
pub mod cors;
pub mod credentials;
pub mod csrf;
pub mod deliver;
pub mod development;
pub mod document;
pub mod dpop;
pub mod error;
pub mod exposition;
pub mod form;
pub mod guarded;
pub mod headers;
pub mod json;
pub mod limits;
pub mod listen;
pub mod outgoing;
pub mod params;
pub mod rate_limit;
pub mod refused;
pub mod reply;
pub mod request_id;
pub mod requests;
pub mod resource;
pub mod routes;
pub mod server;
pub mod stack;
pub mod surface;
pub mod tails;
pub mod tls;
pub mod watched_host;
pub mod witness;
