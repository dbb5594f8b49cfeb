//! The paths that exist: which methods each takes, and what kind of caller it is for.
//!
//! | Rule | Source |
//! |---|---|
//! | a 405 names the methods in `Allow` | RFC 9110 §15.5.6 and §10.2.1 |
//! | machine endpoints answer errors as JSON whatever Accept says | RFC 6749 §5.2 (older Java clients prefer text/html) |
//!
//! The methods are read from the OpenAPI document, so that `Allow` cannot promise what the router refuses.
//! Out of scope: routing itself (poem), what CORS and CSP make of a kind (`cors`, `headers`).

use std::sync::Arc;

use poem::http::Method;

/// Whom a path is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Discovery, keys, challenges, and offers for who has their code: readable from any origin.
    Public,
    /// Protocol endpoints that browser apps call by script: CORS for the client's origins.
    Protocol,
    /// Other machine endpoints: no CORS.
    Api,
    /// The OpenAPI viewer, which needs inline script.
    Docs,
    /// Everything that a person may look at, unknown paths included: errors follow Accept.
    #[default]
    Page,
}

impl Kind {
    /// Whether errors may be a page.
    pub const fn has_pages(self) -> bool {
        matches!(self, Self::Page | Self::Docs)
    }
}

#[derive(Clone, Debug)]
struct Row {
    pattern: Arc<str>,
    kind: Kind,
    methods: Vec<Method>,
}

/// The table of paths. A segment `{x}` or `:x` stands for any one segment, a last segment `*` for any rest.
#[derive(Clone, Debug, Default)]
pub struct Surface(Vec<Row>);

impl Surface {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a path, or kind and methods to one that is there.
    #[must_use]
    pub fn at(mut self, pattern: &str, kind: Kind, methods: &[Method]) -> Self {
        let row = self.row(pattern);
        row.kind = kind;
        for method in methods.iter().filter(|method| !row.methods.contains(method)).cloned().collect::<Vec<_>>() {
            row.methods.push(method);
        }
        self
    }

    /// Adds every path and method of an OpenAPI document; kinds that are known stay, new paths get `Page`.
    #[must_use]
    pub fn with_openapi(mut self, document: &str) -> Self {
        let document: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
        for (path, operations) in document.get("paths").and_then(|paths| paths.as_object()).into_iter().flatten() {
            for name in operations.as_object().into_iter().flat_map(|operations| operations.keys()) {
                let Ok(method) = Method::from_bytes(name.to_ascii_uppercase().as_bytes()) else { continue };
                let row = self.row(path);
                if KNOWN.contains(&method) && !row.methods.contains(&method) {
                    row.methods.push(method);
                }
            }
        }
        self
    }

    /// The kind of a path; `Page` for unknown ones, so that a person who mistypes gets a page.
    pub fn kind(&self, path: &str) -> Kind {
        self.find(path).map_or(Kind::Page, |row| row.kind)
    }

    /// The pattern of a path, which is safe to log: it never holds what the caller chose.
    pub fn pattern(&self, path: &str) -> Option<&str> {
        self.find(path).map(|row| &*row.pattern)
    }

    /// The same, to be kept.
    pub fn route(&self, path: &str) -> Option<Arc<str>> {
        self.find(path).map(|row| row.pattern.clone())
    }

    /// The methods of a path, as `Allow` wants them: HEAD with GET, OPTIONS where the preflight is answered.
    pub fn allow(&self, path: &str) -> String {
        let Some(row) = self.find(path) else { return String::new() };
        let mut names: Vec<&str> = row.methods.iter().map(Method::as_str).collect();
        if names.contains(&"GET") && !names.contains(&"HEAD") {
            names.push("HEAD");
        }
        if matches!(row.kind, Kind::Public | Kind::Protocol) && !names.contains(&"OPTIONS") {
            names.push("OPTIONS");
        }
        names.sort_unstable();
        names.join(", ")
    }

    fn row(&mut self, pattern: &str) -> &mut Row {
        let at = match self.0.iter().position(|row| &*row.pattern == pattern) {
            Some(at) => at,
            None => {
                self.0.push(Row { pattern: pattern.into(), kind: Kind::Page, methods: Vec::new() });
                self.0.len() - 1
            }
        };
        &mut self.0[at] // just found or pushed
    }

    /// A row without placeholders wins, as in the router.
    fn find(&self, path: &str) -> Option<&Row> {
        self.0.iter().find(|row| &*row.pattern == path).or_else(|| self.0.iter().find(|row| matches(&row.pattern, path)))
    }
}

const KNOWN: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];

fn matches(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (Some("*"), Some(_)) | (None, None) => return true,
            (Some(name), Some(segment)) if name.starts_with(':') || (name.starts_with('{') && name.ends_with('}')) => {
                if segment.is_empty() {
                    return false;
                }
            }
            (Some(name), Some(segment)) if name == segment => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_15_5_6_allow_comes_from_the_document() {
        let document = r#"{"paths":{"/oidc/token":{"post":{}},"/oidc/reg/{id}":{"get":{},"delete":{},"parameters":[]},"/x":5}}"#;
        let surface = Surface::new().at("/oidc/token", Kind::Protocol, &[]).with_openapi(document).with_openapi("not json");
        assert_eq!(surface.allow("/oidc/token"), "OPTIONS, POST");
        assert_eq!(surface.allow("/oidc/reg/abc"), "DELETE, GET, HEAD");
        assert_eq!(surface.allow("/oidc/reg/"), "");
        assert_eq!(surface.kind("/oidc/token"), Kind::Protocol);
    }

    #[test]
    fn patterns_match_whole_segments() {
        let surface = Surface::new().at("/a/:b", Kind::Api, &[]).at("/a/b", Kind::Docs, &[]).at("/t/*", Kind::Public, &[]);
        assert_eq!(surface.kind("/a/c"), Kind::Api);
        assert_eq!(surface.kind("/a/b"), Kind::Docs);
        assert_eq!(surface.kind("/a/b/c"), Kind::Page);
        assert_eq!(surface.kind("/t/1/2"), Kind::Public);
        assert_eq!(surface.pattern("/a/secret"), Some("/a/:b"));
        assert_eq!(surface.pattern("/nothing"), None);
    }
}
