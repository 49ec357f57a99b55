//! Distributions and sums as pictures: inline SVG without script, coloured by the page's own variables.

use std::{fmt::Write as _, time::Duration};

use wisp::bench::samples::Samples;

use super::table;

/// Width of a picture, and of the names at its left.
const WIDTH: f64 = 980.0;
const NAMES: f64 = 270.0;

/// Characters of a name that there is room for.
const NAME: usize = 46;

/// Height of one distribution, and of the axis above and below them.
const LANE: f64 = 44.0;
const AXIS: f64 = 26.0;

/// Intervals of a distribution, evenly wide on the logarithmic axis.
const INTERVALS: u32 = 120;

/// How many colours the page has.
const COLORS: usize = 9;

/// One distribution.
pub(super) struct Lane<'a> {
    pub(super) name: String,
    pub(super) samples: &'a Samples,
    /// Which of the colours.
    pub(super) color: usize,
}

/// A logarithmic axis of time.
struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    /// From the shortest to the longest of all, rounded outwards to 1, 2 or 5 of a power of ten.
    fn over(lanes: &[Lane<'_>]) -> Self {
        let shortest = lanes.iter().map(|lane| lane.samples.min()).min().unwrap_or_default().as_secs_f64();
        let longest = lanes.iter().map(|lane| lane.samples.max()).max().unwrap_or_default().as_secs_f64();
        let (from, to) = (round_down(shortest.max(1e-8)), round_up(longest.max(2e-8)));
        Self { from, to: if to > from { to } else { from * 10.0 } }
    }

    fn place(&self, time: Duration) -> f64 {
        let share = (time.as_secs_f64().max(self.from) / self.from).ln() / (self.to / self.from).ln();
        NAMES + share.clamp(0.0, 1.0) * (WIDTH - NAMES - 20.0)
    }

    fn bounds(&self) -> Vec<Duration> {
        let at = |number: u32| self.from * (self.to / self.from).powf(f64::from(number) / f64::from(INTERVALS));
        (0..=INTERVALS).map(|number| Duration::from_secs_f64(at(number))).collect()
    }

    /// Powers of ten, and 2 and 5 of them where there is room.
    fn ticks(&self) -> Vec<Duration> {
        let decades = (self.to / self.from).log10();
        let steps: &[f64] = if decades <= 3.2 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let mut ticks = Vec::new();
        let mut power = 10_f64.powf(self.from.log10().floor());
        while power <= self.to * 1.001 {
            let within = |time: &f64| *time >= self.from * 0.999 && *time <= self.to * 1.001;
            ticks.extend(steps.iter().map(|step| step * power).filter(within).map(Duration::from_secs_f64));
            power *= 10.0;
        }
        ticks
    }
}

fn round_down(seconds: f64) -> f64 {
    let power = 10_f64.powf(seconds.log10().floor());
    [5.0, 2.0, 1.0].into_iter().map(|step| step * power).find(|value| *value <= seconds * 1.0001).unwrap_or(power)
}

fn round_up(seconds: f64) -> f64 {
    let power = 10_f64.powf(seconds.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|step| step * power)
        .find(|value| *value >= seconds * 0.9999)
        .unwrap_or(power * 10.0)
}

