//! Tiles: 256 hashes, or 256 entries, under one name.
//!
//! | Rule | Source |
//! |---|---|
//! | `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]` | C2SP tlog-tiles, Merkle tree; log entries |
//! | N in groups of three digits, all but the last with an `x` | the same |
//! | a level holds ⌊s / 256^l⌋ hashes; what does not fill a tile is partial, and nothing above counts it | the same, partial tiles |

use std::fmt;

/// One tile holds 2^8 hashes, so every eighth level of the tree is stored.
pub const TILE_LEVELS: u32 = 8;

/// Hashes, or entries, in a full tile.
pub const TILE_WIDTH: u64 = 1 << TILE_LEVELS;

/// No level above can hold a hash: 256^8 is more than every size.
const LEVELS: u32 = 64 / TILE_LEVELS;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Content {
    /// Hashes of this level: 0 for leaves.
    Hashes(u32),
    /// Entries, in a bundle.
    Entries,
}

/// The name of a tile. Printed and parsed as its path, `tile/0/x001/234.p/5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    pub content: Content,
    pub index: u64,
    /// 1 to 256; 256 is a full tile.
    pub width: u16,
}

impl Tile {
    /// The tile of that index as a tree of this size has it; `None` if it has none.
    pub fn of(content: Content, index: u64, size: u64) -> Option<Self> {
        let held = held(content, size);
        let before = index.checked_mul(TILE_WIDTH)?;
        let width = held.checked_sub(before).filter(|width| *width > 0)?.min(TILE_WIDTH);
        Some(Self { content, index, width: u16::try_from(width).ok()? })
    }

    pub fn is_full(self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// Index, within its level, of its first hash or entry.
    pub fn first(self) -> u64 {
        self.index * TILE_WIDTH
    }

    /// Reads a path. `None` for everything that `Display` would not write.
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("tile/")?;
        let (content, rest) = rest.split_once('/')?;
        let content = match content {
            "entries" => Content::Entries,
            level => Content::Hashes(number(level).filter(|level| *level < 64)?),
        };
        let (index, width) = match rest.split_once(".p/") {
            None => (rest, 256),
            Some((index, width)) => (index, number(width).filter(|width| (1..256).contains(width))?),
        };
        let mut value = 0_u64;
        let groups = index.split('/').count();
        for (at, group) in index.split('/').enumerate() {
            let digits = if at + 1 < groups { group.strip_prefix('x')? } else { group };
            if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            value = value.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        }
        let tile = Self { content, index: value, width: u16::try_from(width).ok()? };
        // `x000/001` would be a second name for `001`, and an index beyond every size is none.
        (tile.index < 1 << 56 && tile.to_string() == path).then_some(tile)
    }
}

fn held(content: Content, size: u64) -> u64 {
    match content {
        Content::Entries => size,
        Content::Hashes(level) if level < LEVELS => size >> (level * TILE_LEVELS),
        Content::Hashes(_) => 0,
    }
}

/// A number without sign and without leading zeroes.
fn number(text: &str) -> Option<u32> {
    let is_plain = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    text.parse().ok().filter(|_| is_plain)
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.content {
            Content::Hashes(level) => write!(f, "tile/{level}/")?,
            Content::Entries => f.write_str("tile/entries/")?,
        }
        let digits = self.index.to_string();
        let digits = format!("{digits:0>width$}", width = digits.len().next_multiple_of(3));
        let groups = digits.len() / 3;
        for at in 0..groups {
            let group = &digits[at * 3..at * 3 + 3];
            if at + 1 < groups { write!(f, "x{group}/")? } else { f.write_str(group)? }
        }
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// Every tile that a tree of this size has: entries first, then hashes level by level, each from left to right.
pub fn tiles(size: u64) -> impl Iterator<Item = Tile> {
    let contents = std::iter::once(Content::Entries).chain((0..LEVELS).map(Content::Hashes));
    contents.flat_map(move |content| {
        let count = held(content, size).div_ceil(TILE_WIDTH);
        (0..count).filter_map(move |index| Tile::of(content, index, size))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(content: Content, index: u64, width: u16) -> String {
        Tile { content, index, width }.to_string()
    }

    #[test]
    fn tlog_tiles_paths_have_three_digits_each() {
        assert_eq!(path(Content::Hashes(0), 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(path(Content::Hashes(2), 0, 1), "tile/2/000.p/1");
        assert_eq!(path(Content::Entries, 1000, 255), "tile/entries/x001/000.p/255");
        assert_eq!(path(Content::Entries, 999, 256), "tile/entries/999");
    }

    #[test]
    fn a_path_has_one_spelling() {
        for good in ["tile/0/x001/x234/067", "tile/63/000.p/1", "tile/entries/x001/000.p/255", "tile/entries/000"] {
            assert_eq!(Tile::parse(good).map(|tile| tile.to_string()).as_deref(), Some(good));
        }
        for bad in [
            "",
            "tile/0",
            "tile/0/",
            "tile/0/1",
            "tile/0/0001",
            "tile/64/000",
            "tile/00/000",
            "tile/+1/000",
            "tile/0/x000/001",
            "tile/0/001/002",
            "tile/0/x001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/0\u{661}0",
            "tile/data/000",
            "/tile/0/000",
            "tile/0/../000",
            "tile/0/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(Tile::parse(bad), None, "{bad}");
        }
    }

    /// "a tree of size 70,000 will be represented by 273 full level 0 tiles, one partial level 0 tile of width 112, one full level 1
    /// tile, one partial level 1 tile of width 17, and one partial level 2 tile of width 1."
    #[test]
    fn tlog_tiles_the_example_of_seventy_thousand() {
        let all: Vec<Tile> = tiles(70_000).filter(|tile| tile.content != Content::Entries).collect();
        let of = |level| all.iter().filter(move |tile| tile.content == Content::Hashes(level)).map(|tile| tile.width).collect::<Vec<_>>();
        assert_eq!(of(0), [vec![256; 273], vec![112]].concat());
        assert_eq!((of(1), of(2), of(3)), (vec![256, 17], vec![1], vec![]));
        let at_256: Vec<String> = tiles(256).map(|tile| tile.to_string()).collect();
        assert_eq!(at_256, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
        assert_eq!(tiles(0).count(), 0);
    }

    /// Their paths begin with the height of a tile, an older form of the specification.
    #[test]
    fn tile_names_are_those_of_unrelated_code() {
        for size in [1, 255, 256, 257, 65_536, 70_000, 300_000] {
            let theirs = tlog_tiles::Tile::new_tiles(8, 0, size);
            let mut theirs: Vec<String> = theirs.iter().map(|tile| tile.path().replacen("tile/8/", "tile/", 1)).collect();
            let mut ours: Vec<String> = tiles(size).filter(|tile| tile.content != Content::Entries).map(|tile| tile.to_string()).collect();
            theirs.sort();
            ours.sort();
            assert_eq!(ours, theirs, "{size}");
        }
    }

    #[test]
    fn a_tile_beyond_the_tree_is_none() {
        assert_eq!(Tile::of(Content::Hashes(0), 1, 256), None);
        assert_eq!(Tile::of(Content::Hashes(9), 0, u64::MAX), None);
        assert_eq!(Tile::of(Content::Entries, u64::MAX, u64::MAX), None);
        assert_eq!(Tile::of(Content::Hashes(7), 0, u64::MAX).map(|tile| tile.width), Some(255));
    }
}
