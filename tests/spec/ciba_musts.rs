//! CIBA Core and FAPI-CIBA: what these demand and no other test holds.
