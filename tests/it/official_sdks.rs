//! The four official SDK packages as clients of the real host: every operation that their clients have.
//!
//! The steps themselves are the programs in `tests/clients`; each names the operation that it tries.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
};

use support::{EVENT, MISBEHAVE, TestHost, root, sdk, sdk::Sdk};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

const ACCOUNT: &str = "1234567890";
const REGION: &str = "cn-test";

const ADMIN: &str = "admin-key:admin-secret-0123456789";
const INVOKE: &str = "invoke-key:invoke-secret-0123456789";
const READ_ONLY: &str = "reader-key:reader-secret-0123456789";
/// Keys that are lent start with `STS` for the SDKs.
const LENT: &str = "STS.lent-key:lent-secret-0123456789:the-token";

/// A host with access keys.
async fn start() -> TestHost {
    let keys = [(ADMIN, "admin"), (INVOKE, "invoke"), (READ_ONLY, "read-only"), (LENT, "admin")];
    let keys: String = keys.iter().map(|(key, scope)| access_key(key, scope)).collect();
    let toml = format!("[server]\naccount_id = \"{ACCOUNT}\"\nregion = \"{REGION}\"\n{keys}");
    let runtimes = ["guest-sdk/js/runtime", "guest-sdk/python/runtime"].map(|place| root().join(place));
    TestHost::start_building(&toml, runtimes.to_vec()).await
}

fn access_key(key: &str, scope: &str) -> String {
    let mut parts = key.split(':');
    let (id, secret) = (parts.next().unwrap(), parts.next().unwrap());
    let token = parts.next().map_or(String::new(), |token| format!("security_token = \"{token}\"\n"));
    format!("[[access_keys]]\nid = \"{id}\"\nsecret = \"{secret}\"\nscope = \"{scope}\"\n{token}")
}

/// What the programs read from their environment.
fn environment(api: &str, triggers: &str, packages: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("WISP_API", api.into()),
        ("WISP_TRIGGERS", triggers.into()),
        ("WISP_ACCOUNT", ACCOUNT.into()),
        ("WISP_REGION", REGION.into()),
        ("WISP_ADMIN_KEY", ADMIN.into()),
        ("WISP_INVOKE_KEY", INVOKE.into()),
        ("WISP_READ_ONLY_KEY", READ_ONLY.into()),
        ("WISP_TOKEN_KEY", LENT.into()),
        ("WISP_PACKAGES", packages.display().to_string()),
    ]
}

fn deflated() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)
}

