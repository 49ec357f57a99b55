//! What a component exports and imports, which kind it is, and whether wisp would serve it: read from its bytes, without
//! compiling it.

use serde::{Deserialize, Serialize};
use wasmparser::{ComponentExternalKind, ComponentTypeRef, Parser, Payload};

use super::{
    ComponentError, adapt,
    declaration::{self, Declaration},
};
use crate::engine::EngineKind;

/// What wisp calls in a component: DESIGN §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Exports one of `event-handler`, `http-handler` and `packed-http-handler` of `wisp:function`, or several.
    Function,
    /// Exports `wasi:http/incoming-handler@0.2.x`.
    WasiHttp02,
    /// Exports `wasi:http/handler@0.3.x`.
    WasiHttp03,
    /// Exports `wasi:cli/run@0.2.x`.
    Command,
}

impl Kind {
    /// The engine that runs this kind.
    pub fn engine(self) -> EngineKind {
        match self {
            Self::WasiHttp03 => EngineKind::Concurrent,
            Self::Function | Self::WasiHttp02 | Self::Command => EngineKind::Sequential,
        }
    }

    /// What the kind is called in messages.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Function => "wisp:function (event and HTTP handlers)",
            Self::WasiHttp02 => "wasi:http 0.2 (incoming-handler)",
            Self::WasiHttp03 => "wasi:http 0.3 (handler)",
            Self::Command => "command (wasi:cli/run)",
        }
    }
}

/// An import, and whether functions are given it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Import {
    /// As the component names it, such as `wasi:clocks/wall-clock@0.2.0`.
    pub name: String,
    /// Why no function is given it; `None` if functions are.
    pub refused: Option<String>,
}

/// What can be read of a component.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// Whether the file was a core module that had to be adapted.
    pub adapted: bool,
    /// Bytes of the component.
    pub size: usize,
    /// Top-level exports in their order.
    pub exports: Vec<String>,
    /// Top-level imports in their order.
    pub imports: Vec<Import>,
    /// What it is by its exports; `None` if wisp calls none of them.
    pub kind: Option<Kind>,
    /// What wisp wrote into it when it made it of sources; `None` if others made it.
    pub declaration: Option<Declaration>,
}

/// Reads a component, or a core module as the component that it becomes.
///
/// # Errors
/// `Foreign`, `Damaged` or `NotAdaptable`.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, ComponentError> {
    let component = adapt::to_component(bytes)?;
    let adapted = matches!(component, std::borrow::Cow::Owned(_));
    Ok(Inspection { adapted, ..inspect_component(&component)? })
}

pub(super) fn inspect_component(bytes: &[u8]) -> Result<Inspection, ComponentError> {
    let mut exports = Vec::new();
    let mut imports = Vec::new();
    let mut declaration = None;
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(adapt::damaged)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            // The outermost component ends too, at depth 0.
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(adapt::damaged)?;
                    // A type import is an alias of a type in an instance that is imported as well.
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        imports.push(judged(import.name.name));
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(adapt::damaged)?;
                    if export.kind != ComponentExternalKind::Type {
                        exports.push(export.name.name.to_owned());
                    }
                }
            }
            Payload::CustomSection(section) if depth == 0 && section.name() == declaration::SECTION => {
                declaration = Some(Declaration::read(section.data())?);
            }
            _ => {}
        }
    }
    let kind = kind_of(&exports);
    Ok(Inspection { adapted: false, size: bytes.len(), exports, imports, kind, declaration })
}

impl Inspection {
    /// The kind, if wisp serves this component.
    ///
    /// # Errors
    /// `NoHandler` or `RefusedImports`.
    pub fn served_kind(&self) -> Result<Kind, ComponentError> {
        let refused: Vec<_> = self.imports.iter().filter_map(Import::refusal).collect();
        if !refused.is_empty() {
            return Err(ComponentError::RefusedImports(refused.join("; ")));
        }
        if self.declaration.is_none() && self.exports_interface("loader") {
            return Err(ComponentError::LanguageRuntime);
        }
        self.kind.ok_or_else(|| ComponentError::NoHandler(listed(&self.exports)))
    }

    /// Whether the component exports an interface of `wisp:function`, such as `initializer`.
    pub fn exports_interface(&self, interface: &str) -> bool {
        exports_wisp(&self.exports, interface)
    }
}

impl Import {
    fn refusal(&self) -> Option<String> {
        self.refused.as_ref().map(|reason| format!("`{}` ({reason})", self.name))
    }
}

fn listed(exports: &[String]) -> String {
    if exports.is_empty() { "nothing".into() } else { exports.join(", ") }
}

fn exports_wisp(exports: &[String], interface: &str) -> bool {
    exports.iter().any(|name| split(name) == ("wisp:function", interface, "1.0.0"))
}

