//! The records of `wisp:function/loader` as they cross into a language runtime.

use wasmtime::component::{ComponentType, Lift, Lower, flags};

use crate::instance::abi::Failure;

/// The interface that a language runtime exports beside the handlers.
pub(crate) const LOADER: &str = "wisp:function/loader@1.0.0";

/// The interface that a language runtime exports if its own start need not be repeated for each load.
pub(crate) const BOOT: &str = "wisp:function/boot@1.0.0";

flags! {
    HandlerKinds {
        #[component(name = "event")]
        const EVENT;
        #[component(name = "http")]
        const HTTP;
    }
}

#[derive(Clone, Debug, ComponentType, Lower)]
#[component(record)]
pub(crate) struct TranslatedFile {
    pub(crate) path: String,
    pub(crate) text: String,
    #[component(name = "source-map")]
    pub(crate) source_map: String,
}

#[derive(Clone, Debug, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Source {
    pub(crate) directory: String,
    pub(crate) handler: String,
    pub(crate) initializer: Option<String>,
    #[component(name = "pre-freeze")]
    pub(crate) pre_freeze: Option<String>,
    #[component(name = "pre-stop")]
    pub(crate) pre_stop: Option<String>,
    #[component(name = "after-restore")]
    pub(crate) after_restore: Option<String>,
    #[component(name = "http-trigger")]
    pub(crate) http_trigger: bool,
    pub(crate) kinds: HandlerKinds,
    pub(crate) translated: Vec<TranslatedFile>,
    pub(crate) evaluate: bool,
}

#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Description {
    pub(crate) kinds: HandlerKinds,
    pub(crate) style: String,
    pub(crate) initializer: bool,
    #[component(name = "pre-freeze")]
    pub(crate) pre_freeze: bool,
    #[component(name = "pre-stop")]
    pub(crate) pre_stop: bool,
    #[component(name = "after-restore")]
    pub(crate) after_restore: bool,
    pub(crate) warnings: Vec<String>,
}

pub(crate) type LoadParams<'a> = (&'a Source,);
pub(crate) type LoadResults = (Result<Description, Failure>,);
pub(crate) type ParkResults = (Result<(), Failure>,);
