//! The smallest HTTP function in Rust.

use exports::wisp::function::http_handler::Guest;
use wisp::function::types::{Context, Failure, HttpRequest, HttpResponse};

wit_bindgen::generate!({ path: "../../../wit", world: "http-function" });
export!(Hello);

struct Hello;

impl Guest for Hello {
    fn handle(_request: HttpRequest, _context: Context) -> Result<HttpResponse, Failure> {
        let headers = vec![("content-type".into(), "text/plain".into())];
        Ok(HttpResponse { status_code: 200, headers, body: b"hello, world\n".to_vec() })
    }
}