/// Distributions one below the other on one axis: how often what time was taken, with a line at the median and marks at the
/// 90th and the 99th percentile.
pub(super) fn distributions(lanes: &[Lane<'_>]) -> String {
    let axis = Axis::over(lanes);
    let height = lanes.iter().fold(2.0 * AXIS, |height, _| height + LANE);
    let mut svg = open(height, "distributions on a logarithmic axis of time");
    for tick in axis.ticks() {
        let (x, bottom) = (axis.place(tick), height - AXIS);
        let _ = write!(svg, r#"<line class="grid" x1="{x:.1}" y1="{AXIS}" x2="{x:.1}" y2="{bottom}"/>"#);
        for y in [AXIS - 10.0, height - 8.0] {
            let label = table::duration(tick).replace(".00", "").replace(".0 ", " ");
            let _ = write!(svg, r#"<text class="tick" x="{x:.1}" y="{y}">{label}</text>"#);
        }
    }
    let mut top = AXIS;
    for lane in lanes {
        draw(&mut svg, lane, &axis, top);
        top += LANE;
    }
    svg + "</svg>"
}

fn draw(svg: &mut String, lane: &Lane<'_>, axis: &Axis, top: f64) {
    let base = top + LANE - 6.0;
    let bounds = axis.bounds();
    let counts = lane.samples.between(&bounds);
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    let mut path = format!("M{:.1} {base:.1}", axis.place(bounds.first().copied().unwrap_or_default()));
    for (count, ends) in counts.iter().zip(bounds.windows(2)) {
        let (Some(left), Some(right)) = (ends.first(), ends.last()) else { continue };
        // Square roots, so that what is rare can be seen.
        let share = (super::report::number(*count) / super::report::number(most)).sqrt();
        let y = base - share * (LANE - 12.0);
        let _ = write!(path, "L{:.1} {y:.1}L{:.1} {y:.1}", axis.place(*left), axis.place(*right));
    }
    let _ = write!(path, "L{:.1} {base:.1}Z", axis.place(bounds.last().copied().unwrap_or_default()));
    let color = lane.color % COLORS;
    let [p50, p90, p99, longest] = table::quantiles(lane.samples);
    let (full, name) = (escaped(&lane.name), escaped(&shortened(&lane.name)));
    let figures = format!("{} · p99 {}", table::duration(p50), table::duration(p99));
    let (name_y, figures_y) = (top + 19.0, top + 34.0);
    let _ = write!(
        svg,
        r#"<g><title>{full}: p50 {}, p90 {}, p99 {}, max {}</title><text class="name" x="0" y="{name_y:.1}">{name}</text><text class="figures" x="0" y="{figures_y:.1}">{figures}</text><path class="c{color}" d="{path}"/>"#,
        table::duration(p50),
        table::duration(p90),
        table::duration(p99),
        table::duration(longest),
    );
    for (class, time, height) in [("p50", p50, LANE - 10.0), ("p90", p90, 14.0), ("p99", p99, 14.0)] {
        let (x, y) = (axis.place(time), base - height);
        let _ = write!(svg, r#"<line class="{class}" x1="{x:.1}" y1="{y:.1}" x2="{x:.1}" y2="{base:.1}"/>"#);
    }
    svg.push_str("</g>");
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    name.chars().take(NAME - 1).chain(['…']).collect()
}

/// What the colours of [`bars`] stand for.
pub(super) fn legend(parts: &[String]) -> String {
    let entry = |(number, part): (usize, &String)| {
        let color = number % COLORS;
        format!(
            r#"<span><svg viewBox="0 0 10 10"><rect class="c{color}" width="10" height="10"/></svg>{}</span>"#,
            escaped(part)
        )
    };
    format!(r#"<p class="parts">{}</p>"#, parts.iter().enumerate().map(entry).collect::<String>())
}

/// Parts of a whole: one bar for each whole, as long as it took; a part has the colour of its place in `names`.
pub(super) fn bars(wholes: &[(String, Vec<(String, Duration)>)], names: &[String]) -> String {
    let longest = wholes.iter().map(|(_, parts)| sum(parts)).max().unwrap_or_default().as_secs_f64().max(1e-9);
    let height = wholes.iter().fold(4.0, |height, _| height + LANE);
    let mut svg = open(height, "where the time goes");
    let mut top = 0.0;
    for (name, parts) in wholes {
        let _ = write!(
            svg,
            r#"<text class="name" x="0" y="{:.1}">{}</text><text class="figures" x="0" y="{:.1}">{}</text>"#,
            top + 19.0,
            escaped(&shortened(name)),
            top + 34.0,
            table::duration(sum(parts))
        );
        let mut x = NAMES;
        for (part, time) in parts {
            let number = names.iter().position(|name| name == part).unwrap_or_default();
            let width = time.as_secs_f64() / longest * (WIDTH - NAMES - 20.0);
            let (color, took) = (number % COLORS, table::duration(*time));
            let _ = write!(
                svg,
                r#"<g><title>{part}: {took}</title><rect class="c{color}" x="{x:.1}" y="{:.1}" width="{width:.1}" height="24"/>"#,
                top + 10.0
            );
            // What has no room for its name shows it when it is pointed at.
            let room = width / 7.0;
            if room > super::report::number(u64::try_from(part.len()).unwrap_or(u64::MAX)) {
                let _ = write!(svg, r#"<text class="inside" x="{:.1}" y="{:.1}">{part}</text>"#, x + 5.0, top + 26.0);
            }
            svg.push_str("</g>");
            x += width;
        }
        top += LANE;
    }
    svg + "</svg>"
}

fn sum(parts: &[(String, Duration)]) -> Duration {
    parts.iter().map(|(_, time)| *time).sum()
}

fn open(height: f64, label: &str) -> String {
    format!(r#"<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">"#)
}

/// Text that may stand in a page.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(microseconds: &[u64]) -> Samples {
        let mut samples = Samples::new();
        microseconds.iter().for_each(|value| samples.record(Duration::from_micros(*value)));
        samples
    }

    #[test]
    fn the_axis_holds_all_samples_between_round_ends() {
        let (short, long) = (samples(&[13]), samples(&[2_100]));
        let lane = |samples| Lane { name: String::new(), samples, color: 0 };
        let axis = Axis::over(&[lane(&short), lane(&long)]);
        assert!((axis.from - 10e-6).abs() < 1e-9 && (axis.to - 5e-3).abs() < 1e-6, "{} {}", axis.from, axis.to);
        assert!(axis.place(Duration::from_micros(13)) > NAMES);
        assert!(axis.ticks().contains(&Duration::from_micros(100)));
    }

    #[test]
    fn names_cannot_leave_their_element() {
        let samples = samples(&[1, 2, 3]);
        let svg = distributions(&[Lane { name: "<script>".into(), samples: &samples, color: 10 }]);
        assert!(svg.contains("&lt;script&gt;") && !svg.contains("<script>"), "{svg}");
        assert!(svg.contains(r#"class="c1""#) && svg.ends_with("</svg>"));
    }
}
