//! A guest that exports an event handler and nothing else, so that an HTTP trigger hands it requests as events. It
//! returns the event; with `RETURN=body` in its environment what the event has as its `body`, with `RETURN=response` an
//! integration response with the event as its body.

use exports::wisp::function::event_handler::Guest;
use serde_json::{Value, json};
use wisp::function::types::{Context, Failure, FailureKind};

wit_bindgen::generate!({ path: "../../../wit", world: "wisp:function/event-function", generate_all });
export!(Event);

struct Event;

impl Guest for Event {
    fn handle(event: Vec<u8>, _context: Context) -> Result<Vec<u8>, Failure> {
        match std::env::var("RETURN").as_deref() {
            Ok("body") => {
                parse(&event)?["body"].as_str().map(Into::into).ok_or_else(|| failure("the event has no body"))
            }
            Ok("response") => Ok(json!({ "statusCode": 200, "body": parse(&event)? }).to_string().into()),
            _ => Ok(event),
        }
    }
}

fn parse(event: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(event).map_err(|_| failure("the event is no JSON"))
}

fn failure(document: &str) -> Failure {
    Failure { kind: FailureKind::Unhandled, document: document.into() }
}
