//! Access keys.

use super::*;

const KEY: &str = "[[access_keys]]\nid = \"admin\"\nsecret = \"0123456789abcdef\"\n";

#[test]
fn an_access_key_may_do_everything_unless_it_says_less() {
    let text = format!("{KEY}[[access_keys]]\nid = \"ci\"\nsecret = \"0123456789abcdef\"\nscope = \"invoke\"\n");
    let keys = config(&text).access_keys;
    let scopes: Vec<_> = keys.iter().map(|key| (&*key.id, key.scope)).collect();
    assert_eq!(scopes, [("admin", AccessScope::Admin), ("ci", AccessScope::Invoke)]);
    assert_eq!(keys[0].secret.expose(), "0123456789abcdef");
    assert_eq!(keys[0].security_token, None);
}

#[test]
fn a_secret_is_never_shown() {
    let text = format!("{KEY}security_token = \"fedcba9876543210\"\n");
    let shown = format!("{:?}", config(&text).access_keys);
    assert!(shown.contains("***") && !shown.contains("0123456789abcdef") && !shown.contains("fedcba"), "{shown}");
}

#[test]
fn a_secret_may_stand_in_a_file_or_in_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("key"), "from-the-file-0123\n").unwrap();
    let text =
        "[[access_keys]]\nid = \"a\"\nsecret_file = \"key\"\n[[access_keys]]\nid = \"b\"\nsecret_env = \"KEY\"\n";
    let look_up = |name: &str| (name == "KEY").then(|| "from-the-environment".to_owned());
    let config = parse_with(text, &directory.path().join("wisp.toml"), Environment::new(&look_up)).unwrap();
    let secrets: Vec<_> = config.access_keys.iter().map(|key| key.secret.expose()).collect();
    assert_eq!(secrets, ["from-the-file-0123", "from-the-environment"]);
}

#[test]
fn an_unusable_access_key_is_reported_without_its_secret() {
    let problems = wrong(
        "[[access_keys]]\nid = \"a:b\"\nsecret = \"short\"\nscope = \"root\"\n[[access_keys]]\nsecret_file = \
         \"nowhere\"\n[[access_keys]]\nid = \"c\"\nsecret = \"0123456789abcdef\"\nsecret_env = \"KEY\"\n\
         [[access_keys]]\nid = \"d\"\n",
    );
    assert_eq!(
        problems,
        "wisp.toml:2: `id` in [access_keys]: \"a:b\" is no id; give 1 to 128 printable ASCII characters without space, \
         `:`, `,` and `=`\n\
         wisp.toml:3: `secret` in [access_keys]: has less than 16 characters; `openssl rand -hex 20` makes one that \
         nobody guesses\n\
         wisp.toml:4: `scope` in [access_keys]: \"root\" is none of \"admin\", \"invoke\", \"read-only\"\n\
         wisp.toml:5: `id` in [access_keys]: is missing\n\
         wisp.toml:6: `secret_file` in [access_keys]: nowhere cannot be read: No such file or directory (os error 2)\n\
         wisp.toml:9: `secret` in [access_keys]: is given more than once; keep one of `secret`, `secret_file` and \
         `secret_env`\n\
         wisp.toml:10: `secret_env` in [access_keys]: the environment of wisp has no variable KEY; set it\n\
         wisp.toml:11: `secret` in [access_keys]: is missing; give `secret`, `secret_file` or `secret_env`"
    );
}

#[test]
fn an_access_key_is_defined_once() {
    let problems = wrong(&format!("{KEY}{KEY}"));
    assert_eq!(
        problems,
        "wisp.toml:4: access key \"admin\" is defined at wisp.toml:1 already; rename or remove one of them"
    );
}

#[test]
fn with_access_keys_the_api_may_be_reached_from_other_machines() {
    let text = format!("{KEY}[server]\napi_listen = \"0.0.0.0:9001\"\n");
    assert_eq!(config(&text).server.api_listen.port(), 9001);
}
