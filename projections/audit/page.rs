//! The rows of one page, made from the leaves without a tree of values: this runs for every event of a busy log.
//!
//! It says the same as [`super::lists`], by which `projections check` judges the stored index; a test holds one against the other over every
//! example event.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use chancery_ledger::recorded::Recorded;
use chancery_ledger::write::{Row, RowWrite};
use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serializer as _};

use super::{COARSE, DIGEST, FEW, FINE, TOKENS, key};
use crate::envelope::Unreadable;

/// What the index takes of an event.
#[derive(Deserialize)]
struct Leaf<'a> {
    #[serde(borrow)]
    actor: Actor<'a>,
    #[serde(borrow)]
    data: Data<'a>,
    position: u64,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow, default)]
    subject: Named<'a>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Actor<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    access: Named<'a>,
    #[serde(borrow, default)]
    client: Named<'a>,
    #[serde(borrow, default)]
    code: Named<'a>,
    #[serde(borrow, default)]
    refresh: Named<'a>,
    #[serde(borrow, default)]
    source: Named<'a>,
}

/// A member that may be a text, or an object with a `digest`; anything else says nothing here.
#[derive(Default)]
enum Named<'a> {
    #[default]
    Nothing,
    Text(Cow<'a, str>),
    Digest(Cow<'a, str>),
}

#[derive(Deserialize)]
struct Digested<'a> {
    #[serde(borrow, default)]
    digest: Named<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Named<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NamedVisitor)
    }
}

struct NamedVisitor;

impl<'de> Visitor<'de> for NamedVisitor {
    type Value = Named<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Named<'de>, E> {
        Ok(Named::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Named<'de>, E> {
        Ok(Named::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Named<'de>, A::Error> {
        let own = Digested::deserialize(MapAccessDeserializer::new(map))?;
        Ok(if let Named::Text(digest) = own.digest { Named::Digest(digest) } else { Named::Nothing })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Named<'de>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Named::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Named<'de>, E> {
        Ok(Named::Nothing)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Named<'de>, E> {
        Ok(Named::Nothing)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Named<'de>, E> {
        Ok(Named::Nothing)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Named<'de>, E> {
        Ok(Named::Nothing)
    }

    fn visit_unit<E>(self) -> Result<Named<'de>, E> {
        Ok(Named::Nothing)
    }
}

impl<'a> Leaf<'a> {
    fn client(&self) -> Option<Cow<'a, str>> {
        if let Named::Text(client) = &self.data.client {
            return Some(client.clone());
        }
        if self.actor.kind == "client" {
            return Some(self.actor.id.clone());
        }
        match &self.stream {
            Cow::Borrowed(stream) => stream.strip_prefix("client-").map(Cow::Borrowed),
            Cow::Owned(stream) => stream.strip_prefix("client-").map(|id| Cow::Owned(id.to_owned())),
        }
    }

    fn subject(&self) -> Option<&Cow<'a, str>> {
        match &self.subject {
            Named::Text(subject) => Some(subject),
            Named::Nothing | Named::Digest(_) => None,
        }
    }

    /// As [`super::actor_of_its_own`].
    fn actor(&self, client: Option<&str>) -> Option<String> {
        let Actor { id, kind } = &self.actor;
        let said = match &**kind {
            "account" => self.subject().is_some_and(|subject| subject == id),
            "client" => client == Some(id),
            _ => false,
        };
        match (said, id.is_empty()) {
            (true, _) => None,
            (false, true) => Some(kind.clone().into_owned()),
            (false, false) => Some(format!("{kind}:{id}")),
        }
    }
}

/// The index rows of a page of events that begins at `first`.
///
/// # Errors
/// A leaf that is no event.
pub fn rows<'p>(first: u64, page: &'p [Recorded]) -> Result<Vec<RowWrite>, Unreadable> {
    let mut lists: BTreeMap<(&'static str, Cow<'p, str>), Vec<u64>> = BTreeMap::new();
    let mut digests: Vec<(Cow<'p, str>, u64)> = Vec::with_capacity(page.len());
    for recorded in page {
        let not_an_event = |e| Unreadable { position: recorded.position, why: format!("not an event: {e}") };
        let leaf: Leaf<'p> = serde_json::from_slice(&recorded.leaf).map_err(not_an_event)?;
        let position = leaf.position;
        let mut list = |table, value: Option<Cow<'p, str>>| {
            if let Some(value) = value {
                lists.entry((table, value)).or_default().push(position);
            }
        };
        let client = leaf.client();
        list("actor", leaf.actor(client.as_deref()).map(Cow::Owned));
        list("client", client);
        list("subject", leaf.subject().cloned());
        list("type", Some(leaf.kind));
        if leaf.stream.starts_with("grant-") {
            for named in [leaf.data.access, leaf.data.code, leaf.data.refresh, leaf.data.source] {
                match named {
                    Named::Text(digest) | Named::Digest(digest) => digests.push((digest, position)),
                    Named::Nothing => {}
                }
            }
        }
    }
    let broken = |e: serde_json::Error| Unreadable { position: first, why: e.to_string() };
    let row = |table: &'static str, value: String, body: Vec<u8>| {
        let key = key(first, &value);
        RowWrite::Upsert(Row { table, key, version: 1, body: body.into(), index: [Some(value), None], expires_at: None })
    };
    let mut rows = Vec::with_capacity(lists.len() + 64);
    for ((table, value), positions) in lists {
        rows.push(row(table, value.into_owned(), serde_json::to_vec(&positions).map_err(broken)?));
    }
    digests.sort_unstable();
    let digests: Vec<(&str, u64)> = digests.iter().map(|(digest, position)| (beginning(digest, DIGEST), *position)).collect();
    for coarse in digests.chunk_by(|(one, _), (other, _)| beginning(one, COARSE) == beginning(other, COARSE)) {
        let different = coarse.chunk_by(|(one, _), (other, _)| one == other).count();
        let length = if different > FEW { COARSE } else { FINE };
        for bucket in coarse.chunk_by(|(one, _), (other, _)| beginning(one, length) == beginning(other, length)) {
            let value = beginning(bucket[0].0, length).to_owned();
            rows.push(row(TOKENS, value, bucket_body(bucket).map_err(broken)?));
        }
    }
    Ok(rows)
}

