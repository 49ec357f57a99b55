//! Measuring cold starts, load and density on the code that serves: `wisp bench` is its command line.
//!
//! Nothing here is a model of wisp. [`stages`] walks one function through the loader, the pool and the calls that a request
//! goes through, and notes the time between; [`load`] is a client of any HTTP server; [`density`] fills a host and reads
//! what the system says it takes. [`samples`] holds distributions, [`machine`] says where they were taken and whether the
//! machine was quiet, [`page_cache`] makes a start truly cold.

pub mod answer;
pub mod call;
mod client;
pub mod density;
pub mod load;
pub mod machine;
pub mod page_cache;
pub mod samples;
mod spinning;
pub mod stages;
