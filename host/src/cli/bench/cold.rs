//! `wisp bench cold`: starts, stage by stage.

use std::process::ExitCode;

use clap::Args;
use serde::{Deserialize, Serialize};
use wisp::{
    bench::{
        load::{Client, Target},
        samples::Samples,
        stages::{Files, Loaded, Stage, Start, Starter},
    },
    config::{Config, FunctionConfig, Isolation},
    host::FunctionHost,
};

use super::{
    OutputArgs, Rounds,
    process::{Process, serve_until_end},
    report::{Role, Section, Subject, Unit, number},
    served,
    subject::{SubjectArgs, Subjects},
};
use crate::cli::{
    Failure,
    activity::{Activity, Show},
    runtime,
    terminal::bytes,
};

/// Starts that are not counted: the first of a process meet allocators and page tables that are still empty.
const WARM_UP: usize = 3;

/// Start functions again and again, and show what each stage takes
#[derive(Debug, Args)]
pub(super) struct ColdArgs {
    #[command(flatten)]
    subjects: SubjectArgs,
    /// Starts with the files in the page cache
    #[arg(long, short = 'n', default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Starts with the files dropped from the page cache; 0: none
    #[arg(long, default_value_t = 20, value_name = "N")]
    cold_runs: u32,
    #[command(flatten)]
    output: OutputArgs,
    /// Whether this process is the host that is asked over HTTP
    #[arg(long, hide = true)]
    host: bool,
}

/// What a host says when it serves.
#[derive(Debug, Serialize, Deserialize)]
struct Said {
    authority: String,
}

/// A row that adds stages up: its name, and which.
type Sum = (&'static str, fn(Stage) -> bool);

/// One subject while it is measured.
struct Course {
    name: String,
    starter: Starter,
    loaded: Loaded,
    cached: Vec<Start>,
    dropped: Vec<Start>,
    over_http: Result<Samples, String>,
}

impl ColdArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let subjects = self.subjects.find()?;
        if self.host {
            return runtime::with_workers(self.serve(&subjects.config))?;
        }
        self.output.show("cold", || runtime::with_workers(self.measure(&subjects))?)
    }

    async fn measure(&self, subjects: &Subjects) -> Result<Vec<Subject>, Failure> {
        // Without functions at first: what is mapped cannot be dropped from the page cache.
        let host = served::empty(&subjects.config)?;
        let mut courses = courses(&host, subjects)?;
        let runs = usize::try_from(self.runs).unwrap_or(usize::MAX);
        repeat("starts, files cached", &mut courses, WARM_UP + runs, Files::Cached).await?;
        repeat(
            "starts, files dropped",
            &mut courses,
            usize::try_from(self.cold_runs).unwrap_or_default(),
            Files::Dropped,
        )
        .await?;
        tokio::task::block_in_place(|| self.ask(&mut courses, subjects, runs))?;
        Ok(courses.into_iter().map(Course::report).collect())
    }

    /// Asks another process, which has the functions, over HTTP.
    fn ask(&self, courses: &mut [Course], subjects: &Subjects, runs: usize) -> anyhow::Result<()> {
        let (_process, Said { authority }) = Process::start(&["--host"], "a host with the functions")?;
        for (course, (_, function)) in courses.iter_mut().zip(&subjects.list) {
            let path = served::path(Some(&function.service), &function.name, self.subjects.path());
            let asked = over_http(&Target::new(authority.clone(), path.clone()), &path, runs);
            course.over_http = asked.map_err(|error| format!("{error:#}"));
        }
        Ok(())
    }

    /// Serves the functions for whoever started this process.
    async fn serve(&self, config: &Config) -> Result<ExitCode, Failure> {
        let host = served::empty(config)?;
        served::deploy(&host, &self.one_each(config)).await?;
        let served = served::serve(&host).await?;
        serve_until_end(&Said { authority: served.authority }).await
    }

    /// What is asked over HTTP starts an instance for each request, whatever its settings say.
    fn one_each(&self, config: &Config) -> Config {
        let mut config = config.clone();
        for function in &mut config.functions {
            function.isolation = Isolation::Request;
            function.min_instances = 0;
        }
        config
    }
}

fn courses(host: &FunctionHost, subjects: &Subjects) -> Result<Vec<Course>, Failure> {
    let course = |(name, function): &(String, _)| {
        let starter = Starter::new(host, FunctionConfig::clone(function), subjects.payload.clone());
        let loaded = starter.load(|size| drop(compiling(name, size)))?;
        let (cached, dropped, over_http) = (Vec::new(), Vec::new(), Ok(Samples::new()));
        Ok(Course { name: name.clone(), starter, loaded, cached, dropped, over_http })
    };
    subjects.list.iter().map(course).collect()
}

