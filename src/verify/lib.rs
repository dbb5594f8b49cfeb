//! The auditor's offline verifier: no database driver, no network.
//!
//! It has no code yet: `chancery audit verify` checks a log beside its database, and the verifier that trusts nobody comes with signed
//! checkpoints and exports that carry proofs. The package stands so that its boundary is held from the beginning: whatever comes in
//! here may depend on hashing and on nothing of the server.
