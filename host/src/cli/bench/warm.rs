//! `wisp bench warm`: load on functions, or on any other server.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use wisp::{
    bench::{
        load::{self, Outcome, Pace, Plan, Target},
        machine::Usage,
    },
    config::units::Span,
};

use super::{
    OutputArgs,
    report::{Role, Section, Subject, Unit, number},
    served,
    subject::SubjectArgs,
};
use crate::cli::{
    Failure,
    activity::{Activity, Show},
    runtime,
    terminal::warn,
};

/// What of the closed loop's rate the open loop asks for, if no rate is given: a server half of whose time is free.
const SHARE: f64 = 0.5;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Send requests, and show how long their answers take
#[derive(Debug, Args)]
#[command(
    after_help = "Two loads one after the other: a closed loop, where every connection sends its next request when it has the \
                  answer to the last, says what can be carried. An open loop, where requests fall due at a rate whatever the \
                  server does, says what clients wait: each latency counts from the moment its request was due."
)]
pub(super) struct WarmArgs {
    #[command(flatten)]
    subjects: SubjectArgs,
    /// Measure another server as well: the address of a page that it answers [may be repeated]
    #[arg(long, value_name = "URL")]
    url: Vec<Target>,
    /// Requests a second in the open loop [default: half of what the closed loop reached]
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Only the closed loop
    #[arg(long, conflicts_with = "rate")]
    closed: bool,
    /// Keep-alive connections
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// How long each load is counted
    #[arg(long, short, default_value = "10 s", value_name = "TIME")]
    duration: Span,
    /// How long it goes on before that
    #[arg(long, default_value = "2 s", value_name = "TIME")]
    warm_up: Span,
    /// The method of the requests
    #[arg(long, default_value_t = Method::GET)]
    method: Method,
    /// A header of the requests, as `NAME: VALUE` [may be repeated]
    #[arg(long, value_name = "HEADER", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// The body of the requests
    #[arg(long, default_value = "", value_name = "TEXT", hide_default_value = true)]
    data: String,
    #[command(flatten)]
    output: OutputArgs,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("give requests a second, such as 500".to_owned()),
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("give NAME: VALUE")?;
    let name = name.trim().parse().map_err(|_| format!("'{name}' is no name of a header"))?;
    Ok((name, value.trim().parse().map_err(|_| format!("'{value}' is no value of a header"))?))
}

/// One server, or one function.
struct Course {
    name: String,
    facts: Vec<String>,
    target: Target,
}

impl WarmArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        // Whoever drives another server need not be in a project.
        let subjects = match self.subjects.is_empty() && !self.url.is_empty() {
            true => None,
            false => Some(self.subjects.find()?),
        };
        let measure = async {
            let mut courses = Vec::new();
            if let Some(subjects) = &subjects {
                let host = served::empty(&subjects.config)?;
                served::deploy(&host, &subjects.config).await?;
                let served = served::serve(&host).await?;
                for (name, function) in &subjects.list {
                    let path = served::path(Some(&function.service), &function.name, self.subjects.path());
                    let facts = vec!["served by this process".to_owned()];
                    courses.push(self.course(name.clone(), facts, Target::new(served.authority.clone(), path)));
                }
            }
            for url in &self.url {
                courses.push(self.course(url.to_string(), vec!["another server".to_owned()], url.clone()));
            }
            tokio::task::block_in_place(|| courses.iter().map(|course| self.drive(course)).collect())
        };
        self.output.show("warm", || runtime::with_workers(measure)?)
    }

    fn course(&self, name: String, facts: Vec<String>, mut target: Target) -> Course {
        target.method = self.method.clone();
        target.headers = self.header.iter().cloned().collect::<HeaderMap>();
        target.body = self.data.clone().into();
        Course { name, facts, target }
    }

    fn drive(&self, course: &Course) -> Result<Subject, Failure> {
        load::probe(&course.target, PATIENCE)?;
        let mut sections = Vec::new();
        let mut asked = self.rate;
        if asked.is_none() {
            let outcome = self.run(course, Pace::Closed)?;
            asked = (!self.closed).then(|| (outcome.rate * SHARE).max(1.0).round());
            sections.push(self.closed_section(&outcome));
        }
        if let Some(rate) = asked {
            let outcome = self.run(course, Pace::Open(rate))?;
            sections.push(self.open_section(rate, &outcome));
        }
        Ok(Subject { name: course.name.clone(), facts: course.facts.clone(), sections })
    }

    fn run(&self, course: &Course, pace: Pace) -> Result<Outcome, Failure> {
        let what = match pace {
            Pace::Closed => format!("closed loop on {}", course.name),
            Pace::Open(rate) => format!("{rate} requests a second to {}", course.name),
        };
        let _activity = Activity::start(what, Show::fitting());
        let outcome = load::run(&Plan {
            target: course.target.clone(),
            connections: self.connections.into(),
            warm_up: self.warm_up.0,
            duration: self.duration.0,
            pace,
            timeout: PATIENCE,
        })?;
        for (reason, count) in &outcome.failures {
            warn(&format!("{}: {count} requests failed: {reason}", course.name));
        }
        Ok(outcome)
    }

    fn closed_section(&self, outcome: &Outcome) -> Section {
        let note = format!(
            "{} connections, each with one request at a time, for {}: what can be carried. The latency is that of a server \
             that is never let rest.",
            self.connections, self.duration
        );
        let mut section = Section::new("closed loop", note);
        section.row("latency", Role::Whole, outcome.service.clone());
        section.figure("answers", outcome.rate, Unit::PerSecond);
        common(&mut section, outcome);
        section
    }

    fn open_section(&self, rate: f64, outcome: &Outcome) -> Section {
        let note = format!(
            "{rate} requests a second fall due, whatever the server does, over {} connections for {}.",
            self.connections, self.duration
        );
        let mut section = Section::new("open loop", note);
        section.row("latency, since the request was due", Role::Whole, outcome.latency.clone());
        section.row("latency, since it was sent", Role::Aside, outcome.service.clone());
        section.figure("asked", rate, Unit::PerSecond);
        section.figure("answers", outcome.rate, Unit::PerSecond);
        section.figure("due and never sent", number(outcome.unsent), Unit::Count);
        common(&mut section, outcome);
        section
    }
}

fn common(section: &mut Section, outcome: &Outcome) {
    section.figure("failed", number(outcome.failures.values().sum()), Unit::Count);
    section.figure("resident memory of this process", number(Usage::read().resident), Unit::Bytes);
}
