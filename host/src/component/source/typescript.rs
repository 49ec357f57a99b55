//! TypeScript, TSX and JSX → JavaScript, with source maps, for every such file of the sources outside `node_modules`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use oxc::{
    allocator::Allocator,
    codegen::{Codegen, CodegenOptions},
    diagnostics::OxcDiagnostic,
    parser::Parser,
    semantic::SemanticBuilder,
    span::SourceType,
    transformer::{HelperLoaderMode, TransformOptions, Transformer},
};

use super::{sources, user_error::UserError};
use crate::{capability::files::CODE, component::runtime::abi::TranslatedFile};

/// Endings of files that a JavaScript engine does not read as they are.
const ENDINGS: &[&str] = &["ts", "mts", "cts", "tsx", "jsx"];

/// Endings of JavaScript that is read as it is.
const PLAIN_ENDINGS: &[&str] = &["js", "mjs", "cjs"];

/// Why a directory was not translated.
pub(super) enum TranslateError {
    Io(PathBuf, io::Error),
    /// One file is wrong.
    Source(Box<UserError>),
}

/// All files below `directory` that have to be translated.
pub(super) fn translate_all(directory: &Path) -> Result<Vec<TranslatedFile>, TranslateError> {
    let is_translated = |path: &Path| has_ending(path, ENDINGS) && !is_declaration(path);
    sources::own_files(directory)
        .into_iter()
        .filter(|path| is_translated(path))
        .map(|path| {
            let full = directory.join(&path);
            let text = fs::read_to_string(&full).map_err(|error| TranslateError::Io(full, error))?;
            translate(&path, &text).map_err(TranslateError::Source)
        })
        .collect()
}

/// The first syntax error in the plain JavaScript of `directory`: an engine says less about it.
pub(super) fn first_syntax_error(directory: &Path) -> Option<Box<UserError>> {
    let files = sources::own_files(directory);
    files.into_iter().filter(|path| has_ending(path, PLAIN_ENDINGS)).find_map(|path| {
        let text = fs::read_to_string(directory.join(&path)).ok()?;
        // A CommonJS file may return at its top level, an ES module may await there: what fails both ways is wrong.
        let fails = |kind: SourceType| {
            let allocator = Allocator::default();
            let parsed = Parser::new(&allocator, &text, kind).parse();
            first_error(&parsed.diagnostics).cloned()
        };
        let _ = fails(SourceType::cjs())?;
        fails(SourceType::mjs()).map(|error| user_error(&path, &text, &error))
    })
}

/// `path` is relative to the source directory.
fn translate(path: &Path, text: &str) -> Result<TranslatedFile, Box<UserError>> {
    let allocator = Allocator::default();
    // Only files with known endings come here.
    let kind = SourceType::from_path(path).unwrap_or_default();
    let parsed = Parser::new(&allocator, text, kind).parse();
    let wrong = |error: &OxcDiagnostic| user_error(path, text, error);
    if let Some(error) = first_error(&parsed.diagnostics) {
        return Err(wrong(error));
    }
    let mut program = parsed.program;
    let semantic = SemanticBuilder::new().with_excess_capacity(2.0).with_enum_eval(true).build(&program);
    if let Some(error) = first_error(&semantic.diagnostics) {
        return Err(wrong(error));
    }
    let options = options();
    let transformed =
        Transformer::new(&allocator, path, &options).build_with_scoping(semantic.semantic.into_scoping(), &mut program);
    if let Some(error) = first_error(&transformed.diagnostics) {
        return Err(wrong(error));
    }
    let guest_path = Path::new(CODE).join(path);
    let settings = CodegenOptions { source_map_path: Some(guest_path.clone()), ..CodegenOptions::default() };
    let printed = Codegen::new().with_options(settings).build(&program);
    Ok(TranslatedFile {
        path: guest_path.to_string_lossy().into_owned(),
        text: with_helpers(printed.code),
        source_map: printed.map.map(|map| map.to_json_string()).unwrap_or_default(),
    })
}

/// What lowered decorators call, as TypeScript's `experimentalDecorators` has them evaluated: the last first, each given
/// what the one before made.
const DECORATOR_HELPERS: &str = "const babelHelpers = { decorate(decorators, target, key, descriptor) { \
    const count = arguments.length; \
    let made = count < 3 ? target : descriptor === null ? Object.getOwnPropertyDescriptor(target, key) : descriptor; \
    for (const decorator of [...decorators].reverse()) { if (decorator) made = (count < 3 ? decorator(made) \
    : count > 3 ? decorator(target, key, made) : decorator(target, key)) || made; } \
    if (count > 3 && made) Object.defineProperty(target, key, made); return made; }, \
    decorateMetadata(key, value) { if (typeof Reflect.metadata === 'function') return Reflect.metadata(key, value); }, \
    decorateParam(index, decorator) { return (target, key) => decorator(target, key, index); } }; ";

