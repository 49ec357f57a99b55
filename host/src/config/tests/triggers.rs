use std::{path::Path, time::Duration};

use crate::{
    config::{SourceConfig, parse},
    trigger::settings::{Missed, TriggerSettings},
};

const FUNCTION: &str = "[functions.f]\ncomponent = \"f.wasm\"\n";

/// What is wrong with a function's triggers and the sources after them.
fn problems(triggers: &str) -> Vec<String> {
    let error = parse(&format!("{FUNCTION}{triggers}"), Path::new("/srv/wisp.toml")).unwrap_err();
    error.problems.into_iter().map(|problem| problem.message).collect()
}

fn assert_problem(triggers: &str, expected: &str) {
    let problems = problems(triggers);
    assert!(problems.len() == 1 && problems[0].contains(expected), "{expected}: {problems:?}");
}

#[test]
fn triggers_and_sources_have_their_settings_in_either_spelling() {
    let text = "[functions.f.triggers.t]\ntype = \"timer\"\ncronExpression = \"@every 5m\"\nmissed = \"once\"\nenabled = false\n\
                [functions.f.triggers.u]\ntype = \"oss\"\nsource = \"uploads\"\nqualifier = \"prod\"\n\
                events = [\"oss:ObjectCreated:*\"]\nfilter = { key = { prefix = \"a/\" } }\n\
                [sources.uploads]\ntype = \"bucket\"\npath = \"nowhere\"\nsettle = \"2 s\"\n";
    let config = parse(&format!("{FUNCTION}{text}"), Path::new("/srv/wisp.toml")).unwrap();
    let [timer, oss] = config.triggers.as_slice() else { panic!("{config:?}") };
    assert_eq!((timer.id().as_str(), timer.enabled, timer.source.as_deref()), ("default/f/t", false, None));
    let TriggerSettings::Timer(settings) = &timer.settings else { panic!("{timer:?}") };
    assert_eq!((settings.schedule.as_str(), settings.missed), ("@every 5m", Missed::Once));
    assert_eq!((&*oss.qualifier, oss.source.as_deref()), ("prod", Some("uploads")));
    let SourceConfig::Bucket(bucket) = &config.sources["uploads"] else { panic!("{config:?}") };
    assert_eq!((bucket.path.as_path(), bucket.settle), (Path::new("/srv/nowhere"), Duration::from_secs(2)));
    let warnings: Vec<_> = config.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert!(warnings[0].contains("source uploads: there is no directory /srv/nowhere"), "{warnings:?}");
}

#[test]
fn what_is_wrong_with_a_trigger_is_named() {
    assert_problem("[functions.f.triggers.t]\ntype = \"timre\"\n", "did you mean `timer`");
    assert_problem("[functions.f.triggers.t]\nsource = \"s\"\n", "`type` is missing");
    let timer = "[functions.f.triggers.t]\ntype = \"timer\"\n";
    assert_problem(timer, "is missing; give when the timer fires");
    assert_problem(&format!("{timer}cron_expression = \"0 61 * * * *\"\n"), "field 2 of 6, the minute, is \"61\"");
    assert_problem(
        &format!("{timer}cron_expression = \"CRON_TZ=Asia/Shangai 0 0 4 * * *\"\n"),
        "did you mean `Asia/Shanghai`",
    );
    let every = format!("{timer}cron_expression = \"@every 5m\"\n");
    assert_problem(&format!("{every}payloat = \"x\"\n"), "did you mean `payload`");
    assert_problem(&format!("{every}source = \"s\"\n"), "has none");
    assert_problem(&format!("{every}missed = \"twice\"\n"), "neither \"skip\" nor \"once\"");
    assert_problem(&format!("{every}[functions.f.http]\n"), "beside which no other stands");
    assert_problem("[functions.f.triggers.t]\ntype = \"http\"\n", "[functions.f.http]");
}

#[test]
fn what_is_wrong_with_a_source_is_named() {
    let oss = "[functions.f.triggers.t]\ntype = \"oss\"\nsource = \"uplaods\"\nevents = [\"oss:ObjectCreated:*\"]\n";
    let source = |text: &str| format!("{oss}[sources.uploads]\n{text}\n");
    let problems = problems(&source("type = \"topic\""));
    assert!(problems.len() == 1 && problems[0].contains("did you mean `uploads`"), "{problems:?}");
    let right = oss.replace("uplaods", "uploads");
    assert_problem(
        &format!("{right}[sources.uploads]\ntype = \"topic\"\n"),
        "go to triggers of the type mns_topic, not \"oss\"",
    );
    assert_problem("[sources.s]\ntype = \"buket\"\npath = \"x\"\n", "did you mean `bucket`");
    assert_problem("[sources.s]\npath = \"x\"\n", "`type` is missing");
    assert_problem("[sources.s]\ntype = \"bucket\"\n", "`path` is missing");
    assert_problem("[sources.s]\ntype = \"topic\"\ntokn = \"x\"\n", "did you mean `token`");
}
