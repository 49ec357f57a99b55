//! The fields of bodies that both APIs have, after the API reference ("CreateService", "CreateFunction", …).

use super::schema::{Field, Shape, field};

/// The longest description.
pub(super) const DESCRIPTION: usize = 256;

/// The longest names of roles and of other resources.
pub(super) const ARN: usize = 512;

/// What has no limit of its own.
const LONG: usize = 1 << 20;

/// Seconds of the longest invocation and of the longest initializer.
const TIMEOUT: Shape = Shape::Integer(1, 86_400);
const INITIALIZATION_TIMEOUT: Shape = Shape::Integer(1, 300);

/// More than any machine has, but a guest addresses 4 GB: see `functions::check_memory`.
const MEMORY: Shape = Shape::Integer(64, 32_768);

pub(super) const LOG_CONFIG: Shape = Shape::Object(&[
    field("project", Shape::Text(63)),
    field("logstore", Shape::Text(63)),
    field("enableRequestMetrics", Shape::Boolean),
    field("enableInstanceMetrics", Shape::Boolean),
    field("logBeginRule", Shape::Text(64)),
]);

pub(super) const VPC_CONFIG: Shape = Shape::Object(&[
    field("vpcId", Shape::Text(50)),
    field("vSwitchIds", Shape::Texts),
    field("securityGroupId", Shape::Text(50)),
    field("role", Shape::Text(ARN)),
]);

pub(super) const NAS_CONFIG: Shape = Shape::Object(&[
    field("userId", Shape::Integer(-1, 65_534)),
    field("groupId", Shape::Integer(-1, 65_534)),
    field(
        "mountPoints",
        Shape::Objects(&[
            field("serverAddr", Shape::Text(128)),
            field("mountDir", Shape::Text(64)),
            field("enableTLS", Shape::Boolean),
        ]),
    ),
]);

pub(super) const TRACING_CONFIG: Shape =
    Shape::Object(&[field("type", Shape::Text(64)), field("params", Shape::TextMap)]);

pub(super) const OSS_MOUNT_CONFIG: Shape = Shape::Object(&[field(
    "mountPoints",
    Shape::Objects(&[
        field("bucketName", Shape::Text(64)),
        field("bucketPath", Shape::Text(128)),
        field("endpoint", Shape::Text(128)),
        field("mountDir", Shape::Text(64)),
        field("readOnly", Shape::Boolean),
    ]),
)]);

const HEALTH_CHECK: Shape = Shape::Object(&[
    field("httpGetUrl", Shape::Text(2048)),
    field("initialDelaySeconds", Shape::Integer(0, 120)),
    field("periodSeconds", Shape::Integer(1, 120)),
    field("timeoutSeconds", Shape::Integer(1, 3)),
    field("failureThreshold", Shape::Integer(1, 120)),
    field("successThreshold", Shape::Integer(1, 120)),
]);

const HOOK: Shape = Shape::Object(&[
    field("handler", Shape::Text(128)),
    field("timeout", Shape::Integer(1, 300)),
    field("command", Shape::Texts),
]);

/// `instanceLifecycleConfig`: `initializer` is FC 3.0's, `preFreeze` FC 2.0's.
const LIFECYCLE: Shape = Shape::Object(&[field("initializer", HOOK), field("preFreeze", HOOK), field("preStop", HOOK)]);

const CUSTOM_DNS: Shape = Shape::Object(&[
    field("nameServers", Shape::Texts),
    field("searches", Shape::Texts),
    field("dnsOptions", Shape::Objects(&[field("name", Shape::Text(256)), field("value", Shape::Text(256))])),
]);

const CUSTOM_RUNTIME: Shape = Shape::Object(&[
    field("command", Shape::Texts),
    field("args", Shape::Texts),
    field("port", Shape::Integer(1, 65_535)),
    field("healthCheckConfig", HEALTH_CHECK),
]);

