//! Custom domains.

use super::unsupported;
use crate::{
    api::{
        call::{Answer, Call},
        domains,
    },
    host::FunctionHost,
    platform_error::PlatformError,
};

pub(super) async fn route(host: &FunctionHost, call: &Call, rest: &[&str]) -> Result<Answer, PlatformError> {
    match domains::route(host, call, "2016-08-15", rest).await? {
        Some(answer) => Ok(answer),
        None => unsupported(call),
    }
}
