//! Events and results: which types are bytes, which are texts, and that all others are JSON.

use std::any::type_name;

use serde_core::{Serialize, de::DeserializeOwned};

use crate::{Error, error::short_name};

/// From an event's bytes to text.
pub(crate) fn read_text(event: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(event)
        .map_err(|error| Error::invalid_event(format!("the event is not UTF-8: {}", error.utf8_error())))
}

/// From an event's bytes to a value.
pub(crate) fn read_json<T: DeserializeOwned>(event: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(event).map_err(|error| {
        let name = short_name(type_name::<T>());
        Error::invalid_event(match event {
            [] => format!("the event is empty: send the JSON of a {name}"),
            _ => format!("the event is no JSON of a {name}: {error}"),
        })
    })
}

/// From a value to a result's bytes.
pub(crate) fn write_json<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_does_not_fit_is_the_callers_error_and_names_the_type_and_the_place() {
        let error = read_json::<Vec<u8>>(b"[1, 256]").unwrap_err();
        assert!(error.is_handled());
        let expected =
            "the event is no JSON of a Vec<u8>: invalid value: integer `256`, expected u8 at line 1 column 7";
        assert_eq!(error.message(), expected);
        assert_eq!(read_json::<u8>(b"").unwrap_err().message(), "the event is empty: send the JSON of a u8");
        let error = read_text(vec![b'a', 0xff]).unwrap_err();
        assert_eq!(error.message(), "the event is not UTF-8: invalid utf-8 sequence of 1 bytes from index 1");
    }
}
