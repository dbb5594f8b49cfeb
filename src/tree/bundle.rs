//! Entry bundles: the entries of one tile, each behind its length.
//!
//! | Rule | Source |
//! |---|---|
//! | big-endian uint16 length, then the entry, and nothing between or behind | C2SP tlog-tiles, log entries |

/// The longest entry in bytes.
pub const MOST: usize = u16::MAX as usize;

/// Adds an entry. `false`, and nothing added, if it is too long for its length.
#[must_use]
pub fn push(bundle: &mut Vec<u8>, entry: &[u8]) -> bool {
    let Ok(length) = u16::try_from(entry.len()) else { return false };
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    true
}

/// The bytes end inside an entry or its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bundle ends in the middle of an entry")]
pub struct Truncated;

/// Reads the entries in order; after an error there is nothing more.
pub fn entries(bundle: &[u8]) -> impl Iterator<Item = Result<&[u8], Truncated>> {
    let mut rest = bundle;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = rest.split_first_chunk::<2>().and_then(|(length, behind)| behind.split_at_checked(u16::from_be_bytes(*length).into()));
        let Some((entry, behind)) = entry else {
            rest = &[];
            return Some(Err(Truncated));
        };
        rest = behind;
        Some(Ok(entry))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_went_in() {
        let mut bundle = Vec::new();
        let long = vec![7; MOST];
        for entry in [&b"a"[..], b"", &long] {
            assert!(push(&mut bundle, entry));
        }
        assert_eq!(entries(&bundle).collect::<Result<Vec<_>, _>>().unwrap(), [&b"a"[..], b"", &long]);
        let before = bundle.len();
        assert!(!push(&mut bundle, &[0; MOST + 1]) && bundle.len() == before);
        assert_eq!(bundle[..3], [0, 1, b'a']);
    }

    #[test]
    fn a_bundle_that_was_cut_says_so_once() {
        for cut in [&[0][..], &[0, 2, 1], &[0, 1, 9, 0]] {
            let read: Vec<_> = entries(cut).collect();
            assert_eq!(read.iter().filter(|one| one.is_err()).count(), 1);
            assert_eq!(read.last(), Some(&Err(Truncated)));
        }
    }
}
