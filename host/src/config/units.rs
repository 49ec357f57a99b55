//! Sizes and durations as people write them: a number and its unit.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, de};

/// A number of bytes, written `"128 MB"`. Units are powers of two: 1 KB is 1024 B. Whole bytes, up to 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// A duration, written `"3 s"`; milliseconds to days, in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Why a text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// A number alone. Guessing its unit is how 128 bytes of memory come about.
    #[error("{number} has no unit; write {known} after it, such as {example:?}")]
    NoUnit {
        /// The number as written.
        number: String,
        /// The units to choose from.
        known: String,
        /// What it could look like.
        example: String,
    },
    /// A unit that is not known here.
    #[error("{text:?} has the unit {unit:?}; the units are {known}")]
    UnknownUnit {
        /// The whole value as written.
        text: String,
        /// Its unit as written.
        unit: String,
        /// The units to choose from.
        known: String,
    },
    /// No number where one should be.
    #[error("{text:?} does not start with a number; write it like {example:?}")]
    NoNumber {
        /// The whole value as written.
        text: String,
        /// What it could look like.
        example: String,
    },
    /// A fraction of the smallest unit.
    #[error("{text:?} is not a whole number of {smallest}")]
    NotWhole {
        /// The whole value as written.
        text: String,
        /// The unit that cannot be divided.
        smallest: &'static str,
    },
    /// More than can be counted.
    #[error("{text:?} is too large")]
    TooLarge {
        /// The whole value as written.
        text: String,
    },
}

/// A unit's name and how many of the smallest unit it is.
type Unit = (&'static str, u64);

/// The units of one kind of quantity, smallest first, and the one used in advice.
struct Scale {
    units: &'static [Unit],
    usual: &'static str,
    usual_number: &'static str,
}

const BYTES: Scale =
    Scale { units: &[("B", 1), ("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30)], usual: "MB", usual_number: "128" };

const MILLISECONDS: Scale = Scale {
    units: &[("ms", 1), ("s", 1000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)],
    usual: "s",
    usual_number: "3",
};

/// Numbers are read as `f64`, so that fractions work; from here on it would no longer hold every whole number.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Scale {
    fn parse(&self, text: &str) -> Result<u64, UnitError> {
        let (number, unit) = split(text.trim());
        let value: f64 = number.parse().map_err(|_| self.no_number(text))?;
        let factor = self.factor(number, unit, text)?;
        self.whole(value * factor as f64, text)
    }

    fn factor(&self, number: &str, unit: &str, text: &str) -> Result<u64, UnitError> {
        if unit.is_empty() {
            return Err(self.no_unit(number));
        }
        let found = self.units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
        found.map(|&(_, factor)| factor).ok_or_else(|| UnitError::UnknownUnit {
            text: text.to_owned(),
            unit: unit.to_owned(),
            known: self.known(),
        })
    }

    fn whole(&self, value: f64, text: &str) -> Result<u64, UnitError> {
        if value > EXACT {
            Err(UnitError::TooLarge { text: text.to_owned() })
        } else if value.fract() != 0.0 {
            Err(UnitError::NotWhole { text: text.to_owned(), smallest: self.smallest() })
        } else {
            Ok(value as u64)
        }
    }

    /// The largest unit that leaves no remainder, so that the text reads back as the same value.
    fn display(&self, value: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |&&(_, factor): &&Unit| value != 0 && value.is_multiple_of(factor);
        let (name, factor) = self.units.iter().rev().find(fits).copied().unwrap_or((self.smallest(), 1));
        write!(f, "{} {name}", value / factor)
    }

    fn no_unit(&self, number: &str) -> UnitError {
        let example = format!("{number} {}", self.usual);
        UnitError::NoUnit { number: number.to_owned(), known: self.known(), example }
    }

    fn no_number(&self, text: &str) -> UnitError {
        UnitError::NoNumber { text: text.to_owned(), example: self.example() }
    }

    fn example(&self) -> String {
        format!("{} {}", self.usual_number, self.usual)
    }

    fn smallest(&self) -> &'static str {
        self.units.first().map_or("", |&(name, _)| name)
    }

    fn known(&self) -> String {
        let names: Vec<&str> = self.units.iter().map(|&(name, _)| name).collect();
        match names.split_last() {
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            None => String::new(),
        }
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        BYTES.parse(text).map(ByteSize)
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        MILLISECONDS.parse(text).map(Duration::from_millis).map(Span)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        BYTES.display(self.0, f)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() {
            return f.write_str("0 s");
        }
        match u64::try_from(self.0.as_millis()) {
            Ok(millis) if self.0.subsec_nanos().is_multiple_of(1_000_000) => MILLISECONDS.display(millis, f),
            // Finer than what can be written: rounding would show another duration.
            _ => write!(f, "{:?}", self.0),
        }
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Quantity(&BYTES)).map(ByteSize)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Quantity(&MILLISECONDS)).map(Duration::from_millis).map(Span)
    }
}

