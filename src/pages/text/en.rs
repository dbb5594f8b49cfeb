//! English.

use super::{Advice, Text};
use crate::pages::error::Trouble;
use crate::pages::problem::Problem;

pub(super) const TEXT: Text = Text {
    lang: "en",

    served_at: ("Served by Chancery at ", ""),
    development_note: "Development mode: do not use a real password here.",
    error_prefix: "Error:",
    problems_title: "Please check this",
    signed_in_as: ("You are signed in as ", "."),
    return_to: ("Return to ", ""),
    continue_button: "Continue",

    email_label: "E-mail address",
    password_label: "Password",
    name_label: "Your name",

    login_title: "Sign in",
    login_for: ("to continue to ", ""),
    login_button: "Sign in",
    no_account: "No account yet?",
    register_link: "Create one",

    register_title: "Create your account",
    register_for: ("to continue to ", ""),
    register_button: "Create account",
    have_account: "Have an account already?",
    login_link: "Sign in",

    consent_title: ("", " asks for access"),
    calls_itself: ("It calls itself \u{201c}", "\u{201d}, which nobody here has checked."),
    consent_list: ("If you allow it, ", " may:"),
    consent_return: ("You will be sent back to ", "."),
    other_scope: ("Use the permission \u{201c}", "\u{201d}"),
    single_claim: ("See the detail \u{201c}", "\u{201d} about you, if it is known here"),
    credential: ("Put the credential \u{201c}", "\u{201d} into your wallet, with: ", ""),
    nothing_to_choose: "There is nothing here for you to choose from.",
    allow_button: "Allow",
    deny_button: "Deny",
    policy_link: "Privacy policy",
    tos_link: "Terms of service",
    not_you: ("Not ", "?"),
    switch_button: "Use another account",
    choose_title: "Choose an account",

    logout_title: "Sign out of Chancery?",
    logout_for: ("", " asks you to sign out."),
    logout_effect: "Signing out ends your session in this browser. Apps may keep their own sessions.",
    logout_button: "Sign out",
    logout_beside: "Also signed in in this browser, and not signed out by this:",
    logout_all_button: "Sign everybody out",
    stay_button: "Stay signed in",
    logged_out_title: "You are signed out",
    logged_out_note: "Your session in this browser has ended. You may close this page.",

    remedy_title: "What to do",
    return_note: ("You can tell the app what happened by going back to it at ", "."),
    client_label: "App",
    code_label: "Error",
    description_label: "For developers",
    reference_label: "Reference",
    developer_title: "Detail for developers",
    developer_note: "Shown because this server runs in development mode.",

    home_title: "You are signed in",
    sign_ins_title: "Recent sign-ins",
    this_session: "this session",
    logout_link: "Sign out",
    welcome_title: "This is Chancery",
    welcome_lead: "A server where people sign in, and where applications learn who they are: OAuth 2.0 and OpenID Connect.",
    welcome_roll: "Every grant it gives is written down first, on a log that cannot be changed unseen. No event, no token.",
    welcome_people: "There is nothing to do on this page. To sign in, start from the application that you want to use.",
    developers_title: "For developers",
    discovery_link: "Discovery document",
    docs_link: "API documentation",

    form_post_title: "One moment",
    web_message_stays: "If this window stays open, close it and go back to the application. There you can try again.",

    account: super::account::EN,
    device: super::device::EN,
    backchannel: super::backchannel::EN,

    password_rules,
    choose_hint,
    scope,
    problem,
    trouble,
};

fn password_rules(min: usize) -> String {
    format!("At least {min} characters. Longer is better: a few unrelated words are good. Any character counts, spaces too.")
}

fn choose_hint(least: usize, most: Option<usize>) -> String {
    match (least, most) {
        (1, Some(1)) => "Choose one.".to_owned(),
        (0, None) => "Choose as many as you like, or none.".to_owned(),
        (0, Some(most)) => format!("Choose up to {most}, or none."),
        (1, None) => "Choose one or more.".to_owned(),
        (least, None) => format!("Choose at least {least}."),
        (least, Some(most)) if least == most => format!("Choose {most}."),
        (least, Some(most)) => format!("Choose {least} to {most}."),
    }
}

fn scope(scope: &str) -> Option<&'static str> {
    Some(match scope {
        "openid" => "Know who you are, by a stable number",
        "profile" => "See your name and profile",
        "email" => "See your e-mail address",
        "address" => "See your postal address",
        "phone" => "See your phone number",
        "offline_access" => "Keep access while you are away",
        "ciba.answer" => "Show you what other applications ask of you, and pass on your answers",
        _ => return None,
    })
}

