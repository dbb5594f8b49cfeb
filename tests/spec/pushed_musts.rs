//! RFC 9126, RFC 9396: what these demand and no other test holds.
