//! The sentences of `/device`.

use super::Around;

/// One language.
pub struct DeviceText {
    pub enter_title: &'static str,
    pub enter_lead: &'static str,
    pub code_label: &'static str,
    pub code_hint: &'static str,
    pub confirm_title: Around,
    pub compare: Around,
    pub asked_from: Around,
    pub asked_from_unknown: &'static str,
    pub warning: &'static str,
    pub allowed_title: &'static str,
    pub allowed_note: &'static str,
    pub denied_title: &'static str,
    pub denied_note: &'static str,
}

pub const EN: DeviceText = DeviceText {
    enter_title: "Connect a device",
    enter_lead: "The device shows a code of eight letters. Type it here.",
    code_label: "Code",
    code_hint: "Such as WDJB-MJHT. Capitals and the dash do not matter.",
    confirm_title: ("", " on a device asks for access"),
    compare: ("Does the device show this code: ", "?"),
    asked_from: ("The device asked from ", ","),
    asked_from_unknown: "It is not known from where the device asked,",
    warning: "Allow this only if the device is in front of you and you began this yourself. Nobody will ever call or write to you for this code.",
    allowed_title: "The device is connected",
    allowed_note: "You can go back to it and close this page.",
    denied_title: "The device was refused",
    denied_note: "It gets no access. You can close this page.",
};

pub const DE: DeviceText = DeviceText {
    enter_title: "Ein Gerät verbinden",
    enter_lead: "Das Gerät zeigt einen Code aus acht Buchstaben. Geben Sie ihn hier ein.",
    code_label: "Code",
    code_hint: "Zum Beispiel WDJB-MJHT. Groß oder klein und der Strich sind gleich.",
    confirm_title: ("", " auf einem Gerät bittet um Zugriff"),
    compare: ("Zeigt das Gerät diesen Code: ", "?"),
    asked_from: ("Das Gerät fragte von ", ","),
    asked_from_unknown: "Es ist nicht bekannt, von wo das Gerät fragte,",
    warning: "Erlauben Sie das nur, wenn das Gerät vor Ihnen steht und Sie selbst damit begonnen haben. Niemand ruft Sie wegen dieses Codes an oder schreibt Ihnen.",
    allowed_title: "Das Gerät ist verbunden",
    allowed_note: "Sie können zu ihm zurückgehen und diese Seite schließen.",
    denied_title: "Das Gerät wurde abgelehnt",
    denied_note: "Es bekommt keinen Zugriff. Sie können diese Seite schließen.",
};
