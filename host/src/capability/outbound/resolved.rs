//! What an instance has looked up.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
};

use super::{OutboundPolicy, normal};

/// The addresses that an instance's own lookups brought, since a socket is given an address and no name.
#[derive(Debug, Default)]
pub struct ResolvedNames {
    /// The latest last.
    pub(super) pairs: VecDeque<(String, IpAddr)>,
}

/// Pairs of name and address kept for an instance: more than a function talks to at a time, and no burden for the host
/// if a guest looks names up for ever.
pub(super) const REMEMBERED: usize = 256;

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
