//! Where a guest may connect to: `allowed_outbound`. What no rule permits is refused.
//!
//! A rule is a host and its ports:
//!
//! | rule | permits |
//! |---|---|
//! | `example.com:443` | the public addresses of that name |
//! | `*.example.com:443` | those of every name below it, however deep, but not of `example.com` itself |
//! | `*:443` | every public address, by name or not |
//! | `10.0.0.0/8:5432`, `127.0.0.1:3306`, `[2001:db8::/32]:443`, `[::1]:80` | these addresses, public or not |
//! | `localhost:8080` | the loopback addresses |
//!
//! Ports are one (`443`), a range (`8000-8999`) or all of them (`*`).
//!
//! A name is whatever its owner's DNS says at the moment, so a name never permits an address of a special network
//! (loopback, private, link-local with its metadata service, …): only a rule with an address does. The check is made
//! on the very address that is connected to, after the name was resolved.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
};

use ipnet::IpNet;
use rustls::pki_types::CertificateDer;
use tokio_rustls::TlsConnector;

mod resolved;
mod special;
#[cfg(test)]
mod tests;

pub use self::resolved::ResolvedNames;
use self::special::{LOOPBACK, MAPPED, is_special};

const LOCALHOST: &str = "localhost";

/// What a function's `allowed_outbound` permits. The default permits nothing.
#[derive(Clone, Debug, Default)]
pub struct OutboundPolicy {
    names: Vec<NameRule>,
    networks: Vec<NetworkRule>,
    certificates: Vec<CertificateDer<'static>>,
}

/// What is to be done about a host that a guest asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameVerdict {
    /// No rule has the host with this port: do not even look it up.
    Refused,
    /// The host is an address and permitted: connect to it.
    Address(IpAddr),
    /// The host is a name that a rule has: look it up, then ask [`OutboundPolicy::allows_resolved`] for each address.
    Resolve,
}

#[derive(Clone, Debug)]
struct NameRule {
    pattern: NamePattern,
    ports: RangeInclusive<u16>,
}

#[derive(Clone, Debug)]
enum NamePattern {
    Any,
    Exactly(String),
    /// Ends in this text, which starts with a dot.
    Below(String),
}

#[derive(Clone, Debug)]
struct NetworkRule {
    network: IpNet,
    ports: RangeInclusive<u16>,
}

impl OutboundPolicy {
    /// The policy of `rules`, or what is wrong with each of the wrong ones.
    pub fn parse(rules: &[String]) -> Result<Self, Vec<String>> {
        let mut policy = Self::default();
        let wrong: Vec<String> = rules.iter().filter_map(|rule| policy.add(rule).err()).collect();
        if wrong.is_empty() { Ok(policy) } else { Err(wrong) }
    }

    /// Has HTTPS servers known by these root certificates as well, beside the well-known ones.
    #[must_use]
    pub fn trusting(self, certificates: &[CertificateDer<'static>]) -> Self {
        Self { certificates: certificates.to_vec(), ..self }
    }

    pub(crate) fn tls(&self) -> TlsConnector {
        super::tls::connector(&self.certificates)
    }

    /// Whether nothing at all is permitted.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.networks.is_empty()
    }

    /// Whether some port of `host` is permitted, so that it may be looked up.
    pub fn allows_name(&self, host: &str) -> bool {
        match literal(host) {
            Some(ip) => self.allows_some_port(ip),
            None => self.names.iter().any(|rule| rule.pattern.matches(&normal(host))),
        }
    }

    /// What to do about `host`, a name or an address (an IPv6 address with or without brackets), and `port`.
    pub fn allows_name_port(&self, host: &str, port: u16) -> NameVerdict {
        match literal(host) {
            Some(ip) if self.allows_address(SocketAddr::new(ip, port)) => NameVerdict::Address(ip),
            None if self.has_name(host, port) => NameVerdict::Resolve,
            _ => NameVerdict::Refused,
        }
    }

    /// Whether `addr`, which `host` was resolved to, may be connected to.
    pub fn allows_resolved(&self, host: &str, addr: SocketAddr) -> bool {
        // `localhost` is no name of the DNS: whatever public address it comes with is a mistake.
        let public = !is_special(addr.ip()) && normal(host) != LOCALHOST;
        self.has_network(addr) || (public && self.has_name(host, addr.port()))
    }

    /// Whether `addr` may be connected to without a name.
    pub fn allows_address(&self, addr: SocketAddr) -> bool {
        self.has_network(addr) || (!is_special(addr.ip()) && self.has_any(addr.port()))
    }

    fn allows_some_port(&self, ip: IpAddr) -> bool {
        let any = self.names.iter().any(|rule| matches!(rule.pattern, NamePattern::Any));
        self.networks.iter().any(|rule| rule.network.contains(&ip)) || (any && !is_special(ip))
    }

