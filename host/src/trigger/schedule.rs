//! When a timer fires: `@every 5m`, or six fields of cron in a time zone. Pure: whoever asks says what time it is.

use croner::{
    Cron,
    parser::{CronParser, Seconds},
};
use jiff::{SignedDuration, Timestamp, Zoned, tz::TimeZone};

/// What the fields of an expression are called, in their order.
const FIELDS: [&str; 6] = ["second", "minute", "hour", "day of the month", "month", "day of the week"];

/// What an expression may look like, for those who wrote another.
const EXAMPLES: &str = "write `@every 5m`, or second, minute, hour, day, month and day of the week such as \
                        `0 30 8 * * MON-FRI`, with `CRON_TZ=Asia/Shanghai ` before it if not in UTC";

/// A schedule as it was written, and what it means.
#[derive(Clone, Debug)]
pub struct Schedule {
    text: String,
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    Every(SignedDuration),
    Cron(Box<Cron>, TimeZone),
}

/// Schedules are the same if they are written alike.
impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Schedule {}

impl Schedule {
    /// Reads an expression.
    ///
    /// # Errors
    /// Which field is wrong, why, and what it could be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let rule = match text.strip_prefix("@every") {
            Some(interval) => Rule::Every(every(text, interval.trim())?),
            None => cron(text)?,
        };
        Ok(Self { text: text.to_owned(), rule })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first tick after `last`, which is a tick or the start; `None`: there is none any more. Whole seconds.
    pub fn next(&self, last: Timestamp) -> Option<Timestamp> {
        match &self.rule {
            Rule::Every(interval) => last.checked_add(*interval).ok(),
            Rule::Cron(cron, zone) => {
                let next: Zoned = cron.find_next_occurrence(&last.to_zoned(zone.clone()), false).ok()?;
                Some(next.timestamp()).filter(|next| *next > last)
            }
        }
    }

    /// The last tick at or before `now`, of those after `last`; `None`: there was none.
    pub fn latest(&self, last: Timestamp, now: Timestamp) -> Option<Timestamp> {
        match &self.rule {
            Rule::Every(interval) => {
                let (passed, interval) = (now.as_second() - last.as_second(), interval.as_secs());
                let ticks = passed.checked_div(interval).filter(|ticks| *ticks > 0)?;
                last.checked_add(SignedDuration::from_secs(ticks * interval)).ok()
            }
            Rule::Cron(cron, zone) => {
                let latest: Zoned = cron.find_previous_occurrence(&now.to_zoned(zone.clone()), true).ok()?;
                Some(latest.timestamp()).filter(|latest| *latest > last && *latest <= now)
            }
        }
    }
}

fn every(text: &str, interval: &str) -> Result<SignedDuration, String> {
    let wrong =
        || format!("{text:?} has no interval; give a number with s, m or h after `@every `, such as `@every 5m`");
    let unit = interval.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(wrong()),
    };
    let number: u32 = interval.trim_end_matches(unit).parse().map_err(|_| wrong())?;
    if number == 0 {
        return Err(format!("{text:?} has no time between two ticks; the least is `@every 1s`"));
    }
    Ok(SignedDuration::from_secs(i64::from(number) * seconds))
}

fn cron(text: &str) -> Result<Rule, String> {
    let (zone, expression) = match text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ=")) {
        Some(zoned) => {
            let (name, expression) = zoned.split_once(char::is_whitespace).unwrap_or((zoned, ""));
            (zone(name)?, expression)
        }
        None => (TimeZone::UTC, text),
    };
    let fields: Vec<&str> = expression.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!("{text:?} has {} of 6 fields; {EXAMPLES}", fields.len()));
    }
    match parsed(&fields) {
        Ok(cron) => Ok(Rule::Cron(Box::new(cron), zone)),
        Err(reason) => Err(wrong_field(&fields).unwrap_or_else(|| format!("{text:?}: {reason}; {EXAMPLES}"))),
    }
}

