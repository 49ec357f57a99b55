//! What a component that wisp made of sources says about itself: the custom section `wisp:function`.
//!
//! A language runtime exports every handler and every hook, whatever the sources have. The section says which of them
//! there really are; only these are called.

use serde::{Deserialize, Serialize};
use wasm_encoder::{CustomSection, Section as _};

use super::ComponentError;
use crate::config::Language;

/// The custom section's name.
pub(crate) const SECTION: &str = "wisp:function";

/// The section's content: JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declaration {
    /// The version of wisp that made the component.
    pub wisp: String,
    /// The language of the sources.
    pub language: Language,
    /// SHA-256 of the language runtime, in hex.
    pub runtime: String,
    /// The programming style that the runtime found: `event`, `http`, `server`, `cloudbase`, `wsgi`, `asgi`.
    pub style: String,
    /// Whether events are taken.
    pub event: bool,
    /// Whether HTTP requests are taken.
    pub http: bool,
    /// Whether there is an initializer.
    pub initializer: bool,
    /// Whether there is a pre-freeze hook.
    pub pre_freeze: bool,
    /// Whether there is a pre-stop hook.
    pub pre_stop: bool,
    /// Whether there is an after-restore hook.
    pub after_restore: bool,
    /// Whether the component holds the state of an instance that ran before.
    pub snapshot: bool,
    /// Whether the top level of the sources ran in that instance.
    pub evaluated: bool,
}

impl Declaration {
    /// The component with this declaration at its end.
    pub(crate) fn append_to(&self, mut component: Vec<u8>) -> Vec<u8> {
        // A struct of texts and booleans always has a JSON form.
        let json = serde_json::to_vec(self).unwrap_or_default();
        CustomSection { name: SECTION.into(), data: json.into() }.append_to(&mut component);
        component
    }

    pub(super) fn read(data: &[u8]) -> Result<Self, ComponentError> {
        serde_json::from_slice(data)
            .map_err(|error| ComponentError::Damaged(format!("its section {SECTION} is not readable: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::inspect;

    #[test]
    fn a_declaration_is_found_in_the_component_that_it_was_appended_to() {
        let declaration = Declaration {
            wisp: "1.2.3".into(),
            language: Language::Python,
            runtime: "ab".into(),
            style: "wsgi".into(),
            event: false,
            http: true,
            initializer: true,
            pre_freeze: false,
            pre_stop: false,
            after_restore: true,
            snapshot: true,
            evaluated: true,
        };
        let component = declaration.append_to(wat::parse_str("(component)").unwrap());
        assert_eq!(inspect::inspect(&component).unwrap().declaration, Some(declaration));
    }

    #[test]
    fn a_section_that_is_no_declaration_is_damage() {
        let mut component = wat::parse_str("(component)").unwrap();
        CustomSection { name: SECTION.into(), data: b"{}".into() }.append_to(&mut component);
        assert!(inspect::inspect(&component).unwrap_err().to_string().contains("wisp:function is not readable"));
    }
}
