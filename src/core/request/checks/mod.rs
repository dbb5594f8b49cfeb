//! One file per check, named by what it checks.

pub mod acr_values;
pub mod authorization_details;
pub mod bounds;
pub mod claims;
pub mod dpop_jkt;
pub mod id_token_hint;
pub mod max_age;
pub mod nonce;
pub mod pkce;
pub mod profile;
pub mod prompt;
pub mod pushed;
pub mod redirect_uri;
pub mod registration;
pub mod resource;
pub mod response_mode;
pub mod response_type;
pub mod scope;
pub mod without_browser;
