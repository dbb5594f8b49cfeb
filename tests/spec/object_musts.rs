//! RFC 9101: what it demands and no other test holds.