/// `{"digest":[positions]}` of sorted pairs.
fn bucket_body(bucket: &[(&str, u64)]) -> Result<Vec<u8>, serde_json::Error> {
    let members = bucket.chunk_by(|(one, _), (other, _)| one == other);
    let members = members.map(|own| (own[0].0, own.iter().map(|(_, position)| *position).collect::<Vec<_>>()));
    let mut body = Vec::with_capacity(bucket.len() * 40);
    serde_json::Serializer::new(&mut body).collect_map(members)?;
    Ok(body)
}

/// The first characters of a text, or all of it.
fn beginning(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;
    use crate::audit::{Digests, Lists, lists};

    /// One event on a stream, as the log would have it.
    fn recorded(position: u64, stream: &str, kind: &str, data: &Value, actor: (&str, &str), subject: Option<&str>) -> Recorded {
        let mut leaf = json!({
            "actor": {"id": actor.1, "kind": actor.0}, "correlation": "c", "data": data, "id": uuid::Uuid::from_u128(u128::from(position)),
            "position": position, "recorded_at": 1, "schema": 1, "stream": stream, "type": kind, "version": 1,
        });
        if let Some(subject) = subject {
            leaf["subject"] = json!(subject);
        }
        let leaf = Bytes::from(serde_json::to_vec(&leaf).unwrap());
        Recorded { position, stream: stream.into(), version: 1, kind: kind.into(), recorded_at: 1, leaf }
    }

    /// Every event type with its example, by several actors.
    fn examples() -> Vec<Recorded> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/events");
        let mut page = Vec::new();
        for folder in fs::read_dir(root).unwrap() {
            let folder = folder.unwrap().path();
            for file in fs::read_dir(&folder).unwrap() {
                let file = file.unwrap().path();
                let Some(kind) =
                    file.file_name().and_then(|name| name.to_str()?.split_once('.')).filter(|(_, rest)| rest.ends_with("example.json"))
                else {
                    continue;
                };
                let data: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
                let stream = format!("{}-a\u{e9}\"1", folder.file_name().unwrap().to_str().unwrap());
                for (actor, subject) in
                    [(("account", "p"), Some("p")), (("client", "app"), None), (("client", "x\n"), Some("q\t")), (("server", ""), None)]
                {
                    page.push(recorded(page.len() as u64, &stream, kind.0, &data, actor, subject));
                }
            }
        }
        page
    }

    fn read_back(rows: &[RowWrite]) -> (Lists, Digests) {
        let (mut lists, mut digests) = (Lists::new(), Digests::new());
        for row in rows {
            let RowWrite::Upsert(row) = row else { panic!("a page deletes nothing") };
            if row.table == TOKENS {
                digests.extend(serde_json::from_slice::<Digests>(&row.body).unwrap());
            } else {
                lists.insert((row.table, row.index[0].clone().unwrap()), serde_json::from_slice(&row.body).unwrap());
            }
        }
        (lists, digests)
    }

    #[test]
    fn rows_say_what_the_check_expects_for_every_event_type() {
        let page = examples();
        assert!(page.len() > 100, "{}", page.len());
        assert_eq!(read_back(&rows(0, &page).unwrap()), lists(&page).unwrap());
    }

    #[test]
    fn odd_members_are_no_names() {
        let odd = [
            json!({"client": {"digest": "x"}, "access": "plain", "code": 5, "refresh": [1, {"digest": "no"}]}),
            json!({"client": 7, "access": {"digest": 7}, "code": {"other": true}, "refresh": null}),
            json!({"access": {"digest": {"digest": "deep"}}, "code": -1.5, "refresh": false}),
        ];
        let page: Vec<_> = odd.iter().zip(0..).map(|(data, at)| recorded(at, "grant-1", "T", data, ("client", "a"), None)).collect();
        assert_eq!(read_back(&rows(0, &page).unwrap()), lists(&page).unwrap());
    }

    #[test]
    fn many_digests_of_one_beginning_share_a_row_and_few_stand_alone() {
        let digest = |text: &str| json!({"access": {"digest": format!("{text:=<43}")}});
        let texts = ["Aaa1", "Aaa2", "Abb3", "Bcc4", "Bdd5", "Bdd5"];
        let page: Vec<_> =
            texts.iter().zip(0..).map(|(text, at)| recorded(at, "grant-1", "T", &digest(text), ("client", "a"), None)).collect();
        let rows = rows(0, &page).unwrap();
        let values: Vec<_> = rows
            .iter()
            .filter_map(
                |row| if let RowWrite::Upsert(row) = row { (row.table == TOKENS).then(|| row.index[0].clone().unwrap()) } else { None },
            )
            .collect();
        assert_eq!(values, ["A", "Bcc", "Bdd"]);
        assert_eq!(read_back(&rows), lists(&page).unwrap());
    }
}
