//! What belongs to the account, and what wisp has not got.

use serde_json::json;

use super::unsupported;
use crate::{
    api::call::{Answer, Call},
    host::FunctionHost,
    platform_error::PlatformError,
};

pub(super) async fn route(host: &FunctionHost, call: &Call, path: &[&str]) -> Result<Answer, PlatformError> {
    let body = match (call.method.as_str(), path) {
        ("GET", ["account-settings"]) => {
            json!({ "availableAZs": [format!("{}-a", host.server().region)], "defaultRole": "" })
        }
        // Base64 in JSON: what `code.zipFile` may hold.
        ("GET", ["accountConfigs"]) => json!({ "CodeSizeLimit": 100 << 20 }),
        ("GET", ["reservedCapacities"]) => json!({ "reservedCapacities": [] }),
        ("GET", ["layers"]) => json!({ "layers": [] }),
        ("GET", ["layers", _, "versions"]) => json!({ "layers": [] }),
        ("GET", ["layers", layer, "versions", version]) => {
            return Err(no_layer(&format!("{layer}' version '{version}")));
        }
        ("GET", ["layerarn", arn]) => return Err(no_layer(arn)),
        (_, ["layers", ..]) => {
            return Err(PlatformError::invalid_argument(
                "wisp has no layers: put what a layer would hold into the code package",
            ));
        }
        ("GET", ["tempBucketToken"] | ["services", _, "tempCodeBucketToken"]) => {
            return Err(PlatformError::invalid_argument(
                "wisp has no object storage to upload code to: send the package in code.zipFile, up to 100 MB",
            ));
        }
        _ => return unsupported(call),
    };
    Ok(Answer::ok(body))
}

pub(in crate::api) fn no_layer(layer: &str) -> PlatformError {
    PlatformError::not_found("LayerNotFound", format!("layer '{layer}' does not exist"))
}
