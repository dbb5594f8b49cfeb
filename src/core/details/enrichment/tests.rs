//! RFC 9396 §7.1: what is added, chosen, refused, and kept apart.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use super::{Enrichment, Person, Picked, Unfit};
use crate::account::lists::Lists;
use crate::credential::Catalogue;
use crate::details::schema::Schema;
use crate::details::words::Words;
use crate::details::{Details, Type, Types};
use crate::testing::*;

const CLOSED: &str = r#"{"properties":{"to":{"type":"string"}},"required":["to"],"additionalProperties":false}"#;
const BANK: &str = r#"{"properties":{"access":{"properties":{"accounts":{"type":"array"},"balances":{"type":"array"}},"additionalProperties":false}},
                       "required":["access"],"additionalProperties":false}"#;

fn kind(schema: &str, words: &str, enrichment: Value) -> Type {
    let (schema, words) = (Schema::parse(&serde_json::from_str(schema).unwrap()).unwrap(), Words::parse(words).unwrap());
    Type { enrichment: Enrichment::parse(&enrichment, &schema, &words).unwrap(), schema, words }
}

fn types() -> Types {
    let pay = json!({
        "from.account": { "choose_one": "accounts", "words": "From which account to {to}?" },
        "from.holder": { "claim": "name" },
        "purpose": { "const": ["a", 1] },
    });
    let some = |words: &str| json!({ "choose": "accounts", "words": words, "most": 2 });
    let bank = json!({ "access.accounts": some("Which accounts?"), "access.balances": some("Which balances?") });
    let declared = [("pay".into(), kind(CLOSED, "Pay {to} as {from.holder}", pay)), ("bank".into(), kind(BANK, "See accounts", bank))];
    Types { declared: declared.into(), credentials: Catalogue::NONE }
}

