//! The answer to a client as a message between windows.
//!
//! | Rule | Source |
//! |---|---|
//! | the message is `{type: "authorization_response", response: {...}}` | draft-sakimura-oauth-wmrm-01 §4.1, simple mode |
//! | it goes to the window that opened ours or frames it, if that is of the redirect_uri's origin | same; RFC 9700 §4.17 |
//!
//! The browser compares the origin before it delivers: a stranger who opened the window gets nothing. The script's text is fixed, so that the policy names
//! it by digest; what is sent stands in attributes, which run nothing. Without scripts this mode cannot work: the page says where to go on.

use super::link::Link;
use super::{Page, Template};

pub const WEB_MESSAGE_SCRIPT: &str = "(function(){var a=document.getElementById(\"answer\").dataset,\
w=window.opener||(window.parent!==window?window.parent:null);\
if(w){w.postMessage({type:\"authorization_response\",response:JSON.parse(a.response)},a.origin);window.close()}})()";

/// The script's digest, in base64.
pub const WEB_MESSAGE_SCRIPT_SHA256: &str = "wVovKO5MB/XvhoTXYz/F9R1Bv0y8V2+AWq2YnPi4kbM=";

#[derive(Template)]
#[template(path = "web_message.html")]
pub struct WebMessage {
    pub page: Page,
    pub redirect_uri: Link,
    /// Whose window may read it: scheme, host and port of the redirect_uri.
    pub origin: String,
    /// The response parameters as a JSON object.
    pub response: String,
}

impl WebMessage {
    // Trusted text: a constant of ours, which must reach the page byte for byte.
    const fn script(&self) -> &'static str {
        WEB_MESSAGE_SCRIPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};

    #[test]
    fn csp3_8_4_the_digest_is_that_of_the_text_on_the_page() {
        let html = samples::web_message().render().unwrap();
        let script = html.split_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
        assert_eq!(WEB_MESSAGE_SCRIPT_SHA256, STANDARD.encode(Sha256::digest(script.as_bytes())));
    }

    #[test]
    fn what_is_sent_cannot_leave_its_attribute() {
        let html =
            WebMessage { response: r#"{"state":"\"><script>alert(1)</script>"}"#.to_owned(), ..samples::web_message() }.render().unwrap();
        assert_eq!(html.matches("<script").count(), 1, "{html}");
    }
}
