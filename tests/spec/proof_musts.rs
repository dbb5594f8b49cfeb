//! RFC 9449, RFC 8705: what these demand and no other test holds.
