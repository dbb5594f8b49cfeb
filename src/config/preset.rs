//! Settings that follow from a profile.

use std::collections::BTreeMap;

use chancery_core::profile::Profile;

use super::file;
use super::given::{Given, Raw};
use super::problem::Origin;

/// What follows from a profile where nobody says otherwise.
pub(super) fn apply(settings: &mut BTreeMap<&'static str, Given>) {
    let named = settings.get("profile").and_then(|given| match &given.raw {
        Raw::Text(text) => Profile::parse(text),
        _ => None,
    });
    for (key, literal) in named.into_iter().flat_map(|profile| profile.presets()) {
        settings.entry(key).or_insert_with(|| Given { raw: file::literal(literal), origin: Origin::Default });
    }
}
