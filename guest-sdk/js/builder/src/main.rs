//! Makes the crate that becomes `js-runtime.wasm`, and the component out of what the compiler made of that crate.
//!
//! `js-runtime-builder generate <guest-sdk/js> <wit> <output>` writes the crate: what the generator `wasm-rquickjs` writes,
//! changed by [`edits`], plus the sources in `runtime/`.
//! `js-runtime-builder encode <core module> <component>` makes the component, see [`preview1`].

mod edits;
mod preview1;
mod vendor;

use std::{env, fs, path::Path};

use anyhow::{Context as _, bail};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["generate", sdk, wit, output] => edits::generate(Path::new(sdk), Path::new(wit), Path::new(output)),
        ["encode", module, component] => encode(Path::new(module), Path::new(component)),
        _ => {
            bail!("usage: js-runtime-builder generate <guest-sdk/js> <wit> <output> | encode <core module> <component>")
        }
    }
}

fn encode(module: &Path, component: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let rewired = preview1::rewire(&bytes)?;
    let encoded = wit_component::ComponentEncoder::default().validate(true).module(&rewired)?.encode()?;
    fs::write(component, encoded).with_context(|| format!("cannot write {}", component.display()))
}
