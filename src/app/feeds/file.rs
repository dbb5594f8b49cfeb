//! A feed into a file: one line for each event.
//!
//! | Rule | Why |
//! |---|---|
//! | the file is opened by its name for each delivery | whoever rotates it just renames it |
//! | a delivery is on the disk before the checkpoint moves | a crash may repeat lines and never lose one |
//! | a line that a crash cut short gets its end | the next event would otherwise be glued to it; its own comes again whole |
//! | of CSV it is taken away, since it may have begun a quote; a new file begins with the names of the columns | RFC 4180 §2 |

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Deliver, Message};
use crate::app::csv;

/// How events are lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Each stands for itself.
    Json,
    Csv,
}

/// Appends to a file, which is made for its owner alone.
pub fn deliver(path: PathBuf, lines: Lines) -> Deliver {
    Arc::new(move |messages| {
        let path = path.clone();
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || append(&path, lines, &messages)).await;
            written.map_err(|error| error.to_string())?.map_err(|error| format!("the file cannot be written: {error}"))
        })
    })
}

fn append(path: &Path, lines: Lines, messages: &[Message]) -> io::Result<()> {
    let mut options = File::options();
    options.create(true).append(true).read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let end = if lines == Lines::Csv { csv::END } else { "\n" };
    let mut text = String::new();
    if is_cut(&mut file)? {
        match lines {
            Lines::Json => text.push_str(end),
            Lines::Csv => take_back(&mut file)?,
        }
    }
    if lines == Lines::Csv && file.metadata()?.len() == 0 {
        text.push_str(csv::COLUMNS);
        text.push_str(end);
    }
    for message in messages {
        text.push_str(&message.body);
        text.push_str(end);
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Shortens a file to the end of its last whole line.
fn take_back(file: &mut File) -> io::Result<()> {
    const STEP: u64 = 64 * 1024;
    let mut end = file.metadata()?.len();
    while end > 0 {
        let begin = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(begin))?;
        let mut part = Vec::new();
        Read::by_ref(file).take(end - begin).read_to_end(&mut part)?;
        if let Some(at) = part.iter().rposition(|byte| *byte == b'\n') {
            return file.set_len(begin + at as u64 + 1);
        }
        end = begin;
    }
    file.set_len(0)
}

fn is_cut(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str) -> Message {
        Message { id: body.to_owned(), kind: "Happened".to_owned(), at: 0, severity: 1, body: body.to_owned() }
    }

    #[test]
    fn a_file_may_be_rotated_and_a_cut_line_gets_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("feed.jsonl");
        append(&path, Lines::Json, &[message("1"), message("2")]).unwrap();
        std::fs::rename(&path, directory.path().join("feed.jsonl.1")).unwrap();
        append(&path, Lines::Json, &[message("3")]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "3\n");
        File::options().append(true).open(&path).unwrap().write_all(b"{\"cut").unwrap();
        append(&path, Lines::Json, &[message("4")]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "3\n{\"cut\n4\n");
        assert!(append(&directory.path().join("no/such/place"), Lines::Json, &[message("5")]).is_err());
    }

    #[test]
    fn rfc4180_2_csv_has_names_once_and_a_cut_record_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("feed.csv");
        append(&path, Lines::Csv, &[message("\"1\"")]).unwrap();
        append(&path, Lines::Csv, &[message("\"2\"")]).unwrap();
        let whole = format!("{}\r\n\"1\"\r\n\"2\"\r\n", csv::COLUMNS);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
        File::options().append(true).open(&path).unwrap().write_all(b"\"cut,").unwrap();
        append(&path, Lines::Csv, &[message("\"3\"")]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{whole}\"3\"\r\n"));
        let long = directory.path().join("long.csv");
        std::fs::write(&long, "x".repeat(200_000)).unwrap();
        append(&long, Lines::Csv, &[message("\"4\"")]).unwrap();
        assert_eq!(std::fs::read_to_string(&long).unwrap(), format!("{}\r\n\"4\"\r\n", csv::COLUMNS));
    }
}
