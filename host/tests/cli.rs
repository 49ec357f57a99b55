//! The command line through the real binary: a wisp that serves, and the commands that talk to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

const WISP: &str = env!("CARGO_BIN_EXE_wisp");

const KEY: &str = "[[access_keys]]\nid = \"admin\"\nsecret = \"0123456789abcdef\"\n\
                   [[access_keys]]\nid = \"reader\"\nsecret = \"fedcba9876543210\"\nscope = \"read-only\"\n";

/// A running wisp, ended when this is dropped.
struct Wisp {
    process: Child,
    api: String,
    directory: TempDir,
}

impl Drop for Wisp {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a command said.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Wisp {
    /// Serves a `wisp.toml` in a directory of its own.
    fn serve(toml: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("server")).unwrap();
        fs::write(directory.path().join("server/wisp.toml"), toml).unwrap();
        let mut process = Command::new(WISP)
            .args(["serve", "-c", "server/wisp.toml", "--listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"])
            .current_dir(directory.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
        let mut seen = Vec::new();
        let api = lines.by_ref().find_map(|line| {
            seen.push(line.clone());
            line.trim().strip_prefix("API").map(|rest| rest.trim().trim_start_matches("http://").to_owned())
        });
        // Somebody has to read on, or the server would wait for room in the pipe one day.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, api: api.unwrap_or_else(|| panic!("{seen:?}")), directory }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(WISP);
        command.args(arguments).args(["--server", &self.api]).current_dir(self.directory.path()).stdin(Stdio::null());
        for variable in ["WISP_SERVER", "WISP_CONFIG", "WISP_ACCESS_KEY_ID", "WISP_ACCESS_KEY_SECRET"] {
            command.env_remove(variable);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        said(&mut self.command(arguments))
    }

    /// What a command that succeeds prints.
    fn ok(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        said.out
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// The first words of the lines of a table, without its heading.
    fn rows(&self, arguments: &[&str]) -> Vec<Vec<String>> {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        self.ok(arguments).lines().skip(1).map(words).collect()
    }

    fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        let path = self.directory.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A project with the smallest program that there is, which answers every event with nothing.
    fn write_project(&self, memory: u32) {
        let program = wat::parse_str("(module (memory (export \"memory\") 1) (func (export \"_start\")))").unwrap();
        self.write("code/f.wasm", program);
        self.write("template.yml", template(memory));
    }
}

fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

fn template(memory: u32) -> String {
    format!(
        "\
ROSTemplateFormatVersion: '2015-09-01'
Transform: 'Aliyun::Serverless-2018-04-03'
Resources:
  shop:
    Type: 'Aliyun::Serverless::Service'
    Properties: {{ Description: 'a shop' }}
    orders:
      Type: 'Aliyun::Serverless::Function'
      Properties: {{ Handler: index.handler, Runtime: custom, CodeUri: './code', MemorySize: {memory} }}
      Events:
        web: {{ Type: HTTP, Properties: {{ AuthType: ANONYMOUS, Methods: ['GET', 'POST'] }} }}
  shop.example.com:
    Type: 'Aliyun::Serverless::CustomDomain'
    Properties:
      Protocol: HTTP
      RouteConfig: {{ Routes: {{ '/*': {{ ServiceName: shop, FunctionName: orders }} }} }}
"
    )
}

/// Action, kind and name of each step.
fn steps(document: &Value) -> Vec<String> {
    let step = |step: &Value| ["action", "kind", "name"].map(|key| step[key].as_str().unwrap().to_owned()).join(" ");
    document["steps"].as_array().unwrap().iter().map(step).collect()
}

#[test]
fn a_project_is_planned_deployed_changed_and_removed() {
    let wisp = Wisp::serve("");
    wisp.write_project(128);
    let everything = ["service shop", "function shop/orders", "trigger shop/orders/web", "domain shop.example.com"];

    let plan = wisp.json(&["deploy", "--dry-run"]);
    assert_eq!(steps(&plan), everything.map(|it| format!("create {it}")));
    assert!(wisp.ok(&["list", "services"]).contains("has no services"), "a dry run changes nothing");

    let said = wisp.run(&["deploy"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("created function shop/orders"), "{said:?}");
    assert!(said.err.contains("4 created, 0 updated, 0 kept"), "{said:?}");
    assert_eq!(wisp.rows(&["list", "functions", "shop"])[0][..3], ["shop/orders", "custom", "index.handler"]);
    assert_eq!(wisp.ok(&["invoke", "orders", "--service", "shop"]), "");
    assert_eq!(wisp.ok(&["logs", "shop/orders"]), "", "it says nothing");
    assert_eq!(wisp.run(&["logs", "other/orders"]).code, 1);

    let again = wisp.json(&["deploy"]);
    assert_eq!(steps(&again), everything.map(|it| format!("keep {it}")));

    wisp.write_project(256);
    let said = wisp.run(&["deploy"]);
    assert!(said.out.contains("update  function  shop/orders       memorySize 128 → 256"), "{said:?}");
    assert_eq!(wisp.json(&["get", "function", "shop/orders"])["memorySize"], 256);
    wisp.write("code/README", "more");
    assert_eq!(steps(&wisp.json(&["deploy"]))[1], "update function shop/orders");

    let refused = wisp.run(&["remove", "service", "shop"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.contains("--yes says so"), "{refused:?}");
    assert!(refused.out.contains("remove  domain    shop.example.com"), "{refused:?}");
    let said = wisp.run(&["remove", "service", "shop", "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    let removed: Vec<&str> = said.err.lines().filter(|line| line.starts_with("removed")).collect();
    assert_eq!(
        removed,
        [
            "removed domain shop.example.com",
            "removed trigger shop/orders/web",
            "removed function shop/orders",
            "removed service shop"
        ]
    );
    assert!(wisp.ok(&["list", "services"]).contains("has no services"));
}

#[test]
fn versions_aliases_triggers_and_domains_are_managed() {
    let wisp = Wisp::serve("");
    wisp.write_project(128);
    wisp.ok(&["deploy"]);

    assert_eq!(wisp.ok(&["publish", "shop", "-d", "the first"]), "published version 1 of shop\n");
    wisp.write_project(256);
    wisp.ok(&["deploy"]);
    assert_eq!(wisp.json(&["publish", "shop"])["versionId"], "2");
    assert_eq!(wisp.rows(&["list", "versions", "shop"]).len(), 2);
    assert!(wisp.ok(&["get", "version", "shop/1"]).contains("the first"));

    assert!(wisp.ok(&["alias", "shop/prod", "1", "--share", "2=0.25"]).starts_with("created alias shop/prod"));
    assert_eq!(wisp.json(&["get", "alias", "shop/prod"])["additionalVersionWeight"]["2"], 0.25);
    assert!(wisp.ok(&["alias", "shop/prod", "2"]).starts_with("updated alias shop/prod"));
    assert_eq!(wisp.json(&["get", "alias", "shop/prod"])["versionId"], "2");
    let in_use = wisp.run(&["remove", "version", "shop/2", "--yes"]);
    assert_eq!(in_use.code, 1, "{in_use:?}");
    assert!(in_use.err.contains("removing version shop/2 failed"), "{in_use:?}");

    assert!(wisp.ok(&["trigger", "shop/orders/web", "--methods", "GET"]).starts_with("updated trigger"));
    assert_eq!(
        wisp.json(&["get", "trigger", "shop/orders/web"])["triggerConfig"]["methods"],
        serde_json::json!(["GET"])
    );
    let wrong = wisp.run(&["trigger", "shop/orders/web", "--cron", "@every 1m"]);
    assert!(wrong.err.contains("`wisp remove trigger shop/orders/web` removes it"), "{wrong:?}");

    wisp.ok(&["domain", "other.example.com", "--route", "/pay/*=shop/orders@prod"]);
    let domains = wisp.ok(&["list", "domains"]);
    assert!(domains.contains("other.example.com  HTTP      /pay/* → shop/orders"), "{domains}");
    wisp.ok(&["remove", "domain", "other.example.com", "--yes"]);
    let gone = wisp.run(&["get", "domain", "other.example.com"]);
    assert_eq!((gone.code, gone.err.as_str()), (1, "error: there is no domain other.example.com\n"));
}

#[test]
fn kept_instances_and_routes_go_with_what_they_are_for() {
    let wisp = Wisp::serve("");
    wisp.write_project(128);
    let function = "service = \"shop\"\ncomponent = \"code/f.wasm\"\nmin_instances = 1\npre_stop = true\n\
                    [functions.NAME.async]\nmax_retry_attempts = 1\n[functions.NAME.http]\n";
    let route = |name: &str| format!("{{ path = \"/{name}/*\", service = \"shop\", function = \"{name}\" }}");
    let functions = ["orders", "pay"].map(|name| format!("[functions.{name}]\n{}", function.replace("NAME", name)));
    let domain = format!("[domains.\"shop.example.com\"]\nroutes = [{}, {}]\n", route("orders"), route("pay"));
    wisp.write("own.toml", format!("{}{domain}", functions.concat()));
    let deploy = ["deploy", "-f", "own.toml"];
    let created = steps(&wisp.json(&deploy));
    for step in ["create async config shop/orders", "create provision config shop/pay"] {
        assert!(created.iter().any(|it| it == step), "{created:?}");
    }
    let again = steps(&wisp.json(&deploy));
    assert!(again.iter().all(|step| step.starts_with("keep")), "{again:?}");

    let plan: Value =
        serde_json::from_str(&wisp.ok(&["remove", "function", "shop/pay", "--dry-run", "--json"])).unwrap();
    let planned: Vec<_> = plan.as_array().unwrap().iter().map(|it| format!("{} {}", it["kind"], it["name"])).collect();
    let expected = [
        "route /pay/* of shop.example.com",
        "provision config shop/pay@LATEST",
        "trigger shop/pay/http",
        "function shop/pay",
    ];
    assert_eq!(planned.iter().map(|it| it.replace('"', "")).collect::<Vec<_>>(), expected);
    wisp.ok(&["remove", "function", "shop/pay", "--yes"]);
    let domains = wisp.ok(&["list", "domains"]);
    assert!(domains.contains("/orders/*") && !domains.contains("/pay/*"), "{domains}");
    wisp.ok(&["remove", "service", "shop", "--yes"]);
    assert!(wisp.ok(&["list", "domains"]).contains("has no domains"));
}

#[test]
fn functions_of_3_are_deployed_without_a_service() {
    let wisp = Wisp::serve("");
    wisp.write_project(128);
    fs::remove_file(wisp.directory.path().join("template.yml")).unwrap();
    wisp.write(
        "s.yaml",
        "edition: 3.0.0\nname: app\nresources:\n  f:\n    component: fc3\n    props:\n      region: ${env('REGION', 'local')}\n      \
         functionName: solo\n      runtime: custom\n      handler: index.handler\n      code: ./code\n      memorySize: 128\n      \
         cpu: 0.1\n      triggers:\n        - { triggerName: web, triggerType: http, triggerConfig: { authType: anonymous, \
         methods: [GET] } }\n",
    );
    assert_eq!(steps(&wisp.json(&["deploy"])), ["create function solo", "create trigger solo/web"]);
    assert_eq!(steps(&wisp.json(&["deploy"])), ["keep function solo", "keep trigger solo/web"]);
    assert_eq!(wisp.rows(&["list", "functions"])[0][0], "solo");
    assert_eq!(wisp.ok(&["publish", "solo"]), "published version 1 of solo\n");
    wisp.ok(&["alias", "solo/prod", "1"]);
    let said = wisp.run(&["remove", "function", "solo", "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("removed alias solo/prod") && said.err.contains("removed version solo/1"), "{said:?}");
}

#[test]
fn a_wisp_with_access_keys_wants_signed_requests() {
    let wisp = Wisp::serve(KEY);
    wisp.write_project(128);
    let unsigned = wisp.run(&["deploy"]);
    assert_eq!(unsigned.code, 1, "{unsigned:?}");
    assert!(unsigned.err.contains("required HTTP header Authorization was not specified"), "{unsigned:?}");

    let with = |id: &str, secret: &str, arguments: &[&str]| {
        let mut command = wisp.command(arguments);
        said(command.env("WISP_ACCESS_KEY_ID", id).env("WISP_ACCESS_KEY_SECRET", secret))
    };
    let wrong = with("admin", "another-secret-0", &["deploy"]);
    assert!(wrong.err.contains("SignatureNotMatch"), "{wrong:?}");
    let unknown = with("nobody", "another-secret-0", &["list", "services"]);
    assert!(unknown.err.contains("invalid access key ID 'nobody'"), "{unknown:?}");
    let deployed = with("admin", "0123456789abcdef", &["deploy"]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    assert!(!deployed.err.contains("0123456789abcdef"));

    let read = with("reader", "fedcba9876543210", &["get", "function", "shop/orders"]);
    assert_eq!(read.code, 0, "{read:?}");
    let write = with("reader", "fedcba9876543210", &["remove", "service", "shop", "--yes"]);
    assert_eq!(write.code, 1, "{write:?}");
    assert!(write.err.contains("AccessDenied"), "{write:?}");

    // The configuration of the server has a key as well.
    assert!(wisp.ok(&["list", "services", "-c", "server/wisp.toml"]).contains("shop"));
}

#[test]
fn a_shell_is_told_the_names_that_there_are() {
    let wisp = Wisp::serve("");
    wisp.write_project(128);
    wisp.ok(&["deploy"]);
    let complete = |line: &[&str]| {
        let mut command = Command::new(WISP);
        command
            .arg("--")
            .args(line)
            .env("COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", (line.len() - 1).to_string())
            .env("_CLAP_COMPLETE_COMP_TYPE", "9")
            .env("_CLAP_COMPLETE_SPACE", "true")
            .env("_CLAP_IFS", "\n")
            .env("WISP_SERVER", &wisp.api)
            .current_dir(wisp.directory.path());
        said(&mut command).out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["wisp", "get", "function", "sh"]), ["shop/orders"]);
    assert_eq!(complete(&["wisp", "remove", "trigger", "shop/orders/"]), ["shop/orders/", "shop/orders/web"]);
    assert_eq!(complete(&["wisp", "get", "domain", ""])[0], "shop.example.com");
    assert_eq!(complete(&["wisp", "publish", "s"]), ["shop"]);
    assert!(complete(&["wisp", "dep"]).contains(&"deploy".to_owned()));
}

#[test]
fn what_cannot_be_deployed_says_why() {
    let wisp = Wisp::serve("");
    let nothing = wisp.run(&["deploy"]);
    assert_eq!(nothing.code, 2, "{nothing:?}");
    assert!(nothing.err.contains("there is no wisp.toml"), "{nothing:?}");
    wisp.write("template.yml", template(128));
    let no_code = wisp.run(&["deploy"]);
    assert!(no_code.err.contains("the code of function shop/orders at"), "{no_code:?}");
    wisp.write("code/readme.txt", "nothing to run");
    let unusable = wisp.run(&["deploy"]);
    assert_eq!(unusable.code, 1, "{unusable:?}");
    assert!(unusable.err.contains("creating function shop/orders failed (1 step done before"), "{unusable:?}");
    assert!(unusable.err.contains("readme.txt"), "{unusable:?}");
    wisp.write("template.yml", "Resources: [\n");
    let broken = wisp.run(&["deploy"]);
    assert_eq!(broken.code, 2, "{broken:?}");
    assert!(broken.err.contains("template.yml:") && broken.err.contains("not YAML"), "{broken:?}");
}
