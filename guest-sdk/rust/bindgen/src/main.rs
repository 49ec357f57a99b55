//! Writes the bindings of the Rust SDK to where they are checked in.

fn main() -> anyhow::Result<()> {
    for (name, text) in wisp_sdk_bindgen::generate()? {
        std::fs::write(wisp_sdk_bindgen::directory().join(name), text)?;
    }
    Ok(())
}
