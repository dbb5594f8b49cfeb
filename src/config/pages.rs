//! Pages of the operator that the metadata name: OpenID Connect Discovery 1.0 §3, RFC 8414 §2.

use url::Url;

use super::reader::Reader;

/// Each member of the metadata with its key.
pub(super) const PAGES: [(&str, &str); 3] = [
    ("service_documentation", "discovery.service_documentation"),
    ("op_policy_uri", "discovery.op_policy_uri"),
    ("op_tos_uri", "discovery.op_tos_uri"),
];

/// Those that are set, by the names of the members.
pub(super) fn read(reader: &mut Reader) -> Vec<(&'static str, String)> {
    let mut pages = Vec::new();
    for (member, key) in PAGES {
        let Some(text) = reader.text(key) else { continue };
        if Url::parse(&text).is_ok_and(|url| url.scheme() == "https" && url.has_host()) {
            pages.push((member, text));
        } else {
            reader.refuse(key, "is no https URL, such as \"https://id.example/about\".");
        }
    }
    pages
}
