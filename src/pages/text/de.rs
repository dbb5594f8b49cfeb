//! German.

use super::{Advice, Text};
use crate::pages::error::Trouble;
use crate::pages::problem::Problem;

pub(super) const TEXT: Text = Text {
    lang: "de",

    served_at: ("Bereitgestellt von Chancery auf ", ""),
    development_note: "Entwicklungsmodus: Verwenden Sie hier kein echtes Passwort.",
    error_prefix: "Fehler:",
    problems_title: "Bitte prüfen Sie Folgendes",
    signed_in_as: ("Sie sind angemeldet als ", "."),
    return_to: ("Zurück zu ", ""),
    continue_button: "Weiter",

    email_label: "E-Mail-Adresse",
    password_label: "Passwort",
    name_label: "Ihr Name",

    login_title: "Anmelden",
    login_for: ("um fortzufahren mit ", ""),
    login_button: "Anmelden",
    no_account: "Noch kein Konto?",
    register_link: "Konto anlegen",

    register_title: "Konto anlegen",
    register_for: ("um fortzufahren mit ", ""),
    register_button: "Konto anlegen",
    have_account: "Schon ein Konto?",
    login_link: "Anmelden",

    consent_title: ("", " bittet um Zugriff"),
    calls_itself: ("Es nennt sich \u{201e}", "\u{201c}; niemand hier hat das geprüft."),
    consent_list: ("Wenn Sie zustimmen, darf ", ":"),
    consent_return: ("Sie werden zurückgeleitet zu ", "."),
    other_scope: ("Die Berechtigung \u{201e}", "\u{201c} nutzen"),
    single_claim: ("Die Angabe \u{201e}", "\u{201c} über Sie sehen, falls sie hier bekannt ist"),
    credential: ("Den Nachweis \u{201e}", "\u{201c} in Ihre digitale Brieftasche legen, mit: ", ""),
    nothing_to_choose: "Hier gibt es nichts, was Sie auswählen könnten.",
    allow_button: "Erlauben",
    deny_button: "Ablehnen",
    policy_link: "Datenschutzerklärung",
    tos_link: "Nutzungsbedingungen",
    not_you: ("Nicht ", "?"),
    switch_button: "Anderes Konto verwenden",
    choose_title: "Konto wählen",

    logout_title: "Bei Chancery abmelden?",
    logout_for: ("", " bittet Sie, sich abzumelden."),
    logout_effect: "Damit endet Ihre Sitzung in diesem Browser. Apps können eigene Sitzungen behalten.",
    logout_button: "Abmelden",
    logout_beside: "Ebenfalls in diesem Browser angemeldet und dadurch nicht abgemeldet:",
    logout_all_button: "Alle abmelden",
    stay_button: "Angemeldet bleiben",
    logged_out_title: "Sie sind abgemeldet",
    logged_out_note: "Ihre Sitzung in diesem Browser ist beendet. Sie können diese Seite schließen.",

    remedy_title: "Was Sie tun können",
    return_note: ("Sie können zur App zurückkehren und ihr mitteilen, was geschehen ist: ", "."),
    client_label: "App",
    code_label: "Fehler",
    description_label: "Für Entwickler",
    reference_label: "Kennung",
    developer_title: "Einzelheiten für Entwickler",
    developer_note: "Zu sehen, weil dieser Server im Entwicklungsmodus läuft.",

    home_title: "Sie sind angemeldet",
    sign_ins_title: "Letzte Anmeldungen",
    this_session: "diese Sitzung",
    logout_link: "Abmelden",
    welcome_title: "Das ist Chancery",
    welcome_lead: "Ein Server, bei dem Menschen sich anmelden und Anwendungen erfahren, wer sie sind: OAuth 2.0 und OpenID Connect.",
    welcome_roll: "Was er gewährt, schreibt er zuerst auf, in ein Protokoll, das niemand unbemerkt ändern kann. Kein Ereignis, kein Token.",
    welcome_people: "Auf dieser Seite gibt es nichts zu tun. Zum Anmelden beginnen Sie in der Anwendung, die Sie nutzen möchten.",
    developers_title: "Für Entwickler",
    discovery_link: "Discovery-Dokument",
    docs_link: "API-Dokumentation",

    form_post_title: "Einen Moment",
    web_message_stays: "Bleibt dieses Fenster offen, schließen Sie es und kehren Sie zur Anwendung zurück. Dort können Sie es erneut versuchen.",

    account: super::account::DE,
    device: super::device::DE,
    backchannel: super::backchannel::DE,

    password_rules,
    choose_hint,
    scope,
    problem,
    trouble,
};

