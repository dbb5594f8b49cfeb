//! Roots that events name: of the log when a segment of it was archived, of the log as it moved to another database.
//!
//! Such an event is a promise about the events before it. What stands there now, in the log or in its archive, has to be what it named.

use chancery_tree::proof::{Node, Recipe};
use chancery_tree::{Hash, hash::empty_root};

use crate::{Finding, hex};

/// A root that an event names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Of the event.
    pub position: u64,
    /// How many events the tree had.
    pub size: u64,
    pub root: Hash,
}

impl Named {
    /// Takes the two members of an event: a size that does not reach beyond the event, and a root in hexadecimal.
    ///
    /// # Errors
    /// What is wrong with them, in plain words.
    pub fn new(position: u64, size: Option<u64>, root: Option<&str>) -> Result<Self, String> {
        let size = size.filter(|size| *size <= position).ok_or("it names the root of events that did not stand before it")?;
        let root = root.and_then(read).ok_or("the root that it names is none")?;
        Ok(Self { position, size, root })
    }

    /// Complete subtrees that the root is made of.
    pub fn nodes(&self) -> Vec<Node> {
        Recipe::root(self.size).nodes().collect()
    }

    /// Is it the root of these events? `hash` gives the hash of a complete subtree.
    ///
    /// # Errors
    /// It is not, or `hash` does not know.
    pub fn judge(&self, hash: impl FnMut(Node) -> Option<Hash>) -> Result<(), Finding> {
        let root = match self.size {
            0 => Some(empty_root()),
            size => Recipe::root(size).build(hash).and_then(|roots| roots.first().copied()),
        };
        let root = root.ok_or_else(|| Finding::at(self.position, "a hash is missing for the root that it names"))?;
        if root == self.root {
            return Ok(());
        }
        let (named, own) = (hex(&self.root), hex(&root));
        let what = format!("it says that the first {} events have the root {named}; those that are here have {own}", self.size);
        Err(Finding::at(self.position, what))
    }
}

fn read(text: &str) -> Option<Hash> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| (byte as char).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
    let mut hash = Hash::default();
    for (out, [high, low]) in hash.iter_mut().zip(pairs) {
        *out = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_64_digits_in_lower_case_and_of_events_before() {
        let zeros = "00".repeat(32);
        assert_eq!(Named::new(7, Some(7), Some(&zeros)).unwrap().root, [0; 32]);
        assert_eq!(read(&hex(&[0xa7; 32])), Some([0xa7; 32]));
        for bad in ["", "0", "AA".repeat(32).as_str(), "0".repeat(65).as_str(), "zz".repeat(32).as_str()] {
            assert!(Named::new(7, Some(7), Some(bad)).is_err(), "{bad}");
        }
        assert!(Named::new(7, Some(8), Some(&zeros)).is_err());
        assert!(Named::new(7, None, Some(&zeros)).is_err());
    }
}
