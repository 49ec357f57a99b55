//! The record of a settled event, as Function Compute sends it to destinations ("Destinations for asynchronous
//! invocations").

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::event::{Event, Status, Submission};

/// The account and region in resource names.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) region: String,
    pub(super) account: String,
}

impl Identity {
    /// The function's resource name.
    pub(super) fn function_arn(&self, submission: &Submission) -> String {
        let (head, function) = (format!("acs:fc:{}:{}:", self.region, self.account), &submission.function);
        if submission.service.is_empty() {
            format!("{head}functions/{function}")
        } else {
            format!("{head}services/{}.{}/functions/{function}", submission.service, submission.qualifier)
        }
    }
}

/// Bytes of both payloads together. Records of records would grow without end.
const LONGEST: usize = 1 << 20;

/// The record of an event that is settled. Payloads are texts; one that is not UTF-8 is given in base64, and one that is too
/// long is left out, the response first; a key beside it says so.
pub(super) fn record(event: &Event, identity: &Identity, now: u64) -> Bytes {
    let (request, response) = (event.submission.payload.len(), event.progress.response.len());
    record_with(event, identity, now, (request <= LONGEST, request + response <= LONGEST)).into()
}

/// The same as a message whose text, as a text in JSON, has at most `longest` bytes, unless it has more without payloads.
pub(super) fn record_within(event: &Event, identity: &Identity, now: u64, longest: usize) -> Bytes {
    let mut record = record(event, identity, now);
    for payloads in [(true, false), (false, false)] {
        let escapes = record.iter().filter(|byte| matches!(byte, b'"' | b'\\')).count();
        if record.len() + escapes <= longest {
            break;
        }
        record = record_with(event, identity, now, payloads).into();
    }
    record
}

fn record_with(event: &Event, identity: &Identity, now: u64, (with_request, with_response): (bool, bool)) -> String {
    let (submission, progress) = (&event.submission, &event.progress);
    let error = progress.error.as_deref().unwrap_or_default();
    let by_function = matches!(progress.status, Status::Succeeded | Status::Failed);
    let mut record = json!({
        "timestamp": now,
        "requestContext": {
            "requestId": submission.request_id,
            "functionArn": identity.function_arn(submission),
            "condition": condition(event),
            "approximateInvokeCount": progress.calls,
        },
        "responseContext": {
            "statusCode": status_code(progress.status, error),
            "functionError": if by_function { error } else { "" },
        },
    });
    if let Some(record) = record.as_object_mut() {
        payload(record, "requestPayload", &submission.payload, with_request);
        payload(record, "responsePayload", &progress.response, with_response);
    }
    record.to_string()
}

/// Why it came to this; empty if it succeeded.
fn condition(event: &Event) -> &str {
    match event.progress.status {
        Status::Succeeded => "",
        _ => event.progress.error.as_deref().unwrap_or_default(),
    }
}

/// What a synchronous call would have been answered.
fn status_code(status: Status, error: &str) -> u16 {
    match (status, error) {
        (Status::Invalid, _) => 404,
        (Status::Expired, super::EXHAUSTED) => 429,
        (Status::Expired, super::INTERRUPTED) => 500,
        _ => 200,
    }
}

