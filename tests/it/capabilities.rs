//! What a guest may see and reach: nothing but what it is given.

use std::time::{SystemTime, UNIX_EPOCH};

use support::{TestHost, eventually};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
    task::JoinHandle,
};

async fn start(settings: &str) -> TestHost {
    TestHost::start(&format!("[functions.f]\ncomponent = \"{{misbehave}}\"\n{settings}\n")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_the_functions_own_and_the_platforms() {
    let server = "[server]\naccount_id = \"123456\"\nregion = \"cn-test\"\n";
    let settings = "service = \"shop\"\nhandler = \"index.handler\"\nmemory = \"64 MB\"\nenvironment = { OWN = \"1\" }";
    let host = TestHost::start(&format!("{server}[functions.f]\ncomponent = \"{{misbehave}}\"\n{settings}\n")).await;
    let path = "/2016-08-15/services/shop/functions/f/invocations";
    let answer = support::client::send(host.api, "POST", path, &[], b"envs".to_vec()).await;
    let expected = serde_json::json!({
        "FC_ACCOUNT_ID": "123456",
        "FC_CUSTOM_LISTEN_PORT": "9000",
        "FC_FUNC_CODE_PATH": "/code",
        "FC_FUNCTION_HANDLER": "index.handler",
        "FC_FUNCTION_MEMORY_SIZE": "64",
        "FC_FUNCTION_NAME": "f",
        "FC_INSTANCE_ID": answer.header("x-fc-instance-id"),
        "FC_QUALIFIER": "LATEST",
        "FC_REGION": "cn-test",
        "FC_SERVER_PORT": "9000",
        "FC_SERVICE_NAME": "shop",
        "OWN": "1",
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_context_tells_the_function_about_itself_and_its_call() {
    let settings = "handler = \"h\"\ninitializer = \"i\"\nmemory = \"64 MB\"\ntimeout = \"7 s\"\nlog_project = \"p\"\nlog_store = \"s\"";
    let host = start(settings).await;
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let answer = host.invoke_with("f", "context", &[("traceparent", trace)]).await;
    let context = answer.json();
    assert_eq!(context["requestId"], answer.header("x-fc-request-id"));
    assert_eq!((&context["traceParent"], &context["retryCount"]), (&trace.into(), &0.into()));
    let deadline = context["deadlineMs"].as_u64().unwrap();
    assert!((before + 7_000..before + 17_000).contains(&deadline), "{deadline} from {before}");
    let function = serde_json::json!({
        "name": "f", "handler": "h", "memory": 64, "timeout": 7, "initializer": "i", "initializationTimeout": 3,
    });
    let service = serde_json::json!({
        "name": "default", "logProject": "p", "logStore": "s", "qualifier": "LATEST", "versionId": "",
    });
    assert_eq!((&context["function"], &context["service"]), (&function, &service));
    assert_eq!(context["instanceId"], answer.header("x-fc-instance-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_is_right_and_randomness_differs_between_instances() {
    let host = start("isolation = \"request\"").await;
    let told: u128 = host.invoke("f", "now").await.text().parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    assert!(now.abs_diff(told) < 60_000, "{told} at {now}");
    assert_ne!(host.invoke("f", "random").await.text(), host.invoke("f", "random").await.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_directory_is_not_seen_where_it_lies_among_the_code() {
    let code = tempfile::tempdir().unwrap();
    let data = code.path().join(".wisp");
    let (inside, packages) = (data.join("code/x"), data.join("site-packages"));
    for directory in [&inside, &packages] {
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(directory.join("file"), "seen").unwrap();
    }
    std::fs::create_dir(code.path().join("lib")).unwrap();
    std::fs::write(code.path().join("lib/file"), "seen").unwrap();
    std::os::unix::fs::symlink(".wisp/code", code.path().join("link")).unwrap();
    std::os::unix::fs::symlink("../.wisp/code/x/file", code.path().join("lib/link")).unwrap();
    let toml = format!(
        "[server]\ndata_dir = \"{}\"\n[functions.f]\ncomponent = \"{{misbehave}}\"\ncode_dir = \"{}\"\n",
        data.display(),
        code.path().display()
    );
    let host = TestHost::start(&toml).await;
    for path in ["lib/file", "lib/../lib/file", ".wisp/site-packages/file"] {
        assert_eq!(host.invoke("f", format!("read:/code/{path}")).await.text(), "seen", "{path}");
    }
    for path in [
        ".wisp/catalog.db",
        ".wisp/artifacts/key",
        ".wisp/code/x/file",
        "lib/../.wisp/code/x/file",
        ".wisp/site-packages/../code/x/file",
        "link/x/file",
        "lib/link",
    ] {
        let answer = host.invoke("f", format!("read:/code/{path}")).await;
        assert!(answer.error_message().contains("No such file"), "{path}: {}", answer.text());
    }
    assert_eq!(host.invoke("f", "write:/tmp/kept:5").await.text(), "5", "scratch directories lie there too");
    assert_eq!(host.invoke("f", "read:/tmp/kept").await.text(), "wwwww");
    assert_eq!(host.invoke("f", "list:/tmp").await.text(), "kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_directory_can_be_read_and_not_written() {
    let code = tempfile::tempdir().unwrap();
    std::fs::write(code.path().join("data.txt"), "from the code").unwrap();
    let host = start(&format!("code_dir = \"{}\"", code.path().display())).await;
    assert_eq!(host.invoke("f", "list:/code").await.text(), "data.txt");
    assert_eq!(host.invoke("f", "read:/code/data.txt").await.text(), "from the code");
    for refused in ["write:/code/new.txt:1", "write:/code/data.txt:1", "remove:/code/data.txt"] {
        let answer = host.invoke("f", refused).await;
        assert_eq!(answer.header("x-fc-error-type"), "HandledInvocationError", "{refused}: {answer:?}");
    }
    assert_eq!(std::fs::read_to_string(code.path().join("data.txt")).unwrap(), "from the code");
    assert_eq!(std::fs::read_dir(code.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_out_of_the_directories() {
    let (code, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(outside.path(), code.path().join("link")).unwrap();
    let host = start(&format!("code_dir = \"{}\"", code.path().display())).await;
    let secret = outside.path().join("secret").display().to_string();
    for path in ["/etc/passwd", "/", "/code/link/secret", "/code/../etc/passwd", "/tmp/../../../etc/passwd", &secret] {
        let answer = host.invoke("f", format!("read:{path}")).await;
        assert_eq!(answer.header("x-fc-error-type"), "HandledInvocationError", "{path}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scratch_files_last_as_long_as_their_instance() {
    let host = start("max_requests_per_instance = 3\nmax_instances = 1").await;
    assert_eq!(host.invoke("f", "write:/tmp/kept:5").await.text(), "5");
    assert_eq!(host.invoke("f", "read:/tmp/kept").await.text(), "wwwww");
    assert_eq!(host.invoke("f", "list:/tmp").await.text(), "kept");
    assert_eq!(host.invoke("f", "list:/tmp").await.text(), "", "in the next instance");
}

#[tokio::test(flavor = "multi_thread")]
async fn scratch_directories_leave_nothing_behind() {
    let host = start("idle_timeout = \"300 ms\"").await;
    let scratch = host.host.server().data_dir.join("scratch");
    host.invoke("f", "write:/tmp/left-behind:5").await;
    let left_behind = || {
        let hosts = std::fs::read_dir(&scratch).unwrap().flatten();
        let mut instances = hosts.flat_map(|host| std::fs::read_dir(host.path()).into_iter().flatten().flatten());
        instances.any(|instance| instance.path().join("left-behind").exists())
    };
    assert!(left_behind());
    eventually("the files are gone", || async { !left_behind() }).await;
    assert_eq!(host.live("f").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scratch_directory_holds_so_much_and_what_is_removed_is_free_again() {
    let host = start("scratch = \"1 MB\"\nmax_instances = 1").await;
    let refused = host.invoke("f", "write:/tmp/large:2000000").await;
    assert_eq!(refused.header("x-fc-error-type"), "HandledInvocationError");
    assert!(refused.error_message().to_lowercase().contains("no space"), "{refused:?}");
    host.invoke("f", "remove:/tmp/large").await;
    assert_eq!(host.invoke("f", "write:/tmp/small:500000").await.text(), "500000");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_scratch_there_is_no_directory() {
    let host = start("scratch = \"0 MB\"").await;
    let answer = host.invoke("f", "write:/tmp/file:1").await;
    assert_eq!(answer.header("x-fc-error-type"), "HandledInvocationError", "{answer:?}");
}

/// A server on a port of its own that greets whoever connects, with HTTP if asked by it.
async fn greeter() -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 1024];
            let count = stream.read(&mut asked).await.unwrap_or(0);
            let answer: &[u8] = if asked[..count].starts_with(b"GET") {
                b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\ngreeted"
            } else {
                b"greeted"
            };
            let _ = stream.write_all(answer).await;
        }
    });
    (port, serve)
}

async fn reaching(rules: &str) -> TestHost {
    start(&format!("allowed_outbound = [{rules}]\nisolation = \"request\"\ntimeout = \"10 s\"")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_reached_by_default() {
    let (port, _serve) = greeter().await;
    let host = reaching("").await;
    for event in [
        format!("connect:127.0.0.1:{port}"),
        format!("connect:localhost:{port}"),
        format!("fetch:http://127.0.0.1:{port}/"),
        format!("fetch:http://localhost:{port}/"),
        format!("udp:127.0.0.1:{port}"),
        "resolve:localhost".to_owned(),
    ] {
        let answer = host.invoke("f", event.clone()).await.text().to_lowercase();
        assert!(answer.contains("denied"), "{event}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_address_is_reached_on_its_port_alone() {
    let (port, _serve) = greeter().await;
    let (other, _other_serve) = greeter().await;
    let host = reaching(&format!("\"127.0.0.1:{port}\"")).await;
    assert_eq!(host.invoke("f", format!("connect:127.0.0.1:{port}")).await.text(), "connected: greeted");
    assert_eq!(host.invoke("f", format!("fetch:http://127.0.0.1:{port}/")).await.text(), "200 greeted");
    for event in [format!("connect:127.0.0.1:{other}"), format!("fetch:http://127.0.0.1:{other}/")] {
        let answer = host.invoke("f", event.clone()).await.text().to_lowercase();
        assert!(answer.contains("denied"), "{event}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_allows_all_of_its_addresses() {
    let (port, _serve) = greeter().await;
    let host = reaching("\"127.0.0.0/8:*\"").await;
    assert_eq!(host.invoke("f", format!("connect:127.0.0.1:{port}")).await.text(), "connected: greeted");
}

#[tokio::test(flavor = "multi_thread")]
async fn localhost_is_allowed_by_its_name() {
    let (port, _serve) = greeter().await;
    let host = reaching(&format!("\"localhost:{port}\"")).await;
    assert_eq!(host.invoke("f", format!("fetch:http://localhost:{port}/")).await.text(), "200 greeted");
    let resolved = host.invoke("f", "resolve:localhost").await.text();
    assert!(resolved.split(' ').any(|address| address == "127.0.0.1" || address == "::1"), "{resolved}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_does_not_reach_this_machine() {
    let (port, _serve) = greeter().await;
    let host = reaching("\"*:*\"").await;
    for event in [
        format!("connect:127.0.0.1:{port}"),
        format!("fetch:http://127.0.0.1:{port}/"),
        format!("fetch:http://localhost:{port}/"),
        format!("fetch:http://[::ffff:127.0.0.1]:{port}/"),
        format!("connect:0.0.0.0:{port}"),
    ] {
        let answer = host.invoke("f", event.clone()).await.text();
        assert!(!answer.contains("greeted"), "{event}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_reach_an_allowed_address() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let host = reaching(&format!("\"127.0.0.1:{port}\"")).await;
    let answer = async {
        let mut datagram = [0; 64];
        let (length, from) = socket.recv_from(&mut datagram).await.unwrap();
        socket.send_to(&datagram[..length], from).await.unwrap();
    };
    let (answered, ()) = tokio::join!(host.invoke("f", format!("udp:127.0.0.1:{port}")), answer);
    assert_eq!(answered.text(), "received: hello\n");
}