/// The helpers go on the first line, so that all others keep their numbers.
fn with_helpers(code: String) -> String {
    if code.contains("babelHelpers.") { format!("{DECORATOR_HELPERS}{code}") } else { code }
}

/// Types go, decorators are lowered as TypeScript's own compiler does it with `experimentalDecorators`.
fn options() -> TransformOptions {
    let mut options = TransformOptions::default();
    options.decorator.legacy = true;
    options.decorator.emit_decorator_metadata = true;
    options.helper_loader.mode = HelperLoaderMode::External;
    options
}

fn first_error(diagnostics: &oxc::diagnostics::Diagnostics) -> Option<&OxcDiagnostic> {
    diagnostics.errors().next()
}

fn user_error(path: &Path, text: &str, error: &OxcDiagnostic) -> Box<UserError> {
    let label = error.labels.as_ref().first();
    let position = label.map(|label| line_and_column(text, label.offset() as usize));
    Box::new(UserError::at(path, text, position, format!("SyntaxError: {}", error.message)))
}

/// Both from 1; columns in characters.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

pub(super) fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known))
}

/// `index.d.ts` holds types alone.
fn is_declaration(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    [".d.ts", ".d.mts", ".d.cts"].iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_go_and_the_map_leads_back() {
        let text = "interface A { b: string }\n\nexport const handler = (a: A): string => a.b as string;\n";
        let translated = translate(Path::new("lib/index.ts"), text).ok().unwrap();
        assert_eq!(translated.path, "/code/lib/index.ts");
        assert_eq!(translated.text, "export const handler = (a) => a.b;\n");
        let map: serde_json::Value = serde_json::from_str(&translated.source_map).unwrap();
        assert_eq!(map["sources"][0], "/code/lib/index.ts");
        // The first segment is on the first line of the result and leads to line 2, from 0.
        assert!(map["mappings"].as_str().unwrap().starts_with("AAEA"), "{map}");
    }

    #[test]
    fn enums_and_jsx_become_javascript() {
        let translated = translate(Path::new("a.tsx"), "enum E { A = 1 }\nexport default () => <p>{E.A}</p>;\n");
        let text = translated.ok().unwrap().text;
        assert!(!text.contains("enum ") && !text.contains("<p>"), "{text}");
    }

    #[test]
    fn decorators_bring_their_helpers_on_the_first_line() {
        let source = "const log = (target: unknown, key: string) => {};\nexport class A { @log b() { return 1; } }\n";
        let text = translate(Path::new("a.ts"), source).ok().unwrap().text;
        assert!(
            text.starts_with("const babelHelpers = { decorate(") && text.contains("babelHelpers.decorate(["),
            "{text}"
        );
        assert_eq!(text.lines().next().unwrap().matches("const log").count(), 1, "{text}");
    }

    #[test]
    fn a_syntax_error_names_file_line_and_column_and_quotes_the_line() {
        let error = translate(Path::new("src/index.ts"), "const a = 1;\nconst b: = 2;\n").err().unwrap();
        assert!(error.to_string().starts_with("src/index.ts:2:10: SyntaxError: "), "{error}");
        assert_eq!(error.quote(), "  2 | const b: = 2;\n    |          ^");
    }

    #[test]
    fn the_directory_is_translated_without_dependencies_and_declarations() {
        let project = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = project.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("index.ts", "export const a: number = 1;");
        write("lib/b.mts", "export const b: number = 1;");
        write("types.d.ts", "declare const c: number;");
        write("plain.js", "exports.d = 1;");
        write("node_modules/e/index.ts", "not TypeScript at all");
        let mut paths: Vec<_> = translate_all(project.path()).ok().unwrap().into_iter().map(|file| file.path).collect();
        paths.sort();
        assert_eq!(paths, ["/code/index.ts", "/code/lib/b.mts"]);
    }

    #[test]
    fn plain_javascript_that_parses_one_way_or_the_other_is_right() {
        let project = tempfile::tempdir().unwrap();
        fs::write(project.path().join("a.js"), "return 1;").unwrap();
        fs::write(project.path().join("b.js"), "await 1;\nexport {};").unwrap();
        assert!(first_syntax_error(project.path()).is_none());
        fs::write(project.path().join("c.js"), "\nlet x = ;").unwrap();
        assert!(first_syntax_error(project.path()).unwrap().to_string().starts_with("c.js:2:9: SyntaxError: "));
    }
}