fn password_rules(min: usize) -> String {
    format!("Mindestens {min} Zeichen. Länger ist besser: Einige Wörter ohne Zusammenhang sind gut. Jedes Zeichen zählt, auch Leerzeichen.")
}

fn choose_hint(least: usize, most: Option<usize>) -> String {
    match (least, most) {
        (1, Some(1)) => "Wählen Sie eines aus.".to_owned(),
        (0, None) => "Wählen Sie beliebig viele aus, oder keines.".to_owned(),
        (0, Some(most)) => format!("Wählen Sie bis zu {most} aus, oder keines."),
        (1, None) => "Wählen Sie eines oder mehrere aus.".to_owned(),
        (least, None) => format!("Wählen Sie mindestens {least} aus."),
        (least, Some(most)) if least == most => format!("Wählen Sie {most} aus."),
        (least, Some(most)) => format!("Wählen Sie {least} bis {most} aus."),
    }
}

fn scope(scope: &str) -> Option<&'static str> {
    Some(match scope {
        "openid" => "Wissen, wer Sie sind, anhand einer gleichbleibenden Nummer",
        "profile" => "Ihren Namen und Ihr Profil sehen",
        "email" => "Ihre E-Mail-Adresse sehen",
        "address" => "Ihre Postanschrift sehen",
        "phone" => "Ihre Telefonnummer sehen",
        "offline_access" => "Den Zugriff behalten, während Sie abwesend sind",
        "ciba.answer" => "Ihnen zeigen, was andere Anwendungen von Ihnen wollen, und Ihre Antworten weitergeben",
        _ => return None,
    })
}

fn problem(problem: &Problem) -> String {
    match problem {
        Problem::WrongCredentials => {
            "E-Mail-Adresse und Passwort passen nicht zusammen. Prüfen Sie beides und versuchen Sie es erneut.".to_owned()
        }
        Problem::TooManyAttempts { wait_seconds } => {
            format!("Es gab zu viele Versuche. Versuchen Sie es in {} erneut.", wait(*wait_seconds))
        }
        Problem::FormExpired => "Diese Seite war zu lange geöffnet. Bitte senden Sie sie noch einmal ab.".to_owned(),
        Problem::LoginMissing | Problem::EmailMissing => "Geben Sie Ihre E-Mail-Adresse ein.".to_owned(),
        Problem::PasswordMissing => "Geben Sie ein Passwort ein.".to_owned(),
        Problem::EmailInvalid => "Geben Sie eine E-Mail-Adresse wie name@example.org ein.".to_owned(),
        Problem::EmailTooLong { max } => format!("Die E-Mail-Adresse darf höchstens {max} Zeichen haben."),
        Problem::EmailTaken => {
            "Für diese E-Mail-Adresse gibt es schon ein Konto. Melden Sie sich an oder nehmen Sie eine andere.".to_owned()
        }
        Problem::PasswordTooShort { min } => format!("Das Passwort braucht mindestens {min} Zeichen."),
        Problem::PasswordTooLong { max } => format!("Das Passwort darf höchstens {max} Zeichen haben."),
        Problem::PasswordGuessable => "Dieses Passwort ist leicht zu erraten. Wählen Sie ein anderes.".to_owned(),
        Problem::NameMissing => "Geben Sie Ihren Namen ein.".to_owned(),
        Problem::NameTooLong { max } => format!("Der Name darf höchstens {max} Zeichen haben."),
        Problem::NameInvalid => "Der Name enthält Zeichen, die nicht verwendet werden können.".to_owned(),
        Problem::RequestCodeUnfit => "Der Code braucht 6 bis 64 Zeichen.".to_owned(),
        Problem::UserCodeUnknown => {
            "Diesen Code gibt es hier nicht, oder er ist abgelaufen. Vergleichen Sie ihn mit dem Gerät, oder holen Sie dort einen neuen."
                .to_owned()
        }
        Problem::CurrentPasswordWrong => "Das ist nicht Ihr Passwort.".to_owned(),
        Problem::ClaimInvalid { field } => format!("{}: Das lässt sich nicht verwenden. Geben Sie es wie im Beispiel ein.", claim(field)),
        Problem::ClaimTooLong { field, max } => format!("{}: Möglich sind höchstens {max} Zeichen.", claim(field)),
        Problem::NotChosen { least: 1, .. } => "Wählen Sie aus, worum es gehen soll.".to_owned(),
        Problem::NotChosen { least, .. } => format!("Wählen Sie mindestens {least} aus."),
        Problem::TooManyChosen { most, .. } => format!("Wählen Sie höchstens {most} aus."),
        Problem::ClaimsTooLong => "Zusammen sind diese Texte zu lang. Kürzen Sie einige.".to_owned(),
    }
}

