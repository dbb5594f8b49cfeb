//! In which ways the answer may travel: signed, and as a message to a window.

use super::*;

#[test]
fn jarm_2_3_an_answer_may_be_signed_in_each_mode() {
    for (asked, checked, carrier) in [
        ("jwt", ResponseMode::QueryJwt, ResponseMode::Query),
        ("query.jwt", ResponseMode::QueryJwt, ResponseMode::Query),
        ("fragment.jwt", ResponseMode::FragmentJwt, ResponseMode::Fragment),
        ("form_post.jwt", ResponseMode::FormPostJwt, ResponseMode::FormPost),
    ] {
        let mode = accepted(&[("response_mode", asked)]).response_mode;
        assert_eq!((mode, mode.carrier(), mode.is_signed()), (checked, carrier, true), "{asked}");
    }
    for plain in ["query", "fragment", "form_post"] {
        let mode = accepted(&[("response_mode", plain)]).response_mode;
        assert!(!mode.is_signed() && mode.carrier() == mode);
    }
}

/// The same where messages are switched on: the code of a refusal or `None`, and the mode.
fn by_message(client: &Client, changes: &[(&str, &str)]) -> (Option<&'static str>, ResponseMode) {
    let policy = Policy { web_message: true, ..Policy::default() };
    let parameters = parameters(changes);
    let (arrival, resources) = (Arrival::Browser, Resources::default());
    match validate(&Asked { parameters: &parameters, client, hint: Ok(None), policy, arrival, resources, types: &crate::details::NONE }) {
        Ok(request) => (None, request.response_mode),
        Err(Refusal::Redirect { response_mode, error, .. }) => (Some(error.code()), response_mode),
        Err(Refusal::Page(error)) => panic!("{error:?}"),
    }
}

#[test]
fn web_message_4_1_the_answer_may_be_a_message_where_that_is_switched_on() {
    for (asked, mode) in [("web_message", ResponseMode::WebMessage), ("web_message.jwt", ResponseMode::WebMessageJwt)] {
        assert_eq!(by_message(&client(), &[("response_mode", asked)]), (None, mode));
        assert_eq!((mode.carrier(), mode.is_signed()), (ResponseMode::WebMessage, asked.ends_with(".jwt")));
        assert_eq!(redirected(&client(), &[("response_mode", asked)]), ("invalid_request", ResponseMode::Query), "{asked} is off");
    }
}

#[test]
fn web_message_4_1_a_message_needs_an_origin_to_go_to() {
    let native = client_with(|metadata| {
        metadata.application_type = ApplicationType::Native;
        metadata.redirect_uris = ["com.example.app:/cb".to_string(), "http://127.0.0.1/cb".to_string()].into();
    });
    let asked = |uri| by_message(&native, &[("redirect_uri", uri), ("response_mode", "web_message")]);
    assert_eq!(asked("com.example.app:/cb"), (Some("invalid_request"), ResponseMode::Query));
    assert_eq!(asked("http://127.0.0.1:5101/cb"), (None, ResponseMode::WebMessage));
}

#[test]
fn web_message_4_2_relay_mode_is_refused_by_message() {
    for (name, value) in [("web_message_uri", "https://app.example.com/relay"), ("web_message_target", "frame")] {
        let asked = by_message(&client(), &[("response_mode", "web_message"), (name, value)]);
        assert_eq!(asked, (Some("invalid_request"), ResponseMode::WebMessage), "{name}");
        assert!(run(&client(), &[(name, value)]).is_ok(), "unknown parameters of other modes are ignored");
    }
}
