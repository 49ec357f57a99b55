//! `wisp doctor`: what this machine has and lacks, each with what to do about it.

use std::{
    fs,
    io::Write as _,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde::Serialize;
use wisp::{
    component::{
        self, ArtifactCache,
        source::{self, Toolchain, ToolchainStatus},
    },
    config::{BuildConfig, Config, Language, ServerConfig},
    engine::{Allocation, Engines},
};

use super::{
    Failure,
    client::{ApiClient, Endpoint},
    project::{self, ConfigArgs},
    runtime,
    runtimes::RuntimesArgs,
    terminal::{ERROR, FAINT, GOOD, WARNING, bytes, counted, paint},
};

mod snapshot;

/// The first Linux whose PAGEMAP_SCAN tells which pages of an ended instance have to be cleared.
const PAGEMAP_SCAN: (u32, u32) = (6, 7);

/// Below this, wisp's own files and a handful of connections are all that is possible.
const FEWEST_FILES: u64 = 256;

/// What a process needs beside its connections: listeners, compiled code, functions' files and sockets.
const FILES_BESIDE_CONNECTIONS: u64 = 1_000;

/// Check whether this machine can build and serve functions
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 nothing fails, 1 something does.")]
pub(crate) struct DoctorArgs {
    /// Print the checks as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    runtimes: RuntimesArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Status {
    Ok,
    /// It works, but not as well as it could, or not for everything.
    Warn,
    /// It does not work.
    Fail,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Check {
    name: String,
    status: Status,
    /// What was found.
    finding: String,
    /// What to do; `None` if nothing is.
    advice: Option<String>,
}

impl Check {
    fn ok(name: &str, finding: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status: Status::Ok, finding: finding.into(), advice: None }
    }

    fn warn(name: &str, finding: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { status: Status::Warn, advice: Some(advice.into()), ..Self::ok(name, finding) }
    }

    fn fail(name: &str, finding: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { status: Status::Fail, ..Self::warn(name, finding, advice) }
    }
}

impl DoctorArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let (first, config) = self.configuration()?;
        let mut checks = vec![first, pool(&config.server)?];
        let directories = self.runtimes.directories();
        let languages = [Language::JavaScript, Language::Python];
        checks.extend(languages.map(|language| runtime_check(language, &directories, &config)));
        checks.extend(source::toolchains().iter().map(|toolchain| toolchain_check(toolchain, &config)));
        checks.extend(ports(&config.server)?);
        checks.extend([data_dir(&config.server), artifacts(&config.server)]);
        checks.extend([kernel(), open_files(&config.server)]);
        checks.extend(snapshot::checks(&config));
        self.print(&checks)?;
        let fails = checks.iter().any(|check| check.status == Status::Fail);
        Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    /// A wrong configuration is a finding like others; the rest is checked with the defaults then.
    fn configuration(&self) -> Result<(Check, Config), Failure> {
        const NAME: &str = "configuration";
        let file = self.config.path();
        match self.config.load_if_any() {
            Ok(Some(config)) => {
                let functions = counted(config.functions.len(), "function");
                Ok((Check::ok(NAME, format!("{}, {functions}", file.display())), config))
            }
            Ok(None) => {
                let finding = format!("no {} here; the defaults are checked", project::FILE);
                Ok((Check::ok(NAME, finding), project::default_config()?))
            }
            Err(failure) => {
                let finding = failure.into_error().to_string();
                let advice = "Correct the file; the defaults are checked below";
                Ok((Check::fail(NAME, finding, advice), project::default_config()?))
            }
        }
    }

    fn print(&self, checks: &[Check]) -> anyhow::Result<()> {
        let mut out = anstream::stdout();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(checks)?)?;
            return Ok(());
        }
        let width = checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
        for check in checks {
            let status = match check.status {
                Status::Ok => paint(GOOD, "ok  "),
                Status::Warn => paint(WARNING, "warn"),
                Status::Fail => paint(ERROR, "FAIL"),
            };
            writeln!(out, "{status}  {:<width$}  {}", check.name, check.finding)?;
            if let Some(advice) = &check.advice {
                writeln!(out, "      {:<width$}  {}", "", paint(FAINT, &format!("→ {advice}")))?;
            }
        }
        Ok(())
    }
}

fn pool(server: &ServerConfig) -> anyhow::Result<Check> {
    let allocation = Engines::new(server.max_instances)?.allocation();
    Ok(judge_pool(allocation, server.max_instances.get()))
}

