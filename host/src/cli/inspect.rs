//! `wisp inspect`.

use std::{fs, io::Write as _, num::NonZeroUsize, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use wisp::{
    component::{
        ArtifactCache, Declaration, Loader,
        inspect::{self, Inspection, Kind},
        snapshot,
    },
    engine::Engines,
};

use super::{
    Failure,
    activity::{Activity, Show},
    terminal::{ERROR, FAINT, GOOD, STRONG, bytes, paint},
};

/// Nothing is instantiated here, but every part of a component must find a place in the pool.
const SLOTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// Show what a component exports and imports, and whether wisp would serve it
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 it would be served, 1 it would not, 2 the file cannot be read.")]
pub(crate) struct InspectArgs {
    /// A component, or a core module
    file: PathBuf,
    /// Only read it; compiling and linking finds more
    #[arg(long)]
    no_compile: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What there is to say about a file.
struct Findings {
    /// `None` if it cannot be read as WebAssembly at all.
    inspection: Option<Inspection>,
    /// Why it would not be served.
    refusal: Option<String>,
    /// Why no snapshot could be taken after its initializer, if it is served.
    no_snapshot: Option<String>,
}

impl InspectArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let file = self.file.display();
        let bytes = fs::read(&self.file).with_context(|| format!("{file} cannot be read")).map_err(Failure::usage)?;
        let findings = self.find(&bytes)?;
        if self.json {
            writeln!(std::io::stdout(), "{:#}", self.as_json(&findings))?;
        } else {
            writeln!(anstream::stdout(), "{}", self.describe(&findings))?;
        }
        Ok(if findings.refusal.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn find(&self, bytes: &[u8]) -> anyhow::Result<Findings> {
        let inspection = match inspect::inspect(bytes) {
            Ok(inspection) => inspection,
            Err(error) => {
                return Ok(Findings { inspection: None, refusal: Some(error.to_string()), no_snapshot: None });
            }
        };
        let refusal = match inspection.served_kind() {
            Err(error) => Some(error.to_string()),
            Ok(_) if self.no_compile => None,
            Ok(_) => self.load(bytes)?,
        };
        let no_snapshot = snapshot::examine(bytes).err().map(|error| error.to_string());
        Ok(Findings { inspection: Some(inspection), refusal, no_snapshot })
    }

    /// Compiles and links it, as a deploy would; the compiled code is thrown away.
    fn load(&self, bytes: &[u8]) -> anyhow::Result<Option<String>> {
        let directory = tempfile::tempdir().context("there is no place for compiled code")?;
        let cache = ArtifactCache::open(directory.path(), u64::MAX)?;
        let loader = Loader::new(Engines::new(SLOTS)?, cache)?;
        let _activity = Activity::start(format!("compiling {}", self.file.display()), Show::fitting());
        Ok(loader.load(bytes, || {}).err().map(|error| error.to_string()))
    }

    fn as_json(&self, findings: &Findings) -> serde_json::Value {
        let inspection = findings.inspection.as_ref();
        json!({
            "file": self.file,
            "served": findings.refusal.is_none(),
            "reason": findings.refusal,
            "snapshot": findings.refusal.is_none() && findings.no_snapshot.is_none(),
            "noSnapshot": findings.no_snapshot,
            "compiled": !self.no_compile && findings.refusal.is_none(),
            "kind": inspection.and_then(|it| it.kind),
            "adapted": inspection.map(|it| it.adapted),
            "size": inspection.map(|it| it.size),
            "exports": inspection.map(|it| &it.exports),
            "imports": inspection.map(|it| &it.imports),
            "declaration": inspection.and_then(|it| it.declaration.as_ref()),
        })
    }

    fn describe(&self, findings: &Findings) -> String {
        let mut lines = vec![paint(STRONG, &self.file.display().to_string())];
        if let Some(inspection) = &findings.inspection {
            lines.extend(facts(inspection));
        }
        let verdict = match &findings.refusal {
            None if self.no_compile => format!("{} (not compiled)", paint(GOOD, "yes")),
            None => format!("{} (compiled and linked)", paint(GOOD, "yes")),
            Some(reason) => format!("{}: {reason}", paint(ERROR, "no")),
        };
        lines.push(format!("would be served: {verdict}"));
        if findings.refusal.is_none() {
            let possible = match &findings.no_snapshot {
                None => paint(GOOD, "possible"),
                Some(reason) => format!("{}: {reason}", paint(FAINT, "no")),
            };
            lines.push(format!("snapshot after the initializer: {possible}"));
        }
        lines.join("\n")
    }
}

fn facts(inspection: &Inspection) -> Vec<String> {
    let size = bytes(u64::try_from(inspection.size).unwrap_or(u64::MAX));
    let adapted = if inspection.adapted { ", made of a core module" } else { "" };
    let mut lines = vec![
        format!("kind: {}", inspection.kind.map_or("none that wisp knows", Kind::describe)),
        format!("size: {size}{adapted}"),
    ];
    lines.extend(inspection.declaration.as_ref().into_iter().flat_map(made_of_sources));
    lines.push(heading("exports", inspection.exports.is_empty()));
    lines.extend(inspection.exports.iter().map(|name| format!("  {name}")));
    lines.push(heading("imports", inspection.imports.is_empty()));
    lines.extend(inspection.imports.iter().map(|import| match &import.refused {
        None => format!("  {}  {}", import.name, paint(FAINT, "offered")),
        Some(reason) => format!("  {}  {}: {reason}", import.name, paint(ERROR, "refused")),
    }));
    lines
}

/// What wisp wrote into the component when it made it: of the exports, only what stands here is called.
fn made_of_sources(made: &Declaration) -> Vec<String> {
    let named = |parts: &[(bool, &str)]| {
        let parts: Vec<_> = parts.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
        if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
    };
    let hooks = named(&[
        (made.initializer, "initializer"),
        (made.pre_freeze, "pre-freeze"),
        (made.pre_stop, "pre-stop"),
        (made.after_restore, "after-restore"),
    ]);
    let top_level = if made.evaluated { "when it was built" } else { "in each instance" };
    vec![
        format!("language: {}, style {}", made.language.name(), made.style),
        format!("takes: {}", named(&[(made.event, "events"), (made.http, "HTTP requests")])),
        format!("hooks: {hooks}"),
        format!("top level of the sources runs: {top_level}"),
        format!("made by: wisp {}, runtime {}", made.wisp, made.runtime.get(..12).unwrap_or(&made.runtime)),
    ]
}

fn heading(what: &str, is_empty: bool) -> String {
    if is_empty { format!("{what}: none") } else { format!("{what}:") }
}
