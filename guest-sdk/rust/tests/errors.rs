//! Errors of every kind that a function may return, as the caller reads them.

use std::error::Error as StdError;

use serde_json::Value;
use wisp_sdk::{
    __private::{Place, tags::*},
    Error,
};

/// What the code of an attribute makes of an error that the function returned.
macro_rules! document {
    ($error:expr) => {{
        let error = $error;
        let place = Place { function: "handle", file: "src/lib.rs", line: 3 };
        let failure = place.run(|| Err::<(), _>((&Tag::of(&error)).fail(error))).unwrap_err();
        serde_json::from_str::<Value>(&failure.document).unwrap()
    }};
}

fn read(document: &Value) -> (&str, &str, Vec<&str>) {
    let text = |name: &str| document[name].as_str().unwrap_or_default();
    let trace = document["stackTrace"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    (text("errorMessage"), text("errorType"), trace)
}

#[test]
fn texts_and_boxes_are_plain_errors() {
    let boxed: Box<dyn StdError> = "no".into();
    let shared: Box<dyn StdError + Send + Sync> = "no".into();
    for document in [document!("no"), document!("no".to_owned()), document!(boxed), document!(shared)] {
        assert_eq!(read(&document), ("no", "Error", vec!["Error: no", "    at handle (src/lib.rs:3)"]));
    }
}

#[test]
fn an_error_has_the_name_of_its_type() {
    let document = document!("x".parse::<f32>().unwrap_err());
    assert_eq!(read(&document).1, "ParseFloatError");
}

#[test]
fn an_error_of_anyhow_has_its_chain() {
    let document = document!(anyhow::Error::from(std::fmt::Error).context("middle").context("top"));
    let (message, kind, trace) = read(&document);
    assert_eq!((message, kind), ("top", "Error"));
    let fmt_error = "an error occurred when formatting an argument";
    assert_eq!(trace[2..], ["caused by: middle".to_owned(), format!("caused by: {fmt_error}")]);
}

#[test]
fn an_error_of_the_sdk_stays_as_it_is() {
    let document = document!(Error::handled("NoName", "send a name"));
    let (message, kind, trace) = read(&document);
    assert_eq!((message, kind), ("send a name", "NoName"));
    assert!(trace[1].contains("tests/errors.rs:"), "{trace:?}");
}
