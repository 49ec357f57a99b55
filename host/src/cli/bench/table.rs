//! A report as text.

use std::time::Duration;

use wisp::bench::samples::Samples;

use super::report::{Figure, Report, Role, Row, Section, Subject, Unit};
use crate::cli::terminal::{FAINT, STRONG, bytes, paint, table};

/// All of it, ending in a newline.
pub(super) fn text(report: &Report) -> String {
    let mut parts = vec![paint(FAINT, &header(report))];
    parts.extend(report.subjects.iter().map(subject));
    if report.subjects.len() > 1 {
        parts.extend(comparison(&report.subjects));
    }
    parts.join("\n\n") + "\n"
}

/// The machine and the versions, in one line.
pub(super) fn header(report: &Report) -> String {
    let machine = &report.machine;
    format!(
        "wisp {} (wasmtime {}), {}, {} cores, {}, Linux {}, {}",
        machine.wisp,
        machine.wasmtime,
        machine.processor,
        machine.cores,
        bytes(machine.memory),
        machine.kernel,
        machine.taken
    )
}

fn subject(subject: &Subject) -> String {
    let title = format!("{}  {}", paint(STRONG, &subject.name), paint(FAINT, &subject.facts.join(", ")));
    let sections = subject.sections.iter().map(section);
    std::iter::once(title).chain(sections).collect::<Vec<_>>().join("\n\n")
}

fn section(section: &Section) -> String {
    let mut lines = vec![paint(STRONG, &section.title)];
    if !section.note.is_empty() {
        lines.push(paint(FAINT, &section.note));
    }
    if !section.rows.is_empty() {
        let heading = ["", "p50", "p90", "p99", "max", "n"].map(str::to_owned).to_vec();
        let rows = section.rows.iter().map(row);
        lines.push(table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>()));
    }
    let width = section.figures.iter().map(|figure| figure.name.chars().count()).max().unwrap_or_default();
    lines.extend(section.figures.iter().map(|figure| format!("{:<width$}  {}", figure.name, value(figure))));
    lines.join("\n")
}

fn row(row: &Row) -> Vec<String> {
    let name = match row.role {
        Role::Part => format!("  {}", row.name),
        Role::Aside => format!("  ({})", row.name),
        Role::Whole => row.name.clone(),
    };
    let quantiles = quantiles(&row.samples).map(duration);
    std::iter::once(name).chain(quantiles).chain([row.samples.count().to_string()]).collect()
}

/// p50, p90, p99 and the longest.
pub(super) fn quantiles(samples: &Samples) -> [Duration; 4] {
    [samples.median(), samples.quantile(0.9), samples.quantile(0.99), samples.max()]
}

/// The medians of several subjects side by side, with what the others are of the first.
fn comparison(subjects: &[Subject]) -> Option<String> {
    let (first, others) = subjects.split_first()?;
    let mut heading = vec![String::new(), first.name.clone()];
    heading.extend(others.iter().flat_map(|other| [other.name.clone(), "×".to_owned()]));
    let mut rows = vec![heading];
    for section in &first.sections {
        for row in &section.rows {
            let mut cells = vec![format!("{}: {}", section.title, row.name), duration(row.samples.median())];
            for other in others {
                let median = same_row(other, section, row).map(|row| row.samples.median());
                cells.push(median.map_or_else(|| "–".into(), duration));
                cells.push(median.map_or_else(|| "–".into(), |median| ratio(median, row.samples.median())));
            }
            rows.push(cells);
        }
    }
    Some(format!("{}\n{}", paint(STRONG, "medians side by side"), table(&rows)))
}

/// The row of the same name in the section of the same title.
pub(super) fn same_row<'a>(subject: &'a Subject, section: &Section, row: &Row) -> Option<&'a Row> {
    let same = subject.sections.iter().find(|candidate| candidate.title == section.title)?;
    same.rows.iter().find(|candidate| candidate.name == row.name)
}

fn ratio(of: Duration, to: Duration) -> String {
    format!("{:.2}", of.as_secs_f64() / to.as_secs_f64().max(1e-9))
}

/// Three digits, in the unit that people would choose.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (scaled, unit) = match seconds {
        _ if seconds < 1e-6 => (seconds * 1e9, "ns"),
        _ if seconds < 1e-3 => (seconds * 1e6, "µs"),
        _ if seconds < 1.0 => (seconds * 1e3, "ms"),
        _ => (seconds, "s"),
    };
    let digits = if scaled < 9.995 { 2 } else { usize::from(scaled < 99.95) };
    format!("{scaled:.digits$} {unit}")
}

/// A figure with its unit.
pub(super) fn value(figure: &Figure) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes are whole and not negative")]
    match figure.unit {
        Unit::Bytes => bytes(figure.value.max(0.0) as u64),
        Unit::Seconds => duration(Duration::from_secs_f64(figure.value.max(0.0))),
        Unit::PerSecond => format!("{:.0}/s", figure.value),
        Unit::Count if figure.value.fract() == 0.0 => format!("{:.0}", figure.value),
        Unit::Count => format!("{:.1}", figure.value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_and_a_unit() {
        let shown =
            [0, 750, 12_300, 999_000, 1_234_567, 45_600_000, 2_000_000_000].map(Duration::from_nanos).map(duration);
        assert_eq!(shown, ["0.00 ns", "750 ns", "12.3 µs", "999 µs", "1.23 ms", "45.6 ms", "2.00 s"]);
    }

    #[test]
    fn figures_have_their_unit() {
        let figure = |value, unit| super::value(&Figure { name: String::new(), value, unit });
        assert_eq!(figure(3.0, Unit::Count), "3");
        assert_eq!(figure(1536.0, Unit::Bytes), "1.5 KB");
        assert_eq!(figure(0.25, Unit::Seconds), "250 ms");
        assert_eq!(figure(12_345.6, Unit::PerSecond), "12346/s");
    }
}