    fn has_name(&self, host: &str, port: u16) -> bool {
        let host = normal(host);
        self.names.iter().any(|rule| rule.ports.contains(&port) && rule.pattern.matches(&host))
    }

    fn has_any(&self, port: u16) -> bool {
        self.names.iter().any(|rule| rule.ports.contains(&port) && matches!(rule.pattern, NamePattern::Any))
    }

    fn has_network(&self, addr: SocketAddr) -> bool {
        let ip = addr.ip().to_canonical();
        self.networks.iter().any(|rule| rule.ports.contains(&addr.port()) && rule.network.contains(&ip))
    }

    fn add(&mut self, rule: &str) -> Result<(), String> {
        let (host, ports) = split(rule)?;
        let ports = parse_ports(rule, ports)?;
        match parse_network(rule, host)? {
            Some(network) => self.networks.push(NetworkRule { network, ports }),
            None => self.add_name(rule, host, ports)?,
        }
        Ok(())
    }

    fn add_name(&mut self, rule: &str, host: &str, ports: RangeInclusive<u16>) -> Result<(), String> {
        let host = normal(host);
        let pattern = NamePattern::parse(rule, &host)?;
        if host == LOCALHOST {
            let loopback = LOOPBACK.map(|network| NetworkRule { network, ports: ports.clone() });
            self.networks.extend(loopback);
        }
        self.names.push(NameRule { pattern, ports });
        Ok(())
    }
}

impl NamePattern {
    fn parse(rule: &str, host: &str) -> Result<Self, String> {
        let (pattern, name) = match host.strip_prefix("*.") {
            Some(parent) => (Self::Below(format!(".{parent}")), parent),
            None if host == "*" => return Ok(Self::Any),
            None => (Self::Exactly(host.to_owned()), host),
        };
        check_name(rule, name)?;
        Ok(pattern)
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(name) => host == name,
            Self::Below(suffix) => host.strip_suffix(suffix.as_str()).is_some_and(|label| !label.is_empty()),
        }
    }
}

/// A host as it is compared: DNS has no case, and the dot of the root may be left out.
fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_lowercase()
}

fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

fn split(rule: &str) -> Result<(&str, &str), String> {
    let bracketed = rule.strip_prefix('[').and_then(|rest| rest.split_once("]:"));
    let parts = bracketed.or_else(|| rule.rsplit_once(':'));
    let Some((host, ports)) = parts else {
        return Err(format!("{rule:?} has no port; give one, such as \"{rule}:443\", or \"{rule}:*\" for all"));
    };
    if bracketed.is_none() && host.contains(':') {
        return Err(format!("{rule:?} has more than one `:`; give an IPv6 address as in \"[2001:db8::1]:443\""));
    }
    Ok((host, ports))
}

fn parse_ports(rule: &str, ports: &str) -> Result<RangeInclusive<u16>, String> {
    if ports == "*" {
        return Ok(1..=u16::MAX);
    }
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if 0 < first && first <= last => Ok(first..=last),
        _ => Err(format!("{rule:?} has no valid port; give 1 to 65535, a range such as 8000-8999, or `*`")),
    }
}

/// The network that `host` is; `None` if it is a name.
fn parse_network(rule: &str, host: &str) -> Result<Option<IpNet>, String> {
    let Ok(network) = host.parse::<IpNet>().or_else(|_| host.parse::<IpAddr>().map(IpNet::from)) else {
        return if rule.starts_with('[') {
            Err(format!("{rule:?} has no IPv6 address in its brackets"))
        } else {
            Ok(None)
        };
    };
    if network != network.trunc() {
        return Err(format!("{rule:?} has bits after its prefix; the network is {}", network.trunc()));
    }
    // Addresses are compared in their IPv4 form, so this rule would permit nothing.
    if matches!(network, IpNet::V6(v6) if MAPPED.contains(&v6)) {
        return Err(format!("{rule:?} is an IPv4 address in IPv6 form; give it as IPv4"));
    }
    Ok(Some(network))
}

fn check_name(rule: &str, name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let is_label = |label: &str| !label.is_empty() && label.len() <= 63 && label.chars().all(fits);
    if !name.split('.').all(is_label) {
        return Err(format!(
            "{rule:?} has no valid host; give a name, \"*.\" and a name, \"*\", an address or a network"
        ));
    }
    // Resolvers take 2130706433, 0x7f.1 and 127.1 for addresses; whoever writes one means something else by it.
    let last = name.rsplit('.').next().unwrap_or(name);
    if last.starts_with("0x") || last.chars().all(|c| c.is_ascii_digit()) {
        return Err(format!("{rule:?} has an address that is not written out; give all four numbers in decimal"));
    }
    Ok(())
}
