//! `wisp bench density`: many functions and many instances on one host.
//!
//! Every host is a process of its own (`process.rs`), so that the memory of one is not what another left behind, and a start
//! is a whole one. `crowd.rs` says which functions it has.

use std::{fs, process::ExitCode, time::Duration};

use anyhow::{Context as _, anyhow};
use clap::Args;
use tempfile::TempDir;
use wisp::{
    bench::{
        density::ask_each,
        load::{Client, Target},
        machine::Usage,
        samples::Samples,
    },
    config::FunctionConfig,
};

use super::{
    OutputArgs,
    report::{Role, Section, Subject, Unit, number},
    served,
    subject::{SubjectArgs, Subjects},
};
use crate::cli::{Failure, runtime, terminal::bytes};

mod crowd;
mod process;

use crowd::{Crowd, Making};
use process::{Held, Host, Task};

/// Requests that a latency is made of.
const REQUESTS: usize = 1000;

/// Requests before them that are not counted. One request at a time lets the machine sleep in between, and how soon it wakes
/// depends on what it did before.
const BEFORE: usize = 3000;

/// Turns of two hosts that are compared, with the one before those that count.
const TURNS: usize = 21;

/// The row of what a host is compared with.
const ALONE: &str = "the same to a host with 1 function, in turns";

/// Idle instances of the first measurement of them; then ten times as many, until there are as many as were asked for.
const FIRST_INSTANCES: u32 = 1000;

/// Deploy a function many times, start many instances, and show what each takes
#[derive(Debug, Args)]
#[command(
    after_help = "Every host is a process of its own. Its functions are components of their own, different in a few \
                        bytes from each other, so that none profits from another's code being loaded; then as many of one \
                        component; then as many that were stored through the API."
)]
pub(super) struct DensityArgs {
    #[command(flatten)]
    subjects: SubjectArgs,
    /// Functions to deploy
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    functions: u32,
    /// Instances to start, of one of them
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    instances: u32,
    #[command(flatten)]
    output: OutputArgs,
    /// What this process is to do as one of the measured hosts
    #[arg(long, hide = true, value_name = "JSON", value_parser = Task::parse)]
    host: Option<Task>,
}

