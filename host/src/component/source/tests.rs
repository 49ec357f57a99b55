use std::time::Duration;

use super::*;

struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file as if `age` seconds ago.
    fn file(&self, name: &str, age: u64) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }

    fn build(&self, command: Option<&str>, world: &str) -> Result<Built, BuildError> {
        self.with_plan(command, world, |plan| build(plan, &mut |_| {}))
    }

    fn is_stale(&self) -> bool {
        self.with_plan(None, "event-function", is_stale)
    }

    fn with_plan<T>(&self, command: Option<&str>, world: &str, then: impl FnOnce(&Plan<'_>) -> T) -> T {
        let (component, cache_dir) = (self.path("f.wasm"), self.path(".wisp"));
        let source = self.0.path();
        let world = Some(world);
        then(&Plan {
            source,
            data: &[],
            language: None,
            command,
            world,
            loading: None,
            component: &component,
            cache_dir: &cache_dir,
        })
    }
}

const WRITE_WASM: &str = r#"printf '\000asm\001\000\000\000' > "$WISP_COMPONENT""#;

#[test]
fn the_files_tell_the_language() {
    for (file, language) in [
        ("Cargo.toml", Some(Language::Rust)),
        ("package.json", Some(Language::JavaScript)),
        ("index.mjs", Some(Language::JavaScript)),
        ("app.py", Some(Language::Python)),
        ("main.py", Some(Language::Python)),
        ("main.go", None),
    ] {
        let project = Project::new();
        project.file(file, 0);
        assert_eq!(detect(project.0.path()), language, "{file}");
    }
}

#[test]
fn a_component_is_stale_if_it_is_missing_or_older_than_a_source() {
    let project = Project::new();
    project.file("src/lib.rs", 100);
    assert!(project.is_stale());
    project.file("f.wasm", 50);
    assert!(!project.is_stale());
    project.file("src/deep/mod.rs", 10);
    assert!(project.is_stale());
}

#[test]
fn what_is_not_a_source_makes_nothing_stale() {
    let project = Project::new();
    project.file("f.wasm", 50);
    for name in ["target/a", "node_modules/a", ".venv/a", ".git/a", ".wisp/a", ".f.swp", "other.wasm", "wisp.toml"] {
        project.file(name, 0);
    }
    assert!(!project.is_stale());
}

#[test]
fn another_world_makes_a_component_stale() {
    let project = Project::new();
    project.build(Some(WRITE_WASM), "event-function").unwrap();
    let stale = |world| project.with_plan(Some(WRITE_WASM), world, is_stale);
    assert!(!stale("event-function"));
    assert!(stale("http-function"));
}

#[test]
fn an_edit_during_the_build_makes_its_result_stale() {
    let project = Project::new();
    let command = format!("sleep 0.05; echo > source.c; {WRITE_WASM}");
    project.build(Some(&command), "event-function").unwrap();
    assert!(project.with_plan(Some(&command), "event-function", is_stale));
}

#[test]
fn a_lock_file_that_the_first_build_writes_is_no_edit() {
    let project = Project::new();
    let command = format!("sleep 0.05; echo > Cargo.lock; {WRITE_WASM}");
    project.build(Some(&command), "event-function").unwrap();
    assert!(!project.with_plan(Some(&command), "event-function", is_stale));
    project.build(Some(&command), "event-function").unwrap();
    assert!(project.with_plan(Some(&command), "event-function", is_stale));
}

#[test]
fn a_command_sees_the_wit_package_and_leaves_nothing_but_the_component() {
    let project = Project::new();
    project.build(Some(&format!(r#"test -f "$WISP_WIT/deps/io.wit" && {WRITE_WASM}"#)), "event-function").unwrap();
    let mut names: Vec<_> =
        fs::read_dir(project.0.path()).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, [".wisp", "f.wasm"]);
}

#[test]
fn a_command_may_write_to_the_components_own_path() {
    let project = Project::new();
    project.build(Some(r"printf '\000asm\001\000\000\000' > f.wasm"), "event-function").unwrap();
    assert!(starts_as_wasm(&project.path("f.wasm")).unwrap());
}

#[test]
fn a_failing_command_gives_its_last_lines_and_leaves_the_component_alone() {
    let project = Project::new();
    project.file("f.wasm", 0);
    let error = project.build(Some("seq 100 >&2; echo no such header >&2; exit 3"), "event-function").unwrap_err();
    assert!(error.to_string().contains("with the build command: it ended with exit status: 3"), "{error}");
    assert!(error.output.contains("no such header") && error.output.contains("100"), "{}", error.output);
    assert!(!error.output.contains("\n50\n"), "only the tail is kept");
    assert_eq!(fs::read(project.path("f.wasm")).unwrap(), b"x");
}

#[test]
fn a_command_that_writes_nothing_is_told_where_to_write() {
    let error = Project::new().build(Some("true"), "event-function").unwrap_err().to_string();
    assert!(error.contains("wrote no WebAssembly") && error.contains("$WISP_COMPONENT"), "{error}");
}

#[test]
fn an_unknown_language_names_the_files_that_were_looked_for() {
    let error = Project::new().build(None, "event-function").unwrap_err().to_string();
    for word in ["Cargo.toml", "package.json", "index.js", "app.py", "build.command"] {
        assert!(error.contains(word), "{error}");
    }
}
