//! What is canonical and what is not, against RFC 8785 and the writer of the server.

use proptest::prelude::*;

use super::*;

#[test]
fn the_first_byte_that_stops_is_found_wherever_it_stands() {
    let stops = |word| is(word, b'"') | is(word, b'\\') | is_control(word);
    let plainly = |bytes: &[u8]| bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
    for length in 0..40 {
        for at in 0..=length {
            for stop in [b'"', b'\\', 0, 0x1f] {
                // Neighbours that differ from a stop by one bit, and bytes of longer characters.
                for filler in [b'!', b'#', b'[', b']', 0x20, 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
                    let mut bytes = vec![filler; length];
                    bytes.splice(at.min(length)..at.min(length), [stop, stop]);
                    assert_eq!(first(&bytes, stops, |byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)), plainly(&bytes), "{bytes:?}");
                    assert_eq!(first(&bytes[..at], stops, |byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)), plainly(&bytes[..at]));
                }
            }
        }
    }
}

#[test]
fn rfc8785_what_is_not_canonical_is_refused() {
    for (text, why) in [
        ("", NotCanonical::Syntax),
        ("{", NotCanonical::Syntax),
        ("{}{}", NotCanonical::Trailing),
        ("{} ", NotCanonical::Trailing),
        (" {}", NotCanonical::Syntax),
        ("{\"a\": 1}", NotCanonical::Syntax),
        ("{\"b\":1,\"a\":1}", NotCanonical::Order),
        ("{\"a\":1,\"a\":1}", NotCanonical::Order),
        ("{\"a\":1,}", NotCanonical::Syntax),
        ("[1,]", NotCanonical::Syntax),
        ("[01]", NotCanonical::Number),
        ("[-0]", NotCanonical::Number),
        ("[1.0]", NotCanonical::Number),
        ("[1e3]", NotCanonical::Number),
        ("[9007199254740992]", NotCanonical::Number),
        ("[99999999999999999999999]", NotCanonical::Number),
        ("[-]", NotCanonical::Syntax),
        ("\"\\u0009\"", NotCanonical::Escape),
        ("\"\\u001F\"", NotCanonical::Escape),
        ("\"\\u0041\"", NotCanonical::Escape),
        ("\"\\/\"", NotCanonical::Escape),
        ("\"\t\"", NotCanonical::Syntax),
        ("\"\\x\"", NotCanonical::Syntax),
        ("\"", NotCanonical::Syntax),
        ("\"\\", NotCanonical::Syntax),
        ("tru", NotCanonical::Syntax),
    ] {
        assert_eq!(check(text.as_bytes()), Err(why), "{text}");
    }
    assert_eq!(check(b"\"\xff\""), Err(NotCanonical::Utf8));
    assert_eq!(check("[".repeat(40).as_bytes()), Err(NotCanonical::Deep));
}

/// The names of the example in RFC 8785 §3.2.3, in its order: a code point beyond the first plane sorts by its surrogates.
#[test]
fn rfc8785_3_2_3_names_are_sorted_by_utf16() {
    let sorted = "{\"\\r\":1,\"1\":1,\"\u{80}\":1,\"\u{f6}\":1,\"\u{20ac}\":1,\"\u{1f600}\":1,\"\u{fb33}\":1}";
    assert!(check(sorted.as_bytes()).is_ok());
    let swapped = "{\"\u{fb33}\":1,\"\u{1f600}\":1}";
    assert_eq!(check(swapped.as_bytes()), Err(NotCanonical::Order));
}

#[test]
fn members_and_elements_come_apart() {
    let text = r#"{"a":{"b":[1,"]}\"",{}]},"c":-7,"d":"x\n\u0001ü","e":[]}"#;
    let members: Vec<_> = check(text.as_bytes()).unwrap().members().unwrap().collect();
    assert_eq!(
        members.iter().map(|(key, raw)| (*key, raw.text())).collect::<Vec<_>>(),
        [("a", r#"{"b":[1,"]}\"",{}]}"#), ("c", "-7"), ("d", r#""x\n\u0001ü""#), ("e", "[]"),]
    );
    let inner = members[0].1.members().unwrap().next().unwrap().1;
    assert_eq!(inner.elements().unwrap().map(Raw::text).collect::<Vec<_>>(), ["1", r#""]}\"""#, "{}"]);
    assert_eq!(members[1].1.integer(), Some(-7));
    assert_eq!(members[2].1.string().unwrap(), "x\n\u{1}ü");
    assert_eq!((members[2].1.plain(), members[3].1.elements().unwrap().count()), (None, 0));
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// What the server writes as canonical is canonical here, and nothing else that means the same is.
    #[test]
    fn the_servers_canonical_bytes_and_no_others(value in json()) {
        let canonical = chancery_core::canonical::to_vec(&value).unwrap();
        prop_assert!(check(&canonical).is_ok());
        let pretty = serde_json::to_vec_pretty(&value).unwrap();
        prop_assert_eq!(check(&pretty).is_ok(), pretty == canonical);
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(raw) = check(&bytes) {
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
            raw.members().into_iter().flatten().for_each(drop);
        }
    }
}
