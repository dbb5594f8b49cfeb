//! The small languages of values: durations, rates, networks, origins, socket addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::problem::shown;

/// Seconds from `90`, `90s`, `10m`, `1h` or `14d`.
pub fn duration(text: &str) -> Result<u64, String> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err(format!("{} is negative; a duration is at least 0.", shown(text)));
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => 0,
    };
    if factor == 0 || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("{} is not a duration; write seconds, or 90s, 10m, 1h, 14d.", shown(text)));
    }
    // Too many digits saturate, so that the bound of the setting names the limit.
    Ok(digits.parse().unwrap_or(u64::MAX).saturating_mul(factor))
}

/// At most `count` in `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub count: u32,
    pub window: Duration,
}

/// `10/15m`, or `off` for none.
pub fn rate(text: &str) -> Result<Option<Rate>, String> {
    let wrong = || format!("{} is not a rate; write COUNT/WINDOW such as 10/15m, or off.", shown(text));
    if text == "off" {
        return Ok(None);
    }
    let (count, window) = text.split_once('/').ok_or_else(wrong)?;
    let count: u32 = count.parse().map_err(|_| wrong())?;
    let seconds = duration(window).map_err(|_| wrong())?;
    if count == 0 || count > 1_000_000 || seconds == 0 || seconds > 7 * 86_400 {
        return Err(format!("{} is out of bounds; the count is 1 to 1000000 and the window 1s to 7d.", shown(text)));
    }
    Ok(Some(Rate { count, window: Duration::from_secs(seconds) }))
}

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// `10.0.0.0/8`, `fd00::/8`, or one address.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{} is not a network; write 10.0.0.0/8, fd00::/8 or one address.", shown(text));
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most: u8 = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().map_err(|_| wrong())?,
            Some(_) => return Err(wrong()),
        };
        if prefix > most {
            return Err(wrong());
        }
        let network = masked(address, prefix);
        // A host inside a network is more often a slip than a wish, and trusting the whole network would be too much.
        if network != address {
            return Err(format!("{} has bits beyond the prefix; did you mean {network}/{prefix}?", shown(text)));
        }
        Ok(Self { network, prefix })
    }

    pub fn is_everything(&self) -> bool {
        self.prefix == 0
    }

    /// Whether the address lies in the network. IPv4 inside IPv6 (`::ffff:10.0.0.1`) counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4() && masked(address, self.prefix) == self.network
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & u32::MAX.checked_shl(32 - prefix).unwrap_or(0)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & u128::MAX.checked_shl(128 - prefix).unwrap_or(0)).into(),
    }
}

/// `IP:PORT`; `localhost:PORT` means both loopbacks, so that it does not matter which one a browser tries first.
pub fn listener(text: &str) -> Result<Vec<SocketAddr>, String> {
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse::<u16>().ok()) {
        return Ok(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]);
    }
    text.parse().map(|address| vec![address]).map_err(|_| {
        format!("{} is not an address to listen on; write IP:PORT such as 127.0.0.1:3000, [::1]:3000 or 0.0.0.0:3000.", shown(text))
    })
}

/// The name of a host, without scheme, port and path.
pub fn host(text: &str) -> Result<String, String> {
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match text.len() <= 253 && text.split('.').all(is_label) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!("{} is not the name of a host; write it without scheme, port and path.", shown(text))),
    }
}

/// An origin exactly as browsers send it: `https://app.example`, `http://localhost:8080`.
pub fn origin(text: &str) -> Result<String, String> {
    let wrong =
        || format!("{} is not an origin; write scheme://host or scheme://host:port as the browser sends it, without a path.", shown(text));
    if text == "*" {
        return Err("* is not allowed; list each origin that may call.".to_owned());
    }
    let url = url::Url::parse(text).map_err(|_| wrong())?;
    let exact = url.origin().ascii_serialization();
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong());
    }
    if exact != text {
        return Err(format!("{} is not how browsers write the origin; write {exact}.", shown(text)));
    }
    Ok(exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_or_have_a_unit() {
        let given = ["90", "90s", "10m", "1h", "14d", " 5 ", "0", "99999999999999999999999d"];
        let then = [90, 90, 600, 3_600, 14 * 86_400, 5, 0, u64::MAX];
        assert_eq!(given.map(|text| duration(text).unwrap()), then);
        for bad in ["", "m", "1.5h", "1h30m", "-5m", "10 m", "1e3", "١m", "10M", "1w", "+3"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(duration("-5m").unwrap_err(), "\"-5m\" is negative; a duration is at least 0.");
    }

    #[test]
    fn rates_have_a_count_and_a_window() {
        assert_eq!(rate("10/15m"), Ok(Some(Rate { count: 10, window: Duration::from_secs(900) })));
        assert_eq!(rate("off"), Ok(None));
        for bad in ["", "10", "0/1m", "10/0", "-1/1m", "10/-1m", "9999999/1m", "1/8d", "99999999999/1m", "OFF"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_contain_their_addresses_only() {
        let contains = |network: &str, address: &str| Cidr::parse(network).unwrap().contains(address.parse().unwrap());
        assert!(contains("10.0.0.0/8", "10.255.0.1"));
        assert!(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("fd00::/8", "fd12::1"));
        assert!(!contains("::/0", "10.0.0.1"));
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(contains("192.0.2.7", "192.0.2.7"));
        assert!(!contains("192.0.2.7", "192.0.2.6"));
        assert_eq!(Cidr::parse("10.1.2.3/8").unwrap_err(), "\"10.1.2.3/8\" has bits beyond the prefix; did you mean 10.0.0.0/8?");
        for bad in ["", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0/8", "::/129", "example.com", "10.0.0.0/"] {
            assert!(Cidr::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_are_exact() {
        for good in ["https://app.example", "http://localhost:8080", "http://[::1]:8080"] {
            assert_eq!(origin(good).as_deref(), Ok(good));
        }
        for bad in
            ["*", "null", "app.example", "https://app.example/", "https://app.example:443", "HTTPS://app.example", "ftp://x", "https://u@x"]
        {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn localhost_is_both_loopbacks() {
        assert_eq!(listener("localhost:3000").unwrap().len(), 2);
        for bad in ["3000", ":3000", "example.com:3000", "127.0.0.1", "127.0.0.1:99999", "localhost:", "*:3000"] {
            assert!(listener(bad).is_err(), "{bad}");
        }
    }
}
