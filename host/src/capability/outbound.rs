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
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rustls::pki_types::CertificateDer;
use tokio_rustls::TlsConnector;

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

/// The addresses that an instance's own lookups brought, since a socket is given an address and no name.
#[derive(Debug, Default)]
pub struct ResolvedNames {
    /// The latest last.
    pairs: VecDeque<(String, IpAddr)>,
}

/// Pairs of name and address kept for an instance: more than a function talks to at a time, and no burden for the host
/// if a guest looks names up for ever.
const REMEMBERED: usize = 256;

impl ResolvedNames {
    /// Takes note that `host` was resolved to `addresses`; beyond 256 pairs the oldest are forgotten.
    pub fn learn(&mut self, host: &str, addresses: &[IpAddr]) {
        let host = normal(host);
        for address in addresses {
            let pair = (host.clone(), address.to_canonical());
            self.pairs.retain(|known| *known != pair);
            self.pairs.push_back(pair);
        }
        let excess = self.pairs.len().saturating_sub(REMEMBERED);
        self.pairs.drain(..excess);
    }

    /// Whether `policy` permits `addr`, as an address or by a name that was resolved to it.
    pub fn allows(&self, policy: &OutboundPolicy, addr: SocketAddr) -> bool {
        let ip = addr.ip().to_canonical();
        let mut names = self.pairs.iter().filter(|(_, known)| *known == ip).map(|(name, _)| name);
        policy.allows_address(addr) || names.any(|name| policy.allows_resolved(name, addr))
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

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

const LOCALHOST: &str = "localhost";

const LOOPBACK: [IpNet; 2] = [IpNet::V4(v4(127, 0, 0, 0, 8)), IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128))];

/// IPv4 addresses in IPv6 form.
const MAPPED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);

/// What a gateway to the IPv4 world translates.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);

/// IPv4 in the second and third group.
const SIX_TO_FOUR: Ipv6Net = v6(0x2002, 0, 0, 16);

const SPECIAL_V4: [Ipv4Net; 11] = [
    v4(0, 0, 0, 0, 8),      // this host; 0.0.0.0 connects to loopback
    v4(10, 0, 0, 0, 8),     // private
    v4(100, 64, 0, 0, 10),  // carrier-grade NAT
    v4(127, 0, 0, 0, 8),    // loopback
    v4(169, 254, 0, 0, 16), // link-local, metadata services
    v4(172, 16, 0, 0, 12),  // private
    v4(192, 0, 0, 0, 24),   // protocol assignments, a metadata service
    v4(192, 168, 0, 0, 16), // private
    v4(198, 18, 0, 0, 15),  // benchmarks
    v4(224, 0, 0, 0, 4),    // multicast
    v4(240, 0, 0, 0, 4),    // reserved, broadcast
];

const SPECIAL_V6: [Ipv6Net; 8] = [
    v6(0, 0, 0, 96),         // unspecified, loopback, IPv4-compatible
    v6(0x64, 0xff9b, 1, 48), // local translation
    v6(0x100, 0, 0, 64),     // discard
    v6(0x2001, 0, 0, 32),    // Teredo, which hides an IPv4 address
    v6(0xfc00, 0, 0, 7),     // unique local
    v6(0xfe80, 0, 0, 10),    // link-local
    v6(0xfec0, 0, 0, 10),    // site-local
    v6(0xff00, 0, 0, 8),     // multicast
];

/// Whether an address belongs to this machine, its neighbourhood or nobody, however it is dressed up.
fn is_special(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => SPECIAL_V4.iter().any(|network| network.contains(&ip)),
        IpAddr::V6(ip) => {
            SPECIAL_V6.iter().any(|network| network.contains(&ip))
                || embedded(ip).is_some_and(|v4| is_special(v4.into()))
        }
    }
}