/// A wisp handler goes before the others: a component may export both, and the wisp one says more.
fn kind_of(exports: &[String]) -> Option<Kind> {
    if ["event-handler", "http-handler", "packed-http-handler"].iter().any(|handler| exports_wisp(exports, handler)) {
        return Some(Kind::Function);
    }
    let has = |package: &str, interface: &str, series: &str| {
        exports
            .iter()
            .map(|name| split(name))
            .any(|(p, i, version)| p == package && i == interface && version.starts_with(series))
    };
    if has("wasi:http", "handler", "0.3.") {
        Some(Kind::WasiHttp03)
    } else if has("wasi:http", "incoming-handler", "0.2.") {
        Some(Kind::WasiHttp02)
    } else if has("wasi:cli", "run", "0.2.") {
        Some(Kind::Command)
    } else {
        None
    }
}

/// `ns:package/interface@version` in its three parts; what is missing is empty.
fn split(name: &str) -> (&str, &str, &str) {
    let (path, version) = name.split_once('@').unwrap_or((name, ""));
    let (package, interface) = path.split_once('/').unwrap_or((path, ""));
    (package, interface, version)
}

fn judged(name: &str) -> Import {
    Import { name: name.to_owned(), refused: refusal(name) }
}

/// The policy over import names. What an offered interface then does is decided by the function's own settings.
fn refusal(name: &str) -> Option<String> {
    let (package, interface, version) = split(name);
    match package {
        "wisp:function" if version == "1.0.0" && matches!(interface, "environment" | "types") => None,
        "wisp:function" => Some("wisp offers environment@1.0.0 and types@1.0.0 of this package".into()),
        "wasi:cli" | "wasi:clocks" | "wasi:filesystem" | "wasi:io" | "wasi:random" | "wasi:sockets" | "wasi:http"
            if version.starts_with("0.2.") || version.starts_with("0.3.") =>
        {
            (version.contains("-rc") || version.contains("-draft"))
                .then(|| format!("{version} is a draft; wisp offers the releases 0.2.x and 0.3.x"))
        }
        "wasi:cli" | "wasi:clocks" | "wasi:filesystem" | "wasi:io" | "wasi:random" | "wasi:sockets" | "wasi:http" => {
            Some("wisp offers the releases 0.2.x and 0.3.x of WASI; rebuild with a current toolchain".into())
        }
        _ if package.starts_with("wasi:") => Some("wisp does not offer this WASI package".into()),
        _ => Some(
            "not one of wisp's: functions are given wisp:function/environment and WASI (cli, clocks, filesystem, http, io, \
             random, sockets); build without it, or compose it into the component"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspected(text: &str) -> Inspection {
        inspect(&wat::parse_str(text).unwrap()).unwrap()
    }

    #[test]
    fn exports_tell_the_kind() {
        let kind = |names: &[&str]| kind_of(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(kind(&["wisp:function/event-handler@1.0.0"]), Some(Kind::Function));
        assert_eq!(kind(&["wasi:cli/run@0.2.3", "wisp:function/http-handler@1.0.0"]), Some(Kind::Function));
        assert_eq!(kind(&["wisp:function/packed-http-handler@1.0.0"]), Some(Kind::Function));
        assert_eq!(kind(&["wasi:http/incoming-handler@0.2.10"]), Some(Kind::WasiHttp02));
        assert_eq!(kind(&["wasi:http/handler@0.3.0"]), Some(Kind::WasiHttp03));
        assert_eq!(kind(&["wasi:cli/run@0.2.0"]), Some(Kind::Command));
        assert_eq!(kind(&["wisp:function/event-handler@2.0.0", "run"]), None);
    }

    #[test]
    fn a_refused_import_is_named_with_the_reason() {
        let component = inspected(r#"(component (import "acme:secrets/vault@1.0.0" (instance)))"#);
        let error = component.served_kind().unwrap_err().to_string();
        assert!(error.contains("`acme:secrets/vault@1.0.0`"), "{error}");
        assert!(error.contains("not one of wisp's"), "{error}");
    }

    #[test]
    fn a_component_without_a_handler_names_what_it_exports() {
        let component = inspected(r#"(component (instance $i) (export "acme:thing/api@1.0.0" (instance $i)))"#);
        let error = component.served_kind().unwrap_err().to_string();
        assert!(error.contains("this component exports acme:thing/api@1.0.0"), "{error}");
    }

    #[test]
    fn what_is_inside_nested_components_does_not_count() {
        let component = inspected(
            r#"(component (component (import "acme:secrets/vault@1.0.0" (instance))) (core module (memory 1)))"#,
        );
        assert!(component.imports.is_empty());
    }

    #[test]
    fn old_and_draft_wasi_is_refused_and_released_wasi_is_not() {
        assert!(refusal("wasi:http/handler@0.3.0-rc-2026-03-15").unwrap().contains("draft"));
        assert!(refusal("wasi:io/streams@0.1.0").unwrap().contains("0.2.x"));
        assert_eq!(refusal("wasi:io/streams@0.2.0"), None);
        assert!(refusal("wasi:keyvalue/store@0.2.0-draft").unwrap().contains("does not offer"));
    }
}
