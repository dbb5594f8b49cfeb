//! What the wire tests stand on.
//!
//! | File | What |
//! |---|---|
//! | `server` | the whole server on a directory of its own, on a loopback port that the system picks |
//! | `call` | one request and its answer |
//! | `browser` | cookies, redirects and forms, as a browser without script has them |
//! | `flow` | clients, people, and the way from an authorization request to tokens |
//! | `at_once` | requests at the same time |
//! | `both` | the same test on SQLite and on PostgreSQL |
//! | `documents` | a client's own web server |
//! | `receiver` | an address of a client to which the server posts |
//! | `mtls` | certificates, and callers who show them over TLS |
//! | `jwt` | tokens read and made without our own code |

pub mod at_once;
pub mod both;
pub mod browser;
pub mod call;
pub mod documents;
pub mod flow;
pub mod jwt;
pub mod mtls;
pub mod receiver;
pub mod server;

pub use browser::Browser;
pub use flow::{CHALLENGE, Client, VERIFIER};
pub use server::{NOW, Server};

pub const HOUR: i64 = 3_600_000;
pub const DAY: i64 = 24 * HOUR;
