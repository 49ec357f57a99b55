//! Takes its requests packed: the path names the behaviour. It exports `http-handler` as well, which nobody is to call.
//!
//! | path | answer |
//! |---|---|
//! | `/request…` | the request as it reached the guest |
//! | `/context` | request id, deadline and `traceparent` |
//! | `/echo` | the body |
//! | `/reply` | what the body says: `{"status": 200, "headers": [["name", "value"]], "body": "text"}` |
//! | `/raw` | 200, and the body's own bytes as the packed headers |
//! | `/pairs:N` | 200 and N headers of one name |
//! | `/fail` | a handled failure |
//! | `/trap` | none |

use exports::wisp::function::{http_handler, packed_http_handler};
use serde_json::{Value, json};
use wisp::function::types::{Context, Failure, FailureKind, HttpRequest, HttpResponse, PackedHttpResponse};

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package wisp:guests;
        world packed {
            include wisp:function/packed-http-function@1.0.0;
            export wisp:function/http-handler@1.0.0;
        }
    ",
    world: "wisp:guests/packed",
    generate_all,
});
export!(Packed);

const SEPARATOR: u8 = 0xff;

struct Packed;

impl http_handler::Guest for Packed {
    fn handle(_request: HttpRequest, _context: Context) -> Result<HttpResponse, Failure> {
        Err(failure("called by records"))
    }
}

impl packed_http_handler::Guest for Packed {
    fn handle(head: Vec<u8>, body: Vec<u8>) -> Result<PackedHttpResponse, Failure> {
        let head = Head::read(&head)?;
        let text = head.path.strip_prefix('/').unwrap_or(head.path);
        let (name, argument) = text.split_once(':').unwrap_or((text, ""));
        match name {
            "request" => Ok(ok(head.describe(&body).to_string().into_bytes())),
            "context" => Ok(ok(json!(head.context).to_string().into_bytes())),
            "echo" => Ok(ok(body)),
            "reply" => reply(&body),
            "raw" => Ok(PackedHttpResponse { headers: body, ..ok(Vec::new()) }),
            "pairs" => {
                let count: usize = argument.parse().unwrap_or_default();
                Ok(PackedHttpResponse { headers: pack(std::iter::repeat_n("x", 2 * count)), ..ok(Vec::new()) })
            }
            "fail" => Err(failure("as told")),
            "trap" => std::process::abort(),
            _ => Err(failure("no such behaviour")),
        }
    }
}

/// What the host told of a request.
struct Head<'a> {
    context: [&'a str; 3],
    method: &'a str,
    path: &'a str,
    url: &'a str,
    client_ip: &'a str,
    queries: Vec<(&'a str, &'a str)>,
    headers: Vec<(&'a str, &'a str)>,
}

impl<'a> Head<'a> {
    fn read(head: &'a [u8]) -> Result<Self, Failure> {
        let texts: Result<Vec<_>, _> = head.split(|byte| *byte == SEPARATOR).map(std::str::from_utf8).collect();
        let texts = texts.map_err(|error| failure(&error.to_string()))?;
        let [id, deadline, trace_parent, method, path, url, client_ip, count, pairs @ ..] = &texts[..] else {
            return Err(failure("the head is too short"));
        };
        let queries = 2 * count.parse::<usize>().map_err(|error| failure(&error.to_string()))?;
        if queries > pairs.len() || !pairs.len().is_multiple_of(2) {
            return Err(failure("the head has half a pair"));
        }
        let paired = |texts: &[&'a str]| texts.chunks(2).map(|pair| (pair[0], pair[1])).collect();
        Ok(Self {
            context: [id, deadline, trace_parent],
            method,
            path,
            url,
            client_ip,
            queries: paired(&pairs[..queries]),
            headers: paired(&pairs[queries..]),
        })
    }

    fn describe(&self, body: &[u8]) -> Value {
        json!({
            "method": self.method,
            "path": self.path,
            "url": self.url,
            "queries": self.queries,
            "headers": self.headers,
            "clientIp": self.client_ip,
            "body": String::from_utf8_lossy(body),
        })
    }
}

fn reply(body: &[u8]) -> Result<PackedHttpResponse, Failure> {
    let order: Value = serde_json::from_slice(body).map_err(|error| failure(&error.to_string()))?;
    let headers: Vec<(String, String)> = serde_json::from_value(order["headers"].clone()).unwrap_or_default();
    Ok(PackedHttpResponse {
        status_code: order["status"].as_u64().unwrap_or(200) as u16,
        headers: pack(headers.iter().flat_map(|(name, value)| [&**name, &**value])),
        body: order["body"].as_str().unwrap_or_default().into(),
    })
}

fn pack<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<u8> {
    texts.map(str::as_bytes).collect::<Vec<_>>().join(&SEPARATOR)
}

fn ok(body: Vec<u8>) -> PackedHttpResponse {
    PackedHttpResponse { status_code: 200, headers: Vec::new(), body }
}

fn failure(message: &str) -> Failure {
    let document = json!({ "errorType": "Packed", "errorMessage": message }).to_string();
    Failure { kind: FailureKind::Handled, document }
}