impl DensityArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let subjects = self.subjects.find()?;
        if let Some(task) = &self.host {
            let (_, function) = subjects.list.get(task.subject).context("there is no such subject")?;
            let crowd = Crowd::there(&task.directory, function, &subjects.config, self.most());
            return runtime::with_workers(process::serve(task, &crowd))?;
        }
        self.output.show("density", || {
            let all = subjects.list.iter().enumerate();
            all.map(|(index, (name, function))| self.measure(index, name, function, &subjects)).collect()
        })
    }

    fn measure(
        &self,
        index: usize,
        name: &str,
        function: &FunctionConfig,
        subjects: &Subjects,
    ) -> Result<Subject, Failure> {
        // Two of them: a data directory is one host's, and the one with a single function serves all the while.
        let [apart, directory] = [place()?, place()?];
        let there = |directory: &TempDir| Crowd::there(directory.path(), function, &subjects.config, self.most());
        there(&apart).make(1, name)?;
        let crowd = there(&directory);
        crowd.make(self.functions, name)?;
        let on = |directory: &TempDir, making, functions, instances| Task {
            subject: index,
            directory: directory.path().to_owned(),
            making,
            functions,
            instances,
        };
        let task = |making, functions, instances| on(&directory, making, functions, instances);
        let (alone, section) = self.alone(&on(&apart, Making::Different, 1, 0))?;
        let mut sections = vec![section];
        for count in steps(1, self.functions).into_iter().skip_while(|count| *count == 1) {
            sections.push(self.functions(&task(Making::Different, count, 0), &alone)?);
        }
        if self.functions > 1 {
            sections.push(self.functions(&task(Making::Same, self.functions, 0), &alone)?);
        }
        sections.push(self.stored(&task(Making::Stored, self.functions, 0), &crowd, &alone));
        for count in steps(FIRST_INSTANCES.min(self.instances), self.instances) {
            sections.push(self.instances(&task(Making::Different, 1, count), &alone)?);
        }
        let size = fs::metadata(&function.component).map_or(0, |metadata| metadata.len());
        Ok(Subject { name: name.to_owned(), facts: vec![format!("component {}", bytes(size))], sections })
    }

    /// Room for every function's instance, and for all instances of one.
    fn most(&self) -> u32 {
        self.functions.max(self.instances)
    }

    /// The host with one function, which the others are compared with.
    fn alone(&self, task: &Task) -> anyhow::Result<(Alone, Section)> {
        let (host, mut section) = self.started(task)?;
        let deployed = host.usage();
        let paths = self.paths(task);
        let path = paths.first().context("there is a function")?.clone();
        let [first, same, again] = latencies(&host.authority, &paths, None)?;
        add_latencies(&mut section, first, same, None, again);
        section.figure("resident memory of this process", number(host.usage().resident), Unit::Bytes);
        Ok((Alone { host, path, deployed }, section))
    }

    /// Start of a host with these functions, and the latency of each.
    fn functions(&self, task: &Task, alone: &Alone) -> anyhow::Result<Section> {
        let (host, mut section) = self.started(task)?;
        let deployed = host.usage();
        let paths = self.paths(task);
        let mut beside = Samples::new();
        let [first, same, again] = latencies(&host.authority, &paths, Some((alone, &mut beside)))?;
        let called = host.usage();
        add_latencies(&mut section, first, same, Some(beside), again);
        let count = number(task.functions.into());
        let of = |usage: &Usage| usage.anonymous + usage.page_tables;
        if task.functions > 1 {
            let each = number(of(&deployed).saturating_sub(of(&alone.deployed))) / (count - 1.0);
            section.figure("memory of a deployed function", each, Unit::Bytes);
            let each = number(of(&called).saturating_sub(of(&deployed))) / count;
            section.figure("memory of its code in use and one idle instance", each, Unit::Bytes);
        }
        section.figure("resident memory of this process", number(called.resident), Unit::Bytes);
        host.stop();
        Ok(section)
    }

    /// A host that has answered its first request, and how long that took.
    fn started(&self, task: &Task) -> anyhow::Result<(Host, Section)> {
        let host = Host::start(task)?;
        let first = self.paths(task).into_iter().next().context("there is a function")?;
        Client::connect(&Target::new(&*host.authority, "/"))?.get(&first)?;
        let mut section = Section::new(title(task), note(task.making));
        section.figure("start", host.began().elapsed().as_secs_f64(), Unit::Seconds);
        Ok((host, section))
    }

    /// The same with functions that the API made.
    fn stored(&self, task: &Task, crowd: &Crowd, alone: &Alone) -> Section {
        let stored = crowd.store(task.functions).and_then(|()| self.functions(task, alone));
        stored.unwrap_or_else(|error| Section::new(title(task), format!("Not measured: {error:#}")))
    }

    /// Many idle instances of one function.
    fn instances(&self, task: &Task, alone: &Alone) -> anyhow::Result<Section> {
        let host = Host::start(task)?;
        let held = &host.held;
        if held.count == 0 {
            return Err(anyhow!("no instance starts: {}", held.obstacle.clone().unwrap_or_default()));
        }
        let mut section = of_instances(held);
        let path = self.paths(task).into_iter().next().context("there is a function")?;
        let mut client = Client::connect(&Target::new(&*host.authority, "/"))?;
        let [warm, beside] = in_turns(&mut client, &path, alone)?;
        section.row("warm request beside the idle ones", Role::Whole, warm);
        section.row(ALONE, Role::Aside, beside);
        host.stop();
        Ok(section)
    }

    fn paths(&self, task: &Task) -> Vec<String> {
        task.names().map(|(service, name)| self.path(service.as_deref(), &name)).collect()
    }

    fn path(&self, service: Option<&str>, name: &str) -> String {
        served::path(service, name, self.subjects.path())
    }
}

/// A host with one function, kept as a measure for the others: it is asked in turns with them, so that what else the machine
/// does falls on both alike.
struct Alone {
    host: Host,
    path: String,
    /// Its memory before the function was called.
    deployed: Usage,
}

/// A directory for a crowd.
fn place() -> anyhow::Result<TempDir> {
    tempfile::tempdir().context("there is no place for copies of the component")
}

/// From the first to the last, each ten times the one before; the last in any case.
fn steps(first: u32, last: u32) -> Vec<u32> {
    let mut steps: Vec<_> =
        std::iter::successors(Some(first), |step| step.checked_mul(10)).take_while(|step| *step < last).collect();
    steps.push(last);
    steps
}

fn title(task: &Task) -> String {
    let count = task.functions;
    let functions = if count == 1 { "1 function".to_owned() } else { format!("{count} functions") };
    match task.making {
        Making::Different => format!("{functions} deployed"),
        Making::Same => format!("{functions} of one component"),
        Making::Stored => format!("{functions} stored through the API"),
    }
}

