//! The smallest `wasi:http` component in Rust: `wasmtime serve` and wisp serve the same file.

use exports::wasi::http::incoming_handler::{Guest, IncomingRequest, ResponseOutparam};
use wasi::http::types::{Fields, OutgoingBody, OutgoingResponse};

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package wisp:bench;
        world hello {
            import wasi:http/types@0.2.12;
            export wasi:http/incoming-handler@0.2.12;
        }
    ",
    world: "wisp:bench/hello",
    generate_all,
});
export!(Hello);

struct Hello;

const BODY: &[u8] = b"hello, world\n";

impl Guest for Hello {
    fn handle(_request: IncomingRequest, out: ResponseOutparam) {
        let headers = [("content-type", b"text/plain".to_vec()), ("content-length", BODY.len().to_string().into_bytes())];
        let headers = headers.map(|(name, value)| (name.to_owned(), value));
        let response = OutgoingResponse::new(Fields::from_list(&headers).unwrap());
        let body = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().unwrap();
        stream.blocking_write_and_flush(BODY).unwrap();
        drop(stream);
        OutgoingBody::finish(body, None).unwrap();
    }
}
