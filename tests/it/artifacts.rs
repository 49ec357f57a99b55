//! Compiled code is kept between starts, and only trusted when it is whole.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use support::MISBEHAVE;
use wisp::{
    catalog::Target,
    config,
    host::{FunctionHost, Progress},
    invoke::Invocation,
};

/// The file with its middle byte turned.
fn flipped(mut bytes: Vec<u8>) -> Vec<u8> {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    bytes
}

/// Starts a host on this data directory, calls its function, and returns how many components were compiled.
async fn compiled_by_a_start(data: &Path) -> usize {
    let toml = format!(
        "[server]\ndata_dir = \"{}\"\n[functions.f]\ncomponent = \"{}\"\n",
        data.display(),
        MISBEHAVE.display()
    );
    let config = config::parse(&toml, Path::new("wisp.toml")).unwrap();
    let host = FunctionHost::new(config.server.clone(), config.limits.clone()).unwrap();
    let compiled = Arc::new(AtomicUsize::new(0));
    let counter = compiled.clone();
    let progress = move |progress: Progress<'_>| {
        if let Progress::Compiling { function, size } = progress {
            assert_eq!(function, "f");
            assert!(size > 1000);
            counter.fetch_add(1, Ordering::Relaxed);
        }
    };
    host.deploy(&config, progress).await.unwrap();
    let target = Target { service: None, function: "f", qualifier: "" };
    let (result, _) = host.invoke_event(target, Invocation::new(), "echo".into()).await.unwrap();
    assert_eq!(&result[..], b"echo");
    compiled.load(Ordering::Relaxed)
}

fn artifact(data: &Path) -> PathBuf {
    let engines = fs::read_dir(data.join("artifacts")).unwrap().flatten().map(|entry| entry.path());
    let files = engines.filter(|path| path.is_dir()).flat_map(|engine| fs::read_dir(engine).unwrap().flatten());
    let mut files = files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|it| it == "cwasm"));
    let file = files.next().expect("an artifact");
    assert_eq!(files.next(), None);
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_compiled_at_the_first_start_alone() {
    let data = tempfile::tempdir().unwrap();
    assert_eq!(compiled_by_a_start(data.path()).await, 1);
    let written = fs::metadata(artifact(data.path())).unwrap().len();
    assert_eq!(compiled_by_a_start(data.path()).await, 0);
    assert_eq!(fs::metadata(artifact(data.path())).unwrap().len(), written);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_compiled_anew() {
    let data = tempfile::tempdir().unwrap();
    compiled_by_a_start(data.path()).await;
    let file = artifact(data.path());
    let whole = fs::read(&file).unwrap();
    for damaged in [flipped(whole.clone()), whole[..whole.len() / 2].to_vec(), Vec::new()] {
        // A new file: the code of the old one may still be mapped.
        fs::remove_file(&file).unwrap();
        fs::write(&file, &damaged).unwrap();
        compiled_by_a_start(data.path()).await;
        assert_eq!(fs::read(&file).unwrap().len(), whole.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn code_of_another_wisp_is_not_trusted() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    compiled_by_a_start(ours.path()).await;
    compiled_by_a_start(theirs.path()).await;
    let (our_file, their_file) = (artifact(ours.path()), artifact(theirs.path()));
    let our_seal = fs::read(our_file.with_extension("mac")).unwrap();
    for extension in ["cwasm", "mac"] {
        fs::remove_file(our_file.with_extension(extension)).unwrap();
        fs::copy(their_file.with_extension(extension), our_file.with_extension(extension)).unwrap();
    }
    compiled_by_a_start(ours.path()).await;
    assert_eq!(fs::read(our_file.with_extension("mac")).unwrap(), our_seal, "it was written anew");
}
