//! The text format of Prometheus, version 0.0.4: families of samples with a sentence each.

use std::fmt::{Display, Write as _};

use chancery_ledger::counts::Histogram;

/// Media type of the text.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text that grows family by family.
#[derive(Default)]
pub struct Exposition(String);

impl Exposition {
    /// One sample without labels.
    pub fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help).sample(name, &[], value);
    }

    /// Begins a family.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) -> &mut Self {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        self
    }

    /// One sample of the family.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{}\"", if at == 0 { '{' } else { ',' }, escaped(text));
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
        self
    }

    /// A histogram. `scale`: what one unit of it is worth in the unit of the name.
    pub fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram, scale: f64) {
        self.family(name, "histogram", help);
        let (mut below, bucket) = (0, format!("{name}_bucket"));
        for (at, count) in histogram.counts.iter().enumerate() {
            below += count;
            let end = histogram.ends.get(at).map_or("+Inf".to_owned(), |end| (*end as f64 * scale).to_string());
            self.sample(&bucket, &[("le", &end)], below);
        }
        self.sample(&format!("{name}_sum"), &[], histogram.sum as f64 * scale);
        self.sample(&format!("{name}_count"), &[], below);
    }

    pub fn text(self) -> String {
        self.0
    }
}

/// A label's value: backslash, quote and line feed are escaped.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_its_sentence_its_type_and_its_samples() {
        let mut text = Exposition::default();
        text.one("a_total", "counter", "Things.", 3);
        text.family("b", "gauge", "Others.").sample("b", &[("x", "q\"\\\n"), ("y", "2")], 1.5);
        assert_eq!(
            text.text(),
            "# HELP a_total Things.\n# TYPE a_total counter\na_total 3\n# HELP b Others.\n# TYPE b gauge\nb{x=\"q\\\"\\\\\\n\",y=\"2\"} 1.5\n"
        );
    }

    #[test]
    fn a_histogram_counts_up_to_each_end() {
        let mut text = Exposition::default();
        text.histogram("t_seconds", "Times.", &Histogram { ends: &[1_000, 10_000], counts: vec![2, 1, 1], sum: 2_005_000 }, 1e-6);
        let lines: Vec<_> = text.0.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "t_seconds_bucket{le=\"0.001\"} 2",
                "t_seconds_bucket{le=\"0.01\"} 3",
                "t_seconds_bucket{le=\"+Inf\"} 4",
                "t_seconds_sum 2.005",
                "t_seconds_count 4",
            ]
        );
    }
}