fn lists() -> Lists {
    Lists::parse(r#"{"accounts":[{"label":"Daily","value":{"iban":"DE1"}},{"label":"Savings","value":{"iban":"DE2"}},"three"]}"#)
        .ok()
        .unwrap()
}

fn read(text: &str) -> Result<Details, String> {
    let client = client_with(|metadata| metadata.authorization_details_types = ["pay".into(), "bank".into()].into());
    types().read(text, &client).map_err(|error| error.description.into_owned())
}

/// The id of what stands at this place of the list.
fn id(at: usize) -> String {
    lists().get("accounts")[at].id()
}

fn picking(picked: &[(usize, &[usize])]) -> Picked {
    picked.iter().map(|(question, at)| (*question, at.iter().map(|at| id(*at)).collect())).collect()
}

fn granted(text: &str, picked: &Picked) -> Result<Value, Unfit> {
    let claims: Map<String, Value> = [("name".to_string(), json!("Alice"))].into_iter().collect();
    types().enrich(&read(text).unwrap(), &Person { claims: &claims, lists: &lists() }, picked).map(|own| own.value())
}

const PAY: &str = r#"[{"type":"pay","to":"Ann"}]"#;

#[test]
fn rfc9396_7_1_constants_claims_and_what_was_chosen_come_in() {
    let expected =
        json!([{ "type": "pay", "to": "Ann", "purpose": ["a", 1], "from": { "account": { "iban": "DE2" }, "holder": "Alice" } }]);
    assert_eq!(granted(PAY, &picking(&[(0, &[1])])).unwrap(), expected);
    let bank = r#"[{"type":"bank","access":{"accounts":[],"balances":[]}}]"#;
    let both = granted(bank, &picking(&[(0, &[2, 0]), (1, &[0])])).unwrap();
    assert_eq!(both, json!([{ "type": "bank", "access": { "accounts": [{ "iban": "DE1" }, "three"], "balances": [{ "iban": "DE1" }] } }]));
    // What the schema has and the client does not ask for is not added.
    let one = granted(r#"[{"type":"bank","access":{"balances":[]}}]"#, &picking(&[(0, &[0])])).unwrap();
    assert_eq!(one, json!([{ "type": "bank", "access": { "balances": [{ "iban": "DE1" }] } }]));
}

#[test]
fn rfc9396_7_1_a_person_without_the_claim_has_no_such_member() {
    let enriched = types().enrich(&read(PAY).unwrap(), &Person { claims: &Map::new(), lists: &lists() }, &picking(&[(0, &[0])])).unwrap();
    assert_eq!(enriched.value()[0]["from"], json!({ "account": { "iban": "DE1" } }));
}

#[test]
fn rfc9396_7_1_nothing_is_chosen_that_was_not_offered() {
    let forged = |picked: &Picked| matches!(granted(PAY, picked), Err(Unfit::Refused(error)) if error.code() == "invalid_request");
    assert!(forged(&[(0, [crate::digest::Digest::of(b"x").to_string()].into())].into()));
    assert!(forged(&[(0, ["".into()].into())].into()));
    assert!(forged(&[(0, [id(0)].into()), (1, [id(0)].into())].into()), "a question that nobody asked");
    assert!(forged(&[(usize::MAX, ["x".into()].into())].into()), "and no answer to the one that was");
    assert!(matches!(granted(PAY, &Picked::new()), Err(Unfit::TooFew { question: 0, least: 1 })));
    assert!(matches!(granted(PAY, &picking(&[(0, &[0, 1])])), Err(Unfit::TooMany { question: 0, most: 1 })));
    let bank = r#"[{"type":"bank","access":{"accounts":[],"balances":[]}}]"#;
    assert!(matches!(granted(bank, &picking(&[(0, &[0])])), Err(Unfit::TooFew { question: 1, least: 1 })));
    assert!(matches!(granted(bank, &picking(&[(0, &[0, 1, 2]), (1, &[0])])), Err(Unfit::TooMany { question: 0, most: 2 })));
    // A client may say which it means where the schema lets it: then nothing else is offered, and nothing of another's.
    let named = r#"[{"type":"bank","access":{"accounts":[{"iban":"DE2"},{"iban":"of another"}]}}]"#;
    let question = types().questions(&read(named).unwrap(), &lists()).remove(0);
    assert_eq!(question.offered.iter().map(|own| own.label.as_str()).collect::<Vec<_>>(), ["Savings"]);
    assert!(matches!(granted(named, &picking(&[(0, &[0])])), Err(Unfit::Refused(_))));
    assert_eq!(granted(named, &picking(&[(0, &[1])])).unwrap()[0]["access"]["accounts"], json!([{ "iban": "DE2" }]));
}

#[test]
fn rfc9396_5_a_request_has_no_member_that_is_added() {
    for bad in [
        r#"[{"type":"pay","to":"Ann","purpose":["a",1]}]"#,
        r#"[{"type":"pay","to":"Ann","from":{"account":{"iban":"DE1"}}}]"#,
        r#"[{"type":"pay","to":"Ann","from":{"holder":"Bob"}}]"#,
        r#"[{"type":"pay","to":"Ann","from":{}}]"#,
        r#"[{"type":"pay","to":"Ann","from":"x"}]"#,
        r#"[{"type":"pay","to":"Ann","from.account":"x"}]"#,
        r#"[{"type":"bank","access":{"accounts":"all"}}]"#,
        r#"[{"type":"bank"}]"#,
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
    // Open as the schema may be: what is added here is nobody else's word.
    let open =
        Types { declared: [("pay".into(), kind("{}", "x", json!({ "limit": { "const": 5 } })))].into(), credentials: Catalogue::NONE };
    let client = client_with(|metadata| metadata.authorization_details_types = ["pay".into()].into());
    assert!(open.read(r#"[{"type":"pay","limit":500}]"#, &client).is_err() && open.read(r#"[{"type":"pay","x":1}]"#, &client).is_ok());
    let many = format!("[{}]", [r#"{"type":"bank","access":{"accounts":[],"balances":[]}}"#; 8].join(","));
    let enough = types().questions(&read(&many).unwrap(), &lists()).len();
    assert_eq!(enough, super::MOST_QUESTIONS);
}

#[test]
fn rfc9396_6_a_token_request_may_leave_out_what_was_added_and_never_has_more() {
    let of = |text: &str| Details::read_granted(text).unwrap();
    let own = of(r#"[{"type":"pay","to":"Ann","purpose":["a",1],"from":{"account":{"iban":"DE2"},"holder":"Alice"}},
                     {"type":"bank","access":{"accounts":[{"iban":"DE1"},{"iban":"DE2"}],"balances":[{"iban":"DE1"}]}}]"#);
    let asked = |text: &str| types().narrow(Some(&own), Some(text)).map(|own| own.unwrap().value()).map_err(|error| error.code());
    let whole = own.value();
    for same in [
        // As it was asked for, and as it was answered.
        r#"[{"type":"pay","to":"Ann"},{"type":"bank","access":{"accounts":[],"balances":[]}}]"#,
        &own.text(),
        r#"[{"type":"pay","to":"Ann","from":{"holder":"Alice"}},{"type":"bank","access":{"accounts":[{"iban":"DE1"},{"iban":"DE2"}],"balances":[]}}]"#,
    ] {
        assert_eq!(asked(same).as_ref(), Ok(&whole), "{same}");
    }
    let fewer = asked(r#"[{"type":"bank","access":{"accounts":[{"iban":"DE2"}],"balances":[]}}]"#).unwrap();
    assert_eq!(fewer, json!([{ "type": "bank", "access": { "accounts": [{ "iban": "DE2" }], "balances": [{ "iban": "DE1" }] } }]));
    for more in [
        r#"[{"type":"pay","to":"Bob"}]"#,
        r#"[{"type":"pay","to":"Ann","purpose":["a"]}]"#,
        r#"[{"type":"pay","to":"Ann","from":{"account":{"iban":"DE1"}}}]"#,
        r#"[{"type":"pay","to":"Ann","from":{"account":[]}}]"#,
        r#"[{"type":"pay","to":"Ann","from":{"holder":"Bob"}}]"#,
        r#"[{"type":"pay","to":"Ann","from":{"more":1}}]"#,
        r#"[{"type":"bank","access":{"accounts":[{"iban":"DE1"},{"iban":"DE3"}],"balances":[]}}]"#,
        r#"[{"type":"bank","access":{"accounts":[],"balances":[],"more":[]}}]"#,
    ] {
        assert_eq!(asked(more), Err("invalid_authorization_details"), "{more}");
    }
}

#[test]
fn rfc9396_7_1_a_client_has_nobody_who_chooses() {
    let constant =
        Types { declared: [("job".into(), kind("{}", "x", json!({ "rank": { "const": 5 } })))].into(), credentials: Catalogue::NONE };
    let own = constant.enrich_for_client(Details::read(r#"[{"type":"job"}]"#).unwrap()).unwrap();
    assert_eq!(own.value(), json!([{ "type": "job", "rank": 5 }]));
    assert_eq!(types().enrich_for_client(read(PAY).unwrap()).unwrap_err().code(), "invalid_authorization_details");
}

#[test]
fn rfc9396_3_the_page_says_what_is_told_of_the_person_and_asks_the_rest() {
    let claims: Map<String, Value> = [("name".to_string(), json!("Alice"))].into_iter().collect();
    let shown = types().before_choice(&read(PAY).unwrap(), &claims).unwrap();
    assert_eq!(types().in_words(&shown), ["Pay Ann as Alice"]);
    let question = types().questions(&read(PAY).unwrap(), &lists()).remove(0);
    assert_eq!(
        (question.words.as_str(), question.sentence.as_str(), question.one),
        ("From which account to Ann?", "From which account to {to}?", true)
    );
    let chosen = types().chosen(&read(PAY).unwrap());
    assert_eq!(json!(chosen), json!({ "pay": ["from.account"] }));
    assert!(types().tell_claims(&read(PAY).unwrap()) && !types().tell_claims(&read(r#"[{"type":"bank","access":{}}]"#).unwrap()));
}

#[test]
fn rfc9396_7_1_what_becomes_too_long_is_refused() {
    let long = json!({ "a": { "const": "x".repeat(super::LONGEST) } });
    let long = Types { declared: [("job".into(), kind("{}", "x", long))].into(), credentials: Catalogue::NONE };
    assert!(long.enrich_for_client(Details::read(r#"[{"type":"job"}]"#).unwrap()).is_err());
}

#[test]
fn what_is_not_understood_keeps_the_server_from_starting() {
    let schema = Schema::parse(&serde_json::from_str(BANK).unwrap()).unwrap();
    let words = Words::parse("Read {name}").unwrap();
    let parse = |value: Value| Enrichment::parse(&value, &schema, &words);
    let many: Map<String, Value> = (0..17).map(|n| (n.to_string(), json!({ "const": 1 }))).collect();
    for bad in [
        json!([]),
        json!({}),
        json!({ "type": { "const": "x" } }),
        json!({ "": { "const": 1 } }),
        json!({ "a..b": { "const": 1 } }),
        json!({ "a.b.c.d.e": { "const": 1 } }),
        json!({ "a": { "const": 1 }, "a.b": { "const": 1 } }),
        json!({ "a": { "const": 1.5 } }),
        json!({ "a": { "const": 1, "claim": "name" } }),
        json!({ "a": 1 }),
        json!({ "a": {} }),
        json!({ "a": { "ask": "x" } }),
        json!({ "name": { "claim": "shoe_size" } }),
        // The person would not read it.
        json!({ "given": { "claim": "name" } }),
        // The client would believe that its word counts.
        json!({ "access.accounts": { "const": [] } }),
        json!({ "a": { "choose": "accounts" } }),
        json!({ "a": { "choose": "Accounts", "words": "x" } }),
        json!({ "a": { "choose": "accounts", "words": "{" } }),
        json!({ "a": { "choose": "accounts", "words": "x", "more": 1 } }),
        json!({ "a": { "choose": "accounts", "words": "x", "least": 3, "most": 2 } }),
        json!({ "a": { "choose": "accounts", "words": "x", "most": 51 } }),
        json!({ "a": { "choose": "accounts", "words": "x", "most": "2" } }),
        json!({ "a": { "choose_one": "accounts", "words": "x", "most": 2 } }),
        Value::Object(many),
    ] {
        assert!(parse(bad.clone()).is_err(), "{bad}");
    }
    assert!(parse(json!({ "name": { "claim": "name" }, "a": { "choose": "accounts", "words": "x", "least": 0, "most": 50 } })).is_ok());
    let own = parse(json!({ "a": { "const": null }, "b": { "const": 1 } })).unwrap();
    assert_eq!(own.apart(true), [["a"], ["b"]]);
}