fn judge_pool(allocation: Allocation, wanted: usize) -> Check {
    const NAME: &str = "instance pool";
    let advice = "Lift the limit of the address space (`ulimit -v unlimited`; LimitAS=infinity under systemd), or lower \
                  `server.max_instances`";
    match allocation {
        Allocation::Pool(slots) if slots >= wanted => {
            Check::ok(NAME, format!("the address space holds a pool of {}", counted(slots, "instance")))
        }
        Allocation::Pool(slots) => {
            let finding = format!(
                "the address space holds a pool of {slots} instances, fewer than `server.max_instances`, which is {wanted}"
            );
            Check::warn(NAME, finding, advice)
        }
        Allocation::OnDemand => {
            let finding =
                "the address space holds no pool: every instance is mapped anew, several times slower to start";
            Check::warn(NAME, finding, advice)
        }
    }
}

/// The language runtime that sources are loaded into.
fn runtime_check(language: Language, directories: &[PathBuf], config: &Config) -> Check {
    let name = format!("{} runtime", language.name());
    match component::runtime::find_in(directories, language) {
        Ok(file) => {
            let digest = file.digest.get(..12).unwrap_or(&file.digest);
            Check::ok(&name, format!("{}, digest {digest}", file.path.display()))
        }
        Err(reason) => {
            let advice = "`make runtimes` builds it in a checkout of wisp; WISP_RUNTIMES names a directory that has it";
            let is_needed = |build: &BuildConfig| source::runtime_of(build) == Some(language);
            let needs = config.functions.iter().find(|function| function.build.as_ref().is_some_and(is_needed));
            match needs {
                Some(function) => Check::fail(&name, format!("{reason}; function {} needs it", function.name), advice),
                None => Check::warn(&name, reason, format!("Needed to build {} sources. {advice}", language.name())),
            }
        }
    }
}

fn toolchain_check(toolchain: &Toolchain, config: &Config) -> Check {
    let name = format!("{} tools", toolchain.language.name());
    match &toolchain.status {
        ToolchainStatus::Ready(found) => Check::ok(&name, found),
        ToolchainStatus::Missing(reason) => match (needs(config, toolchain.language), toolchain.language) {
            (Some(function), _) => {
                Check::fail(&name, format!("{reason}; function {function} needs it"), &toolchain.advice)
            }
            (None, Language::Rust) => {
                Check::warn(&name, reason, format!("Needed to build Rust functions only. {}", toolchain.advice))
            }
            // The language runtime does without them.
            (None, _) => Check::ok(&name, format!("{reason}; needed for a `build.world` only")),
        },
    }
}

/// A function that the language's own tools build.
fn needs(config: &Config, language: Language) -> Option<&str> {
    let builds = config.functions.iter().filter_map(|function| Some((&*function.name, function.build.as_ref()?)));
    let mut own = builds.filter(|(_, build)| build.command.is_none() && source::runtime_of(build).is_none());
    own.find(|(_, build)| build.language.or_else(|| source::detect(&build.source)) == Some(language))
        .map(|(name, _)| name)
}

fn ports(server: &ServerConfig) -> Result<Vec<Check>, Failure> {
    let client = ApiClient::new(Endpoint(server.api_listen.to_string()), None);
    let wisp_runs = runtime::alone(client.answers())?;
    let tls = server.tls_listen.map(|address| ("HTTPS port", address, "--tls-listen or `server.tls_listen`"));
    let ports = [
        ("trigger port", server.listen, "--listen or `server.listen`"),
        ("API port", server.api_listen, "--api-listen or `server.api_listen`"),
    ];
    Ok(ports.into_iter().chain(tls).map(|(name, address, setting)| port(name, address, setting, wisp_runs)).collect())
}

fn port(name: &str, address: SocketAddr, setting: &str, wisp_runs: bool) -> Check {
    match TcpListener::bind(address) {
        Ok(_) => Check::ok(name, format!("{address} is free")),
        Err(_) if wisp_runs => Check::ok(name, format!("{address} is taken: a wisp is running")),
        Err(error) => {
            let finding = format!("{address} cannot be listened on: {}", error.kind());
            Check::fail(name, finding, format!("Stop what uses it, or choose another address with {setting}"))
        }
    }
}

fn data_dir(server: &ServerConfig) -> Check {
    const NAME: &str = "data directory";
    let directory = &server.data_dir;
    match tempfile::tempfile_in(nearest_existing(directory)) {
        Ok(_) => Check::ok(NAME, format!("{} can be written", directory.display())),
        Err(error) => {
            let finding = format!("{} cannot be written: {}", directory.display(), error.kind());
            Check::fail(NAME, finding, "Make it writable for this user, or name another in `server.data_dir`")
        }
    }
}

