//! English.

use super::{AccountText, Around, Done};
use crate::app::history::What;

pub const TEXT: AccountText = AccountText {
    title: "Your account",
    home_link: "Your account",
    back_link: "Back to your account",
    since: ("since ", ""),
    yes: "yes",
    done,

    data_title: "What is known about you",
    data_none: "Nothing besides your e-mail address.",
    others_label: "Said of you by others",
    profile_link: "Change your data",
    password_link: "Change your password",
    email_link: "Change e-mail address",

    sessions_title: "Where you are signed in",
    unknown_browser: "A browser",
    end_button: "Sign out there",
    end_others_button: "Sign out everywhere else",

    apps_title: "Apps with access",
    apps_none: "You have given access to no app.",
    apps_note: "An app that loses its access has to ask you again. What it has stored stays with it.",
    app_closed: "(closed by the people who run this server)",
    withdraw_button: "Withdraw access",

    history_title: "What happened",
    happened,

    profile_title: "Your data",
    profile_note: "You need not fill in anything. Apps see of it only what you allow them.",
    save_button: "Save",
    group,
    claim,
    claim_hint,

    password_title: "Change your password",
    password_note: "Every other browser in which you are signed in will be signed out.",
    current_label: "Your password until now",
    new_label: "New password",
    password_button: "Change password",

    email_title: "Change your e-mail address",
    email_note: "From then on you sign in with the new address. Browsers in which you are signed in stay signed in.",
    email_label: "New e-mail address",
    email_password_label: "Your password",
    email_button: "Change e-mail address",
};

fn done(done: Done) -> &'static str {
    match done {
        Done::Saved => "Your data was saved.",
        Done::NothingChanged => "Nothing was different, so nothing was changed.",
        Done::PasswordChanged => "Your password was changed. Every other browser was signed out.",
        Done::EmailChanged => "Your e-mail address was changed. Sign in with the new one from now on.",
        Done::SessionEnded => "That browser was signed out.",
        Done::SessionsEnded => "Every other browser was signed out.",
        Done::Withdrawn => "The access was withdrawn. It ended at once.",
    }
}

fn happened(what: What) -> Around {
    match what {
        What::Registered => ("You created the account.", ""),
        What::RegisteredByOperator => ("The account was created for you.", ""),
        What::ProfileChanged => ("You changed your data.", ""),
        What::ProfileChangedByOperator => ("The people who run this server changed your data.", ""),
        What::EmailChanged => ("You changed your e-mail address.", ""),
        What::PasswordChanged => ("You changed your password.", ""),
        What::PasswordSetByOperator => ("The people who run this server set your password.", ""),
        What::RightsChanged => ("The people who run this server changed what you may do here.", ""),
        What::Closed => ("The people who run this server closed the account.", ""),
        What::Opened => ("The people who run this server opened the account again.", ""),
        What::SignedIn => ("You signed in: ", "."),
        What::SignInFailed => ("Somebody tried to sign in and failed: ", "."),
        What::SignedOut => ("You signed out.", ""),
        What::SignedOutElsewhere => ("You signed another browser out.", ""),
        What::SignedOutByOperator => ("The people who run this server signed a browser out.", ""),
        What::SignedOutByPassword => ("Another browser was signed out by your new password.", ""),
        What::Allowed => ("You allowed ", " access."),
        What::Denied => ("You denied ", " access."),
        What::Withdrawn => ("You withdrew the access of ", "."),
    }
}

fn group(first: &str) -> &'static str {
    match first {
        "name" => "Names",
        "phone_number" => "Phone",
        "address.street_address" => "Postal address",
        "profile" => "Elsewhere",
        _ => "About you",
    }
}

fn claim(name: &str) -> &'static str {
    match name {
        "name" => "Full name",
        "given_name" => "Given name",
        "middle_name" => "Middle name",
        "family_name" => "Family name",
        "nickname" => "Nickname",
        "preferred_username" => "Preferred user name",
        "profile" => "Profile page",
        "picture" => "Picture",
        "website" => "Website",
        "gender" => "Gender",
        "birthdate" => "Date of birth",
        "zoneinfo" => "Time zone",
        "locale" => "Language",
        "email" => "E-mail address",
        "email_verified" => "E-mail address verified",
        "address" => "Postal address",
        "address.formatted" => "Address as on a label",
        "address.street_address" => "Street and number",
        "address.locality" => "City",
        "address.region" => "State or region",
        "address.postal_code" => "Postal code",
        "address.country" => "Country",
        "phone_number" => "Phone number",
        "phone_number_verified" => "Phone number verified",
        _ => "",
    }
}

fn claim_hint(name: &str) -> Option<&'static str> {
    Some(match name {
        "profile" | "website" => "An address such as https://example.com/me",
        "picture" => "The address of an image, such as https://example.com/me.jpg",
        "birthdate" => "2001-12-31, or 0000-12-31 without the year, or the year alone",
        "zoneinfo" => "Such as Europe/Paris",
        "locale" => "Such as en or en-GB",
        "phone_number" => "International, such as +44 20 7946 0958",
        _ => return None,
    })
}
