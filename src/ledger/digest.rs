//! A digest of a whole row set that does not depend on the order of its rows, so that it moves along with each change.
//!
//! | Rule | Why |
//! |---|---|
//! | the SHA-256 of each row, added up in four lanes of 64 bits | a row that changes takes its old hash out and puts its new one in |
//! | every column counts, each with its length in front | two rows with the same digest are the same row |
//!
//! A sum says "these two sets are the same" to somebody who looks for faults. It does not withstand whoever may write to the database,
//! who can write the digest too: against him the rows are folded from the log again, and the log is signed (ADR 0040).

use std::collections::BTreeMap;

use crate::write::Row;
use chancery_tree::leaf_hash;

/// The sum over the rows of a set; that of an empty set is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u64; 4]);

/// The columns of a stored row, borrowed.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub table: &'a str,
    pub key: &'a str,
    pub version: u64,
    pub body: &'a [u8],
    pub index: [Option<&'a str>; 2],
    pub expires_at: Option<i64>,
}

impl<'a> From<&'a Row> for Columns<'a> {
    fn from(row: &'a Row) -> Self {
        let [i0, i1] = &row.index;
        Self {
            table: row.table,
            key: &row.key,
            version: row.version,
            body: &row.body,
            index: [i0.as_deref(), i1.as_deref()],
            expires_at: row.expires_at,
        }
    }
}

impl Columns<'_> {
    pub(crate) fn digest(&self) -> Digest {
        let mut bytes = Vec::with_capacity(self.body.len() + self.key.len() + 96);
        let mut put = |present: bool, part: &[u8]| {
            bytes.push(u8::from(present));
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part);
        };
        put(true, self.table.as_bytes());
        put(true, self.key.as_bytes());
        put(true, &self.version.to_le_bytes());
        put(true, self.body);
        for column in self.index {
            put(column.is_some(), column.unwrap_or_default().as_bytes());
        }
        put(self.expires_at.is_some(), &self.expires_at.unwrap_or_default().to_le_bytes());
        Digest::decode(&leaf_hash(&bytes)).unwrap_or_default()
    }
}

impl Digest {
    /// Of a set without rows.
    pub const EMPTY: Self = Self([0; 4]);
    /// Bytes of a stored one.
    const LENGTH: usize = 32;

    /// The digest of the set that holds this row alone.
    pub fn of(row: &Row) -> Self {
        Columns::from(row).digest()
    }

    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(own, lane)| *own = own.wrapping_add(lane));
    }

    pub fn take(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(own, lane)| *own = own.wrapping_sub(lane));
    }

    pub fn encode(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes.chunks_exact_mut(8).zip(self.0).for_each(|(place, lane)| place.copy_from_slice(&lane.to_le_bytes()));
        bytes
    }

    /// `None` for anything but 32 bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::LENGTH {
            return None;
        }
        let mut lanes = [0; 4];
        for (lane, part) in lanes.iter_mut().zip(bytes.chunks_exact(8)) {
            *lane = u64::from_le_bytes(part.try_into().ok()?);
        }
        Some(Self(lanes))
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.encode().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// How far a set is, and the digest that moved along with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetState {
    /// How many events are folded into it.
    pub checkpoint: u64,
    /// `None`: the set is older than its digest; making it again gives it one.
    pub digest: Option<Digest>,
}

/// The rows of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub rows: u64,
    pub digest: Digest,
}

impl Tally {
    pub fn add(&mut self, row: &Digest) {
        self.rows += 1;
        self.digest.add(row);
    }
}

/// Every row of a set counted, as of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    pub state: SetState,
    pub tables: BTreeMap<String, Tally>,
}

impl Census {
    /// The digest of the rows that are there.
    pub fn digest(&self) -> Digest {
        let mut sum = Digest::default();
        self.tables.values().for_each(|tally| sum.add(&tally.digest));
        sum
    }

    pub(crate) fn count(&mut self, columns: &Columns<'_>) {
        // Not `entry`: the name would be copied for each row.
        let digest = columns.digest();
        match self.tables.get_mut(columns.table) {
            Some(tally) => tally.add(&digest),
            None => self.tables.entry(columns.table.to_owned()).or_default().add(&digest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(key: &str, version: u64) -> Row {
        Row { table: "t", key: key.into(), version, body: b"{}".to_vec().into(), index: [None, None], expires_at: None }
    }

    #[test]
    fn every_column_counts() {
        let plain = row("k", 1);
        let others = [
            Row { table: "u", ..plain.clone() },
            Row { key: "l".into(), ..plain.clone() },
            Row { version: 2, ..plain.clone() },
            Row { body: b"[]".to_vec().into(), ..plain.clone() },
            Row { index: [Some(String::new()), None], ..plain.clone() },
            Row { index: [None, Some(String::new())], ..plain.clone() },
            Row { expires_at: Some(0), ..plain.clone() },
            // The same bytes, cut elsewhere.
            Row { table: "tk", key: String::new(), ..plain.clone() },
        ];
        let mut seen = vec![Digest::of(&plain)];
        for other in &others {
            let digest = Digest::of(other);
            assert!(!seen.contains(&digest), "{other:?}");
            seen.push(digest);
        }
        assert_eq!(Digest::decode(&seen[0].encode()), Some(seen[0]));
        assert_eq!(Digest::decode(&[0; 31]), None);
        assert_eq!(seen[0].to_string().len(), 64);
    }

    proptest! {
        #[test]
        fn the_order_of_changes_does_not_matter(mut keys in prop::collection::vec(0u64..20, 0..40), gone in 0usize..40) {
            let sum = |keys: &[u64]| {
                let mut sum = Digest::default();
                keys.iter().for_each(|key| sum.add(&Digest::of(&row("k", *key))));
                sum
            };
            let mut whole = sum(&keys);
            keys.reverse();
            prop_assert_eq!(sum(&keys), whole);
            if gone < keys.len() {
                let one = keys.swap_remove(gone);
                whole.take(&Digest::of(&row("k", one)));
                prop_assert_eq!(sum(&keys), whole);
            }
        }
    }
}
