//! The sentences of `/account/requests`.

use super::Around;

/// One language.
pub struct BackchannelText {
    pub title: Around,
    pub compare: Around,
    pub asked_at: &'static str,
    pub warning: &'static str,
    pub more: &'static str,
    pub nothing_title: &'static str,
    pub nothing_note: &'static str,
    pub allowed_note: &'static str,
    pub denied_note: &'static str,
}

pub const EN: BackchannelText = BackchannelText {
    title: ("", " asks for access"),
    compare: ("Does the other screen show the same: ", "?"),
    asked_at: "It asked",
    warning: "Allow this only if you began it yourself, on another screen or by telephone with somebody whom you called.",
    more: "More requests wait behind this one.",
    nothing_title: "No request waits for you",
    nothing_note: "When an application asks you, load this page again.",
    allowed_note: "The request was allowed.",
    denied_note: "The request was denied.",
};

pub const DE: BackchannelText = BackchannelText {
    title: ("", " bittet um Zugriff"),
    compare: ("Zeigt der andere Bildschirm dasselbe: ", "?"),
    asked_at: "Gefragt wurde",
    warning: "Erlauben Sie das nur, wenn Sie selbst damit begonnen haben, an einem anderen Bildschirm oder am Telefon mit jemandem, den Sie angerufen haben.",
    more: "Dahinter warten weitere Anfragen.",
    nothing_title: "Keine Anfrage wartet auf Sie",
    nothing_note: "Wenn eine Anwendung Sie fragt, laden Sie diese Seite neu.",
    allowed_note: "Die Anfrage wurde erlaubt.",
    denied_note: "Die Anfrage wurde abgelehnt.",
};
