//! What an instance holds of its host: no snapshot has it.

use std::{any::Any, collections::BTreeMap};

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{
    filesystem::Descriptor,
    p2::{DynInputStream, DynOutputStream, DynPollable, Network, ReaddirIterator, TcpSocket, UdpSocket},
};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostIncomingResponse};

/// Who lets go of the standard streams and of the directories before a snapshot, or makes them anew after one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forgetful {
    /// Nobody: nothing may be held.
    Nobody,
    /// The adapter of preview 1, which is as new in the snapshot.
    Adapter,
}

/// What an adapter opens by itself: one stream each for standard input, output and error.
const ADAPTERS_INPUTS: usize = 1;
const ADAPTERS_OUTPUTS: usize = 2;

const INPUT: &str = "an input stream";
const OUTPUT: &str = "an output stream";
const DIRECTORY: &str = "a directory";
const WAIT: &str = "a wait for the host (`pollable`)";
const OTHER: &str = "a resource of the host";

/// What is held and would be lost, such as `a file and 2 sockets`; `None` if nothing is.
pub(super) fn describe(table: &mut ResourceTable, forgetful: Forgetful) -> Option<String> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for entry in table.iter_mut() {
        *counts.entry(name(entry)).or_default() += 1;
    }
    if forgetful == Forgetful::Adapter {
        counts.remove(DIRECTORY);
        forgive(&mut counts, INPUT, ADAPTERS_INPUTS);
        forgive(&mut counts, OUTPUT, ADAPTERS_OUTPUTS);
    }
    // What a wait is for, such as the instant of a clock, is held together with it.
    if counts.contains_key(WAIT) {
        counts.remove(OTHER);
    }
    let named: Vec<_> = counts.into_iter().map(|(name, count)| counted(name, count)).collect();
    match named.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        [most @ .., last] => Some(format!("{} and {last}", most.join(", "))),
    }
}

/// The streams of an open file are its own, and stay with it.
fn forgive(counts: &mut BTreeMap<&str, usize>, name: &'static str, own: usize) {
    if counts.get(name).is_some_and(|count| *count <= own) {
        counts.remove(name);
    }
}

fn name(entry: &(dyn Any + Send)) -> &'static str {
    match entry.downcast_ref::<Descriptor>() {
        Some(Descriptor::File(_)) => return "a file",
        Some(Descriptor::Dir(_)) => return DIRECTORY,
        None => {}
    }
    if entry.is::<DynInputStream>() {
        INPUT
    } else if entry.is::<DynOutputStream>() {
        OUTPUT
    } else if entry.is::<TcpSocket>() || entry.is::<UdpSocket>() {
        "a socket"
    } else if entry.is::<ReaddirIterator>() {
        "a directory listing"
    } else if entry.is::<Network>() {
        "the network"
    } else if entry.is::<DynPollable>() {
        WAIT
    } else if entry.is::<HostFutureIncomingResponse>() || entry.is::<HostIncomingResponse>() {
        "an HTTP request of its own"
    } else {
        OTHER
    }
}

fn counted(name: &str, count: usize) -> String {
    if count == 1 { name.to_owned() } else { format!("{count} × {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_streams(outputs: usize) -> ResourceTable {
        let mut table = ResourceTable::new();
        for _ in 0..outputs {
            let stream: DynOutputStream = Box::new(wasmtime_wasi::p2::pipe::SinkOutputStream);
            table.push(stream).unwrap();
        }
        table
    }

    #[test]
    fn nothing_is_held_by_an_empty_table() {
        assert_eq!(describe(&mut ResourceTable::new(), Forgetful::Nobody), None);
    }

    #[test]
    fn the_streams_that_an_adapter_opens_anew_do_not_count() {
        assert_eq!(describe(&mut with_streams(2), Forgetful::Adapter), None);
        assert_eq!(describe(&mut with_streams(1), Forgetful::Nobody).unwrap(), "an output stream");
        assert_eq!(describe(&mut with_streams(3), Forgetful::Adapter).unwrap(), "3 × an output stream");
    }

    #[test]
    fn all_that_is_held_is_named() {
        let mut table = with_streams(1);
        table.push(7_u8).unwrap();
        assert_eq!(describe(&mut table, Forgetful::Nobody).unwrap(), "a resource of the host and an output stream");
    }
}
