//! The frame that a client's page asks whether somebody is still signed in. OpenID Connect Session Management 1.0 §3.2.
//!
//! | Rule | Source |
//! |---|---|
//! | asked with `client_id session_state` by postMessage, it answers `unchanged`, `changed` or `error` to the origin that asked | §3.1, §3.2 |
//! | it reads one cookie, which says nothing, and talks to nobody else | §4.2 |
//!
//! The one page that may stand in a frame of anybody. Its script is a constant, which the policy names by its digest.

/// Calculates as the server does when it hands out `session_state`. A browser without Web Cryptography answers `error`.
pub const CHECK_SESSION_SCRIPT: &str = r#"
"use strict";
const NAME = document.documentElement.dataset.cookie;
function kept() {
  const found = document.cookie.split("; ").find((one) => one.startsWith(NAME + "="));
  return found === undefined ? "" : found.slice(NAME.length + 1);
}
async function answer(text, origin) {
  const parts = typeof text === "string" && text.length < 4096 ? text.split(" ") : [];
  if (parts.length !== 2) return "error";
  const [client, state] = parts;
  const dot = state.lastIndexOf(".");
  if (client === "" || dot < 1) return "error";
  const bytes = new TextEncoder().encode(client + " " + origin + " " + kept() + " " + state.slice(dot + 1));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const base64 = btoa(String.fromCharCode(...digest)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return base64 === state.slice(0, dot) ? "unchanged" : "changed";
}
window.addEventListener("message", (event) => {
  if (event.source === null) return;
  answer(event.data, event.origin).catch(() => "error").then((word) => event.source.postMessage(word, event.origin));
});
"#;

/// The whole page. `cookie` is the name of a cookie of ours: letters and underscores.
pub fn check_session(cookie: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\" data-cookie=\"{cookie}\"><head><meta charset=\"utf-8\"><title>Session</title></head>\
         <body><script>{CHECK_SESSION_SCRIPT}</script></body></html>\n"
    )
}
