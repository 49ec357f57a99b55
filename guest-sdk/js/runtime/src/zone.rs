//! Local time: what the variable `TZ` means, by the rules that Node.js has for it, and the time zones that `Intl` formats in.
//!
//! The rules of the zones are those of `chrono-tz`. `zones.txt`, which `builder/zones.mjs` writes, has their names.

use std::{cell::Cell, fmt::Write as _};

use chrono::{DateTime, Datelike as _, NaiveDate, Offset as _, TimeZone as _};
use chrono_tz::{OffsetComponents as _, TZ_VARIANTS, Tz};

use crate::engine;

/// A time zone.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Zone {
    Named(Tz),
    /// Seconds east of Greenwich, all the year. It has no identifier.
    Fixed(i32),
}

thread_local! {
    static LOCAL: Cell<Zone> = const { Cell::new(Zone::Named(Tz::UTC)) };
    static ERA: Cell<u32> = const { Cell::new(0) };
    /// Names and identifier of the zone that was last asked for: a program shows the times of one.
    static LABELS: Cell<Option<(Tz, Labels)>> = const { Cell::new(None) };
}

/// As [`set_local`], in a new instance that has another `TZ` than the snapshot: what was made before it forgets its own zone.
pub(crate) fn renew_local(variable: Option<&str>) {
    ERA.set(ERA.get() + 1);
    set_local(variable);
}

/// Another one: the local zone is that of another instance.
pub(crate) fn era() -> u32 {
    ERA.get()
}

/// Makes the zone that `TZ` names the local one; without the variable that is UTC.
pub(crate) fn set_local(variable: Option<&str>) {
    let zone = variable.map_or(Zone::Named(Tz::UTC), Zone::of_variable);
    LOCAL.set(zone);
    // The engine asks only where there is something to ask for.
    engine::set_local_time((zone != Zone::Named(Tz::UTC)).then_some(engine::LocalTime { offset, name }));
}

pub(crate) fn local() -> Zone {
    LOCAL.get()
}

extern "C" fn offset(time: i64, is_local: bool) -> i32 {
    let zone = LOCAL.get();
    if is_local { zone.offset_of_local(time) } else { zone.offset(time) }
}

/// Writes the name of the local zone, of at most `size` bytes of UTF-8.
extern "C" fn name(time: i64, to: *mut u8, size: usize) -> usize {
    let name = LOCAL.get().name(time);
    let length = name.len().min(size);
    // SAFETY: the engine gives the size of what it points to.
    unsafe { std::ptr::copy_nonoverlapping(name.as_ptr(), to, length) };
    length
}

/// The last year for which `chrono-tz` knows when clocks change.
const LAST_YEAR: i32 = 2099;

/// Years after which the days of the week repeat, in this and the last century.
const CYCLE: i32 = 28;

impl Zone {
    /// What `TZ` says in Node.js: the identifier of a zone, perhaps behind a colon; or letters and hours west of Greenwich,
    /// such as `CST-8`. All else is UTC, also the forms of POSIX with minutes or with rules for daylight-saving time: by that
    /// name if it can be no identifier, without a name if nobody knows it.
    fn of_variable(variable: &str) -> Zone {
        let value = variable.strip_prefix(':').unwrap_or(variable);
        let value = value.strip_prefix("posix/").or_else(|| value.strip_prefix("right/")).unwrap_or(value);
        match value.parse() {
            Ok(zone) => Zone::Named(zone),
            Err(_) if may_be_identifier(value) => Zone::Fixed(hours_west(value).map_or(0, |hours| -3600 * hours)),
            Err(_) => Zone::Named(Tz::UTC),
        }
    }

    /// The zone that a format is asked for, in any case of letters.
    pub(crate) fn of_identifier(identifier: &str) -> Option<Zone> {
        let any_case = || TZ_VARIANTS.iter().copied().find(|zone| zone.name().eq_ignore_ascii_case(identifier));
        identifier.parse().ok().or_else(any_case).map(Zone::Named)
    }

    /// Seconds east of Greenwich at a time in milliseconds since 1970.
    pub(crate) fn offset(self, time: i64) -> i32 {
        match self {
            Zone::Named(Tz::UTC) => 0,
            Zone::Named(zone) => rule(zone, time).fix().local_minus_utc(),
            Zone::Fixed(seconds) => seconds,
        }
    }

