//! A feed into Apache Parquet files: columns for what analyses large logs.
//!
//! | Rule | Why |
//! |---|---|
//! | a file is written under another name, forced to the disk, then renamed | whoever reads the directory sees whole files only |
//! | its name says its first and last position | what a crash repeats lies over what was there, or stands beside it with the same ids |
//! | up to [`MOST_EVENTS`] events, gathered for [`GATHER_MS`] | a file for every few events is slow to read |
//!
//! `data` and `personal` are JSON in a column: their members differ from type to type, and readers of Parquet know JSON.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde_json::Value;

use super::{Deliver, Message};

/// Events in one file.
pub const MOST_EVENTS: u32 = 10_000;
/// How long events are gathered into a file, in milliseconds.
pub const GATHER_MS: i64 = 60_000;

/// Times are milliseconds since the epoch, in UTC.
const SCHEMA: &str = "message event {
    REQUIRED INT64 position;
    REQUIRED INT64 recorded_at (TIMESTAMP(MILLIS,true));
    REQUIRED INT64 version;
    REQUIRED BYTE_ARRAY id (UTF8);
    REQUIRED BYTE_ARRAY type (UTF8);
    REQUIRED BYTE_ARRAY stream (UTF8);
    REQUIRED BYTE_ARRAY actor_kind (UTF8);
    REQUIRED BYTE_ARRAY actor_id (UTF8);
    REQUIRED BYTE_ARRAY correlation (UTF8);
    OPTIONAL BYTE_ARRAY subject (UTF8);
    REQUIRED BYTE_ARRAY data (JSON);
    OPTIONAL BYTE_ARRAY personal (JSON);
}";

/// Writes each delivery as a file of its own into a directory, which is made for its owner alone.
pub fn deliver(directory: PathBuf) -> Deliver {
    Arc::new(move |messages| {
        let directory = directory.clone();
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || write(&directory, &messages)).await;
            written.map_err(|error| error.to_string())?.map_err(|error| format!("the Parquet file cannot be written: {error}"))
        })
    })
}

fn write(directory: &Path, messages: &[Message]) -> Result<(), ParquetError> {
    let events = messages.iter().map(|message| serde_json::from_str(&message.body)).collect::<Result<Vec<Value>, _>>();
    let events = events.map_err(|error| ParquetError::General(error.to_string()))?;
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)?;
    let name = format!("events-{:012}-{:012}.parquet", integer(first, "position"), integer(last, "position"));
    let unfinished = directory.join(format!(".{name}.part"));
    let mut file = create(&unfinished)?;
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
    let mut writer = SerializedFileWriter::new(&mut file, schema, properties)?;
    let mut group = writer.next_row_group()?;
    for member in ["position", "recorded_at", "version"] {
        integers(&mut group, events.iter().map(|event| integer(event, member)).collect())?;
    }
    for member in ["id", "type", "stream"] {
        texts(&mut group, events.iter().map(|event| text(event.get(member))).collect())?;
    }
    for member in ["kind", "id"] {
        texts(&mut group, events.iter().map(|event| text(event.get("actor").and_then(|actor| actor.get(member)))).collect())?;
    }
    texts(&mut group, events.iter().map(|event| text(event.get("correlation"))).collect())?;
    perhaps(&mut group, events.iter().map(|event| event.get("subject").map(|value| text(Some(value)))).collect())?;
    texts(&mut group, events.iter().map(|event| json(event.get("data"))).collect())?;
    perhaps(&mut group, events.iter().map(|event| event.get("personal").map(|value| json(Some(value)))).collect())?;
    group.close()?;
    writer.close()?;
    file.flush()?;
    file.sync_all()?;
    fs::rename(&unfinished, directory.join(name))?;
    // The name, too.
    Ok(File::open(directory)?.sync_all()?)
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn integer(event: &Value, member: &str) -> i64 {
    event.get(member).and_then(Value::as_i64).unwrap_or_default()
}

fn text(value: Option<&Value>) -> ByteArray {
    ByteArray::from(value.and_then(Value::as_str).unwrap_or_default())
}

fn json(value: Option<&Value>) -> ByteArray {
    ByteArray::from(value.unwrap_or(&Value::Null).to_string().as_str())
}

type Group<'a, 'b> = SerializedRowGroupWriter<'a, &'b mut File>;

fn integers(group: &mut Group<'_, '_>, values: Vec<i64>) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<Int64Type>().write_batch(&values, None, None)?;
    column.close()
}

fn texts(group: &mut Group<'_, '_>, values: Vec<ByteArray>) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<ByteArrayType>().write_batch(&values, None, None)?;
    column.close()
}

/// Level 1 is a value, 0 is none.
fn perhaps(group: &mut Group<'_, '_>, values: Vec<Option<ByteArray>>) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.ok_or_else(missing)?;
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<ByteArray> = values.into_iter().flatten().collect();
    column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)?;
    column.close()
}

fn missing() -> ParquetError {
    ParquetError::General("the schema has fewer columns".to_owned())
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::RowAccessor as _;
    use serde_json::json;

    use super::*;

    fn message(position: u64, subject: Option<&str>) -> Message {
        let mut body = json!({
            "position": position, "id": format!("id-{position}"), "stream": "session-1", "version": 3, "type": "SessionEnded", "schema": 1,
            "recorded_at": 1_795_230_680_384_i64, "actor": { "kind": "client", "id": "app" }, "correlation": "c", "data": { "reason": "signed_out" },
        });
        if let Some(subject) = subject {
            body["subject"] = json!(subject);
            body["personal"] = json!({ "context": { "clear": "x" } });
        }
        Message { id: String::new(), kind: String::new(), at: 0, severity: 1, body: body.to_string() }
    }

    #[test]
    fn a_delivery_is_a_file_that_a_reader_of_parquet_reads() {
        let directory = tempfile::tempdir().unwrap();
        let to = directory.path().join("events");
        write(&to, &[message(7, Some("alice")), message(9, None)]).unwrap();
        write(&to, &[]).unwrap();
        let names: Vec<_> = fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(names, ["events-000000000007-000000000009.parquet"]);
        let reader = SerializedFileReader::new(File::open(to.join(&names[0])).unwrap()).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows(), 2);
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!((rows[0].get_long(0).unwrap(), rows[1].get_long(0).unwrap()), (7, 9));
        assert_eq!(rows[0].get_timestamp_millis(1).unwrap(), 1_795_230_680_384);
        assert_eq!((rows[1].get_string(4).unwrap().as_str(), rows[0].get_string(6).unwrap().as_str()), ("SessionEnded", "client"));
        assert_eq!((rows[0].get_string(9).unwrap().as_str(), rows[1].get_string(9).is_err()), ("alice", true));
        assert!(rows[1].to_string().contains("signed_out"), "{}", rows[1]);
        // Again, as after a crash: over what was there.
        write(&to, &[message(7, Some("alice")), message(9, None)]).unwrap();
        assert_eq!(fs::read_dir(&to).unwrap().count(), 1);
    }
}
