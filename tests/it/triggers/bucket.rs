//! A directory as a bucket, against the real file system.

use super::*;

fn toml(path: &Path, more: &str) -> String {
    format!(
        "{KEEPER}[sources.uploads]\ntype = \"bucket\"\npath = \"{}\"\nsettle = \"300 ms\"\n{more}\n[functions.f.triggers.t]\n\
         type = \"oss\"\nsource = \"uploads\"\nevents = [\"oss:ObjectCreated:*\", \"oss:ObjectRemoved:DeleteObject\"]\n\
         filter = {{ suffix = \".txt\" }}\n",
        path.display()
    )
}

/// Names and keys of what came.
async fn changes(api: SocketAddr) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let events = payloads(api, "t").await;
    events
        .iter()
        .map(|event| (text(&event["events"][0]["eventName"]), text(&event["events"][0]["oss"]["object"]["key"])))
        .collect()
}

fn put(key: &str) -> (String, String) {
    ("ObjectCreated:PutObject".to_owned(), key.to_owned())
}

fn deleted(key: &str) -> (String, String) {
    ("ObjectRemoved:DeleteObject".to_owned(), key.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_the_host_is_killed_is_told_at_the_next_start_and_nothing_twice() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (config, path) = (written(directory.path(), &toml(bucket.path(), "")), bucket.path());
    fs::write(path.join("before.txt"), "was there").unwrap();
    let host = HostProcess::start(&config);
    has_state(host.api, "t", "running").await;
    fs::create_dir(path.join("a")).unwrap();
    fs::write(path.join("a/one.txt"), "one").unwrap();
    fs::write(path.join("a/one.bin"), "left out").unwrap();
    in_time("one is told", || async { changes(host.api).await == [put("a/one.txt")] }).await;
    let events = payloads(host.api, "t").await;
    let object = &events[0]["events"][0]["oss"]["object"];
    assert_eq!(object["eTag"], "F97C5D29941BFB1B2FDAB0874906AB82");
    assert_eq!((&object["size"], &object["deltaSize"]), (&3.into(), &3.into()));
    assert_eq!(object["objectMeta"]["mimeType"], "text/plain");
    assert_eq!(events[0]["events"][0]["oss"]["bucket"]["arn"], "acs:oss:local:000000000000:uploads");
    drop(host);
    fs::write(path.join("two.txt"), "two").unwrap();
    fs::remove_file(path.join("before.txt")).unwrap();
    fs::write(path.join("a/one.txt"), "another").unwrap();
    let host = HostProcess::start(&config);
    in_time("all of it is told", || async { changes(host.api).await.len() >= 4 }).await;
    drop(host);
    let host = HostProcess::start(&config);
    has_state(host.api, "t", "running").await;
    fs::write(path.join("last.txt"), "").unwrap();
    in_time("the last is told", || async { changes(host.api).await.contains(&put("last.txt")) }).await;
    let mut told = changes(host.api).await;
    told.sort();
    let mut expected = vec![put("a/one.txt"), put("a/one.txt"), put("two.txt"), put("last.txt"), deleted("before.txt")];
    expected.sort();
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_goes_away_is_a_failure_and_not_the_removal_of_everything() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bucket");
    let toml = toml(&path, "rescan = \"200 ms\"").replace("{event}", "{misbehave}");
    let host = TestHost::start(&toml).await;
    // It is not there yet: that stops nothing else.
    has_state(host.api, "t", "failed").await;
    let reason = described(host.api, "t").await["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("there is no directory"), "{reason}");
    fs::create_dir(&path).unwrap();
    has_state(host.api, "t", "running").await;
    fs::write(path.join("kept.txt"), "x").unwrap();
    in_time("it is told", || async { changes(host.api).await == [put("kept.txt")] }).await;
    let aside = directory.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    has_state(host.api, "t", "failed").await;
    fs::write(aside.join("new.txt"), "x").unwrap();
    fs::rename(&aside, &path).unwrap();
    in_time("what is new is told", || async { changes(host.api).await.len() > 1 }).await;
    assert_eq!(changes(host.api).await, [put("kept.txt"), put("new.txt")]);
    // Its notices come again as well: from the directory that is there now.
    has_state(host.api, "t", "running").await;
    fs::remove_file(path.join("kept.txt")).unwrap();
    in_time("a removal is told", || async { changes(host.api).await.last() == Some(&deleted("kept.txt")) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_told_when_it_is_complete_and_links_are_not_followed() {
    use std::io::Write as _;
    let bucket = tempfile::tempdir().unwrap();
    let toml = toml(bucket.path(), "").replace("settle = \"300 ms\"", "settle = \"3 s\"");
    let host = TestHost::start(&toml.replace("{event}", "{misbehave}")).await;
    has_state(host.api, "t", "running").await;
    std::os::unix::fs::symlink("/etc/hostname", bucket.path().join("link.txt")).unwrap();
    let mut file = fs::File::create(bucket.path().join("slow.txt")).unwrap();
    for _ in 0..10 {
        file.write_all(b"0123456789").unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(changes(host.api).await, []);
    }
    drop(file);
    in_time("it is told", || async { !changes(host.api).await.is_empty() }).await;
    let events = payloads(host.api, "t").await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["events"][0]["oss"]["object"]["size"], 100);
}
