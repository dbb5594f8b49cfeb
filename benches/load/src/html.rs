//! Just enough HTML to fill in a login or consent form.

pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
    pub has_password: bool,
}

/// The form that asks for a password, else the first form of the page.
pub fn pick_form(page: &str) -> Option<Form> {
    let mut forms: Vec<Form> = page.split("<form").skip(1).map(parse_form).collect();
    let wanted = forms.iter().position(|form| form.has_password).unwrap_or(0);
    (wanted < forms.len()).then(|| forms.swap_remove(wanted))
}

fn parse_form(rest: &str) -> Form {
    let (head, tail) = rest.split_once('>').unwrap_or((rest, ""));
    let body = tail.split("</form").next().unwrap_or("");
    let mut form = Form { action: attribute(head, "action").unwrap_or_default(), fields: Vec::new(), has_password: false };
    for input in body.split("<input").skip(1) {
        let input = input.split('>').next().unwrap_or("");
        match attribute(input, "type").as_deref() {
            Some("hidden") => {
                if let Some(name) = attribute(input, "name") {
                    form.fields.push((name, attribute(input, "value").unwrap_or_default()));
                }
            }
            Some("password") => form.has_password = true,
            _ => {}
        }
    }
    form
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut from = 0;
    while let Some(at) = tag[from..].find(name).map(|at| at + from) {
        let own_word = at > 0 && tag.as_bytes()[at - 1].is_ascii_whitespace();
        from = at + name.len();
        let Some(value) = tag[from..].trim_start().strip_prefix('=') else {
            continue;
        };
        if !own_word {
            continue;
        }
        let value = value.trim_start();
        let raw = match value.chars().next()? {
            quote @ ('"' | '\'') => value[1..].split(quote).next()?,
            _ => value.split(|c: char| c.is_whitespace() || c == '/').next()?,
        };
        return Some(unescape(raw));
    }
    None
}

/// The entities that template engines write: five names, and any character by its number.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let entity = rest.split_once(';').and_then(|(entity, after)| Some((character(&entity[1..])?, after)));
        match entity {
            Some((character, after)) => {
                plain.push(character);
                rest = after;
            }
            None => {
                plain.push('&');
                rest = &rest[1..];
            }
        }
    }
    plain + rest
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "quot" => Some('"'),
        "apos" => Some('\''),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_the_password_form_with_its_hidden_fields() {
        let page = r#"<form action="/search"><input name="q"></form>
            <form method='post' action='/login?a=1&amp;b=2'><input type="hidden" name="csrf" value="x&quot;y">
            <input name="user"><input type="password" name="pw"></form>"#;
        let form = pick_form(page).unwrap();
        assert_eq!(form.action, "/login?a=1&b=2");
        assert_eq!(form.fields, [("csrf".to_owned(), "x\"y".to_owned())]);
        assert!(form.has_password);
    }

    #[test]
    fn entities_by_name_and_by_number() {
        assert_eq!(unescape("/a?b=1&#38;c=&#x3c;d&amp;e=f&g;h&"), "/a?b=1&c=<d&e=f&g;h&");
    }

    #[test]
    fn no_form_is_none() {
        assert!(pick_form("<p>hello</p>").is_none());
    }
}
