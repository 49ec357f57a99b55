//! `wisp bench density`: many functions and many instances on one host.

use std::{fs, num::NonZeroUsize, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, anyhow};
use clap::Args;
use wisp::{
    bench::{
        density::{Held, ask_each, hold, precompile, write_copies},
        load::{Client, Target},
        machine::Usage,
        samples::Samples,
    },
    component::{ArtifactCache, Loader},
    config::{Config, FunctionConfig},
    engine::{Allocation, Engines},
    host::FunctionHost,
};

use super::{
    OutputArgs, Rounds,
    report::{Role, Section, Subject, Unit, number},
    served,
    subject::{SubjectArgs, Subjects},
};
use crate::cli::{Failure, runtime, terminal::bytes};

/// Requests that a latency is made of.
const REQUESTS: usize = 1000;

/// How long instances may be idle here: longer than any of this takes.
const IDLE: Duration = Duration::from_secs(3600);

/// Bytes that compiled copies may take.
const CODE: u64 = 1 << 40;

/// Deploy a function many times, start many instances, and show what each takes
#[derive(Debug, Args)]
#[command(
    after_help = "Every function is a component of its own, different in a few bytes from the others, so that none \
                        profits from another's code being loaded."
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
}

/// Copies of one component, and the function that each is served as.
struct Crowd {
    config: Config,
    _directory: tempfile::TempDir,
}

impl DensityArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let subjects = self.subjects.find()?;
        self.output.show("density", || {
            subjects.list.iter().map(|(name, function)| self.measure(name, function, &subjects)).collect()
        })
    }

    fn measure(&self, name: &str, function: &FunctionConfig, subjects: &Subjects) -> Result<Subject, Failure> {
        let crowd = self.crowd(name, function, &subjects.config)?;
        let mut alone = crowd.config.clone();
        alone.functions.truncate(1);
        let mut sections = vec![runtime::with_workers(self.functions(&alone))??];
        if crowd.config.functions.len() > 1 {
            sections.push(runtime::with_workers(self.functions(&crowd.config))??);
        }
        sections.push(runtime::with_workers(self.instances(&alone))??);
        let size = fs::metadata(&function.component).map_or(0, |metadata| metadata.len());
        Ok(Subject { name: name.to_owned(), facts: vec![format!("component {}", bytes(size))], sections })
    }

    /// Writes the copies, and compiles them.
    fn crowd(&self, name: &str, function: &FunctionConfig, config: &Config) -> Result<Crowd, Failure> {
        let directory = tempfile::tempdir().context("there is no place for copies of the component")?;
        let component = fs::read(&function.component)
            .with_context(|| format!("the component {} cannot be read", function.component.display()))?;
        let count = usize::try_from(self.functions).unwrap_or(usize::MAX);
        let copies = write_copies(&component, count, &directory.path().join("components"))
            .context("the copies cannot be written")?;
        let mut config = config.clone();
        config.server.data_dir = directory.path().join("data");
        config.server.artifact_cache = CODE;
        config.server.max_instances = self.most();
        compile(&config, &copies, name)?;
        let copy = |(number, component): (usize, PathBuf)| FunctionConfig {
            name: format!("f{number}").into(),
            component,
            min_instances: 0,
            max_instances: self.most(),
            idle_timeout: IDLE,
            ..function.clone()
        };
        config.functions = copies.into_iter().enumerate().map(copy).collect();
        Ok(Crowd { config, _directory: directory })
    }

    /// Room for every function's instance, and for all instances of one.
    fn most(&self) -> NonZeroUsize {
        let most = usize::try_from(self.functions.max(self.instances)).unwrap_or(usize::MAX);
        NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN)
    }

    /// Start of a host with these functions, and the latency of each.
    async fn functions(&self, config: &Config) -> Result<Section, Failure> {
        let count = config.functions.len();
        let before = Usage::read();
        let began = std::time::Instant::now();
        let host = served::empty(config)?;
        host.deploy(config, |_| {}).await.map_err(|errors| crate::cli::serving::undeployed(&errors))?;
        let served = served::serve(&host).await?;
        let start = began.elapsed();
        let after = Usage::read();
        let path = |function: &FunctionConfig| served::path(&function.service, &function.name, self.subjects.path());
        let paths: Vec<_> = config.functions.iter().map(path).collect();
        let latencies = tokio::task::block_in_place(|| latencies(&served.authority, &paths))?;
        let called = Usage::read();
        let note = "Time from nothing to a bound listener with all functions in force; compiled before.";
        let title = if count == 1 { "1 function deployed".to_owned() } else { format!("{count} functions deployed") };
        let mut section = Section::new(title, note);
        let [first, again] = latencies;
        section.row("first request to each function", Role::Whole, first);
        section.row("warm request, function after function", Role::Whole, again);
        section.figure("start", start.as_secs_f64(), Unit::Seconds);
        let each = |bytes: u64| number(bytes) / number(u64::try_from(count).unwrap_or(u64::MAX));
        if count > 1 {
            section.figure(
                "memory of a deployed function",
                each(after.anonymous.saturating_sub(before.anonymous)),
                Unit::Bytes,
            );
            let instance = called.anonymous.saturating_sub(after.anonymous);
            section.figure("memory of its code in use and one idle instance", each(instance), Unit::Bytes);
        }
        section.figure("resident memory of this process", number(called.resident), Unit::Bytes);
        host.stop(Duration::from_secs(30)).await;
        Ok(section)
    }

    /// Many idle instances of one function.
    async fn instances(&self, config: &Config) -> Result<Section, Failure> {
        let host = served::empty(config)?;
        host.deploy(config, |_| {}).await.map_err(|errors| crate::cli::serving::undeployed(&errors))?;
        let served = served::serve(&host).await?;
        let function = config.functions.first().context("a function was deployed")?;
        let path = served::path(&function.service, &function.name, self.subjects.path());
        let target = Target::new(served.authority.clone(), path.clone());
        let before = Usage::read_with_mappings();
        let wanted = usize::try_from(self.instances).unwrap_or(usize::MAX);
        let held = hold(&host, &function.service, &function.name, wanted).await?;
        let after = Usage::read_with_mappings();
        if held.count() == 0 {
            return Err(anyhow!("no instance starts: {}", held.obstacle.unwrap_or_default()).into());
        }
        let mut section = of_instances(&host, &held, (before, after));
        // From now on they are idle.
        drop(held);
        let warm = tokio::task::block_in_place(|| {
            ask_each(&mut Client::connect(&target)?, std::iter::repeat_n(path.as_str(), REQUESTS))
        })?;
        section.row("warm request beside the idle ones", Role::Whole, warm);
        host.stop(Duration::from_secs(30)).await;
        Ok(section)
    }
}

