//! `wisp bench deploy`: from a new component to its first answer.

use std::{num::NonZeroUsize, process::ExitCode};

use anyhow::Context as _;
use clap::Args;
use wisp::{
    bench::{
        density::write_copies,
        stages::{Start, Starter},
    },
    component::{ArtifactCache, Loader},
    config::FunctionConfig,
    engine::Engines,
    host::FunctionHost,
};

use super::{
    OutputArgs, Rounds,
    cold::stages,
    report::Subject,
    subject::{SubjectArgs, Subjects},
};
use crate::cli::{Failure, runtime, serving, terminal::bytes};

/// One instance at a time, but every part of a component must find a place in the pool.
const SLOTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// Deploy functions as if for the first time, and after a change, and show what each stage takes
#[derive(Debug, Args)]
pub(super) struct DeployArgs {
    #[command(flatten)]
    subjects: SubjectArgs,
    /// Deploys of each
    #[arg(long, short = 'n', default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    #[command(flatten)]
    output: OutputArgs,
}

impl DeployArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let subjects = self.subjects.find()?;
        self.output.show("deploy", || runtime::with_workers(self.measure(&subjects))?)
    }

    async fn measure(&self, subjects: &Subjects) -> Result<Vec<Subject>, Failure> {
        let mut config = subjects.config.clone();
        config.functions.clear();
        let host = serving::empty(&config)?;
        let mut measured = Vec::new();
        for (name, function) in &subjects.list {
            let rounds = Rounds::new(&format!("deploying {name}"), usize::try_from(self.runs).unwrap_or_default());
            measured.push(self.deploy(&host, name, function, subjects, &rounds).await?);
        }
        Ok(measured)
    }

    async fn deploy(
        &self,
        host: &FunctionHost,
        name: &str,
        function: &FunctionConfig,
        subjects: &Subjects,
        rounds: &Rounds,
    ) -> Result<Subject, Failure> {
        let (mut first, mut again) = (Vec::new(), Vec::new());
        let mut facts = Vec::new();
        for _ in 0..self.runs {
            let directory = tempfile::tempdir().context("there is no place for compiled code")?;
            let component = std::fs::read(&function.component)
                .with_context(|| format!("the component {} cannot be read", function.component.display()))?;
            let copies = write_copies(&component, 2, directory.path())?;
            // Engines of its own: nothing that was compiled before is remembered.
            let cache = ArtifactCache::open(&directory.path().join("artifacts"), u64::MAX)?;
            let loader = Loader::new(Engines::new(SLOTS)?, cache)?;
            for (copy, starts) in copies.into_iter().zip([&mut first, &mut again]) {
                let function = FunctionConfig { component: copy, ..function.clone() };
                let starter = Starter::new(host, function, subjects.payload.clone()).with_loader(loader.clone());
                let (start, loaded) = starter.first_start().await?;
                starts.push(start);
                facts = vec![
                    loaded.kind.to_owned(),
                    format!("component {}", bytes(loaded.component)),
                    format!("compiled code {}", bytes(loaded.code)),
                ];
            }
            rounds.tick();
        }
        let section = |title, note, starts: &Vec<Start>| stages(title, note, starts);
        let sections = vec![
            section("first deploy", "Nothing of it was ever compiled; the code goes to an empty directory.", &first),
            section(
                "deploy after a change",
                "The component differs in a few bytes; what was compiled of its language runtime is remembered.",
                &again,
            ),
        ];
        Ok(Subject { name: name.to_owned(), facts, sections })
    }
}
