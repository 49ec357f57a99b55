//! The examples: built from source by the tools of their languages, and called as a user would.

use support::{TestHost, example, root, servers::MariaDb};

/// A host with one example, under the name of its folder.
async fn start(name: &'static str, settings: &str) -> TestHost {
    // A build takes seconds, and must not hold the runtime's threads up.
    let component = tokio::task::spawn_blocking(move || example(name)).await.unwrap();
    let component = component.display();
    TestHost::start(&format!("[functions.{name}]\ncomponent = \"{component}\"\nmemory = \"64 MB\"\n{settings}")).await
}

async fn with_http(name: &'static str) -> TestHost {
    start(name, &format!("[functions.{name}.http]")).await
}

/// Two calls of an event function come from one instance, whose initializer ran once; a bad event is a handled error.
async fn event_example(name: &'static str, event: &str, expected: &[&str], bad: &str) {
    let host = start(name, "max_instances = 1").await;
    let first = host.invoke(name, event).await;
    assert_eq!((first.status, first.header("x-fc-error-type")), (200, ""), "{first:?}");
    for text in expected {
        assert!(first.text().contains(text), "{text}: {}", first.text());
    }
    let second = host.invoke(name, event).await.json();
    assert_eq!(second["initializedAt"], first.json()["initializedAt"]);
    assert_eq!((&first.json()["calls"], &second["calls"]), (&1.into(), &2.into()));
    let refused = host.invoke(name, bad).await;
    assert_eq!((refused.status, refused.header("x-fc-error-type")), (200, "HandledInvocationError"), "{refused:?}");
    assert!(!refused.error_message().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_event_example_counts_words() {
    event_example("rust-event", "the dog and the other dog", &["dog", "2"], "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_javascript_event_example_prices_an_order() {
    let order = r#"{"currency": "USD", "items": [{"sku": "pen", "price": 1.5, "quantity": 4}]}"#;
    event_example("js-event", order, &["\"total\":6"], "no order").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_event_example_sums_up_a_table() {
    event_example("python-event", "city,people\nHamburg,10\nBremen,20\n", &["people", "15"], "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_http_example_follows_links() {
    let host = with_http("rust-http").await;
    let link = host.get("rust-http", "/rust").await;
    assert_eq!((link.status, link.header("location")), (302, "https://www.rust-lang.org/"));
    assert_eq!(host.request("PUT", "rust-http", "/new", &[], "https://example.com/").await.status, 201);
    assert_eq!(host.get("rust-http", "/new").await.header("location"), "https://example.com/");
    assert_eq!(host.get("rust-http", "/none").await.status, 404);
    assert_eq!(host.request("POST", "rust-http", "/new", &[], "").await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_javascript_http_example_keeps_a_list() {
    let host = with_http("js-http").await;
    let list = host.get("js-http", "/todos?done=false").await;
    assert_eq!(list.json()["todos"].as_array().unwrap().len(), 2, "the initializer made two");
    let json = [("content-type", "application/json")];
    let made = host.request("POST", "js-http", "/todos", &json, r#"{"title": "test"}"#).await;
    assert_eq!((made.status, &made.json()["title"]), (201, &"test".into()));
    assert_eq!(host.request("POST", "js-http", "/todos", &json, "{}").await.status, 400);
    assert_eq!(host.get("js-http", "/nothing").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_http_example_reports_temperatures() {
    let host = with_http("python-http").await;
    let report = host.get("python-http", "/?format=json").await;
    assert_eq!(report.status, 200);
    assert!(report.text().contains("harbour"), "{}", report.text());
    assert!(host.get("python-http", "/").await.text().contains("<table>"));
    assert_eq!(host.get("python-http", "/nothing").await.status, 404);
    assert_eq!(host.request("PUT", "python-http", "/", &[], "").await.status, 405);
}

/// A host with an example as its own `wisp.toml` has it; in it, each first text stands as the second.
async fn start_as_written(name: &'static str, changes: &[(&str, &str)]) -> TestHost {
    let component = tokio::task::spawn_blocking(move || example(name)).await.unwrap();
    let toml = std::fs::read_to_string(root().join("examples").join(name).join("wisp.toml")).unwrap();
    // It is built already.
    let toml = toml.replace(&format!("[functions.{name}.build]\n"), "");
    let toml = toml.replace(&format!("\"{name}.wasm\""), &format!("{:?}", component.display().to_string()));
    TestHost::start(&changes.iter().fold(toml, |toml, (from, to)| toml.replace(from, to))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_guest_book_keeps_its_entries_in_a_database() {
    let database = tokio::task::spawn_blocking(MariaDb::start).await.unwrap();
    let address = format!("127.0.0.1:{}", database.port());
    let changes = [("127.0.0.1:3306", &*address), ("= \"guestbook\"", "= \"wisp\""), ("\"5 s\"", "\"30 s\"")];
    let host = start_as_written("rust-guestbook", &changes).await;
    let entry = r#"{"name": "Ada", "text": "it's \"fine\" \\ 你好"}"#;
    assert_eq!(host.request("POST", "rust-guestbook", "/", &[], entry).await.status, 201);
    let entries = host.get("rust-guestbook", "/").await.json();
    let expected: serde_json::Value = serde_json::from_str(entry).unwrap();
    assert_eq!(
        (&entries[0]["name"], &entries[0]["text"], &entries[1]),
        (&expected["name"], &expected["text"], &serde_json::Value::Null)
    );
    assert_eq!(host.request("POST", "rust-guestbook", "/", &[], "{}").await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_thumbnailer_makes_small_pictures_and_refuses_bombs() {
    let host = start_as_written("rust-thumbnailer", &[("\"10 s\"", "\"50 s\"")]).await;
    let post =
        async |query: &str, picture: Vec<u8>| host.request("POST", "rust-thumbnailer", query, &[], picture).await;
    let small = post("/?size=100", png(400, 200, 400 * 200)).await;
    assert_eq!((small.status, small.header("content-type")), (200, "image/png"), "{small:?}");
    assert_eq!(dimensions(&small.body), (100, 50));
    let bomb = post("/", png(20_000, 20_000, 1)).await;
    assert_eq!(bomb.status, 413);
    assert!(bomb.error_message().contains("20000 × 20000 pixels"), "{bomb:?}");
    // More than a 32-bit number of bytes.
    assert_eq!(post("/", png(100_000, 100_000, 1)).await.status, 422);
    assert_eq!(post("/", b"GIF89a".to_vec()).await.status, 415);
    assert_eq!(post("/?size=9999", png(4, 4, 16)).await.status, 400);
}

/// A grey picture that says it has these sides, and has so many pixels.
fn png(width: u32, height: u32, pixels: usize) -> Vec<u8> {
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let checked = [kind, data].concat();
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        [&length[..], &checked, &crc32(&checked).to_be_bytes()].concat()
    };
    let row = usize::try_from(width).unwrap().min(pixels);
    // Each row begins with the number of its filter.
    let rows = [&[0][..], &vec![128; row]].concat().repeat(pixels / row);
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    let signature = b"\x89PNG\r\n\x1a\n".to_vec();
    [signature, chunk(b"IHDR", &head), chunk(b"IDAT", &stored(&rows)), chunk(b"IEND", b"")].concat()
}

/// Bytes in the form of zlib, without making them fewer.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let blocks = bytes.chunks(0xffff).count();
    for (number, block) in bytes.chunks(0xffff).enumerate() {
        let length = u16::try_from(block.len()).unwrap();
        out.push(u8::from(number + 1 == blocks));
        out.extend([length.to_le_bytes(), (!length).to_le_bytes()].concat());
        out.extend(block);
    }
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    out.extend((b << 16 | a).to_be_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// Width and height, which a PNG begins with.
fn dimensions(png: &[u8]) -> (u32, u32) {
    let number = |place: usize| u32::from_be_bytes(png[place..place + 4].try_into().unwrap());
    (number(16), number(20))
}