/// With the engine that compiles incrementally: copies have all functions in common.
fn compile(config: &Config, copies: &[PathBuf], name: &str) -> Result<(), Failure> {
    let cache = ArtifactCache::open(&config.server.data_dir.join("artifacts"), config.server.artifact_cache)?;
    let loader = Loader::new(Engines::new(NonZeroUsize::MIN.saturating_add(7))?, cache)?;
    let rounds = Rounds::new(&format!("compiling copies of {name}"), copies.len());
    for copy in copies {
        let bytes = fs::read(copy)?;
        precompile(&loader, &bytes).with_context(|| format!("{name} cannot be served"))?;
        rounds.tick();
    }
    Ok(())
}

/// First requests, and requests that follow.
fn latencies(authority: &str, paths: &[String]) -> anyhow::Result<[Samples; 2]> {
    let mut client = Client::connect(&Target::new(authority, "/"))?;
    let first = ask_each(&mut client, paths.iter().map(String::as_str))?;
    let again = ask_each(&mut client, paths.iter().map(String::as_str).cycle().take(REQUESTS.max(paths.len())))?;
    Ok([first, again])
}

fn of_instances(host: &FunctionHost, held: &Held, (before, after): (Usage, Usage)) -> Section {
    let count = u64::try_from(held.count()).unwrap_or(u64::MAX);
    let note = match &held.obstacle {
        None => "Each was started, initialized and called once before it became idle.".to_owned(),
        Some(obstacle) => format!("There were to be more, but: {obstacle}"),
    };
    let title = if count == 1 { "1 idle instance".to_owned() } else { format!("{count} idle instances") };
    let mut section = Section::new(title, note);
    section.row("start of an instance with its first call", Role::Whole, held.starts.clone());
    let each = |of: fn(&Usage) -> u64| number(of(&after).saturating_sub(of(&before))) / number(count);
    section.figure("memory of an idle instance", each(|usage| usage.anonymous + usage.page_tables), Unit::Bytes);
    section.figure("of that, page tables", each(|usage| usage.page_tables), Unit::Bytes);
    section.figure("mappings of an instance", each(|usage| usage.mappings), Unit::Count);
    section.figure("address space of this process", number(after.address_space), Unit::Bytes);
    section.figure("resident memory of this process", number(after.resident), Unit::Bytes);
    if let Allocation::Pool(slots) = host.loader().engines().allocation() {
        section.figure("slots of the instance pool", number(u64::try_from(slots).unwrap_or(u64::MAX)), Unit::Count);
    }
    section
}