/// The IPv4 address that a translator would reach for `ip`.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = u128::from(ip);
    match ip {
        ip if NAT64.contains(&ip) => Some(Ipv4Addr::from_bits(bits as u32)),
        ip if SIX_TO_FOUR.contains(&ip) => Some(Ipv4Addr::from_bits((bits >> 80) as u32)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rules: &[&str]) -> OutboundPolicy {
        let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
        OutboundPolicy::parse(&rules).unwrap()
    }

    fn wrong(rule: &str) -> String {
        OutboundPolicy::parse(&[rule.to_owned()]).unwrap_err().join("\n")
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    const PUBLIC: &str = "93.184.216.34:443";

    #[test]
    fn without_rules_nothing_is_permitted() {
        let policy = policy(&[]);
        assert!(policy.is_empty());
        assert!(!policy.allows_name("example.com"));
        assert_eq!(policy.allows_name_port("example.com", 443), NameVerdict::Refused);
        assert!(!policy.allows_resolved("example.com", addr(PUBLIC)));
        assert!(!policy.allows_address(addr(PUBLIC)));
    }

    #[test]
    fn a_name_permits_its_public_addresses_on_its_port() {
        let policy = policy(&["example.com:443"]);
        assert!(!policy.is_empty());
        assert_eq!(policy.allows_name_port("example.com", 443), NameVerdict::Resolve);
        assert_eq!(policy.allows_name_port("example.com", 80), NameVerdict::Refused);
        assert!(policy.allows_resolved("example.com", addr(PUBLIC)));
        assert!(policy.allows_resolved("example.com", addr("[2606:2800:220:1::1]:443")));
        assert!(!policy.allows_resolved("example.com", addr("93.184.216.34:80")));
        assert!(!policy.allows_resolved("example.org", addr(PUBLIC)));
        assert!(!policy.allows_address(addr(PUBLIC)));
    }

    #[test]
    fn case_and_the_dot_of_the_root_make_no_difference() {
        for policy in [policy(&["Example.COM:443"]), policy(&["example.com.:443"])] {
            for host in ["example.com", "EXAMPLE.com", "example.com."] {
                assert!(policy.allows_name(host), "{host}");
                assert!(policy.allows_resolved(host, addr(PUBLIC)), "{host}");
            }
            assert!(!policy.allows_name("example.com.."));
        }
    }

    #[test]
    fn names_beyond_ascii_are_compared_as_given() {
        let policy = policy(&["bücher.example:443"]);
        assert!(policy.allows_name("BÜCHER.example"));
        assert!(!policy.allows_name("xn--bcher-kva.example"));
    }

    #[test]
    fn a_wildcard_permits_every_depth_but_not_the_apex() {
        let policy = policy(&["*.example.com:443"]);
        assert!(policy.allows_name("a.example.com"));
        assert!(policy.allows_name("a.b.example.com"));
        for host in ["example.com", ".example.com", "badexample.com", "example.com.evil.net", "a.example.org"] {
            assert!(!policy.allows_name(host), "{host}");
        }
    }

    #[test]
    fn ports_are_one_or_a_range_or_all() {
        let policy = policy(&["one.net:443", "range.net:8000-8999", "all.net:*"]);
        for (host, port, verdict) in [
            ("one.net", 443, NameVerdict::Resolve),
            ("one.net", 444, NameVerdict::Refused),
            ("range.net", 7999, NameVerdict::Refused),
            ("range.net", 8000, NameVerdict::Resolve),
            ("range.net", 8999, NameVerdict::Resolve),
            ("range.net", 9000, NameVerdict::Refused),
            ("all.net", 1, NameVerdict::Resolve),
            ("all.net", 65535, NameVerdict::Resolve),
            ("all.net", 0, NameVerdict::Refused),
        ] {
            assert_eq!(policy.allows_name_port(host, port), verdict, "{host}:{port}");
        }
    }

    /// Special addresses in every dress they come in.
    const FORBIDDEN: [&str; 30] = [
        "127.0.0.1:443",
        "127.8.9.10:443",
        "0.0.0.0:443",
        "0.1.2.3:443",
        "10.1.2.3:443",
        "172.16.0.1:443",
        "172.31.255.255:443",
        "192.168.1.1:443",
        "192.0.0.192:443",
        "169.254.169.254:443",
        "100.64.0.1:443",
        "100.100.100.200:443",
        "198.18.0.1:443",
        "224.0.0.1:443",
        "255.255.255.255:443",
        "[::]:443",
        "[::1]:443",
        "[::127.0.0.1]:443",
        "[::ffff:127.0.0.1]:443",
        "[::ffff:10.0.0.1]:443",
        "[::ffff:169.254.169.254]:443",
        "[64:ff9b::a9fe:a9fe]:443",
        "[64:ff9b:1::1]:443",
        "[2002:7f00:1::1]:443",
        "[2001::1]:443",
        "[fc00::1]:443",
        "[fd00:ec2::254]:443",
        "[fe80::1]:443",
        "[fec0::1]:443",
        "[ff02::1]:443",
    ];

    #[test]
    fn a_name_cannot_lead_into_a_special_network() {
        let policy = policy(&["rebound.example:443", "*.rebound.example:443", "*:443"]);
        for forbidden in FORBIDDEN {
            assert!(!policy.allows_resolved("rebound.example", addr(forbidden)), "{forbidden}");
            assert!(!policy.allows_resolved("a.rebound.example", addr(forbidden)), "{forbidden}");
            assert!(!policy.allows_address(addr(forbidden)), "{forbidden}");
        }
    }

    #[test]
    fn the_neighbours_of_special_networks_are_public() {
        let policy = policy(&["*:443"]);
        for public in [
            "9.255.255.255:443",
            "11.0.0.0:443",
            "100.63.255.255:443",
            "100.128.0.0:443",
            "172.15.255.255:443",
            "172.32.0.0:443",
            "169.253.0.1:443",
            "192.0.1.0:443",
            "223.255.255.255:443",
            "[::ffff:93.184.216.34]:443",
            "[64:ff9b::5db8:d822]:443",
            "[2002:5db8:d822::1]:443",
            "[2606:4700::1111]:443",
        ] {
            assert!(policy.allows_address(addr(public)), "{public}");
        }
    }

    #[test]
    fn an_address_rule_opens_a_special_network() {
        let policy = policy(&["10.0.0.0/8:5432", "127.0.0.1:3306", "[::1]:80", "[fd00::/8]:443"]);
        for open in ["10.1.2.3:5432", "[::ffff:10.1.2.3]:5432", "127.0.0.1:3306", "[::1]:80", "[fd12::1]:443"] {
            assert!(policy.allows_address(addr(open)), "{open}");
        }
        for shut in ["10.1.2.3:5433", "11.0.0.1:5432", "127.0.0.2:3306", "0.0.0.0:3306", "[::1]:443", "[fc00::1]:443"] {
            assert!(!policy.allows_address(addr(shut)), "{shut}");
        }
    }

    #[test]
    fn a_private_host_needs_its_name_and_its_network() {
        let both = policy(&["db.internal:5432", "10.0.0.0/8:5432"]);
        assert_eq!(both.allows_name_port("db.internal", 5432), NameVerdict::Resolve);
        assert!(both.allows_resolved("db.internal", addr("10.1.2.3:5432")));
        let network = policy(&["10.0.0.0/8:5432"]);
        assert_eq!(network.allows_name_port("db.internal", 5432), NameVerdict::Refused);
        assert!(!network.allows_name("db.internal"));
    }

    #[test]
    fn localhost_permits_loopback_on_its_port() {
        let policy = policy(&["localhost:8080"]);
        assert_eq!(policy.allows_name_port("LOCALHOST", 8080), NameVerdict::Resolve);
        assert!(policy.allows_resolved("localhost", addr("127.0.0.1:8080")));
        assert!(policy.allows_resolved("localhost", addr("[::1]:8080")));
        assert!(policy.allows_address(addr("127.0.0.1:8080")));
        assert!(!policy.allows_address(addr("127.0.0.1:8081")));
        assert!(!policy.allows_resolved("localhost", addr("10.0.0.1:8080")));
        assert!(!policy.allows_resolved("localhost", addr("93.184.216.34:8080")));
        assert!(!policy.allows_resolved("localhost", addr("169.254.169.254:8080")));
    }

    #[test]
    fn hosts_that_are_addresses_are_checked_as_addresses() {
        let policy = policy(&["*:443", "127.0.0.1:3306"]);
        let ip = |text: &str| NameVerdict::Address(text.parse().unwrap());
        assert_eq!(policy.allows_name_port("93.184.216.34", 443), ip("93.184.216.34"));
        assert_eq!(policy.allows_name_port("[2606:4700::1111]", 443), ip("2606:4700::1111"));
        assert_eq!(policy.allows_name_port("2606:4700::1111", 443), ip("2606:4700::1111"));
        assert_eq!(policy.allows_name_port("127.0.0.1", 3306), ip("127.0.0.1"));
        for host in ["127.0.0.1", "[::1]", "[::ffff:7f00:1]", "169.254.169.254"] {
            assert_eq!(policy.allows_name_port(host, 443), NameVerdict::Refused, "{host}");
        }
        assert!(policy.allows_name("127.0.0.1"));
        assert!(!policy.allows_name("127.0.0.2"));
    }

    #[test]
    fn a_decimal_host_is_a_name_whose_address_is_checked() {
        let policy = policy(&["*:443"]);
        for host in ["2130706433", "0x7f000001", "127.1", "017700000001"] {
            assert_eq!(policy.allows_name_port(host, 443), NameVerdict::Resolve, "{host}");
            assert!(!policy.allows_resolved(host, addr("127.0.0.1:443")), "{host}");
        }
    }

    #[test]
    fn any_name_is_any_public_address() {
        let policy = policy(&["*:443"]);
        assert!(policy.allows_resolved("whatever.example", addr(PUBLIC)));
        assert!(policy.allows_address(addr(PUBLIC)));
        assert!(!policy.allows_address(addr("93.184.216.34:80")));
    }

    #[test]
    fn a_socket_may_reach_what_its_instance_resolved() {
        let policy = policy(&["example.com:443"]);
        let mut names = ResolvedNames::default();
        assert!(!names.allows(&policy, addr(PUBLIC)));
        names.learn("Example.com.", &[addr(PUBLIC).ip()]);
        assert!(names.allows(&policy, addr(PUBLIC)));
        assert!(names.allows(&policy, addr("[::ffff:93.184.216.34]:443")));
        assert!(!names.allows(&policy, addr("93.184.216.34:80")));
        assert!(!names.allows(&policy, addr("93.184.216.35:443")));
    }

    #[test]
    fn a_rebound_name_teaches_nothing_forbidden() {
        let policy = policy(&["rebound.example:443"]);
        let mut names = ResolvedNames::default();
        for forbidden in FORBIDDEN {
            names.learn("rebound.example", &[addr(forbidden).ip()]);
            assert!(!names.allows(&policy, addr(forbidden)), "{forbidden}");
        }
    }

    #[test]
    fn the_address_of_another_name_is_not_permitted() {
        let policy = policy(&["example.com:443"]);
        let mut names = ResolvedNames::default();
        names.learn("evil.example", &[addr(PUBLIC).ip()]);
        assert!(!names.allows(&policy, addr(PUBLIC)));
    }

    #[test]
    fn memory_of_names_is_bounded_and_keeps_the_latest() {
        let policy = policy(&["*.example.com:443"]);
        let mut names = ResolvedNames::default();
        let ip = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(0x5000_0000 + n));
        for n in 0..1000 {
            names.learn(&format!("h{n}.example.com"), &[ip(n)]);
            names.learn("kept.example.com", &[addr(PUBLIC).ip()]);
        }
        assert_eq!(names.pairs.len(), REMEMBERED);
        assert!(names.allows(&policy, SocketAddr::new(ip(999), 443)));
        assert!(!names.allows(&policy, SocketAddr::new(ip(0), 443)));
        assert!(names.allows(&policy, addr(PUBLIC)));
    }

    #[test]
    fn wrong_rules_say_what_to_write() {
        for (rule, message) in [
            (
                "example.com",
                r#""example.com" has no port; give one, such as "example.com:443", or "example.com:*" for all"#,
            ),
            ("[::1]", r#""[::1]" has more than one `:`; give an IPv6 address as in "[2001:db8::1]:443""#),
            ("::1:80", r#""::1:80" has more than one `:`; give an IPv6 address as in "[2001:db8::1]:443""#),
            (
                "https://example.com:443",
                r#""https://example.com:443" has more than one `:`; give an IPv6 address as in "[2001:db8::1]:443""#,
            ),
            ("a.net:0", r#""a.net:0" has no valid port; give 1 to 65535, a range such as 8000-8999, or `*`"#),
            ("a.net:70000", r#""a.net:70000" has no valid port; give 1 to 65535, a range such as 8000-8999, or `*`"#),
            ("a.net:90-80", r#""a.net:90-80" has no valid port; give 1 to 65535, a range such as 8000-8999, or `*`"#),
            ("a.net:https", r#""a.net:https" has no valid port; give 1 to 65535, a range such as 8000-8999, or `*`"#),
            (":80", r#"":80" has no valid host; give a name, "*." and a name, "*", an address or a network"#),
            (
                "*bad.net:80",
                r#""*bad.net:80" has no valid host; give a name, "*." and a name, "*", an address or a network"#,
            ),
            (
                "*.*.net:80",
                r#""*.*.net:80" has no valid host; give a name, "*." and a name, "*", an address or a network"#,
            ),
            (
                "a b.net:80",
                r#""a b.net:80" has no valid host; give a name, "*." and a name, "*", an address or a network"#,
            ),
            ("[example.com]:80", r#""[example.com]:80" has no IPv6 address in its brackets"#),
            ("10.0.0.5/8:80", r#""10.0.0.5/8:80" has bits after its prefix; the network is 10.0.0.0/8"#),
            ("[::ffff:10.0.0.1]:80", r#""[::ffff:10.0.0.1]:80" is an IPv4 address in IPv6 form; give it as IPv4"#),
            (
                "2130706433:80",
                r#""2130706433:80" has an address that is not written out; give all four numbers in decimal"#,
            ),
            ("127.1:80", r#""127.1:80" has an address that is not written out; give all four numbers in decimal"#),
            (
                "0x7f000001:80",
                r#""0x7f000001:80" has an address that is not written out; give all four numbers in decimal"#,
            ),
        ] {
            assert_eq!(wrong(rule), message);
        }
    }

    #[test]
    fn every_wrong_rule_is_reported() {
        let rules = ["a".to_owned(), "b.net:443".to_owned(), "c:0".to_owned()];
        assert_eq!(OutboundPolicy::parse(&rules).unwrap_err().len(), 2);
    }
}
