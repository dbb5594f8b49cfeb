//! How the answers of a client may travel.
//!
//! | Rule | Source |
//! |---|---|
//! | those that are listed, or any | FAPI 2.0 Message Signing §5.3.3 |
//! | none that is switched off | RFC 8414 §2 in spirit |

use alloc::collections::BTreeSet;
use alloc::string::String;

use super::Problems;
use crate::client::metadata::{Metadata, ResponseMode, Terms};

pub(super) fn read(asked: Option<&[String]>, wrong: &mut Problems) -> BTreeSet<ResponseMode> {
    match asked {
        None => BTreeSet::new(),
        Some([]) => {
            wrong.add("response_modes", "Name one at least, or leave it out: then it is any.");
            BTreeSet::new()
        }
        named => wrong.choices("response_modes", named, ResponseMode::Query),
    }
}

pub(super) fn check(metadata: &Metadata, terms: Terms, wrong: &mut Problems) {
    if !terms.web_message && metadata.response_modes.iter().any(|mode| mode.carrier() == ResponseMode::WebMessage) {
        wrong.add("response_modes", "web_message is switched off here.");
    }
}
