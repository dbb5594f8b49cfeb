//! What a registration is held against besides itself.

use crate::profile::Profile;

/// What the rules need to know besides the metadata itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// An operator asks (admin token, configuration file): may grant what registration cannot.
    pub by_operator: bool,
    /// The keys in `jwks` were parsed and hold at least one usable public key.
    pub jwks_usable: bool,
    /// The keys in `jwks` have one for each encryption that is asked for.
    pub jwks_encrypts: bool,
    /// The implicit and hybrid flows are switched on.
    pub front_channel: bool,
    /// Answers may travel as messages between windows.
    pub web_message: bool,
    /// Request objects may come without a signature.
    pub unsigned_request_objects: bool,
    /// Request objects may come encrypted.
    pub encrypted_request_objects: bool,
    /// Clients are told of logouts through the browser.
    pub front_channel_logout: bool,
    /// The keys in `jwks` come with certificates (`x5c`).
    pub jwks_certified: bool,
    /// Certificates of clients reach this server.
    pub client_certificates: bool,
    /// There are authorities that it trusts to issue them.
    pub client_authorities: bool,
    /// There are clients that may exchange tokens.
    pub token_exchange: bool,
    /// There are issuers whose assertions are grants.
    pub assertion_issuers: bool,
    /// Clients may ask people on the back channel.
    pub ciba: bool,
    /// There are attesters of clients.
    pub attesters: bool,
    /// The server itself is reached over https: it is no development on one machine.
    pub https: bool,
    /// Credentials are issued to wallets.
    pub credentials: bool,
    /// What the whole server is held to.
    pub profile: Option<Profile>,
}
