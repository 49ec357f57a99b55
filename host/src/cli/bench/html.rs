//! A report as a page: complete in one file, without script, readable on light and dark screens and on paper.

use std::{fmt::Write as _, time::Duration};

use super::{
    picture::{Lane, bars, distributions, escaped, legend},
    report::{Report, Role, Row, Section, Subject},
    table,
};

/// Letters and colours: chosen for contrast on either ground, and to be told apart without hue.
const STYLE: &str = include_str!("page.css");

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let title = match report.kind {
        "cold" => "Cold starts",
        "warm" => "Requests under load",
        "density" => "Functions and instances on one host",
        _ => "Deploys",
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}: wisp bench</title><style>{STYLE}</style></head><body><main><h1>{title}</h1><p class=\"header\">{}</p>",
        escaped(&table::header(report))
    );
    if let Some(warning) = report.noise.warning() {
        let _ =
            write!(page, "<p class=\"warning\"><strong>Do not trust these figures.</strong> {}</p>", escaped(&warning));
    }
    page.push_str(
        "<p class=\"legend\">Each shape shows how often a time was taken, on a logarithmic axis: the higher, the more often. \
         The long line is the median, the short ones are p90 and p99.</p>",
    );
    for subject in &report.subjects {
        let facts = escaped(&subject.facts.join(" · "));
        let _ = write!(page, "<p class=\"subject\"><strong>{}</strong> {facts}</p>", escaped(&subject.name));
    }
    for (title, parts) in by_title(&report.subjects) {
        section(&mut page, title, &parts);
    }
    page + "</main></body></html>\n"
}

/// What every subject has under one title, in the order of the first that has it.
fn by_title(subjects: &[Subject]) -> Vec<(&str, Vec<(&Subject, &Section)>)> {
    let mut grouped: Vec<(&str, Vec<(&Subject, &Section)>)> = Vec::new();
    for subject in subjects {
        for section in &subject.sections {
            match grouped.iter_mut().find(|(title, _)| *title == section.title) {
                Some((_, parts)) => parts.push((subject, section)),
                None => grouped.push((&section.title, vec![(subject, section)])),
            }
        }
    }
    grouped
}

fn section(page: &mut String, title: &str, parts: &[(&Subject, &Section)]) {
    let _ = write!(page, "<section><h2>{}</h2>", escaped(title));
    if let Some((_, first)) = parts.first() {
        let _ = write!(page, "<p class=\"note\">{}</p>", escaped(&first.note));
    }
    let wholes: Vec<_> = parts.iter().map(|(subject, section)| (subject.name.clone(), medians(section))).collect();
    if wholes.iter().any(|(_, parts)| parts.len() > 1) {
        page.push_str("<h3>Where the time goes (medians)</h3>");
        let names = part_names(&wholes);
        page.push_str(&bars(&wholes, &names));
        page.push_str(&legend(&names));
    }
    let lanes = lanes(parts);
    if !lanes.is_empty() {
        page.push_str("<h3>How it is distributed</h3>");
        page.push_str(&distributions(&lanes));
        rows(page, parts);
    }
    figures(page, parts);
    page.push_str("</section>");
}

/// Each part once, whichever subject has it.
fn part_names(wholes: &[(String, Vec<(String, Duration)>)]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in wholes.iter().flat_map(|(_, parts)| parts) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn medians(section: &Section) -> Vec<(String, Duration)> {
    let parts = section.rows.iter().filter(|row| row.role == Role::Part);
    parts.map(|row| (row.name.clone(), row.samples.median())).collect()
}

/// Row by row, and within a row subject by subject: what is to be compared stands together. Wholes come first.
fn lanes<'a>(parts: &[(&'a Subject, &'a Section)]) -> Vec<Lane<'a>> {
    let mut lanes = Vec::new();
    for row in ordered(parts) {
        for (number, (subject, section)) in parts.iter().enumerate() {
            let Some(same) = section.rows.iter().find(|same| same.name == row.name) else { continue };
            let name = if parts.len() > 1 { format!("{}: {}", subject.name, row.name) } else { row.name.clone() };
            lanes.push(Lane { name, samples: &same.samples, color: number });
        }
    }
    lanes
}

fn ordered<'a>(parts: &[(&'a Subject, &'a Section)]) -> Vec<&'a Row> {
    let mut rows: Vec<&Row> = Vec::new();
    for row in parts.iter().flat_map(|(_, section)| &section.rows) {
        if !rows.iter().any(|known| known.name == row.name) {
            rows.push(row);
        }
    }
    rows.sort_by_key(|row| row.role != Role::Whole);
    rows
}

fn rows(page: &mut String, parts: &[(&Subject, &Section)]) {
    page.push_str("<details><summary>In figures</summary><table><tr><th></th><th>p50</th><th>p90</th><th>p99</th><th>max</th><th>n</th></tr>");
    for lane in lanes(parts) {
        let _ = write!(page, "<tr><td>{}</td>", escaped(&lane.name));
        for time in table::quantiles(lane.samples) {
            let _ = write!(page, "<td>{}</td>", table::duration(time));
        }
        let _ = write!(page, "<td>{}</td></tr>", lane.samples.count());
    }
    page.push_str("</table></details>");
}

fn figures(page: &mut String, parts: &[(&Subject, &Section)]) {
    if parts.iter().all(|(_, section)| section.figures.is_empty()) {
        return;
    }
    page.push_str("<table class=\"facts\">");
    for (subject, section) in parts {
        for figure in &section.figures {
            let of = if parts.len() > 1 { format!("{}: ", subject.name) } else { String::new() };
            let name = escaped(&(of + &figure.name));
            let _ = write!(page, "<tr><td>{name}</td><td>{}</td></tr>", table::value(figure));
        }
    }
    page.push_str("</table>");
}
