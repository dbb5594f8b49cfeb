//! FAPI 1.0 Advanced, FAPI 2.0 Security Profile and Message Signing: what these demand and no other test holds.
