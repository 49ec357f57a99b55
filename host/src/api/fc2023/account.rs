//! What belongs to the account, and what wisp has not got.

use serde_json::json;

use super::unsupported;
use crate::{
    api::{
        call::{Answer, Call},
        fc2016::no_layer,
    },
    host::FunctionHost,
    platform_error::PlatformError,
};

pub(super) fn route(host: &FunctionHost, call: &Call, path: &[&str]) -> Result<Answer, PlatformError> {
    let region = &*host.server().region;
    let body = match (call.method.as_str(), path) {
        ("GET", ["regions"]) => {
            json!({ "Regions": { "Region": [{ "RegionId": region, "LocalName": region }] } })
        }
        ("GET", ["layers"] | ["layers", _, "versions"]) => json!({ "layers": [] }),
        ("GET", ["layers", layer, "versions", version]) => return Err(no_layer(&format!("{layer}#{version}"))),
        ("GET", ["layerarn", arn]) => return Err(no_layer(arn)),
        (_, ["layers", ..]) => {
            return Err(PlatformError::invalid_argument(
                "wisp has no layers: put what a layer would hold into the code package",
            ));
        }
        ("GET", ["snapshots"]) => json!({ "snapshots": [] }),
        ("PUT", ["resource-groups"]) => {
            return Err(PlatformError::invalid_argument("wisp has no resource groups: use tags"));
        }
        _ => return unsupported(call),
    };
    Ok(Answer::ok(body))
}
