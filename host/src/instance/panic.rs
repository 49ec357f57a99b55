//! The panic of a Rust guest, read from its log: nothing of the guest runs after it.
//!
//! Both forms are known: that of wisp's SDK (`panicked at PLACE:`) and that of the standard library
//! (`thread 'main' (1) panicked at PLACE:` … `note: run with`).

use serde_json::json;

/// The message and the place of the last panic that a Rust guest wrote, as an error document.
pub(super) fn document(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().collect();
    let (at, place) = lines.iter().enumerate().rev().find_map(|(at, line)| Some((at, panic_place(line)?)))?;
    let message = lines.get(at + 1..)?.iter().take_while(|line| !line.starts_with("note: run with `RUST_BACKTRACE"));
    let message = message.copied().collect::<Vec<_>>().join("\n");
    let message = message.trim_end();
    let trace = [format!("panic: {message}"), format!("    at {place}")];
    Some(json!({ "errorMessage": message, "errorType": "panic", "stackTrace": trace }).to_string())
}

/// `src/lib.rs:3:5` of `panicked at src/lib.rs:3:5:`, with or without a thread before it.
fn panic_place(line: &str) -> Option<&str> {
    let rest = match line.strip_prefix("thread '") {
        Some(thread) => thread.split_once("' ")?.1.split_once("panicked at ")?.1,
        None => line.strip_prefix("panicked at ")?,
    };
    let place = rest.strip_suffix(':')?;
    let mut parts = place.rsplitn(3, ':');
    let numbers = parts.next()?.parse::<u32>().is_ok() && parts.next()?.parse::<u32>().is_ok();
    (numbers && parts.next().is_some_and(|file| !file.is_empty())).then_some(place)
}

#[cfg(test)]
mod tests {
    fn read(log: &str) -> Option<(String, String)> {
        let document: serde_json::Value = serde_json::from_str(&super::document(log)?).unwrap();
        Some((document["errorMessage"].as_str()?.into(), document["stackTrace"][1].as_str()?.into()))
    }

    #[test]
    fn both_forms_of_a_panic_are_read() {
        let expected = Some(("oh\nno".to_owned(), "    at src/lib.rs:3:5".to_owned()));
        assert_eq!(read("before\npanicked at src/lib.rs:3:5:\noh\nno\n"), expected);
        let std = "\nthread '<unnamed>' (1) panicked at src/lib.rs:3:5:\noh\nno\nnote: run with `RUST_BACKTRACE=1` x\n";
        assert_eq!(read(std), expected);
        assert_eq!(read("thread 'main' panicked at src/lib.rs:3:5:\noh\nno"), expected);
    }

    #[test]
    fn a_log_without_a_panic_gives_none() {
        assert_eq!(read("it panicked at noon:\nx"), None);
        assert_eq!(read("panicked at noon:\nx"), None);
        assert_eq!(read(""), None);
    }
}
