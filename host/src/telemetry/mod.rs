//! What a host tells about its functions: the log of each, and counters.

mod counters;
mod log;

pub use counters::{Counters, Outcome};
pub(crate) use log::timestamp;
pub use log::{FunctionLog, LogFeed, LogFollower, LogLine};
