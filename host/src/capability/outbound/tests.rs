use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{NameVerdict, OutboundPolicy, ResolvedNames, resolved::REMEMBERED};

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
        ("*.*.net:80", r#""*.*.net:80" has no valid host; give a name, "*." and a name, "*", an address or a network"#),
        ("a b.net:80", r#""a b.net:80" has no valid host; give a name, "*." and a name, "*", an address or a network"#),
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
