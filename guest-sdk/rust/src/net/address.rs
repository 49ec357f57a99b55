//! Addresses: as people write them, as the standard library has them, and as WASI does.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use crate::bindings::imports::wasi::sockets::network::{
    IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};

/// The host and the port of `host:port`.
pub(super) fn split(address: &str) -> io::Result<(&str, u16)> {
    let invalid = || {
        let message = format!("{address:?} is no address to connect to: write host:port, such as db.example.com:3306");
        io::Error::new(io::ErrorKind::InvalidInput, message)
    };
    let (host, port) = address.rsplit_once(':').ok_or_else(invalid)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match (bare.unwrap_or(host), port.parse()) {
        (host, Ok(port)) if !host.is_empty() && (bare.is_some() || !host.contains(':')) => Ok((host, port)),
        _ => Err(invalid()),
    }
}

pub(super) fn to_wasi(address: SocketAddr) -> (IpAddressFamily, IpSocketAddress) {
    match address {
        SocketAddr::V4(v4) => {
            let [a, b, c, d] = v4.ip().octets();
            let address = Ipv4SocketAddress { port: v4.port(), address: (a, b, c, d) };
            (IpAddressFamily::Ipv4, IpSocketAddress::Ipv4(address))
        }
        SocketAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.ip().segments();
            let address = Ipv6SocketAddress {
                port: v6.port(),
                flow_info: v6.flowinfo(),
                address: (a, b, c, d, e, f, g, h),
                scope_id: v6.scope_id(),
            };
            (IpAddressFamily::Ipv6, IpSocketAddress::Ipv6(address))
        }
    }
}

pub(super) fn socket_address(address: IpSocketAddress) -> SocketAddr {
    match address {
        IpSocketAddress::Ipv4(v4) => SocketAddr::new(from_wasi(IpAddress::Ipv4(v4.address)), v4.port),
        IpSocketAddress::Ipv6(v6) => SocketAddr::new(from_wasi(IpAddress::Ipv6(v6.address)), v6.port),
    }
}

pub(super) fn from_wasi(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4((a, b, c, d)) => Ipv4Addr::new(a, b, c, d).into(),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => Ipv6Addr::new(a, b, c, d, e, f, g, h).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_names_or_ips_with_a_port() {
        assert_eq!(split("db:3306").unwrap(), ("db", 3306));
        assert_eq!(split("[::1]:80").unwrap(), ("::1", 80));
        for wrong in ["db", ":80", "db:", "db:x", "::1", "db:70000"] {
            assert!(split(wrong).unwrap_err().to_string().contains("host:port"), "{wrong}");
        }
    }

    #[test]
    fn addresses_cross_to_wasi_and_back() {
        for text in ["127.0.0.1:80", "[2001:db8::7]:443"] {
            let (_, address) = to_wasi(text.parse().unwrap());
            assert_eq!(socket_address(address).to_string(), text);
        }
    }
}
