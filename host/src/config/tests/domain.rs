//! Custom domains.

use super::*;

/// What is reported for one domain, beside two functions of which one has a trigger.
fn wrong_domain(name: &str, routes: &str) -> String {
    let functions = "functions.web = { component = \"a\", http = {} }\nfunctions.job = { component = \"a\" }\n";
    wrong(&format!("{functions}[domains.{name:?}]\nroutes = [{routes}]\n"))
}

#[test]
fn wrong_domains_say_what_to_write() {
    let labels = "is no domain name; its labels have 1 to 63 letters, digits and inner `-`, and no port follows";
    let top = "ends in no top-level domain; addresses are served without a domain";
    for (name, reason) in [
        ("a.net:80", labels),
        ("-a.net", labels),
        ("a..net", labels),
        ("*.a.net", labels),
        ("a.net.", labels),
        ("127.0.0.1", top),
        ("a.n", top),
    ] {
        let expected = format!("wisp.toml:3: [domains.{name:?}]: {name:?} {reason}");
        assert_eq!(wrong_domain(name, r#"{ path = "/", function = "web" }"#), expected);
    }
}

#[test]
fn wrong_routes_say_what_to_write() {
    for (route, message) in [
        (r#"{ path = "/" }"#, "`function` in [domains.\"a.net\".routes]: is missing"),
        (r#"{ function = "web" }"#, "`path` in [domains.\"a.net\".routes]: is missing"),
        (
            r#"{ path = "/a*", function = "web" }"#,
            "`path` in [domains.\"a.net\".routes]: \"/a*\" has a `*` that is not a last segment of its own, as in `/a/*`",
        ),
        (
            r#"{ path = "/*/a", function = "web" }"#,
            "`path` in [domains.\"a.net\".routes]: \"/*/a\" has a `*` that is not a last segment of its own, as in `/a/*`",
        ),
        (
            r#"{ path = "/a?b", function = "web" }"#,
            "`path` in [domains.\"a.net\".routes]: \"/a?b\" is more than a path of at most 2048 characters; leave query and fragment out",
        ),
        (
            r#"{ path = "/", function = "job" }"#,
            "route `/`: function job has no HTTP trigger; add [functions.job.http]",
        ),
        (r#"{ path = "/", function = "web", service = "x" }"#, "route `/`: no function web in service x"),
        (
            r#"{ path = "/", function = "web", qualifier = "a b" }"#,
            "`qualifier` in [domains.\"a.net\".routes]: \"a b\" is no name; give 1 to 128 letters, digits, `_` and `-` that start with a letter or `_`",
        ),
        (
            r#"{ path = "/", function = "web", methods = ["get"] }"#,
            "`methods` in [domains.\"a.net\".routes]: \"get\" is none of HEAD, POST, PUT, GET, DELETE, PATCH, OPTIONS",
        ),
        (
            r#"{ path = "/", function = "web", metods = ["GET"] }"#,
            "unknown key `metods` in [domains.\"a.net\".routes]; did you mean `methods`?",
        ),
        (
            r#"{ path = "/", function = "web" }, { path = "/", function = "web", methods = ["GET"] }"#,
            "`routes` in [domains.\"a.net\"]: `/` is routed twice for the same method; remove one",
        ),
        ("3", "`routes` in [domains.\"a.net\"]: expected a table, found integer"),
    ] {
        assert_eq!(wrong_domain("a.net", route), format!("wisp.toml:4: {message}"), "{route}");
    }
}

#[test]
fn one_path_may_have_a_route_for_each_method() {
    config(
        "functions.web = { component = \"a\", http = {} }\n[domains.\"a.net\"]\nroutes = [{ path = \"/\", function = \
         \"web\", methods = [\"GET\"] }, { path = \"/\", function = \"web\", methods = [\"PUT\"], qualifier = \"7\" }]\n",
    );
}

#[test]
fn what_is_wrong_with_the_https_of_a_domain_is_named() {
    let domain = |lines: &str| {
        let route = "routes = [{ path = \"/*\", function = \"f\" }]";
        wrong(&format!("[functions.f]\ncomponent = \"f.wasm\"\nhttp = {{}}\n[domains.\"a.net\"]\n{route}\n{lines}\n"))
    };
    for (lines, reason) in [
        ("protocol = \"https\"", "`protocol` in [domains.\"a.net\"]: is \"https\", but there is no certificate"),
        (
            "protocol = \"ftp\"",
            "`protocol` in [domains.\"a.net\"]: \"ftp\" is none of \"http\", \"https\", \"http,https\"",
        ),
        ("certificate = \"Cargo.toml\"", "`certificate` in [domains.\"a.net\"]: is given without `private_key`"),
        ("private_key = \"Cargo.toml\"", "`private_key` in [domains.\"a.net\"]: is given without `certificate`"),
        ("certificate = \"none.pem\"\nprivate_key = \"none.pem\"", "none.pem cannot be read"),
        ("certificate = \"Cargo.toml\"\nprivate_key = \"Cargo.toml\"", "the certificate cannot be read as PEM"),
    ] {
        let said = domain(lines);
        assert!(said.contains(reason), "{lines}: {said}");
    }
    let taken = wrong("[server]\ntls_listen = \"0.0.0.0:9001\"\n");
    assert!(taken.contains("`tls_listen` in [server]: 0.0.0.0:9001 is taken by `api_listen`"), "{taken}");
    assert_eq!(config("").server.tls_listen, None);
}
