//! A feed into a file: one line for each event.
//!
//! | Rule | Why |
//! |---|---|
//! | the file is opened by its name for each delivery | whoever rotates it just renames it |
//! | a delivery is on the disk before the checkpoint moves | a crash may repeat lines and never lose one |
//! | a line that a crash cut short gets its end | the next event would otherwise be glued to it; its own comes again whole |

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Deliver, Message};

/// Appends to a file, which is made for its owner alone.
pub fn deliver(path: PathBuf) -> Deliver {
    Arc::new(move |messages| {
        let path = path.clone();
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || append(&path, &messages)).await;
            written.map_err(|error| error.to_string())?.map_err(|error| format!("the file cannot be written: {error}"))
        })
    })
}

fn append(path: &Path, messages: &[Message]) -> io::Result<()> {
    let mut options = File::options();
    options.create(true).append(true).read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let mut text = String::new();
    if is_cut(&mut file)? {
        text.push('\n');
    }
    for message in messages {
        text.push_str(&message.body);
        text.push('\n');
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
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
        append(&path, &[message("1"), message("2")]).unwrap();
        std::fs::rename(&path, directory.path().join("feed.jsonl.1")).unwrap();
        append(&path, &[message("3")]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "3\n");
        File::options().append(true).open(&path).unwrap().write_all(b"{\"cut").unwrap();
        append(&path, &[message("4")]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "3\n{\"cut\n4\n");
        assert!(append(&directory.path().join("no/such/place"), &[message("5")]).is_err());
    }
}
