//! `resolve:HOST`, `connect:HOST:PORT`, `udp:HOST:PORT`, `fetch:URL`. The answer says what happened; being refused is one
//! of the things that may happen, and no failure.

use super::wasi::{
    http::{outgoing_handler, types as http},
    io::streams::StreamError,
    sockets::{
        instance_network::instance_network,
        ip_name_lookup::resolve_addresses,
        network::{ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress},
        tcp_create_socket::create_tcp_socket,
        udp::OutgoingDatagram,
        udp_create_socket::create_udp_socket,
    },
};

pub(crate) fn run(name: &str, argument: &str) -> String {
    let happened = match name {
        "resolve" => resolve(argument).map(|addresses| join(&addresses)),
        "connect" => connect(argument),
        "udp" => udp(argument),
        _ => fetch(argument),
    };
    happened.unwrap_or_else(|error| error)
}

fn resolve(host: &str) -> Result<Vec<IpAddress>, String> {
    let failed = |code: ErrorCode| format!("resolve: {}", code.name());
    let stream = resolve_addresses(&instance_network(), host).map_err(failed)?;
    let mut addresses = Vec::new();
    loop {
        match stream.resolve_next_address() {
            Ok(Some(address)) => addresses.push(address),
            Ok(None) => return Ok(addresses),
            Err(ErrorCode::WouldBlock) => stream.subscribe().block(),
            Err(code) => return Err(failed(code)),
        }
    }
}

/// To the first address of the name, as most programs do.
fn address(host_and_port: &str) -> Result<IpSocketAddress, String> {
    let (host, port) = host_and_port.rsplit_once(':').ok_or("HOST:PORT")?;
    let port = port.parse().map_err(|_| format!("{port:?} is not a port"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match resolve(host)?.first() {
        Some(IpAddress::Ipv4(address)) => Ok(IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address: *address })),
        Some(IpAddress::Ipv6(address)) => {
            Ok(IpSocketAddress::Ipv6(Ipv6SocketAddress { port, flow_info: 0, address: *address, scope_id: 0 }))
        }
        None => Err("resolve: no address".into()),
    }
}

fn family(address: &IpSocketAddress) -> IpAddressFamily {
    match address {
        IpSocketAddress::Ipv4(_) => IpAddressFamily::Ipv4,
        IpSocketAddress::Ipv6(_) => IpAddressFamily::Ipv6,
    }
}

/// Connects, sends one line, and tells what comes back.
fn connect(host_and_port: &str) -> Result<String, String> {
    let failed = |code: ErrorCode| format!("connect: {}", code.name());
    let address = address(host_and_port)?;
    let socket = create_tcp_socket(family(&address)).map_err(failed)?;
    socket.start_connect(&instance_network(), address).map_err(failed)?;
    let (input, output) = loop {
        match socket.finish_connect() {
            Err(ErrorCode::WouldBlock) => socket.subscribe().block(),
            finished => break finished.map_err(failed)?,
        }
    };
    output.blocking_write_and_flush(b"hello\n").map_err(|error| format!("send: {error:?}"))?;
    match input.blocking_read(4096) {
        Ok(bytes) => Ok(format!("connected: {}", String::from_utf8_lossy(&bytes))),
        Err(StreamError::Closed) => Ok("connected: closed".into()),
        Err(error) => Err(format!("receive: {error:?}")),
    }
}

/// Sends one datagram and waits for one.
fn udp(host_and_port: &str) -> Result<String, String> {
    let failed = |code: ErrorCode| format!("udp: {}", code.name());
    let remote = address(host_and_port)?;
    let socket = create_udp_socket(family(&remote)).map_err(failed)?;
    socket.start_bind(&instance_network(), any_port(&remote)).map_err(failed)?;
    while let Err(code) = socket.finish_bind() {
        match code {
            ErrorCode::WouldBlock => socket.subscribe().block(),
            code => return Err(failed(code)),
        }
    }
    let (incoming, outgoing) = socket.stream(None).map_err(failed)?;
    while outgoing.check_send().map_err(failed)? == 0 {
        outgoing.subscribe().block();
    }
    let datagram = OutgoingDatagram { data: b"hello\n".to_vec(), remote_address: Some(remote) };
    outgoing.send(&[datagram]).map_err(failed)?;
    loop {
        match incoming.receive(1).map_err(failed)?.first() {
            Some(datagram) => return Ok(format!("received: {}", String::from_utf8_lossy(&datagram.data))),
            None => incoming.subscribe().block(),
        }
    }
}

