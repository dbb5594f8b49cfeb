//! German.

use super::{AccountText, Around, Done};
use crate::app::history::What;

pub const TEXT: AccountText = AccountText {
    title: "Ihr Konto",
    home_link: "Ihr Konto",
    back_link: "Zurück zu Ihrem Konto",
    since: ("seit ", ""),
    yes: "ja",
    done,

    data_title: "Was über Sie bekannt ist",
    data_none: "Nichts außer Ihrer E-Mail-Adresse.",
    others_label: "Von anderen über Sie ausgesagt",
    profile_link: "Daten ändern",
    password_link: "Passwort ändern",
    email_link: "E-Mail-Adresse ändern",

    sessions_title: "Wo Sie angemeldet sind",
    unknown_browser: "Ein Browser",
    end_button: "Dort abmelden",
    end_others_button: "Überall sonst abmelden",

    apps_title: "Apps mit Zugriff",
    apps_none: "Sie haben keiner App Zugriff gegeben.",
    apps_note: "Eine App, die ihren Zugriff verliert, muss Sie erneut fragen. Was sie gespeichert hat, behält sie.",
    app_closed: "(von den Betreibern dieses Servers geschlossen)",
    withdraw_button: "Zugriff entziehen",

    history_title: "Was geschehen ist",
    happened,

    profile_title: "Ihre Daten",
    profile_note: "Sie müssen nichts ausfüllen. Apps sehen davon nur, was Sie ihnen erlauben.",
    save_button: "Speichern",
    group,
    claim,
    claim_hint,

    password_title: "Passwort ändern",
    password_note: "Jeder andere Browser, in dem Sie angemeldet sind, wird abgemeldet.",
    current_label: "Ihr bisheriges Passwort",
    new_label: "Neues Passwort",
    password_button: "Passwort ändern",

    email_title: "E-Mail-Adresse ändern",
    email_note: "Danach melden Sie sich mit der neuen Adresse an. Browser, in denen Sie angemeldet sind, bleiben es.",
    email_label: "Neue E-Mail-Adresse",
    email_password_label: "Ihr Passwort",
    email_button: "E-Mail-Adresse ändern",
};

fn done(done: Done) -> &'static str {
    match done {
        Done::Saved => "Ihre Daten wurden gespeichert.",
        Done::NothingChanged => "Nichts war anders, darum wurde nichts geändert.",
        Done::PasswordChanged => "Ihr Passwort wurde geändert. Jeder andere Browser wurde abgemeldet.",
        Done::EmailChanged => "Ihre E-Mail-Adresse wurde geändert. Melden Sie sich ab jetzt mit der neuen an.",
        Done::SessionEnded => "Jener Browser wurde abgemeldet.",
        Done::SessionsEnded => "Jeder andere Browser wurde abgemeldet.",
        Done::Withdrawn => "Der Zugriff wurde entzogen. Er endete sofort.",
    }
}

fn happened(what: What) -> Around {
    match what {
        What::Registered => ("Sie haben das Konto angelegt.", ""),
        What::RegisteredByOperator => ("Das Konto wurde für Sie angelegt.", ""),
        What::ProfileChanged => ("Sie haben Ihre Daten geändert.", ""),
        What::ProfileChangedByOperator => ("Die Betreiber dieses Servers haben Ihre Daten geändert.", ""),
        What::EmailChanged => ("Sie haben Ihre E-Mail-Adresse geändert.", ""),
        What::PasswordChanged => ("Sie haben Ihr Passwort geändert.", ""),
        What::PasswordSetByOperator => ("Die Betreiber dieses Servers haben Ihr Passwort gesetzt.", ""),
        What::RightsChanged => ("Die Betreiber dieses Servers haben geändert, was Sie hier dürfen.", ""),
        What::Closed => ("Die Betreiber dieses Servers haben das Konto geschlossen.", ""),
        What::Opened => ("Die Betreiber dieses Servers haben das Konto wieder geöffnet.", ""),
        What::SignedIn => ("Sie haben sich angemeldet: ", "."),
        What::SignInFailed => ("Jemand hat vergeblich versucht, sich anzumelden: ", "."),
        What::SignedOut => ("Sie haben sich abgemeldet.", ""),
        What::SignedOutElsewhere => ("Sie haben einen anderen Browser abgemeldet.", ""),
        What::SignedOutByOperator => ("Die Betreiber dieses Servers haben einen Browser abgemeldet.", ""),
        What::SignedOutByPassword => ("Ein anderer Browser wurde durch Ihr neues Passwort abgemeldet.", ""),
        What::Allowed => ("Sie haben Zugriff erlaubt: ", "."),
        What::Denied => ("Sie haben Zugriff abgelehnt: ", "."),
        What::Withdrawn => ("Sie haben den Zugriff entzogen: ", "."),
    }
}

fn group(first: &str) -> &'static str {
    match first {
        "name" => "Namen",
        "phone_number" => "Telefon",
        "address.street_address" => "Postanschrift",
        "profile" => "Anderswo",
        _ => "Über Sie",
    }
}

fn claim(name: &str) -> &'static str {
    match name {
        "name" => "Ganzer Name",
        "given_name" => "Vorname",
        "middle_name" => "Weiterer Vorname",
        "family_name" => "Nachname",
        "nickname" => "Spitzname",
        "preferred_username" => "Gewünschter Benutzername",
        "profile" => "Profilseite",
        "picture" => "Bild",
        "website" => "Website",
        "gender" => "Geschlecht",
        "birthdate" => "Geburtsdatum",
        "zoneinfo" => "Zeitzone",
        "locale" => "Sprache",
        "email" => "E-Mail-Adresse",
        "email_verified" => "E-Mail-Adresse bestätigt",
        "address" => "Anschrift",
        "address.formatted" => "Anschrift wie auf einem Etikett",
        "address.street_address" => "Straße und Hausnummer",
        "address.locality" => "Ort",
        "address.region" => "Bundesland oder Region",
        "address.postal_code" => "Postleitzahl",
        "address.country" => "Land",
        "phone_number" => "Telefonnummer",
        "phone_number_verified" => "Telefonnummer bestätigt",
        _ => "",
    }
}

fn claim_hint(name: &str) -> Option<&'static str> {
    Some(match name {
        "profile" | "website" => "Eine Adresse wie https://example.com/ich",
        "picture" => "Die Adresse eines Bildes, wie https://example.com/ich.jpg",
        "birthdate" => "2001-12-31, oder 0000-12-31 ohne Jahr, oder das Jahr allein",
        "zoneinfo" => "Zum Beispiel Europe/Berlin",
        "locale" => "Zum Beispiel de oder de-AT",
        "phone_number" => "International, wie +49 30 901820",
        _ => return None,
    })
}
