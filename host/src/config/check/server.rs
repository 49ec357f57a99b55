//! `[server]` and `[limits]`.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    ops::RangeInclusive,
    time::Duration,
};

use ipnet::IpNet;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::{Section, text::told};
use crate::config::{
    Limits, ServerConfig,
    units::{ByteSize, Span},
};

/// Nobody else's machine reaches a fresh installation.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9000);
const API_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9001);

/// A directory that `.gitignore` files and people recognize as a tool's own.
const DATA_DIR: &str = ".wisp";

/// Some hundred components with a language runtime, at 10 to 60 MB compiled.
const ARTIFACT_CACHE: ByteSize = ByteSize(4 << 30);
const MAPPED_CODE: ByteSize = ByteSize(2 << 30);

/// What process managers wait for before they kill.
const GRACE_PERIOD: Span = Span(Duration::from_secs(30));

/// At 128 MB each, more than most machines hold.
const MAX_INSTANCES: usize = 1000;

/// Each may hold a request's buffers; this many fit a small machine.
const MAX_CONNECTIONS: usize = 10_000;

/// Longer than a cold start, shorter than the patience of a browser.
const QUEUE_TIMEOUT: Span = Span(Duration::from_secs(10));

/// As many as all instances could take at once.
const QUEUE_LENGTH: usize = 1000;

/// The shape of an account's number, and plainly nobody's.
const ACCOUNT_ID: &str = "000000000000";
const REGION: &str = "local";

/// No machine holds more of anything; a larger number is a slip.
pub(super) const COUNT: RangeInclusive<usize> = 1..=1_000_000;
pub(super) const COUNT_OR_NONE: RangeInclusive<usize> = 0..=1_000_000;

/// Any duration that a process may live to see.
pub(super) const ANY_TIME: RangeInclusive<Span> = Span(Duration::ZERO)..=Span(Duration::from_secs(365 * 86_400));

/// What a message or a table may take: at most what a 32-bit guest can address.
const BYTES: RangeInclusive<ByteSize> = ByteSize(1)..=ByteSize(4 << 30);
const ELEMENTS: RangeInclusive<usize> = 1..=1 << 30;

/// `[server]` of a host with or without access keys.
pub(super) fn server(section: &mut Section<'_>, has_keys: bool) -> ServerConfig {
    let api_listen = address(section, "api_listen", API_LISTEN);
    let server = ServerConfig {
        listen: address(section, "listen", LISTEN),
        api_listen,
        tls_listen: section.parsed("tls_listen", "an address and a port, such as \"127.0.0.1:9443\""),
        data_dir: section.path("data_dir").unwrap_or_else(|| section.file.directory().join(DATA_DIR)),
        artifact_cache: section.or("artifact_cache", ARTIFACT_CACHE).0,
        mapped_code: section.or("mapped_code", MAPPED_CODE).0,
        trusted_proxies: networks(section),
        trusted_certificates: certificates(section),
        grace_period: section.within("grace_period", GRACE_PERIOD, ANY_TIME).0,
        max_instances: at_least_one(section, "max_instances", MAX_INSTANCES, COUNT),
        max_connections: at_least_one(section, "max_connections", MAX_CONNECTIONS, COUNT),
        queue_timeout: section.within("queue_timeout", QUEUE_TIMEOUT, ANY_TIME).0,
        queue_length: section.count("queue_length", QUEUE_LENGTH, COUNT_OR_NONE),
        busy_poll: section.get("busy_poll"),
        account_id: told(section, "account_id", ACCOUNT_ID),
        region: told(section, "region", REGION),
        build_sources: section.or("build_sources", api_listen.ip().is_loopback()),
    };
    check_listeners(&server, has_keys, section);
    server
}

fn address(section: &mut Section<'_>, key: &'static str, default: SocketAddr) -> SocketAddr {
    section.parsed(key, "an address and a port, such as \"127.0.0.1:9000\"").unwrap_or(default)
}

/// A number that is not 0.
pub(super) fn at_least_one(
    section: &mut Section<'_>,
    key: &'static str,
    default: usize,
    range: RangeInclusive<usize>,
) -> NonZeroUsize {
    NonZeroUsize::new(section.count(key, default, range)).unwrap_or(NonZeroUsize::MIN)
}