fn problem(problem: &Problem) -> String {
    match problem {
        Problem::WrongCredentials => "E-mail address and password do not match. Check both and try again.".to_owned(),
        Problem::TooManyAttempts { wait_seconds } => format!("There were too many attempts. Try again in {}.", wait(*wait_seconds)),
        Problem::FormExpired => "This page was open for too long. Please send it once more.".to_owned(),
        Problem::LoginMissing | Problem::EmailMissing => "Enter your e-mail address.".to_owned(),
        Problem::PasswordMissing => "Enter a password.".to_owned(),
        Problem::EmailInvalid => "Enter an e-mail address like name@example.org.".to_owned(),
        Problem::EmailTooLong { max } => format!("The e-mail address can have {max} characters at most."),
        Problem::EmailTaken => "This e-mail address has an account already. Sign in, or use another address.".to_owned(),
        Problem::PasswordTooShort { min } => format!("The password needs at least {min} characters."),
        Problem::PasswordTooLong { max } => format!("The password can have {max} characters at most."),
        Problem::PasswordGuessable => "This password is easy to guess. Choose another one.".to_owned(),
        Problem::NameMissing => "Enter your name.".to_owned(),
        Problem::NameTooLong { max } => format!("The name can have {max} characters at most."),
        Problem::NameInvalid => "The name has characters that cannot be used.".to_owned(),
        Problem::RequestCodeUnfit => "The code needs 6 to 64 characters.".to_owned(),
        Problem::UserCodeUnknown => {
            "There is no such code here, or it is over. Compare it with the device, or ask the device for a new one.".to_owned()
        }
        Problem::CurrentPasswordWrong => "This is not your password.".to_owned(),
        Problem::ClaimInvalid { field } => format!("{}: this cannot be used. Enter it as the example shows.", claim(field)),
        Problem::ClaimTooLong { field, max } => format!("{}: this can have {max} characters at most.", claim(field)),
        Problem::NotChosen { least: 1, .. } => "Choose something that this is about.".to_owned(),
        Problem::NotChosen { least, .. } => format!("Choose at least {least}."),
        Problem::TooManyChosen { most, .. } => format!("Choose {most} at most."),
        Problem::ClaimsTooLong => "Together these texts are too long. Shorten some of them.".to_owned(),
    }
}

fn claim(name: &str) -> &'static str {
    (super::account::EN.claim)(name)
}

fn wait(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => (seconds.max(1), "second"),
        60..3_600 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3_600), "hour"),
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

fn trouble(trouble: Trouble) -> Advice {
    let (title, happened, remedy) = match trouble {
        Trouble::AppNotSetUp => (
            "This app is not set up correctly",
            "An app sent you here, but we do not know it, or not the address it wants you sent back to. To keep you safe, we stopped.",
            "Go back to the app. If it happens again, tell the people who run it: only they can repair it.",
        ),
        Trouble::BadRequest => (
            "The app asked for something we cannot give",
            "An app sent you here with a request that is incomplete or not allowed.",
            "Go back to the app and try again. If it happens again, tell the people who run it and quote the reference below.",
        ),
        Trouble::Expired => {
            ("This sign-in has expired", "It was started too long ago, or it was finished already.", "Go back to the app and start again.")
        }
        Trouble::OtherBrowser => (
            "This sign-in belongs to another browser",
            "A sign-in can only be finished in the browser where it was started, and this browser does not have its cookie.",
            "Start again from the app, in this browser. If it happens again, allow cookies for this site.",
        ),
        Trouble::FormExpired => (
            "This page was open for too long",
            "The form could not be checked, so nothing was done.",
            "Go back, reload the page and send it again.",
        ),
        Trouble::AccessDenied => (
            "Access was denied",
            "This was refused, or your account may not do it.",
            "If you think that you should have access, ask the people who run this server and quote the reference below.",
        ),
        Trouble::NotFound => (
            "There is nothing here",
            "The address may be mistyped, or the page may have moved.",
            "Check the address, or go back to where you came from.",
        ),
        Trouble::MethodNotAllowed => (
            "This cannot be opened directly",
            "The address exists, but it is used in another way.",
            "Go back to where you came from and try again from there.",
        ),
        Trouble::TooLarge => ("That was too much at once", "What was sent is larger than we accept.", "Go back and send less."),
        Trouble::TooManyRequests => (
            "Too many requests",
            "There were too many attempts in a short time, from you or from your network.",
            "Wait a few minutes, then try again.",
        ),
        Trouble::Unavailable => (
            "We cannot continue right now",
            "Everything here is written down before it happens, and at the moment we cannot write. So nothing was done.",
            "Try again in a minute.",
        ),
        Trouble::Fault => (
            "Something went wrong on our side",
            "It is not your fault, and it has been logged.",
            "Try again. If it happens again, tell the people who run this server and quote the reference below.",
        ),
    };
    Advice { title, happened, remedy }
}