fn compiling(name: &str, size: usize) -> Activity {
    let size = bytes(u64::try_from(size).unwrap_or(u64::MAX));
    Activity::start(format!("compiling {name} ({size})"), Show::fitting())
}

/// All subjects in turns, so that what else the machine does falls on all of them alike.
async fn repeat(what: &str, courses: &mut [Course], times: usize, files: Files) -> Result<(), Failure> {
    let rounds = Rounds::new(what, times);
    for round in 0..times {
        for course in &mut *courses {
            let start = course.starter.start(&course.loaded, files).await?;
            match files {
                Files::Cached if round < WARM_UP => {}
                Files::Cached => course.cached.push(start),
                Files::Dropped => course.dropped.push(start),
            }
        }
        rounds.tick();
    }
    Ok(())
}

fn over_http(target: &Target, path: &str, times: usize) -> anyhow::Result<Samples> {
    let mut client = Client::connect(target)?;
    let mut samples = Samples::new();
    let rounds = Rounds::new("requests, each with a new instance", times);
    for round in 0..WARM_UP + times {
        let took = client.get(path)?;
        if round >= WARM_UP {
            samples.record(took);
            rounds.tick();
        }
    }
    Ok(samples)
}

impl Course {
    fn report(self) -> Subject {
        let facts = vec![
            self.loaded.kind.to_owned(),
            format!("component {}", bytes(self.loaded.component)),
            format!("compiled code {}", bytes(self.loaded.code)),
        ];
        let mut sections = vec![stages(
            "files in the page cache",
            "Each start reads the component and its compiled code again; the system still has them in memory.",
            &self.cached,
        )];
        if !self.dropped.is_empty() {
            let was_cold = self.dropped.iter().all(|start| start.was_cold);
            let note = if was_cold {
                "Before each start the system is told to forget both files (posix_fadvise DONTNEED), and did."
            } else {
                "The system was told to forget both files (posix_fadvise DONTNEED) and kept some of their pages: they lie on \
                 a file system in memory, or are mapped by another process. These starts are not truly cold."
            };
            sections.push(stages("files dropped from the page cache", note, &self.dropped));
        }
        sections.push(requests(self.over_http));
        Subject { name: self.name, facts, sections }
    }
}

fn requests(over_http: Result<Samples, String>) -> Section {
    let title = "request to response over HTTP, no instance alive";
    match over_http {
        Ok(samples) => {
            let note = "Compiled and loaded; every request starts an instance. One keep-alive connection, one request at a \
                        time, to a server in a process of its own. The client does not sleep while it waits: the time is \
                        the server's, not that of the client's own wake-up.";
            let mut section = Section::new(title, note);
            section.row("request to response", Role::Whole, samples);
            section
        }
        Err(reason) => Section::new(title, format!("Not measured: {reason}")),
    }
}

/// The stages that any of the starts had, and their sums.
pub(super) fn stages(title: &str, note: &str, starts: &[Start]) -> Section {
    let mut section = Section::new(title, note);
    let collected = |of: &dyn Fn(&Start) -> Option<std::time::Duration>| {
        let mut samples = Samples::new();
        starts.iter().filter_map(of).for_each(|time| samples.record(time));
        samples
    };
    for stage in Stage::ALL {
        let time = |start: &Start| start.times.iter().find(|(of, _)| *of == stage).map(|(_, time)| *time);
        let samples = collected(&time);
        if samples.count() > 0 {
            let role = if stage.is_from_disk() { Role::Part } else { Role::Aside };
            section.row(stage.name(), role, samples);
        }
    }
    let sums: [Sum; 2] = [
        ("instance: instantiate to first answer", Stage::is_cold_start),
        ("all: file to first answer", Stage::is_from_disk),
    ];
    for (name, of) in sums {
        section.row(name, Role::Whole, collected(&|start| Some(start.sum(of))));
    }
    let mean = |of: &dyn Fn(&Start) -> u64| {
        starts.iter().map(of).map(number).sum::<f64>() / number(u64::try_from(starts.len()).unwrap_or(1)).max(1.0)
    };
    section.figure("page faults without the disk, each start", mean(&|start| start.faults.0), Unit::Count);
    section.figure("page faults from the disk, each start", mean(&|start| start.faults.1), Unit::Count);
    let memory = |start: &Start| u64::try_from(start.memory).unwrap_or(u64::MAX);
    section.figure("linear memory of an instance", mean(&memory), Unit::Bytes);
    section
}
