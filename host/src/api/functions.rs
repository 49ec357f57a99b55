//! What both APIs do alike with functions: their code, and the rules of their fields.

use serde_json::{Map, Value};

use super::{
    call::Call,
    checksum, fields,
    schema::{self, invalid},
};
use crate::{
    control::{Attributes, Draft, number, text},
    host::FunctionHost,
    platform_error::PlatformError,
};

/// Runtimes as FC has them: their functions are served if their package has a component or sources that can be built.
const RUNTIMES: [&str; 37] = [
    "nodejs22", "nodejs20", "nodejs18", "nodejs16", "nodejs14", "nodejs12", "nodejs10", "nodejs8", "nodejs6",
    "nodejs4.4", "python3.13", "python3.12", "python3.11", "python3.10", "python3.9", "python3", "python3.6",
    "python2.7", "java21", "java17", "java11", "java8", "go1", "php8.1", "php7.2", "dotnetcore8.0", "dotnetcore6.0",
    "dotnetcore3.1", "dotnetcore2.1", "ruby3.3", "custom", "custom.debian10", "custom.debian11", "custom.debian12",
    "custom.ubuntu22.04", "custom-container", "wasm",
];

/// What a 32-bit guest can address, in MB.
const MEMORY: u64 = 4096;

/// Names and values of the environment together, in bytes.
const ENVIRONMENT: usize = 4096;

/// Variables that Function Compute 2.0 keeps for itself besides `FC_*`.
const RESERVED: [&str; 4] = ["accessKeyID", "accessKeySecret", "securityToken", "topic"];

/// The function that a request's body describes, with its code.
pub(super) async fn draft(
    host: &FunctionHost,
    call: &Call,
    known: &[schema::Field],
    is_new: bool,
) -> Result<Draft, PlatformError> {
    let body = call.object()?;
    let mut attributes = schema::read(known, &body)?;
    attributes.remove("functionName");
    check(&attributes, is_new)?;
    Ok(Draft { package: package(host, call, &body).await?, attributes })
}

/// The code package that a body has, decoded and as the checksum says.
async fn package(
    host: &FunctionHost,
    call: &Call,
    body: &Map<String, Value>,
) -> Result<Option<Vec<u8>>, PlatformError> {
    let Some(code) = body.get("code").filter(|code| !code.is_null()) else { return Ok(None) };
    let Some(code) = code.as_object() else { return Err(invalid("Code", "an object", code)) };
    let code = schema::read(fields::CODE, code)?;
    if !text(&code, "ossBucketName").is_empty() || !text(&code, "ossObjectName").is_empty() {
        return Err(PlatformError::invalid_argument(
            "Code.OssBucketName: wisp has no object storage to fetch code from; send the package in Code.ZipFile",
        ));
    }
    let Some(Value::String(zip)) = code.get("zipFile").filter(|zip| zip.as_str() != Some("")).cloned() else {
        return Ok(None);
    };
    let expected = call.header("x-fc-code-checksum").map(str::to_owned);
    let expected = expected.or_else(|| code.get("checksum").and_then(Value::as_str).map(str::to_owned));
    let store = host.code().clone();
    let decoding = tokio::task::spawn_blocking(move || {
        let package = store.decode(&zip)?;
        checksum::check(&package, expected.as_deref())
            .map_err(|error| PlatformError::invalid_argument(error.to_string()))?;
        Ok(package)
    });
    decoding.await.map_err(|error| PlatformError::internal(error.to_string()))?.map(Some)
}

fn check(attributes: &Attributes, is_new: bool) -> Result<(), PlatformError> {
    if is_new {
        schema::required(attributes, "runtime")?;
        schema::required(attributes, "handler")?;
    }
    if let Some(runtime) = attributes.get("runtime")
        && !runtime.as_str().is_some_and(|runtime| RUNTIMES.contains(&runtime))
    {
        return Err(invalid("Runtime", &RUNTIMES.join(" | "), runtime));
    }
    check_memory(attributes)?;
    check_environment(attributes)
}

fn check_memory(attributes: &Attributes) -> Result<(), PlatformError> {
    let Some(memory) = number(attributes, "memorySize") else { return Ok(()) };
    if memory % 64 != 0 {
        return Err(PlatformError::invalid_argument(format!(
            "MemorySize is set to an invalid value (allowed: a multiple of 64, actual: '{memory}')"
        )));
    }
    if memory > MEMORY {
        return Err(PlatformError::invalid_argument(format!(
            "MemorySize is set to an invalid value (allowed: up to {MEMORY}, which is what a WebAssembly instance can \
             address, actual: '{memory}')"
        )));
    }
    Ok(())
}

fn check_environment(attributes: &Attributes) -> Result<(), PlatformError> {
    let Some(variables) = attributes.get("environmentVariables").and_then(Value::as_object) else { return Ok(()) };
    let mut size = 0;
    for (name, value) in variables {
        let value = value.as_str().unwrap_or_default();
        size += name.len() + value.len();
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(fits) {
            return Err(PlatformError::invalid_argument(format!(
                "EnvironmentVariables contains an invalid key '{name}' (allowed: letters, digits and _, starting with a letter)"
            )));
        }
        if name.starts_with("FC_") || RESERVED.contains(&name.as_str()) {
            return Err(PlatformError::invalid_argument(format!(
                "EnvironmentVariables contains the key '{name}', which is reserved"
            )));
        }
        if value.contains('\0') {
            return Err(PlatformError::invalid_argument(format!(
                "EnvironmentVariables: the value of '{name}' has a zero byte"
            )));
        }
    }
    if size > ENVIRONMENT {
        return Err(PlatformError::invalid_argument(format!(
            "EnvironmentVariables is too large (max: {ENVIRONMENT} bytes, actual: {size})"
        )));
    }
    Ok(())
}
