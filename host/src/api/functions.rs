//! What both APIs do alike with functions: their code, and the rules of their fields.

use serde_json::{Map, Value};

use super::{
    call::Call,
    checksum, fields,
    schema::{self, invalid},
};
use crate::{
    control::{Attributes, CodeStore, Draft, number, text},
    host::FunctionHost,
    platform_error::PlatformError,
};

/// Runtimes as FC has them: their functions are served if their package has a component or sources that can be built.
const RUNTIMES: [&str; 37] = [
    "nodejs22",
    "nodejs20",
    "nodejs18",
    "nodejs16",
    "nodejs14",
    "nodejs12",
    "nodejs10",
    "nodejs8",
    "nodejs6",
    "nodejs4.4",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
    "python3.9",
    "python3",
    "python3.6",
    "python2.7",
    "java21",
    "java17",
    "java11",
    "java8",
    "go1",
    "php8.1",
    "php7.2",
    "dotnetcore8.0",
    "dotnetcore6.0",
    "dotnetcore3.1",
    "dotnetcore2.1",
    "ruby3.3",
    "custom",
    "custom.debian10",
    "custom.debian11",
    "custom.debian12",
    "custom.ubuntu22.04",
    "custom-container",
    "wasm",
];

/// What a 32-bit guest can address, in MB.
const MEMORY: u64 = 4096;

/// Sizes of `/tmp` in MB, as FC has them.
const DISKS: [u64; 2] = [512, 10_240];

/// Bodies above so many bytes are read a few at a time.
const LARGE: usize = 1 << 20;

static LARGE_BODIES: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(2);

/// Names and values of the environment together, in bytes.
const ENVIRONMENT: usize = 4096;

/// Variables that Function Compute 2.0 keeps for itself besides `FC_*`.
const RESERVED: [&str; 4] = ["accessKeyID", "accessKeySecret", "securityToken", "topic"];

/// The function that a request's body describes, with its code.
pub(super) async fn draft(
    host: &FunctionHost,
    call: &Call,
    known: &'static [schema::Field],
    is_new: bool,
) -> Result<(String, Draft), PlatformError> {
    // Base64 of a hundred megabytes stands in memory beside what it becomes: a few at a time.
    let _permit = if call.body.len() > LARGE { LARGE_BODIES.acquire().await.ok() } else { None };
    let (call, store) = (call.clone(), host.code().clone());
    let reading = tokio::task::spawn_blocking(move || {
        let body = call.object()?;
        let mut attributes = schema::read(known, &body)?;
        let name = text(&attributes, "functionName").to_owned();
        attributes.remove("functionName");
        check(&attributes, is_new)?;
        Ok((name, Draft { package: package(&store, &call, &body)?, attributes }))
    });
    reading.await.map_err(|error| PlatformError::internal(error.to_string()))?
}

/// The code package that a body has, decoded and as the checksum says.
fn package(store: &CodeStore, call: &Call, body: &Map<String, Value>) -> Result<Option<Vec<u8>>, PlatformError> {
    let Some(code) = body.get("code").filter(|code| !code.is_null()) else { return Ok(None) };
    let Some(code) = code.as_object() else { return Err(invalid("Code", "an object", code)) };
    let zip = code.get("zipFile").filter(|zip| !zip.is_null());
    let code = schema::read(fields::CODE, code)?;
    if !text(&code, "ossBucketName").is_empty() || !text(&code, "ossObjectName").is_empty() {
        return Err(PlatformError::invalid_argument(
            "Code.OssBucketName: wisp has no object storage to fetch code from; send the package in code.zipFile",
        ));
    }
    let Some(zip) = zip else { return Ok(None) };
    let Some(zip) = zip.as_str() else { return Err(invalid("Code.ZipFile", "a string", zip)) };
    if zip.is_empty() {
        return Ok(None);
    }
    let package = store.decode(zip)?;
    let expected = call.header("x-fc-code-checksum").or_else(|| code.get("checksum").and_then(Value::as_str));
    checksum::check(&package, expected).map_err(|error| PlatformError::invalid_argument(error.to_string()))?;
    Ok(Some(package))
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
    check_cpu(attributes)?;
    if let Some(disk) = number(attributes, "diskSize").filter(|disk| !DISKS.contains(disk)) {
        return Err(invalid("DiskSize", "512 | 10240", &disk.into()));
    }
    check_environment(attributes)
}

/// Steps of 0.05, and between one and four GB of memory for each.
fn check_cpu(attributes: &Attributes) -> Result<(), PlatformError> {
    let Some(cpu) = attributes.get("cpu").and_then(Value::as_f64).filter(|cpu| *cpu != 0.0) else { return Ok(()) };
    let steps = cpu * 20.0;
    if !(0.05..=16.0).contains(&cpu) || (steps - steps.round()).abs() > 1e-6 {
        return Err(invalid("Cpu", "0.05 to 16, in steps of 0.05", &cpu.into()));
    }
    let Some(memory) = number(attributes, "memorySize") else { return Ok(()) };
    #[allow(clippy::cast_precision_loss, reason = "sizes of memory in MB are small")]
    let ratio = memory as f64 / 1024.0 / cpu;
    if !(0.999..=4.001).contains(&ratio) {
        let allowed = format!("1 to 4 GB of memory for each, which MemorySize {memory} is not");
        return Err(invalid("Cpu", &allowed, &cpu.into()));
    }
    Ok(())
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
