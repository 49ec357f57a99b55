//! What people see: styles, tables, sizes, log lines. Styles are always written; `anstream` takes them out where the
//! reader is no terminal.

use std::{hash::Hasher as _, io, io::IsTerminal as _};

use anstyle::{AnsiColor, Style};
use wisp::telemetry::LogLine;

/// The word that begins an error.
pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// The word that begins a warning.
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// What went well.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// Headings and names.
pub(super) const STRONG: Style = Style::new().bold();
/// What is seldom read.
pub(super) const FAINT: Style = Style::new().dimmed();

/// Colours that tell functions apart in a log; none that means good or bad.
const NAMES: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
    AnsiColor::BrightMagenta,
    AnsiColor::BrightBlue,
];

/// The service that goes without saying.
const DEFAULT_SERVICE: &str = "default";

/// Characters of a request id that tell the invocations of one screen apart.
const SHORT_ID: usize = 8;

/// The text in a style.
pub(super) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Whether colours reach whoever reads stderr.
pub(super) fn stderr_has_colors() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// Whether stdout is read by a person.
pub(super) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// A warning on stderr.
pub(super) fn warn(text: &str) {
    anstream::eprintln!("{} {text}", paint(WARNING, "warning:"));
}

/// A function with its service, where it has one and that does not go without saying.
pub(super) fn full_name(service: &str, function: &str) -> String {
    if service == DEFAULT_SERVICE || service.is_empty() { function.to_owned() } else { format!("{service}/{function}") }
}

/// Bytes in the unit that people would choose.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let scaled = |factor: u64| count as f64 / factor as f64;
    match UNITS.iter().find(|(_, factor)| count >= *factor) {
        Some((unit, factor)) if count.is_multiple_of(*factor) => format!("{} {unit}", count / factor),
        Some((unit, factor)) => format!("{:.1} {unit}", scaled(*factor)),
        None => format!("{count} B"),
    }
}

/// `one` thing, or several of them.
pub(super) fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// Rows with their columns aligned; the first row is the heading.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let lines = rows.iter().enumerate().map(|(number, row)| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ").trim_end().to_owned();
        if number == 0 { paint(STRONG, &line) } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A line that a function wrote: when, which function, which invocation, what.
pub(super) fn log_line(line: &LogLine, name_width: usize) -> String {
    let name = full_name(&line.service, &line.function);
    // Of 2026-01-31T12:34:56.789Z, the time of day.
    let time = line.time.get(11..).unwrap_or(&line.time);
    let id = line.request_id.get(..SHORT_ID).unwrap_or(&line.request_id);
    let text = if is_marker(&line.text) { paint(FAINT, &line.text) } else { line.text.clone() };
    format!(
        "{} {} {} {text}",
        paint(FAINT, time),
        paint(color(&name), &format!("{name:<name_width$}")),
        paint(FAINT, id)
    )
}

/// Lines of the host around those of the function.
fn is_marker(text: &str) -> bool {
    ["FC Invoke ", "FC Initialize ", "Duration: "].iter().any(|start| text.starts_with(start))
}

/// The same function has the same colour today and tomorrow.
fn color(name: &str) -> Style {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(name.as_bytes());
    let index = usize::try_from(hasher.finish() % NAMES.len() as u64).unwrap_or_default();
    NAMES.get(index).map_or(Style::new(), |color| color.on_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_log_line_says_when_who_which_and_what() {
        let line = LogLine {
            time: "2026-01-31T12:34:56.789Z".into(),
            service: "default".into(),
            function: "orders".into(),
            request_id: "0a1b2c3d-0000-4000-8000-000000000000".into(),
            text: "hello".into(),
        };
        assert_eq!(plain(&log_line(&line, 8)), "12:34:56.789Z orders   0a1b2c3d hello");
        let line = LogLine { service: "shop".into(), ..line };
        assert_eq!(plain(&log_line(&line, 0)), "12:34:56.789Z shop/orders 0a1b2c3d hello");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: &[&str]| cells.iter().map(ToString::to_string).collect::<Vec<_>>();
        let table = table(&[row(&["NAME", "N"]), row(&["é", "12"]), row(&["longer", ""])]);
        assert_eq!(plain(&table), "NAME    N\né       12\nlonger");
    }

    #[test]
    fn sizes_are_whole_where_they_can_be() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(4 << 30), "4 GB");
        assert_eq!(bytes(12_900_000), "12.3 MB");
    }
}
