//! RFC 8628, RFC 9470: what these demand and no other test holds.