fn claim(name: &str) -> &'static str {
    (super::account::DE.claim)(name)
}

fn wait(seconds: u64) -> String {
    let (count, one, many) = match seconds {
        0..60 => (seconds.max(1), "einer Sekunde", "Sekunden"),
        60..3_600 => (seconds.div_ceil(60), "einer Minute", "Minuten"),
        _ => (seconds.div_ceil(3_600), "einer Stunde", "Stunden"),
    };
    if count == 1 { one.to_owned() } else { format!("{count} {many}") }
}

fn trouble(trouble: Trouble) -> Advice {
    let (title, happened, remedy) = match trouble {
        Trouble::AppNotSetUp => (
            "Diese App ist nicht richtig eingerichtet",
            "Eine App hat Sie hierher geschickt, aber wir kennen sie nicht, oder nicht die Adresse, zu der sie Sie zurückleiten will. \
             Zu Ihrer Sicherheit haben wir angehalten.",
            "Gehen Sie zurück zur App. Geschieht es wieder, wenden Sie sich an deren Betreiber: Nur sie können es beheben.",
        ),
        Trouble::BadRequest => (
            "Die App hat um etwas gebeten, das wir nicht geben können",
            "Eine App hat Sie mit einer Anfrage hierher geschickt, die unvollständig oder nicht erlaubt ist.",
            "Gehen Sie zurück zur App und versuchen Sie es erneut. Geschieht es wieder, nennen Sie deren Betreibern die Kennung unten.",
        ),
        Trouble::Expired => (
            "Diese Anmeldung ist abgelaufen",
            "Sie wurde vor zu langer Zeit begonnen, oder sie ist schon abgeschlossen.",
            "Gehen Sie zurück zur App und beginnen Sie neu.",
        ),
        Trouble::OtherBrowser => (
            "Diese Anmeldung gehört zu einem anderen Browser",
            "Eine Anmeldung lässt sich nur in dem Browser abschließen, in dem sie begonnen wurde, und diesem Browser fehlt ihr Cookie.",
            "Beginnen Sie in der App neu, in diesem Browser. Geschieht es wieder, erlauben Sie Cookies für diese Seite.",
        ),
        Trouble::FormExpired => (
            "Diese Seite war zu lange geöffnet",
            "Das Formular konnte nicht geprüft werden, darum wurde nichts getan.",
            "Gehen Sie zurück, laden Sie die Seite neu und senden Sie sie erneut ab.",
        ),
        Trouble::AccessDenied => (
            "Der Zugriff wurde verweigert",
            "Dies wurde abgelehnt, oder Ihr Konto darf es nicht.",
            "Wenn Sie meinen, dass Sie Zugriff haben sollten, nennen Sie den Betreibern dieses Servers die Kennung unten.",
        ),
        Trouble::NotFound => (
            "Hier ist nichts",
            "Die Adresse ist vielleicht falsch geschrieben, oder die Seite ist umgezogen.",
            "Prüfen Sie die Adresse, oder gehen Sie dorthin zurück, woher Sie kamen.",
        ),
        Trouble::MethodNotAllowed => (
            "Das lässt sich nicht direkt öffnen",
            "Die Adresse gibt es, aber sie wird anders verwendet.",
            "Gehen Sie dorthin zurück, woher Sie kamen, und versuchen Sie es von dort erneut.",
        ),
        Trouble::TooLarge => {
            ("Das war zu viel auf einmal", "Was gesendet wurde, ist größer, als wir annehmen.", "Gehen Sie zurück und senden Sie weniger.")
        }
        Trouble::TooManyRequests => (
            "Zu viele Anfragen",
            "Es gab zu viele Versuche in kurzer Zeit, von Ihnen oder aus Ihrem Netz.",
            "Warten Sie einige Minuten und versuchen Sie es erneut.",
        ),
        Trouble::Unavailable => (
            "Im Moment geht es nicht weiter",
            "Hier wird alles aufgeschrieben, bevor es geschieht, und im Augenblick können wir nicht schreiben. Darum wurde nichts getan.",
            "Versuchen Sie es in einer Minute erneut.",
        ),
        Trouble::Fault => (
            "Bei uns ist etwas schiefgegangen",
            "Es ist nicht Ihre Schuld, und es wurde protokolliert.",
            "Versuchen Sie es erneut. Geschieht es wieder, nennen Sie den Betreibern dieses Servers die Kennung unten.",
        ),
    };
    Advice { title, happened, remedy }
}