fn payload(record: &mut Map<String, Value>, name: &str, bytes: &[u8], fits: bool) {
    if !fits {
        record.insert(name.to_owned(), "".into());
        record.insert(format!("{name}OmittedBytes"), bytes.len().into());
        return;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => drop(record.insert(name.to_owned(), text.into())),
        Err(_) => {
            record.insert(name.to_owned(), BASE64_STANDARD.encode(bytes).into());
            record.insert(format!("{name}Encoding"), "base64".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::event::Progress, *};

    fn event(status: Status, error: Option<&str>) -> Event {
        let submission = Submission {
            request_id: "r-1".into(),
            service: "s".into(),
            function: "f".into(),
            qualifier: "LATEST".into(),
            invocation_id: None,
            trace_parent: None,
            received: 0,
            depth: 0,
            trigger: None,
            payload: Bytes::from_static(b"in"),
        };
        let progress = Progress {
            status,
            calls: 3,
            error: error.map(str::to_owned),
            response: Bytes::from_static(b"out"),
            ..Progress::new(0)
        };
        Event { seq: 1, submission, progress }
    }

    fn record_of(event: &Event) -> Value {
        let identity = Identity { region: "local".into(), account: "0".into() };
        serde_json::from_slice(&record(event, &identity, 1_660_120_276_975)).unwrap()
    }

    #[test]
    fn a_record_has_function_computes_form() {
        let expected = json!({
            "timestamp": 1_660_120_276_975_u64,
            "requestContext": {
                "requestId": "r-1",
                "functionArn": "acs:fc:local:0:services/s.LATEST/functions/f",
                "condition": "UnhandledInvocationError",
                "approximateInvokeCount": 3,
            },
            "requestPayload": "in",
            "responseContext": { "statusCode": 200, "functionError": "UnhandledInvocationError" },
            "responsePayload": "out",
        });
        assert_eq!(record_of(&event(Status::Failed, Some("UnhandledInvocationError"))), expected);
    }

    #[test]
    fn what_is_not_the_functions_fault_has_a_status_of_its_own() {
        let context = |status, error| record_of(&event(status, error))["responseContext"].clone();
        assert_eq!(context(Status::Succeeded, None), json!({ "statusCode": 200, "functionError": "" }));
        assert_eq!(context(Status::Expired, Some(super::super::EXHAUSTED))["statusCode"], 429);
        assert_eq!(context(Status::Invalid, Some("FunctionNotFound"))["statusCode"], 404);
        let expired = record_of(&event(Status::Expired, Some("HandledInvocationError")));
        assert_eq!(expired["requestContext"]["condition"], "HandledInvocationError");
    }

    #[test]
    fn payloads_that_are_too_long_are_left_out_the_response_first() {
        let mut event = event(Status::Succeeded, None);
        event.progress.response = vec![b'x'; LONGEST - 1].into();
        let record = record_of(&event);
        assert_eq!((&record["requestPayload"], &record["responsePayload"]), (&json!("in"), &json!("")));
        assert_eq!(record["responsePayloadOmittedBytes"], LONGEST - 1);
        event.submission.payload = vec![b'x'; LONGEST + 1].into();
        assert_eq!(record_of(&event)["requestPayloadOmittedBytes"], LONGEST + 1);
    }

    #[test]
    fn a_message_has_the_payloads_that_it_has_room_for() {
        let identity = Identity { region: "local".into(), account: "0".into() };
        let mut event = event(Status::Succeeded, None);
        (event.submission.payload, event.progress.response) = (vec![b'"'; 100].into(), vec![b'x'; 100].into());
        // How long the text of a message is as a text in JSON, and which payloads it has.
        let within = |longest| {
            let record = record_within(&event, &identity, 0, longest);
            let length = Value::from(std::str::from_utf8(&record).unwrap()).to_string().len() - 2;
            let record: Value = serde_json::from_slice(&record).unwrap();
            (length, ["requestPayload", "responsePayload"].map(|key| !record[key].as_str().unwrap().is_empty()))
        };
        let (both, kept) = within(usize::MAX);
        assert_eq!((kept, within(both).1), ([true, true], [true, true]));
        let (one, kept) = within(both - 1);
        assert_eq!((kept, within(one).1), ([true, false], [true, false]));
        let (none, kept) = within(one - 1);
        assert!(kept == [false, false] && none < one, "{none} of {one}");
        assert_eq!(within(0), (none, [false, false]));
    }

    #[test]
    fn bytes_that_are_no_text_are_given_in_base64() {
        let mut event = event(Status::Succeeded, None);
        event.submission.payload = Bytes::from_static(b"\xff");
        event.submission.service = "".into();
        let record = record_of(&event);
        assert_eq!((&record["requestPayload"], &record["requestPayloadEncoding"]), (&json!("/w=="), &json!("base64")));
        assert_eq!(record["requestContext"]["functionArn"], "acs:fc:local:0:functions/f");
        assert_eq!(record.get("responsePayloadEncoding"), None);
    }
}
