//! The guard: which addresses are public, and what is never connected to.

use super::*;
use proptest::prelude::*;

#[test]
fn rfc6890_special_addresses_are_not_public() {
    for special in [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.8.8.8",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "3fff::1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "ff02::1",
    ] {
        assert!(!is_public(special.parse().unwrap()), "{special}");
    }
    for public in ["1.1.1.1", "9.9.9.9", "172.15.0.1", "172.32.0.1", "100.63.0.1", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::1"]
    {
        assert!(is_public(public.parse().unwrap()), "{public}");
    }
}

#[test]
fn http_and_special_addresses_only_by_exception() {
    let net = |text| Cidr::parse(text).unwrap();
    let strict = Outgoing::new(&[], false).unwrap();
    let open = Outgoing::new(&[net("10.0.0.0/8")], true).unwrap();
    for (address, https, by_default, by_exception) in [
        ("1.1.1.1", true, true, true),
        ("1.1.1.1", false, false, false),
        ("127.0.0.1", true, false, true),
        ("::1", false, false, true),
        ("::ffff:127.0.0.1", false, false, true),
        ("10.1.1.1", false, false, true),
        ("192.168.1.1", true, false, false),
    ] {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!((strict.may_reach(address, https), open.may_reach(address, https)), (by_default, by_exception), "{address} {https}");
    }
}

#[tokio::test]
async fn what_is_not_allowed_is_not_connected_to() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let strict = Outgoing::new(&[], false).unwrap();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433"] {
        for scheme in ["http", "https"] {
            let failure = strict.post(&format!("{scheme}://{host}:{port}/"), "text/plain", None, String::new()).await.unwrap_err();
            assert!(matches!(failure, Failure::Forbidden | Failure::Unresolved), "{scheme} {host}: {failure}");
        }
    }
    assert!(tokio::time::timeout(Duration::from_millis(1), listener.accept()).await.is_err(), "nobody came");
    for bad in ["", "ftp://a.example/", "javascript:alert(1)", "https:", "https://"] {
        assert!(matches!(strict.post(bad, "text/plain", None, String::new()).await, Err(Failure::Url)), "{bad}");
    }
}

#[test]
fn rfc9111_5_2_2_how_long_a_document_is_fresh() {
    let of = |value: &str| fresh_for(&HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_str(value).unwrap())]));
    assert_eq!(of("public, max-age=60"), Some(Duration::from_secs(60)));
    assert_eq!(of("Max-Age=\"5\""), Some(Duration::from_secs(5)));
    for none in ["no-store", "max-age=60, no-cache", "no-cache=\"x\""] {
        assert_eq!(of(none), Some(Duration::ZERO), "{none}");
    }
    assert_eq!((of("public"), of("max-age=soon"), fresh_for(&HeaderMap::new())), (None, None, None));
}

#[tokio::test]
async fn a_document_is_bounded_and_only_200_is_one() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys?x=1", listener.local_addr().unwrap());
    let answers = [
        "200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "200 OK\r\nContent-Length: 6\r\n\r\nhello!",
        "302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    ];
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let length = stream.read(&mut head).await.unwrap();
            assert!(head[..length].starts_with(b"GET /keys?x=1 HTTP/1.1\r\n"));
            stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await.unwrap();
        }
    });
    let open = Outgoing::new(&[], true).unwrap();
    assert_eq!(open.get(&url, "application/json", 5).await.unwrap().body, b"hello");
    assert!(matches!(open.get(&url, "application/json", 5).await, Err(Failure::TooLong(5))));
    assert!(matches!(open.get(&url, "application/json", 5).await, Err(Failure::Status(302))));
}

proptest! {
    #[test]
    fn an_ipv4_address_is_judged_the_same_in_every_spelling(bits: u32) {
        let v4 = Ipv4Addr::from(bits);
        let [high, low] = [(bits >> 16) as u16, bits as u16];
        prop_assert_eq!(is_public(IpAddr::V4(v4)), is_public(IpAddr::V6(v4.to_ipv6_mapped())));
        prop_assert_eq!(is_public(IpAddr::V4(v4)), is_public(IpAddr::V6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low))));
    }
}
