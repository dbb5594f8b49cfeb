//! The codes of devices: how they look, held against the guesses that are let through.

use chancery_core::device::user_code::{Charset, Form};

use super::reader::Reader;
use super::{Lifetimes, RateLimits};

/// The form of the codes. RFC 8628 §5.1, §6.1.
pub(super) fn codes(reader: &mut Reader, lifetimes: &Lifetimes, limits: &RateLimits) -> Form {
    let charset = reader.choice("device.user_code_charset").and_then(Charset::parse).unwrap_or_default();
    let form = match Form::parse(charset, &reader.text("device.user_code_mask").unwrap_or_default()) {
        Ok(form) => form,
        Err(why) => {
            reader.refuse("device.user_code_mask", why);
            return Form::default();
        }
    };
    // The windows of the limit are the same for everybody: a code that waits sees the end of one, and so many more.
    let guesses = limits.user_code_failures.map(|rate| {
        let windows = lifetimes.device_code.as_secs().div_ceil(rate.window.as_secs().max(1)).saturating_add(1);
        windows.saturating_mul(rate.count.into())
    });
    if !form.is_enough(guesses) {
        let let_through = guesses.map_or("no limit on guesses (rate_limits.user_code_failures is off)".to_owned(), |guesses| {
            format!("{guesses} guesses in the life of one (rate_limits.user_code_failures, lifetimes.device_code)")
        });
        reader.refuse(
            "device.user_code_mask",
            format!("has {} codes, too few for {let_through}: add letters, or lower the limit (RFC 8628 section 5.1).", form.codes()),
        );
    }
    form
}