fn networks(section: &mut Section<'_>) -> Vec<IpNet> {
    let texts: Vec<String> = section.or("trusted_proxies", Vec::new());
    texts.iter().filter_map(|text| network(text, section)).collect()
}

fn network(text: &str, section: &Section<'_>) -> Option<IpNet> {
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    if network.is_err() {
        section.problem("trusted_proxies", format!("{text:?} is no network, such as \"10.0.0.0/8\", and no address"));
    }
    network.ok()
}

fn certificates(section: &mut Section<'_>) -> Vec<CertificateDer<'static>> {
    let key = "trusted_certificates";
    let Some(path) = section.path(key) else { return Vec::new() };
    let read = CertificateDer::pem_file_iter(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let reason = match read {
        Ok(certificates) if !certificates.is_empty() => return certificates,
        Ok(_) => "it holds no certificate".to_owned(),
        Err(error) => error.to_string(),
    };
    section.problem(key, format!("{}: {reason}; give a file with certificates in PEM", path.display()));
    Vec::new()
}

fn check_listeners(server: &ServerConfig, has_keys: bool, section: &Section<'_>) {
    let ServerConfig { listen, api_listen, tls_listen, .. } = server;
    if !has_keys && !api_listen.ip().is_loopback() {
        let reason = format!(
            "{api_listen} can be reached from other machines, but no access keys are configured; add \
             [[access_keys]], or give a loopback address such as \"127.0.0.1:9001\""
        );
        section.problem("api_listen", reason);
    }
    for (key, other) in [("listen", listen), ("api_listen", api_listen)] {
        if let Some(tls_listen) = tls_listen
            && collide(tls_listen, other)
        {
            let reason = format!("{tls_listen} is taken by `{key}`, which is {other}; give another port");
            section.problem("tls_listen", reason);
        }
    }
    if collide(listen, api_listen) {
        section
            .problem("api_listen", format!("{api_listen} is taken by `listen`, which is {listen}; give another port"));
    }
}

/// Port 0 is a port of the system's choice, each time another.
fn collide(a: &SocketAddr, b: &SocketAddr) -> bool {
    a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

/// `[limits]`.
pub(super) fn limits(section: &mut Section<'_>) -> Limits {
    let preset = section.choice("preset", &[("classic", CLASSIC), ("current", CURRENT)]).unwrap_or(CLASSIC);
    Limits {
        request_headers: bytes(section, "request_headers", preset.headers),
        request_target: bytes(section, "request_target", REQUEST_TARGET),
        sync_body: bytes(section, "sync_body", preset.body),
        async_body: bytes(section, "async_body", ASYNC_BODY),
        response_headers: bytes(section, "response_headers", preset.headers),
        response_body: bytes(section, "response_body", preset.body),
        log: bytes(section, "log", LOG),
        resources: section.count("resources", RESOURCES, COUNT),
        table_elements: section.count("table_elements", TABLE_ELEMENTS, ELEMENTS),
    }
}

/// The limits in which the presets differ; each holds for requests and responses.
#[derive(Clone, Copy)]
struct Preset {
    headers: ByteSize,
    body: ByteSize,
}

/// Function Compute 2.0 as it was, and MemFire.
const CLASSIC: Preset = Preset { headers: ByteSize(4 << 10), body: ByteSize(16 << 20) };

/// Function Compute 2.0 and 3.0 as they are.
const CURRENT: Preset = Preset { headers: ByteSize(8 << 10), body: ByteSize(32 << 20) };

const REQUEST_TARGET: ByteSize = ByteSize(4 << 10);
const ASYNC_BODY: ByteSize = ByteSize(128 << 10);

/// A long stack trace or two for each of some hundred lines.
const LOG: ByteSize = ByteSize(256 << 10);

/// What Unix gives a process by default.
const RESOURCES: usize = 1024;

/// CPython as a component has 5,760; the rest is for functions that link a lot.
const TABLE_ELEMENTS: usize = 200_000;

fn bytes(section: &mut Section<'_>, key: &'static str, default: ByteSize) -> usize {
    usize::try_from(section.within(key, default, BYTES).0).unwrap_or(usize::MAX)
}
