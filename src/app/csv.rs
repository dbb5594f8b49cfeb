//! An event as a record of CSV (RFC 4180), for spreadsheets and what reads like them.
//!
//! A cell that a spreadsheet would run is made text (OWASP CSV injection). No cell has a line break: text of others is JSON in `data`, where it is escaped,
//! and what else could bring one is written without it.

use chancery_projections::audit::client_of;
use chancery_projections::audit::moment::written;
use chancery_projections::envelope::Envelope;

/// Names of the columns.
pub const COLUMNS: &str = "position,recorded_at,type,stream,version,actor_kind,actor_id,subject,client,correlation,id,data";
/// RFC 4180 §2.
pub const END: &str = "\r\n";

/// The record, without its end.
pub fn record(envelope: &Envelope) -> String {
    let cells = [
        envelope.position.to_string(),
        written(envelope.recorded_at),
        envelope.kind.clone(),
        envelope.stream.clone(),
        envelope.version.to_string(),
        envelope.actor.kind.clone(),
        envelope.actor.id.clone(),
        envelope.subject.clone().unwrap_or_default(),
        client_of(envelope).unwrap_or_default(),
        envelope.correlation.clone(),
        envelope.id.to_string(),
        envelope.data.to_string(),
    ];
    cells.map(|cell| quoted(&cell)).join(",")
}

/// Quoted, quotes doubled. A cell that begins like a formula gets an apostrophe, which spreadsheets take as "text follows".
fn quoted(cell: &str) -> String {
    let runs = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let text: String = cell.chars().map(|c| if matches!(c, '\r' | '\n') { ' ' } else { c }).collect();
    format!("\"{}{}\"", if runs { "'" } else { "" }, text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owasp_csv_injection_a_formula_becomes_text() {
        for (cell, written) in [
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("-1+1", "\"'-1+1\""),
            ("@x", "\"'@x\""),
            ("\t=1", "\"'\t=1\""),
            ("a=1", "\"a=1\""),
            ("", "\"\""),
        ] {
            assert_eq!(quoted(cell), written);
        }
    }

    #[test]
    fn rfc4180_2_a_cell_is_quoted_and_has_no_line_break() {
        assert_eq!(quoted("a\"b,c"), "\"a\"\"b,c\"");
        assert!(quoted("\u{ff1d}1").starts_with("\"'"));
        assert_eq!(quoted("a\r\nb"), "\"a  b\"");
    }
}
