//! Writes the table of event schemas that the program carries with it, from `schema/events`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    // Asked when it runs: a checkout that was moved keeps the compiled script and is somewhere else.
    let manifest = env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| io::Error::other("cargo names no CARGO_MANIFEST_DIR"))?;
    let folder = Path::new(&manifest).join("../../schema/events");
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    for kind in fs::read_dir(&folder)? {
        let kind = kind?.path();
        if kind.is_dir() {
            println!("cargo:rerun-if-changed={}", kind.display());
            files.extend(fs::read_dir(kind)?.map(|file| file.map(|file| file.path())).collect::<io::Result<Vec<PathBuf>>>()?);
        }
    }
    files.retain(|file| file.to_str().is_some_and(|name| name.ends_with(".json") && !name.ends_with(".example.json")));
    files.sort();
    let mut table = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&folder).unwrap_or(file).display().to_string();
        let path = fs::canonicalize(file)?.display().to_string();
        let _ = writeln!(table, "    ({name:?}, include_str!({path:?})),");
    }
    table.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("schemas.rs"), table)
}
