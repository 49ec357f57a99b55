//! What came of a measurement: the one form that tables, JSON and pages are made of.

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use wisp::bench::{
    machine::{Machine, Noise},
    samples::Samples,
};

/// A measurement, with where it was taken.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// `cold`, `warm`, `density` or `deploy`.
    pub(super) kind: &'static str,
    pub(super) machine: Machine,
    #[serde(serialize_with = "with_warning")]
    pub(super) noise: Noise,
    pub(super) subjects: Vec<Subject>,
}

/// One thing that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Subject {
    /// As it was typed, or the name of the function.
    pub(super) name: String,
    /// What it is, in short phrases.
    pub(super) facts: Vec<String>,
    pub(super) sections: Vec<Section>,
}

/// Rows that belong together.
#[derive(Debug, Default, Serialize)]
pub(super) struct Section {
    pub(super) title: String,
    /// What a reader must know to read the rows rightly.
    pub(super) note: String,
    pub(super) rows: Vec<Row>,
    pub(super) figures: Vec<Figure>,
}

/// A distribution.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: String,
    #[serde(skip)]
    pub(super) role: Role,
    #[serde(flatten)]
    pub(super) samples: Samples,
}

/// What a row is among its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A part of the sum below it.
    Part,
    /// It stands beside the parts, and is in no sum.
    Aside,
    /// The sum of parts, or what was measured as a whole.
    Whole,
}

/// One number.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) unit: Unit,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Unit {
    Count,
    Bytes,
    Seconds,
    PerSecond,
}

impl Section {
    pub(super) fn new(title: impl Into<String>, note: impl Into<String>) -> Self {
        Self { title: title.into(), note: note.into(), ..Self::default() }
    }

    pub(super) fn row(&mut self, name: impl Into<String>, role: Role, samples: Samples) {
        self.rows.push(Row { name: name.into(), role, samples });
    }

    pub(super) fn figure(&mut self, name: impl Into<String>, value: f64, unit: Unit) {
        self.figures.push(Figure { name: name.into(), value, unit });
    }
}

fn with_warning<S: Serializer>(noise: &Noise, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(3))?;
    map.serialize_entry("before", &noise.before)?;
    map.serialize_entry("after", &noise.after)?;
    map.serialize_entry("warning", &noise.warning())?;
    map.end()
}

/// A count as a figure.
#[allow(clippy::cast_precision_loss, reason = "counts and bytes are far below 2^52")]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}
