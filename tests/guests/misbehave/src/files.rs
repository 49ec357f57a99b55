//! `read:PATH`, `write:PATH:N`, `list:PATH`, `remove:PATH`, `keep-open:PATH`.

use std::{cell::RefCell, fs};

thread_local! {
    /// What `keep-open` keeps for the life of the instance.
    static OPEN: RefCell<Vec<fs::File>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn run(name: &str, argument: &str) -> Result<Vec<u8>, String> {
    match name {
        "read" => fs::read(argument).map_err(|error| error.to_string()),
        "write" => write(argument),
        "keep-open" => {
            let file = fs::File::open(argument).map_err(|error| error.to_string())?;
            OPEN.with_borrow_mut(|open| open.push(file));
            Ok(Vec::new())
        }
        "remove" => fs::remove_file(argument).map(|()| Vec::new()).map_err(|error| error.to_string()),
        _ => list(argument).map_err(|error| error.to_string()),
    }
}

/// N bytes, piece by piece, so that a file may be larger than the guest's memory.
fn write(argument: &str) -> Result<Vec<u8>, String> {
    use std::io::Write as _;
    let (path, bytes) = argument.rsplit_once(':').ok_or("write:PATH:N")?;
    let mut left: u64 = bytes.parse().map_err(|_| format!("{bytes:?} is not a number"))?;
    let mut file = fs::File::create(path).map_err(|error| error.to_string())?;
    let piece = [b'w'; 1 << 16];
    while left > 0 {
        let length = left.min(piece.len() as u64) as usize;
        file.write_all(&piece[..length]).map_err(|error| error.to_string())?;
        left -= length as u64;
    }
    Ok(bytes.into())
}

fn list(path: &str) -> std::io::Result<Vec<u8>> {
    let mut names: Vec<_> = fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<_>>()?;
    names.sort();
    Ok(names.join("\n").into())
}
