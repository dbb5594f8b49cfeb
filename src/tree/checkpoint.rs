//! Checkpoints: how large the tree was and what its root was, as text that can be signed.
//!
//! | Rule | Source |
//! |---|---|
//! | origin, size in decimal without leading zeroes, root in base64; then extension lines, none of them empty | C2SP tlog-checkpoint, note text |

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::hash::Hash;

/// A tree head. Printed as the text of a note, final newline included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log this is: one line.
    pub origin: String,
    pub size: u64,
    pub root: Hash,
    /// Lines whose meaning is not ours.
    pub extensions: Vec<String>,
}

/// The text is not a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the checkpoint does not end with a newline")]
    Unfinished,
    #[error("the checkpoint has an empty line, or fewer than three")]
    Lines,
    #[error("the second line of the checkpoint is not a size")]
    Size,
    #[error("the third line of the checkpoint is not a hash in base64")]
    Root,
}

impl Checkpoint {
    pub fn new(origin: impl Into<String>, size: u64, root: Hash) -> Self {
        Self { origin: origin.into(), size, root, extensions: Vec::new() }
    }

    /// Reads the text of a note.
    ///
    /// # Errors
    /// Whatever `Display` would not write.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut lines = text.strip_suffix('\n').ok_or(Malformed::Unfinished)?.split('\n').map(|line| Some(line).filter(|l| !l.is_empty()));
        let mut line = || lines.next().flatten().ok_or(Malformed::Lines);
        let (origin, size, root) = (line()?.to_owned(), line()?, line()?);
        let is_plain = size == "0" || (!size.starts_with('0') && size.bytes().all(|byte| byte.is_ascii_digit()));
        let size = size.parse().ok().filter(|_| is_plain).ok_or(Malformed::Size)?;
        let root = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok()).ok_or(Malformed::Root)?;
        let extensions = lines.map(|line| line.map(str::to_owned)).collect::<Option<_>>().ok_or(Malformed::Lines)?;
        Ok(Self { origin, size, root, extensions })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, STANDARD.encode(self.root))?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn tlog_checkpoint_the_example_reads_and_writes() {
        let read = Checkpoint::parse(EXAMPLE).unwrap();
        assert_eq!((read.origin.as_str(), read.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(read.to_string(), EXAMPLE);
        let extended = format!("{EXAMPLE}more\n");
        assert_eq!(Checkpoint::parse(&extended).unwrap().to_string(), extended);
    }

    #[test]
    fn tlog_checkpoint_what_is_malformed_is_refused() {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        for (text, why) in [
            (format!("a\n1\n{root}"), Malformed::Unfinished),
            (String::new(), Malformed::Unfinished),
            (format!("\n1\n{root}\n"), Malformed::Lines),
            ("a\n1\n".into(), Malformed::Lines),
            (format!("a\n1\n{root}\n\n"), Malformed::Lines),
            (format!("a\n01\n{root}\n"), Malformed::Size),
            (format!("a\n+1\n{root}\n"), Malformed::Size),
            (format!("a\n18446744073709551616\n{root}\n"), Malformed::Size),
            ("a\n1\nCsUYapGGPo4dkMgIAUqom\n".into(), Malformed::Root),
            (format!("a\n1\n{}\n", root.trim_end_matches('=')), Malformed::Root),
        ] {
            assert_eq!(Checkpoint::parse(&text), Err(why), "{text:?}");
        }
    }
}