/// Fields of a function that both APIs have.
macro_rules! function_fields {
    ($($more:expr),* $(,)?) => {
        &[
            field("description", Shape::Text(DESCRIPTION)),
            field("runtime", Shape::Text(64)),
            field("handler", Shape::Text(128)),
            field("timeout", TIMEOUT),
            field("memorySize", MEMORY),
            field("cpu", Shape::Number),
            field("diskSize", Shape::Integer(0, 32_768)),
            field("environmentVariables", Shape::TextMap),
            field("instanceConcurrency", Shape::Integer(1, 200)),
            field("instanceLifecycleConfig", LIFECYCLE),
            field("customDNS", CUSTOM_DNS),
            field("customRuntimeConfig", CUSTOM_RUNTIME),
            field("layers", Shape::Texts),
            // wisp's own.
            field("snapshot", Shape::Boolean),
            $($more),*
        ]
    };
}

/// A function of API 2016-08-15.
pub(super) const FUNCTION_2016: &[Field] = function_fields![
    field("functionName", Shape::Text(LONG)),
    field("initializer", Shape::Text(128)),
    field("initializationTimeout", INITIALIZATION_TIMEOUT),
    field("instanceType", Shape::Text(32)),
    field("instanceSoftConcurrency", Shape::Integer(0, 200)),
    field("gpuMemorySize", Shape::Integer(0, 1 << 20)),
    field("caPort", Shape::Integer(1, 65_535)),
    field("customHealthCheckConfig", HEALTH_CHECK),
    field(
        "customContainerConfig",
        Shape::Object(&[
            field("image", Shape::Text(1024)),
            field("command", Shape::Text(LONG)),
            field("args", Shape::Text(LONG)),
            field("accelerationType", Shape::Text(32)),
            field("instanceID", Shape::Text(128)),
            field("webServerMode", Shape::Boolean),
        ])
    ),
];

/// A function of API 2023-03-30.
pub(super) const FUNCTION_2023: &[Field] = function_fields![
    field("functionName", Shape::Text(LONG)),
    field("role", Shape::Text(ARN)),
    field("internetAccess", Shape::Boolean),
    field("logConfig", LOG_CONFIG),
    field("vpcConfig", VPC_CONFIG),
    field("nasConfig", NAS_CONFIG),
    field("ossMountConfig", OSS_MOUNT_CONFIG),
    field("tracingConfig", TRACING_CONFIG),
    field("disableOndemand", Shape::Boolean),
    field("disableInjectCredentials", Shape::Text(64)),
    field("enableLongLiving", Shape::Boolean),
    field("idleTimeout", Shape::Integer(0, 86_400)),
    field("instanceIsolationMode", Shape::Text(64)),
    field("sessionAffinity", Shape::Text(64)),
    field("sessionAffinityConfig", Shape::Text(LONG)),
    field("resourceGroupId", Shape::Text(128)),
    field(
        "gpuConfig",
        Shape::Object(&[field("gpuMemorySize", Shape::Integer(0, 1 << 20)), field("gpuType", Shape::Text(128))])
    ),
    field(
        "customContainerConfig",
        Shape::Object(&[
            field("image", Shape::Text(1024)),
            field("command", Shape::Texts),
            field("entrypoint", Shape::Texts),
            field("port", Shape::Integer(1, 65_535)),
            field("accelerationType", Shape::Text(32)),
            field("acrInstanceId", Shape::Text(128)),
            field("healthCheckConfig", HEALTH_CHECK),
        ])
    ),
];

/// A service of API 2016-08-15.
pub(super) const SERVICE: &[Field] = &[
    field("serviceName", Shape::Text(LONG)),
    field("description", Shape::Text(DESCRIPTION)),
    field("role", Shape::Text(ARN)),
    field("internetAccess", Shape::Boolean),
    field("logConfig", LOG_CONFIG),
    field("vpcConfig", VPC_CONFIG),
    field("nasConfig", NAS_CONFIG),
    field("tracingConfig", TRACING_CONFIG),
    field("ossMountConfig", OSS_MOUNT_CONFIG),
    field("vendorConfig", Shape::Any),
];

/// `code` of a function, without the package itself.
pub(super) const CODE: &[Field] = &[
    field("ossBucketName", Shape::Text(63)),
    field("ossObjectName", Shape::Text(1024)),
    field("checksum", Shape::Text(64)),
];

/// An alias.
pub(super) const ALIAS: &[Field] = &[
    field("aliasName", Shape::Text(LONG)),
    field("versionId", Shape::Text(10)),
    field("description", Shape::Text(DESCRIPTION)),
    field("additionalVersionWeight", Shape::NumberMap),
    field("resolvePolicy", Shape::Choice(&["Random"])),
];
