//! What holds for every page.
//!
//! | Rule | Source |
//! |---|---|
//! | text of others never becomes markup, and stands in `<bdi>` | OWASP ASVS 5.0 §1.2.1, WCAG 2.2 §1.3.2 |
//! | no inline style or script, which the policy would refuse | CSP 3 §6 |
//! | each form is a POST with a CSRF token | OWASP ASVS 5.0 §3.5.1 |
//! | labels, ids and references fit; one `h1`, one `main` | WCAG 2.2 §1.3.1, §4.1.2 |
//! | contrast of 4.5:1 for text and 3:1 for controls, light and dark | WCAG 2.2 §1.4.3, §1.4.11 |

use super::samples;
use super::{STYLE, asset};
use std::collections::{BTreeMap, BTreeSet};

/// A piece of a page, with the elements it stands in.
struct Piece<'a> {
    kind: Kind<'a>,
    inside: Vec<&'a str>,
}

enum Kind<'a> {
    Tag { name: &'a str, attributes: Vec<(&'a str, &'a str)> },
    Text(&'a str),
}

impl<'a> Piece<'a> {
    fn tag(&self) -> Option<(&'a str, &[(&'a str, &'a str)])> {
        match &self.kind {
            Kind::Tag { name, attributes } => Some((name, attributes)),
            Kind::Text(_) => None,
        }
    }

    fn get(&self, attribute: &str) -> Option<&'a str> {
        self.tag()?.1.iter().find(|(name, _)| *name == attribute).map(|(_, value)| *value)
    }
}

/// Strict on purpose: quoted attributes, every element closed in order, so that our own markup cannot be read in two ways.
fn pieces(html: &str) -> Vec<Piece<'_>> {
    let mut rest = html.trim().strip_prefix("<!doctype html>").expect("doctype");
    let (mut pieces, mut open): (Vec<Piece<'_>>, Vec<&str>) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let text = rest.find('<').unwrap_or(rest.len());
        if text > 0 {
            pieces.push(Piece { kind: Kind::Text(&rest[..text]), inside: open.clone() });
            rest = &rest[text..];
            continue;
        }
        if let Some(closing) = rest.strip_prefix("</") {
            let (name, after) = closing.split_once('>').expect("closed tag");
            assert_eq!(open.pop(), Some(name), "closed in order");
            rest = after;
            continue;
        }
        let end = rest.find([' ', '\n', '>']).expect("a tag has an end");
        let name = &rest[1..end];
        let attributes;
        (attributes, rest) = attributes_of(&rest[end..]);
        pieces.push(Piece { kind: Kind::Tag { name, attributes }, inside: open.clone() });
        if !["meta", "link", "input", "img"].contains(&name) {
            open.push(name);
        }
    }
    assert_eq!(open, [""; 0], "all closed");
    pieces
}

fn attributes_of(mut rest: &str) -> (Vec<(&str, &str)>, &str) {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('>') {
            return (found, after);
        }
        let end = rest.find(['=', ' ', '\n', '>']).expect("an attribute has an end");
        let name = &rest[..end];
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "attribute {name:?}");
        let mut value = "";
        rest = &rest[end..];
        if let Some(quoted) = rest.strip_prefix("=\"") {
            (value, rest) = quoted.split_once('"').expect("a quoted value");
        }
        found.push((name, value));
    }
}

/// Markup, quotes, entities, template marks and a right-to-left override.
fn hostile(text: &str) -> String {
    format!("{text}'\"></bdi></title><script>alert(1)</script><img src=x onerror=alert(1) style=x>{{{{ 7*7 }}}}&lt;\u{202e}EVIL")
}

#[test]
fn markup_in_any_text_changes_no_page() {
    let shape = |html: &str| -> Vec<String> {
        let names = |attributes: &[(&str, &str)]| attributes.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>().join(" ");
        pieces(html).iter().filter_map(|piece| piece.tag().map(|(tag, attributes)| format!("{tag} {}", names(attributes)))).collect()
    };
    for ((name, calm), (_, dressed)) in samples::plain("en").iter().zip(samples::all("en", &hostile)) {
        assert_eq!(shape(calm), shape(&dressed), "{name}");
        assert!(!dressed.contains("49") || calm.contains("49"), "{name}: text was run as a template");
        assert!(
            ["home", "demo-start", "device", "device-allowed", "device-denied", "requests", "requests-allowed", "requests-denied"]
                .contains(&name.as_str())
                || dressed.contains("EVIL"),
            "{name} shows nothing of others"
        );
    }
}

