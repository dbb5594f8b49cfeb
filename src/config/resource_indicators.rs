//! Which resource server is meant where a request names none (RFC 8707 §2).

use chancery_core::resource::ResourceId;

use super::reader::Reader;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceIndicators {
    /// `None`: userinfo of this server.
    pub default: Option<ResourceId>,
    /// What was granted is meant at the token endpoint, though openid was granted beside it.
    pub use_granted: bool,
}

pub(super) fn read(reader: &mut Reader) -> ResourceIndicators {
    let key = "resource_indicators.default";
    let text = reader.text(key);
    let default = text.as_deref().and_then(ResourceId::parse);
    if text.is_some() && default.is_none() {
        reader.refuse(key, "is no absolute URI without a fragment, such as \"https://api.example\".");
    }
    ResourceIndicators { default, use_granted: reader.boolean("resource_indicators.use_granted") }
}