/// Takes a text with a unit, and tells who wrote a number alone what to do.
struct Quantity(&'static Scale);

impl de::Visitor<'_> for Quantity {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number with a unit, such as {:?}", self.0.example())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        self.0.parse(text).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        Err(E::custom(self.0.no_unit(&number.to_string())))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        Err(E::custom(self.0.no_unit(&number.to_string())))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<u64, E> {
        Err(E::custom(self.0.no_unit(&number.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> Result<u64, String> {
        text.parse::<ByteSize>().map(|size| size.0).map_err(|error| error.to_string())
    }

    fn millis(text: &str) -> Result<u128, String> {
        text.parse::<Span>().map(|span| span.0.as_millis()).map_err(|error| error.to_string())
    }

    #[test]
    fn sizes_count_in_powers_of_two() {
        assert_eq!(size("512 B"), Ok(512));
        assert_eq!(size("4 KB"), Ok(4096));
        assert_eq!(size("128 MB"), Ok(134_217_728));
        assert_eq!(size("1.5 GB"), Ok(1_610_612_736));
    }

    #[test]
    fn the_space_and_the_case_of_a_unit_are_free() {
        assert_eq!(size("128MB"), size("128 MB"));
        assert_eq!(size(" 128 mb "), size("128 MB"));
    }

    #[test]
    fn durations_reach_from_milliseconds_to_days() {
        assert_eq!(millis("500 ms"), Ok(500));
        assert_eq!(millis("3s"), Ok(3000));
        assert_eq!(millis("2 min"), Ok(120_000));
        assert_eq!(millis("1.5 h"), Ok(5_400_000));
        assert_eq!(millis("1 d"), Ok(86_400_000));
        assert_eq!(millis("0 s"), Ok(0));
    }

    #[test]
    fn what_is_no_quantity_says_what_to_write() {
        for (text, message) in [
            ("128", r#"128 has no unit; write B, KB, MB or GB after it, such as "128 MB""#),
            ("128 Mb/s", r#""128 Mb/s" has the unit "Mb/s"; the units are B, KB, MB or GB"#),
            ("lots", r#""lots" does not start with a number; write it like "128 MB""#),
            ("", r#""" does not start with a number; write it like "128 MB""#),
            ("-1 KB", r#""-1 KB" does not start with a number; write it like "128 MB""#),
            ("1.2.3 KB", r#""1.2.3 KB" does not start with a number; write it like "128 MB""#),
            ("0.1 KB", r#""0.1 KB" is not a whole number of B"#),
            ("99999999999 GB", r#""99999999999 GB" is too large"#),
        ] {
            assert_eq!(size(text), Err(message.to_owned()));
        }
        assert_eq!(millis("3 m").unwrap_err(), r#""3 m" has the unit "m"; the units are ms, s, min, h or d"#);
    }

    #[test]
    fn a_plain_number_is_refused_in_a_file_too() {
        let error = serde_json::from_str::<ByteSize>("128").unwrap_err().to_string();
        assert!(error.starts_with(r#"128 has no unit; write B, KB, MB or GB after it, such as "128 MB""#), "{error}");
        let error = serde_json::from_str::<Span>("true").unwrap_err().to_string();
        assert!(error.contains(r#"expected a number with a unit, such as "3 s""#), "{error}");
    }

    #[test]
    fn what_is_displayed_reads_back_as_the_same() {
        for text in ["0 B", "1 B", "1536 MB", "4 GB", "1025 KB"] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
        }
        for text in ["0 s", "1 ms", "90 s", "2 min", "25 h", "1 d"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!(Span(Duration::from_micros(1500)).to_string(), "1.5ms");
    }
}