fn note(making: Making) -> &'static str {
    match making {
        Making::Different => {
            "From the start of the process to its first answer, with all functions in force; compiled before, in the page cache."
        }
        Making::Same => "The same, but all are the same component, which is compiled, hashed and mapped once.",
        Making::Stored => "The same, but declared nowhere: they are in the catalog, with their code packages.",
    }
}

/// First requests, and requests that follow: to the first function alone, in turns with those to a host with one function,
/// and to all in turn.
fn latencies(authority: &str, paths: &[String], alone: Option<(&Alone, &mut Samples)>) -> anyhow::Result<[Samples; 3]> {
    let mut client = Client::connect(&Target::new(authority, "/"))?;
    let first = ask_each(&mut client, paths.iter().map(String::as_str))?;
    let same = match (alone, paths.first()) {
        (Some((alone, beside)), Some(path)) => {
            let [same, other] = in_turns(&mut client, path, alone)?;
            beside.add(&other);
            same
        }
        _ => warm(&mut client, paths.get(..1).unwrap_or_default())?,
    };
    Ok([first, same, warm(&mut client, paths)?])
}

fn add_latencies(section: &mut Section, first: Samples, same: Samples, beside: Option<Samples>, again: Samples) {
    section.row("first request to each function", Role::Whole, first);
    section.row("warm request, always the same function", Role::Whole, same);
    if let Some(beside) = beside {
        section.row(ALONE, Role::Aside, beside);
    }
    section.row("warm request, function after function", Role::Whole, again);
}

/// Requests to functions in turn, all of which have an instance.
fn warm(client: &mut Client, paths: &[String]) -> anyhow::Result<Samples> {
    let in_turn = || paths.iter().map(String::as_str).cycle();
    ask_each(client, in_turn().take(BEFORE))?;
    ask_each(client, in_turn().take(REQUESTS.max(paths.len())))
}

/// Requests to one function and to the one that is alone, some to the one and some to the other, again and again.
fn in_turns(client: &mut Client, path: &str, alone: &Alone) -> anyhow::Result<[Samples; 2]> {
    let mut other = Client::connect(&Target::new(&*alone.host.authority, "/"))?;
    let mut samples = [Samples::new(), Samples::new()];
    for turn in 0..TURNS {
        for ((client, path), samples) in
            [(&mut *client, path), (&mut other, &*alone.path)].into_iter().zip(&mut samples)
        {
            // The first turn is the one before those that count.
            let asked = if turn == 0 { BEFORE } else { REQUESTS / (TURNS - 1) };
            let took = ask_each(client, std::iter::repeat_n(path, asked))?;
            if turn > 0 {
                samples.add(&took);
            }
        }
    }
    Ok(samples)
}

fn of_instances(held: &Held) -> Section {
    let count = held.count;
    let note = match &held.obstacle {
        None => "Each was started, initialized and called once before it became idle.".to_owned(),
        Some(obstacle) => format!("There were to be more, but: {obstacle}"),
    };
    let title = if count == 1 { "1 idle instance".to_owned() } else { format!("{count} idle instances") };
    let mut section = Section::new(title, note);
    let mut starts = Samples::new();
    held.starts_ns.iter().for_each(|start| starts.record(Duration::from_nanos(*start)));
    section.row("start of an instance with its first call", Role::Whole, starts);
    let Held { before, after, .. } = held;
    let each = |of: fn(&Usage) -> u64| number(of(after).saturating_sub(of(before))) / number(count);
    section.figure("memory of an idle instance", each(|usage| usage.anonymous + usage.page_tables), Unit::Bytes);
    section.figure("of that, page tables", each(|usage| usage.page_tables), Unit::Bytes);
    section.figure("mappings of an instance", each(|usage| usage.mappings), Unit::Count);
    section.figure("address space of this process", number(after.address_space), Unit::Bytes);
    section.figure("resident memory of this process", number(after.resident), Unit::Bytes);
    if let Some(slots) = held.slots {
        section.figure("slots of the instance pool", number(slots), Unit::Count);
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_tenfold_and_end_with_the_last() {
        assert_eq!(steps(1, 1000), [1, 10, 100, 1000]);
        assert_eq!(steps(1, 25), [1, 10, 25]);
        assert_eq!(steps(1, 1), [1]);
        assert_eq!(steps(1000, 10_000), [1000, 10_000]);
    }
}
