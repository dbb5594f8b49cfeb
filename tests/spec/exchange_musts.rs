//! RFC 8693, RFC 9701, JARM: what these demand and no other test holds.