#[test]
fn text_of_others_is_isolated() {
    for (name, html) in samples::all("en", &hostile) {
        for piece in pieces(&html) {
            let Kind::Text(text) = piece.kind else { continue };
            // A title has no markup; `pre` and `textarea` isolate by dir=auto.
            let isolated = ["bdi", "pre", "title", "textarea"].iter().any(|element| piece.inside.contains(element));
            assert!(!text.contains("EVIL") || isolated, "{name}: {text}");
        }
    }
}

#[test]
fn no_inline_style_or_script() {
    for (name, html) in samples::plain("en") {
        for piece in pieces(&html) {
            let Some((tag, attributes)) = piece.tag() else { continue };
            assert_ne!(tag, "style", "{name}");
            assert!(tag != "script" || ["form-post", "web-message"].contains(&name.as_str()), "{name}");
            for (attribute, value) in attributes {
                assert!(*attribute != "style" && !attribute.starts_with("on"), "{name}: {attribute}");
                assert!(!value.starts_with("javascript:") && !value.starts_with("data:"), "{name}: {value}");
            }
        }
    }
}

#[test]
fn each_form_is_a_post_with_a_csrf_token() {
    for (name, html) in samples::plain("en") {
        for form in html.split("<form").skip(1) {
            let form = form.split_once("</form>").unwrap().0;
            // Filters of the auditor's pages and the code of a device: they change nothing.
            if (name.starts_with("audit-") || name.starts_with("device")) && form.split_once('>').unwrap().0.contains("method=\"get\"") {
                continue;
            }
            assert!(form.split_once('>').unwrap().0.contains("method=\"post\""), "{name}");
            let token = form.contains("<input type=\"hidden\" name=\"csrf\" value=\"csrf-1\">");
            // That form goes to the client, who must not learn a token of ours.
            assert_eq!(token, name != "form-post", "{name}");
        }
    }
}

#[test]
fn labels_and_references_fit() {
    for (name, html) in samples::plain("en").into_iter().chain(samples::plain("de")) {
        let pieces = pieces(&html);
        let ids: Vec<&str> = pieces.iter().filter_map(|piece| piece.get("id")).collect();
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{name}: an id twice in {ids:?}");
        let labelled: BTreeSet<&str> = pieces.iter().filter_map(|piece| piece.get("for")).collect();
        for piece in &pieces {
            if piece.tag().is_some_and(|(tag, _)| tag == "input") && piece.get("type") != Some("hidden") {
                // What is picked stands inside its label, and all of one group have one name.
                if matches!(piece.get("type"), Some("radio" | "checkbox")) && piece.get("id").is_none() {
                    assert_eq!(piece.inside.last(), Some(&"label"), "{name}: a choice without label");
                    continue;
                }
                assert!(labelled.contains(piece.get("id").unwrap()), "{name}: input without label");
                assert_eq!(piece.get("id"), piece.get("name"), "{name}");
                assert!(piece.get("autocomplete").is_some_and(|value| value != "off"), "{name}: purpose of the input");
            }
            let anchor = piece.get("href").and_then(|href| href.strip_prefix('#'));
            let lists = ["for", "aria-labelledby", "aria-describedby"].into_iter().filter_map(|attribute| piece.get(attribute));
            for id in lists.flat_map(str::split_ascii_whitespace).chain(anchor) {
                assert!(unique.contains(id), "{name}: nothing has the id {id}");
            }
        }
    }
}

#[test]
fn every_page_has_its_landmarks_language_and_title() {
    for locales in ["en", "de"] {
        for (name, html) in samples::plain(locales) {
            let pieces = pieces(&html);
            let tags = |wanted: &str| pieces.iter().filter(|piece| piece.tag().is_some_and(|(tag, _)| tag == wanted)).count();
            assert_eq!([tags("h1"), tags("main"), tags("header"), tags("footer"), tags("title")], [1; 5], "{name}");
            // The auditor's pages speak English alone.
            let spoken = if name.starts_with("audit-") { "en" } else { locales };
            assert_eq!(pieces.iter().find_map(|piece| piece.get("lang")), Some(spoken), "{name}");
            assert!(!html.contains("<title> "), "{name}: empty title");
            assert!(html.contains(asset::style_path()) && html.contains(asset::seal_path()), "{name}");
        }
    }
}