/// The directory itself may not be there yet: then it is made in the one above.
fn nearest_existing(path: &Path) -> &Path {
    let parent = |path: &&Path| !path.as_os_str().is_empty() && path.is_dir();
    path.ancestors().find(parent).unwrap_or(Path::new("."))
}

fn artifacts(server: &ServerConfig) -> Check {
    const NAME: &str = "compiled code";
    let directory = server.data_dir.join("artifacts");
    if !directory.is_dir() {
        return Check::ok(NAME, "none yet");
    }
    match ArtifactCache::open(&directory, server.artifact_cache) {
        Ok(cache) => {
            let (size, capacity) = (bytes(cache.size()), bytes(cache.capacity()));
            Check::ok(NAME, format!("{size} of {capacity} in {}", directory.display()))
        }
        Err(error) => {
            let finding = format!("{}: {error}", directory.display());
            Check::fail(NAME, finding, "Remove the directory: everything in it is compiled anew when it is needed")
        }
    }
}

fn kernel() -> Check {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    judge_kernel(release.trim())
}

fn judge_kernel(release: &str) -> Check {
    const NAME: &str = "kernel";
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse::<u32>().ok());
    let (major, minor) = PAGEMAP_SCAN;
    match (numbers.next(), numbers.next()) {
        (Some(found_major), Some(found_minor)) if (found_major, found_minor) >= PAGEMAP_SCAN => {
            Check::ok(NAME, format!("Linux {release}, which can tell the pages that an instance has written"))
        }
        (Some(_), Some(_)) => {
            let finding =
                format!("Linux {release} cannot tell the pages that an instance has written: more are cleared");
            Check::warn(NAME, finding, format!("Linux {major}.{minor} or newer starts instances faster"))
        }
        _ => Check::warn(
            NAME,
            "of unknown version",
            format!("wisp is made for Linux; {major}.{minor} or newer starts instances fastest"),
        ),
    }
}

/// The upper limit counts: `serve` and `up` raise the other one to it.
fn open_files(server: &ServerConfig) -> Check {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    judge_open_files(limit, u64::try_from(server.max_connections.get()).unwrap_or(u64::MAX))
}

/// `limit` is `None` if there is none. Each of the two listeners may hold `connections`.
fn judge_open_files(limit: Option<u64>, connections: u64) -> Check {
    const NAME: &str = "open files";
    let wanted = connections.saturating_mul(2).saturating_add(FILES_BESIDE_CONNECTIONS);
    let advice = format!(
        "Raise it (`ulimit -Hn {wanted}` as root; LimitNOFILE= under systemd), or lower `server.max_connections`"
    );
    match limit {
        None => Check::ok(NAME, "without limit"),
        Some(limit) if limit >= wanted => Check::ok(NAME, format!("{limit} at most")),
        Some(limit) if limit >= FEWEST_FILES => {
            let finding = format!("{limit} at most, too few for two listeners with {connections} connections each");
            Check::warn(NAME, finding, advice)
        }
        Some(limit) => Check::fail(NAME, format!("{limit} at most"), advice),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_judged_by_its_version() {
        assert_eq!(judge_kernel("6.18.44-custom").status, Status::Ok);
        assert_eq!(judge_kernel("6.7.0").status, Status::Ok);
        assert_eq!(judge_kernel("6.1.0-37-amd64").status, Status::Warn);
        assert_eq!(judge_kernel("").status, Status::Warn);
    }

    #[test]
    fn a_small_pool_and_none_are_worth_a_warning() {
        assert_eq!(judge_pool(Allocation::Pool(1000), 1000).status, Status::Ok);
        assert_eq!(judge_pool(Allocation::Pool(250), 1000).status, Status::Warn);
        assert_eq!(judge_pool(Allocation::OnDemand, 1000).status, Status::Warn);
    }

    #[test]
    fn the_file_limit_is_held_against_the_connections() {
        assert_eq!(judge_open_files(None, 10_000).status, Status::Ok);
        assert_eq!(judge_open_files(Some(1024), 10).status, Status::Ok);
        assert_eq!(judge_open_files(Some(1024), 10_000).status, Status::Warn);
        assert_eq!(judge_open_files(Some(64), 10).status, Status::Fail);
    }

    #[test]
    fn a_directory_that_is_not_there_is_judged_by_the_one_above() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(nearest_existing(&directory.path().join("a/b")), directory.path());
        assert_eq!(nearest_existing(Path::new(".wisp-that-is-not-there")), Path::new("."));
    }

    #[test]
    fn a_taken_port_fails_unless_wisp_has_it() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = taken.local_addr().unwrap();
        assert_eq!(port("p", address, "--listen", false).status, Status::Fail);
        assert_eq!(port("p", address, "--listen", true).status, Status::Ok);
        drop(taken);
    }
}
