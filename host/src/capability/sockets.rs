//! TCP and UDP of guests: only outwards, and only to the addresses that `allowed_outbound` names or that an allowed name
//! resolved to in this instance.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use wasmtime::{
    StoreContextMut,
    component::{Accessor, Linker, Resource},
};
use wasmtime_wasi::{
    WasiCtxBuilder,
    p2::{
        Network as WasiNetwork,
        bindings::sockets::{
            ip_name_lookup::{Host as _, HostResolveAddressStream as _, ResolveAddressStream},
            network::{ErrorCode, IpAddress},
        },
    },
    p3::bindings::sockets::{ip_name_lookup as lookup_03, types as types_03},
    sockets::{SocketAddrUse, WasiSockets, WasiSocketsView as _},
};

use super::outbound::{OutboundPolicy, ResolvedNames};
use crate::{engine::EngineKind, instance::Guest};

const IP_NAME_LOOKUP: &str = "wasi:sockets/ip-name-lookup@0.2.12";
const IP_NAME_LOOKUP_03: &str = "wasi:sockets/ip-name-lookup@0.3.0";

/// How many look-ups of one instance are remembered while they are under way.
const MAX_LOOKUPS: usize = 64;

/// What an instance may connect to. Names that it looks up are remembered for its life.
pub(crate) struct Network {
    policy: Arc<OutboundPolicy>,
    /// Set at each attempt; then none succeeds.
    attempts: Option<Arc<AtomicBool>>,
    resolved: Arc<Mutex<ResolvedNames>>,
    /// Which name a look-up under way is for, by the number of its resource.
    lookups: HashMap<u32, String>,
}

impl Network {
    pub(crate) fn new(policy: Arc<OutboundPolicy>, attempts: Option<Arc<AtomicBool>>) -> Self {
        Self { policy, attempts, resolved: Arc::default(), lookups: HashMap::new() }
    }

    /// Opens sockets in a context, if the policy names anything at all.
    pub(crate) fn allow(&self, wasi: &mut WasiCtxBuilder) {
        if let Some(attempts) = &self.attempts {
            return note_attempts(attempts.clone(), wasi);
        }
        if self.policy.is_empty() {
            return;
        }
        let (policy, resolved) = (self.policy.clone(), self.resolved.clone());
        wasi.allow_tcp(true).allow_udp(true).allow_ip_name_lookup(true).socket_addr_check(move |address, usage| {
            let allowed = allows(&policy, &resolved, address, usage);
            Box::pin(async move { allowed })
        });
    }

    /// Whether a name may be looked up.
    fn allows_name(&self, name: &str) -> bool {
        match &self.attempts {
            Some(attempts) => {
                attempts.store(true, Relaxed);
                false
            }
            None => self.policy.allows_name(name),
        }
    }

    fn begin_lookup(&mut self, stream: u32, name: String) {
        if self.lookups.len() >= MAX_LOOKUPS {
            self.lookups.clear();
        }
        self.lookups.insert(stream, name);
    }

    fn learn(&self, stream: u32, address: IpAddress) {
        if let Some(name) = self.lookups.get(&stream) {
            self.resolved.lock().learn(name, &[ip(address)]);
        }
    }
}

/// Sockets can be made, as by libraries that look what there is, but connect to nothing.
fn note_attempts(attempts: Arc<AtomicBool>, wasi: &mut WasiCtxBuilder) {
    wasi.allow_tcp(true).allow_udp(true).allow_ip_name_lookup(true).socket_addr_check(move |_, usage| {
        if matches!(usage, SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend) {
            attempts.store(true, Relaxed);
        }
        Box::pin(async { false })
    });
}

fn ip(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4((a, b, c, d)) => IpAddr::from([a, b, c, d]),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => IpAddr::from([a, b, c, d, e, f, g, h]),
    }
}

fn allows(policy: &OutboundPolicy, resolved: &Mutex<ResolvedNames>, address: SocketAddr, usage: SocketAddrUse) -> bool {
    match usage {
        SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => {
            policy.allows_address(address) || resolved.lock().allows(policy, address)
        }
        // The implicit bind of a socket that is about to connect or send. To bind a chosen address is to serve.
        SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => address.ip().is_unspecified() && address.port() == 0,
        SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => false,
    }
}

/// Replaces the look-up functions: names that no rule speaks of are not looked up, and what others resolve to is learnt.
pub(crate) fn add_to_linker(linker: &mut Linker<Guest>, kind: EngineKind) -> wasmtime::Result<()> {
    if kind == EngineKind::Concurrent {
        let mut lookup = linker.instance(IP_NAME_LOOKUP_03)?;
        lookup.func_wrap_concurrent("resolve-addresses", |store: &Accessor<Guest>, (name,): (String,)| {
            Box::pin(resolve_addresses_03(store, name))
        })?;
    }
    let mut lookup = linker.instance(IP_NAME_LOOKUP)?;
    lookup.func_wrap("resolve-addresses", resolve_addresses)?;
    lookup.func_wrap("[method]resolve-address-stream.resolve-next-address", resolve_next_address)
}

type Lookup<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;

fn resolve_addresses(
    mut store: StoreContextMut<'_, Guest>,
    (network, name): (Resource<WasiNetwork>, String),
) -> Lookup<Resource<ResolveAddressStream>> {
    let guest = store.data_mut();
    if !guest.network.allows_name(&name) {
        return Ok((Err(ErrorCode::AccessDenied),));
    }
    let stream = match guest.sockets().resolve_addresses(network, name.clone()) {
        Ok(stream) => stream,
        Err(error) => return Ok((Err(error.downcast()?),)),
    };
    guest.network.begin_lookup(stream.rep(), name);
    Ok((Ok(stream),))
}

fn resolve_next_address(
    mut store: StoreContextMut<'_, Guest>,
    (stream,): (Resource<ResolveAddressStream>,),
) -> Lookup<Option<IpAddress>> {
    let guest = store.data_mut();
    let number = stream.rep();
    match guest.sockets().resolve_next_address(stream) {
        Ok(address) => {
            if let Some(address) = address {
                guest.network.learn(number, address);
            }
            Ok((Ok(address),))
        }
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}

async fn resolve_addresses_03(
    store: &Accessor<Guest>,
    name: String,
) -> wasmtime::Result<(Result<Vec<types_03::IpAddress>, lookup_03::ErrorCode>,)> {
    if !store.with(|mut store| store.get().network.allows_name(&name)) {
        return Ok((Err(lookup_03::ErrorCode::AccessDenied),));
    }
    let sockets = store.with_getter::<WasiSockets>(Guest::sockets);
    let found = lookup_03::HostWithStore::resolve_addresses(&sockets, name.clone()).await?;
    if let Ok(addresses) = &found {
        let addresses: Vec<_> = addresses.iter().map(ip_03).collect();
        store.with(|mut store| store.get().network.resolved.lock().learn(&name, &addresses));
    }
    Ok((found,))
}

fn ip_03(address: &types_03::IpAddress) -> IpAddr {
    match *address {
        types_03::IpAddress::Ipv4((a, b, c, d)) => IpAddr::from([a, b, c, d]),
        types_03::IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => IpAddr::from([a, b, c, d, e, f, g, h]),
    }
}