#[test]
fn enter_on_the_consent_page_means_what_the_first_button_says() {
    let html = samples::plain("en").into_iter().find(|(name, _)| name == "consent").unwrap().1;
    let pieces = pieces(&html);
    let mut buttons = pieces.iter().filter(|piece| piece.get("type") == Some("submit")).filter_map(|piece| piece.get("value"));
    assert_eq!(buttons.next(), Some("allow"));
    assert_eq!(buttons.next(), Some("deny"));
}

#[test]
fn wcag_3_3_1_errors_are_announced_and_linked() {
    let pages: BTreeMap<String, String> = samples::plain("en").into_iter().collect();
    let html = &pages["register-wrong"];
    assert_eq!(html.matches("aria-invalid=\"true\"").count(), 3);
    assert!(html.contains("aria-describedby=\"password-hint password-error\""));
    assert!(html.contains("role=\"alert\"") && html.contains("<title>Error:"));
    for field in ["name", "email", "password"] {
        assert!(html.contains(&format!("<a href=\"#{field}\">")), "{field}");
    }
    assert!(!pages["register"].contains("aria-invalid") && !pages["register"].contains("role=\"alert\""));
    assert!(pages["login-wait"].contains("in 2 minutes"));
}

#[test]
fn pages_and_stylesheet_use_the_same_names() {
    for (name, html) in samples::plain("en") {
        for class in pieces(&html).iter().filter_map(|piece| piece.get("class")).flat_map(str::split_ascii_whitespace) {
            assert!(STYLE.contains(&format!(".{class}")), "{name}: no rule for .{class}");
        }
    }
}

#[test]
fn wcag_1_4_3_contrast_in_light_and_dark() {
    let blocks: Vec<&str> = STYLE.split(":root {").skip(1).map(|block| block.split_once('}').unwrap().0).collect();
    for (theme, block) in [("light", blocks[0]), ("dark", blocks[1])] {
        let luminance = |name: &str| -> f64 {
            let hex = block.split_once(&format!("--{name}: #")).unwrap().1.get(..6).unwrap();
            let part = |at: usize| {
                let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
                if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
        };
        let check = |fore: &str, back: &str, least: f64| {
            let (a, b) = (luminance(fore), luminance(back));
            let ratio = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            assert!(ratio >= least, "{theme}: {fore} on {back} is {ratio:.2}");
        };
        for back in ["sheet", "paper", "wash"] {
            ["ink", "soft", "link", "seal", "deep"].iter().for_each(|fore| check(fore, back, 4.5));
        }
        for fore in ["bad", "ink"] {
            check(fore, "bad-wash", 4.5);
        }
        check("bad", "sheet", 4.5);
        check("on-deep", "deep", 4.5);
        check("on-deep", "deep-hover", 4.5);
        check("edge", "sheet", 3.0);
        check("link", "paper", 3.0);
    }
}

/// For people to look at: `CHANCERY_PAGES_OUT=<folder> cargo test pages -- --ignored`, then serve that folder.
#[test]
#[ignore = "writes files for people to look at"]
fn write_samples() {
    let folder = std::path::PathBuf::from(std::env::var_os("CHANCERY_PAGES_OUT").expect("CHANCERY_PAGES_OUT"));
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    for file in asset::all() {
        std::fs::write(folder.join(file.path.trim_start_matches('/')), file.body).unwrap();
    }
    let long =
        |text: &str| format!("{text} \u{5e9}\u{5dc}\u{5d5}\u{5dd} of the Worshipful-Company-of-Extraordinarily-Long-Names-and-Sons <b>&");
    for (suffix, pages) in [("", samples::plain("en")), (".de", samples::plain("de")), (".long", samples::all("en", &long))] {
        for (name, html) in pages {
            let html = html.replace("src=\"/assets/seal.svg\"", &format!("src=\"{}\"", asset::seal_path()));
            std::fs::write(folder.join(format!("{name}{suffix}.html")), html).unwrap();
        }
    }
}