fn any_port(remote: &IpSocketAddress) -> IpSocketAddress {
    match remote {
        IpSocketAddress::Ipv4(_) => IpSocketAddress::Ipv4(Ipv4SocketAddress { port: 0, address: (0, 0, 0, 0) }),
        IpSocketAddress::Ipv6(_) => IpSocketAddress::Ipv6(Ipv6SocketAddress {
            port: 0,
            flow_info: 0,
            address: (0, 0, 0, 0, 0, 0, 0, 0),
            scope_id: 0,
        }),
    }
}

/// A GET; the answer is the status and the body.
fn fetch(url: &str) -> Result<String, String> {
    let request = request(url)?;
    answer_of(outgoing_handler::handle(request, None))
}

/// A POST; what comes back is read to its end.
pub(crate) fn post(url: &str, body: &[u8]) -> Result<String, String> {
    let request = request(url)?;
    request.set_method(&http::Method::Post).map_err(|()| "post: bad method")?;
    let outgoing = request.body().map_err(|()| "post: no body")?;
    let stream = outgoing.write().map_err(|()| "post: no stream")?;
    let answer = outgoing_handler::handle(request, None);
    for chunk in body.chunks(4096) {
        stream.blocking_write_and_flush(chunk).map_err(|error| format!("post: {error:?}"))?;
    }
    drop(stream);
    http::OutgoingBody::finish(outgoing, None).map_err(|code| format!("post: {code:?}"))?;
    answer_of(answer)
}

fn request(url: &str) -> Result<http::OutgoingRequest, String> {
    let (scheme, rest) = url.split_once("://").ok_or("fetch:SCHEME://HOST/PATH")?;
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let scheme = if scheme == "https" { http::Scheme::Https } else { http::Scheme::Http };
    let request = http::OutgoingRequest::new(http::Fields::new());
    let set = |set: Result<(), ()>, what: &str| set.map_err(|()| format!("fetch: bad {what}"));
    set(request.set_scheme(Some(&scheme)), "scheme")?;
    set(request.set_authority(Some(authority)), "authority")?;
    set(request.set_path_with_query(Some(path)), "path")?;
    Ok(request)
}

fn answer_of(answer: Result<http::FutureIncomingResponse, http::ErrorCode>) -> Result<String, String> {
    let failed = |code: http::ErrorCode| format!("fetch: {code:?}");
    let response = answer.map_err(failed)?;
    response.subscribe().block();
    let response = response.get().and_then(Result::ok).ok_or("fetch: no response")?.map_err(failed)?;
    Ok(format!("{} {}", response.status(), body_of(&response)?))
}

fn body_of(response: &http::IncomingResponse) -> Result<String, String> {
    let body = response.consume().map_err(|()| "fetch: no body")?;
    let stream = body.stream().map_err(|()| "fetch: no stream")?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(1 << 16) {
            Ok(more) => bytes.extend(more),
            Err(StreamError::Closed) => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => return Err(format!("fetch: {error:?}")),
        }
    }
}

fn join(addresses: &[IpAddress]) -> String {
    let text = |address: &IpAddress| match *address {
        IpAddress::Ipv4((a, b, c, d)) => std::net::Ipv4Addr::new(a, b, c, d).to_string(),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => std::net::Ipv6Addr::new(a, b, c, d, e, f, g, h).to_string(),
    };
    addresses.iter().map(text).collect::<Vec<_>>().join(" ")
}