    /// Seconds east of Greenwich when clocks there show `time`, in milliseconds as if they showed UTC. If they show it twice,
    /// the first time counts; if they skip it, what was in force before.
    fn offset_of_local(self, time: i64) -> i32 {
        const DAY: i64 = 86_400_000;
        let before = self.offset(time.saturating_sub(DAY));
        let behind = self.offset(time.saturating_add(DAY));
        let is_right = |offset: i32| self.offset(time.saturating_sub(i64::from(offset) * 1000)) == offset;
        if before != behind && !is_right(before) && is_right(behind) { behind } else { before }
    }

    /// As CLDR names it in English: `China Standard Time`, or `GMT+03:00` if it has no name.
    fn name(self, time: i64) -> String {
        if let Zone::Named(zone) = self {
            let labels = labels(zone);
            let is_daylight = !rule(zone, time).dst_offset().is_zero();
            let name = if is_daylight { labels.daylight } else { labels.standard };
            if !name.is_empty() {
                return name.to_owned();
            }
        }
        offset_name(self.offset(time))
    }

    /// How `Intl` calls it; none: `TZ` gave it no identifier.
    pub(crate) fn identifier(self) -> Option<&'static str> {
        match self {
            Zone::Named(Tz::UTC) => Some("UTC"),
            Zone::Named(zone) => Some(labels(zone).identifier),
            Zone::Fixed(_) => None,
        }
    }
}

/// At most two digits, at the end.
fn may_be_identifier(value: &str) -> bool {
    let end = value.trim_start_matches(|letter: char| !letter.is_ascii_digit() && letter != ',');
    end.len() <= 2 && end.bytes().all(|digit| digit.is_ascii_digit())
}

/// `CST-8` → -8: at least three letters, then a number of at most two digits.
fn hours_west(value: &str) -> Option<i32> {
    let digits = value.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    let is_number = matches!(unsigned.len(), 1 | 2) && unsigned.bytes().all(|digit| digit.is_ascii_digit());
    if value.len() - digits.len() < 3 || !is_number {
        return None;
    }
    Some(digits.parse::<i32>().ok()?.clamp(-24, 24))
}

fn offset_name(seconds: i32) -> String {
    let (sign, rest) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let mut name = format!("GMT{sign}{:02}:{:02}", rest / 3600, rest / 60 % 60);
    if rest % 60 != 0 {
        let _ = write!(name, ":{:02}", rest % 60);
    }
    name
}

/// What is in force at a time.
fn rule(zone: Tz, time: i64) -> chrono_tz::TzOffset {
    let at = |seconds: i64| {
        let moment = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        zone.offset_from_utc_datetime(&moment.naive_utc())
    };
    // What lies outside of what chrono counts was before there were zones, or is far behind `LAST_YEAR`.
    let seconds = time.div_euclid(1000).clamp(-8_000_000_000_000, 8_000_000_000_000);
    let year = DateTime::from_timestamp(seconds, 0).map_or(0, |moment| moment.year());
    if year <= LAST_YEAR || !changes_in_last_year(zone) {
        return at(seconds);
    }
    // Summers go on as in the last years that are known: at the same time of a year that has the same days.
    let start = |year: i32| NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default();
    let days = |year: i32| (start(year).weekday(), start(year).leap_year());
    let same = (LAST_YEAR - CYCLE + 1..=LAST_YEAR).find(|known| days(*known) == days(year)).unwrap_or(LAST_YEAR);
    at(seconds - 86_400 * (start(year) - start(same)).num_days())
}

fn changes_in_last_year(zone: Tz) -> bool {
    let offset = |month| {
        let day = NaiveDate::from_ymd_opt(LAST_YEAR, month, 1).unwrap_or_default();
        zone.offset_from_utc_datetime(&day.into()).fix()
    };
    offset(1) != offset(7)
}

/// What CLDR calls a zone.
#[derive(Clone, Copy)]
struct Labels {
    /// Empty: the zone has no name.
    standard: &'static str,
    daylight: &'static str,
    identifier: &'static str,
}

fn labels(zone: Tz) -> Labels {
    if let Some((known, labels)) = LABELS.get()
        && known == zone
    {
        return labels;
    }
    let labels = find_labels(zone.name());
    LABELS.set(Some((zone, labels)));
    labels
}

fn find_labels(zone: &'static str) -> Labels {
    for line in include_str!("zones.txt").lines() {
        let mut fields = line.split('|');
        let (Some(standard), Some(daylight), Some(zones)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        for identifiers in zones.split(',') {
            let mut all = identifiers.split(' ');
            let Some(identifier) = all.next() else { continue };
            if identifier == zone || all.any(|other| other == zone) {
                return Labels { standard, daylight, identifier };
            }
        }
    }
    // A zone that is newer than the names.
    Labels { standard: "", daylight: "", identifier: zone }
}