/// A code package of files, each with its content.
fn pack(path: &Path, files: &[(&str, &[u8])]) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, content) in files {
        zip.start_file(*name, deflated()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap();
}

/// Sources as people pack them, right and wrong.
fn pack_sources(package: impl Fn(&str) -> PathBuf) {
    let javascript = "const fs = require('node:fs');\n\
                      exports.handler = async (event) =>\n  \
                      `index.js was told ${event} and has ${fs.readFileSync('/code/data.txt', 'utf8')}`;\n\
                      exports.other = async () => 'the other';\n";
    let manifest = r#"{ "name": "f", "main": "index.js", "dependencies": {} }"#;
    let files: [(&str, &[u8]); 3] =
        [("index.js", javascript.as_bytes()), ("data.txt", b"data"), ("package.json", manifest.as_bytes())];
    pack(&package("sources-js"), &files);
    pack(&package("sources-js-broken"), &[("index.js", b"const a = 1;\nconst b = ;\nexports.handler = () => a;\n")]);
    let manifest = r#"{ "dependencies": { "left-pad": "1" } }"#;
    let source = b"const pad = require('left-pad');\nexports.handler = async () => pad('x', 2);\n";
    pack(&package("sources-js-packages"), &[("index.js", source), ("package.json", manifest.as_bytes())]);
    let python = b"def handler(event, context):\n    return b'main.py was told ' + event\n";
    pack(&package("sources-py"), &[("main.py", python), ("requirements.txt", b"# none\n")]);
    pack(&package("sources-py-broken"), &[("main.py", b"import json\ndef handler(event, context)\n    return 1\n")]);
    let source = b"import nowhere_to_be_found\n\ndef handler(event, context):\n    return event\n";
    pack(&package("sources-py-packages"), &[("main.py", source), ("requirements.txt", b"nowhere-to-be-found==1.0\n")]);
}

/// Every package that the programs send: good ones, and one for each thing that can be wrong with one.
fn pack_all(directory: &Path) {
    let package = |name: &str| directory.join(format!("{name}.zip"));
    let event = std::fs::read(&*EVENT).unwrap();
    pack(&package("misbehave"), &[("misbehave.wasm", &std::fs::read(&*MISBEHAVE).unwrap())]);
    pack(&package("event"), &[("event.wasm", &event)]);
    pack_sources(package);
    pack(&package("empty"), &[]);
    pack(&package("broken"), &[("main.wasm", b"\0asm\x01\0\0\0garbage")]);
    pack(&package("traversal"), &[("event.wasm", &event), ("../../escaped.txt", b"x")]);
    let mut linked = ZipWriter::new(File::create(package("link")).unwrap());
    linked.start_file("event.wasm", deflated()).unwrap();
    linked.write_all(&event).unwrap();
    linked.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    linked.finish().unwrap();
    // A gigabyte of zeros in a megabyte.
    let mut bomb = ZipWriter::new(File::create(package("bomb")).unwrap());
    bomb.start_file("main.wasm", deflated()).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..1024).for_each(|_| bomb.write_all(&zeros).unwrap());
    bomb.finish().unwrap();
}

async fn run(sdk: Sdk, program: &'static str) {
    let directory = tempfile::tempdir().unwrap();
    let packages = directory.path().to_owned();
    tokio::task::spawn_blocking(move || pack_all(&packages)).await.unwrap();
    let host = start().await;
    let (api, triggers) = (format!("http://{}", host.api), format!("http://{}", host.trigger));
    sdk::run(sdk, program, &environment(&api, &triggers, directory.path())).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn npms_client_of_api_2016_08_15_is_answered() {
    run(Sdk::Node, "fc2.js").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn npms_client_of_api_2023_03_30_is_answered() {
    run(Sdk::Node, "fc20230330.js").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pypis_client_of_api_2016_08_15_is_answered() {
    run(Sdk::Python, "aliyun_fc2.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pypis_client_of_api_2023_03_30_is_answered() {
    run(Sdk::Python, "fc20230330.py").await;
}

/// `create_custom_domain` and `createCustomDomain` are one name.
fn plain_name(name: &str) -> String {
    name.chars().filter(|character| *character != '_').collect::<String>().to_lowercase()
}

#[test]
fn the_table_of_operations_has_every_operation_of_the_sdks() {
    let table = std::fs::read_to_string(root().join("docs/api-operations.md")).unwrap();
    let heading = |line: &&str| line.starts_with("## API ");
    for (api, programs) in [
        ("## API 2016-08-15", [(Sdk::Node, "fc2.js"), (Sdk::Python, "aliyun_fc2.py")]),
        ("## API 2023-03-30", [(Sdk::Node, "fc20230330.js"), (Sdk::Python, "fc20230330.py")]),
    ] {
        let part = table.lines().skip_while(|line| *line != api).skip(1).take_while(|line| !heading(line));
        let rows: Vec<_> = part.filter(|line| line.starts_with("| ")).collect();
        // Every second piece between backticks is a name.
        let named: Vec<_> = rows.iter().flat_map(|row| row.split('`').skip(1).step_by(2)).map(plain_name).collect();
        for (sdk, program) in programs {
            let operations = sdk::operations(sdk, program, &environment("http://127.0.0.1:1", "-", Path::new("-")));
            assert!(operations.len() > 40, "{program} has {} operations", operations.len());
            let missing: Vec<_> = operations.iter().filter(|it| !named.contains(&plain_name(it))).collect();
            assert!(missing.is_empty(), "{api}, {program}: docs/api-operations.md lacks {missing:?}");
        }
    }
}
