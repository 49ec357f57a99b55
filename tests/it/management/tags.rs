//! Tags of API 2023-03-30: all resources of a call or none, and lists that come in parts.

use super::*;

async fn tagged(api: &Api<'_>) {
    for name in ["a", "b", "c"] {
        ok(api.post("/functions", function(name, "")).await);
    }
}

fn tags(resources: &[&str], pairs: &[(&str, &str)]) -> Value {
    let pairs: Vec<_> = pairs.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    json!({ "ResourceType": "function", "ResourceId": resources, "Tag": pairs })
}

async fn listed(api: &Api<'_>, query: &str) -> (Vec<String>, String) {
    let page = ok(api.get(&format!("/tags-v2?ResourceType=function{query}")).await);
    let pairs = page["TagResources"].as_array().unwrap().iter().map(|it| {
        let text = |name: &str| it[name].as_str().unwrap();
        format!("{} {}={}", text("ResourceId"), text("TagKey"), text("TagValue"))
    });
    (pairs.collect(), page["NextToken"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_tags_all_of_its_functions_or_none() {
    let host = TestHost::start("").await;
    let api = fc3(&host);
    tagged(&api).await;
    let answer = api.post("/tags-v2", tags(&["a", "none", "b"], &[("team", "x")])).await;
    assert_eq!((answer.status, answer.json()["Code"].as_str()), (404, Some("FunctionNotFound")));
    assert_eq!(listed(&api, "").await.0, [""; 0]);
    let many: Vec<_> = (0..20).map(|number| format!("t{number:02}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "1")).collect();
    gone(&api.post("/tags-v2", tags(&["b"], &many)).await);
    let answer = api.post("/tags-v2", tags(&["a", "b"], &[("one-more", "x")])).await;
    assert_eq!((answer.status, answer.json()["Code"].as_str()), (400, Some("InvalidArgument")));
    assert!(!listed(&api, "&Limit=100").await.0.iter().any(|pair| pair.contains("one-more")));
    let path = |resources: &str, rest: &str| {
        format!("/tags-v2?ResourceType=function&ResourceId={}{rest}", resources.replace('"', "%22"))
    };
    assert_eq!(api.delete(&path(r#"["b","none"]"#, "&All=true")).await.status, 404);
    assert_eq!(listed(&api, "&Limit=100").await.0.len(), 20);
    assert_eq!(api.delete(&path(r#"["b"]"#, "")).await.status, 400, "neither TagKey nor All");
    gone(&api.delete(&path(r#"["b","a"]"#, "&All=true")).await);
    assert_eq!(listed(&api, "").await.0, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_tags_comes_in_parts_by_function_and_tag() {
    let host = TestHost::start("").await;
    let api = fc3(&host);
    tagged(&api).await;
    gone(&api.post("/tags-v2", tags(&["c", "a"], &[("team", "x"), ("stage", "y")])).await);
    let (first, next) = listed(&api, "&Limit=3").await;
    assert_eq!(first, ["a stage=y", "a team=x", "c stage=y"]);
    let (second, next) = listed(&api, &format!("&Limit=3&NextToken={next}")).await;
    assert_eq!((second, next.as_str()), (vec!["c team=x".to_owned()], ""));
    let answer = api.get("/tags-v2?ResourceType=function&Limit=101").await;
    assert_eq!((answer.status, answer.json()["Code"].as_str()), (400, Some("InvalidArgument")));
}