fn parsed(fields: &[&str]) -> Result<Cron, String> {
    let parser = CronParser::builder().seconds(Seconds::Required).build();
    parser.parse(&fields.join(" ")).map_err(|error| error.to_string())
}

/// The first field that is wrong by itself.
fn wrong_field(fields: &[&str]) -> Option<String> {
    fields.iter().zip(FIELDS).enumerate().find_map(|(index, (field, name))| {
        let mut alone = ["*"; FIELDS.len()];
        *alone.get_mut(index)? = field;
        let reason = parsed(&alone).err()?;
        let position = index + 1;
        Some(format!("field {position} of 6, the {name}, is {field:?}: {}; {EXAMPLES}", reason.trim_end_matches('.')))
    })
}

fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let hint = crate::config::hint(name, known.iter().map(String::as_str));
        format!("there is no time zone {name:?}{hint}; give one of the IANA database, such as Asia/Shanghai")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn next(schedule: &str, last: &str) -> String {
        Schedule::parse(schedule).unwrap().next(time(last)).unwrap().to_string()
    }

    fn latest(schedule: &str, last: &str, now: &str) -> Option<String> {
        Schedule::parse(schedule).unwrap().latest(time(last), time(now)).map(|tick| tick.to_string())
    }

    #[test]
    fn an_interval_counts_from_the_last_tick() {
        assert_eq!(next("@every 4m", "2026-01-01T00:00:10Z"), "2026-01-01T00:04:10Z");
        assert_eq!(next("@every 1h", "2026-01-01T23:30:00Z"), "2026-01-02T00:30:00Z");
        assert_eq!(
            latest("@every 4m", "2026-01-01T00:00:10Z", "2026-01-01T00:13:00Z").as_deref(),
            Some("2026-01-01T00:12:10Z")
        );
        assert_eq!(latest("@every 4m", "2026-01-01T00:00:10Z", "2026-01-01T00:04:09Z"), None);
    }

    #[test]
    fn six_fields_are_in_utc_unless_they_name_a_zone() {
        assert_eq!(next("0 0 4 * * *", "2026-01-01T00:00:00Z"), "2026-01-01T04:00:00Z");
        assert_eq!(next("CRON_TZ=Asia/Shanghai 0 0 4 * * *", "2026-01-01T00:00:00Z"), "2026-01-01T20:00:00Z");
        assert_eq!(next("0 0 4 ? * MON-FRI", "2026-01-02T05:00:00Z"), "2026-01-05T04:00:00Z");
        assert_eq!(
            latest("0 0 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T05:59:00Z").as_deref(),
            Some("2026-01-01T05:00:00Z")
        );
        assert_eq!(latest("0 0 4 * * *", "2026-01-01T04:00:00Z", "2026-01-02T03:59:59Z"), None);
    }

    #[test]
    fn an_hour_that_is_skipped_or_comes_twice_does_not_fire_twice() {
        let berlin = "CRON_TZ=Europe/Berlin 0 30 2 * * *";
        // Clocks go from 2:00 to 3:00 on 2026-03-29, and from 3:00 to 2:00 on 2026-10-25.
        let spring = next(berlin, "2026-03-28T12:00:00Z");
        assert!(spring.starts_with("2026-03-29T01:"), "{spring}");
        let autumn = next(berlin, "2026-10-24T12:00:00Z");
        assert_eq!(autumn, "2026-10-25T00:30:00Z");
        assert_eq!(next(berlin, &autumn), "2026-10-26T01:30:00Z");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_position_and_an_example() {
        let error = |text| Schedule::parse(text).unwrap_err();
        assert!(error("0 61 * * * *").contains("field 2 of 6, the minute, is \"61\""), "{}", error("0 61 * * * *"));
        assert!(error("0 4 * * *").contains("has 5 of 6 fields"));
        assert!(error("CRON_TZ=Asia/Shangai 0 0 4 * * *").contains("did you mean `Asia/Shanghai`"));
        for text in ["", "@every", "@every 0m", "@every m", "@every 5", "hourly", "@every \u{e9}", "@hourly"] {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
    }
}
