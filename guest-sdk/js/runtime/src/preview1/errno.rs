//! Errors of preview 1.

use wasip2::filesystem::types::ErrorCode;
use wasip2::io::streams::StreamError;

/// An error number of preview 1; 0 is success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errno(pub(super) i32);

pub(super) const SUCCESS: Errno = Errno(0);
pub(super) const BADF: Errno = Errno(8);
pub(super) const EXIST: Errno = Errno(20);
pub(super) const INVAL: Errno = Errno(28);
pub(super) const IO: Errno = Errno(29);
pub(super) const ISDIR: Errno = Errno(31);
pub(super) const NOENT: Errno = Errno(44);
pub(super) const NOSYS: Errno = Errno(52);
pub(super) const NOTDIR: Errno = Errno(54);
pub(super) const PERM: Errno = Errno(63);
pub(super) const ROFS: Errno = Errno(69);
pub(super) const SPIPE: Errno = Errno(70);

impl From<ErrorCode> for Errno {
    fn from(code: ErrorCode) -> Self {
        Self(match code {
            ErrorCode::Access => 2,
            ErrorCode::WouldBlock => 6,
            ErrorCode::Already => 7,
            ErrorCode::BadDescriptor => 8,
            ErrorCode::Busy => 10,
            ErrorCode::Deadlock => 16,
            ErrorCode::Quota => 19,
            ErrorCode::Exist => 20,
            ErrorCode::FileTooLarge => 22,
            ErrorCode::IllegalByteSequence => 25,
            ErrorCode::InProgress => 26,
            ErrorCode::Interrupted => 27,
            ErrorCode::Invalid => 28,
            ErrorCode::Io => 29,
            ErrorCode::IsDirectory => 31,
            ErrorCode::Loop => 32,
            ErrorCode::TooManyLinks => 34,
            ErrorCode::MessageSize => 35,
            ErrorCode::NameTooLong => 37,
            ErrorCode::NoDevice => 43,
            ErrorCode::NoEntry => 44,
            ErrorCode::NoLock => 46,
            ErrorCode::InsufficientMemory => 48,
            ErrorCode::InsufficientSpace => 51,
            ErrorCode::NotDirectory => 54,
            ErrorCode::NotEmpty => 55,
            ErrorCode::NotRecoverable => 56,
            ErrorCode::Unsupported => 58,
            ErrorCode::NoTty => 59,
            ErrorCode::NoSuchDevice => 60,
            ErrorCode::Overflow => 61,
            ErrorCode::NotPermitted => 63,
            ErrorCode::Pipe => 64,
            ErrorCode::ReadOnly => 69,
            ErrorCode::InvalidSeek => 70,
            ErrorCode::TextFileBusy => 74,
            ErrorCode::CrossDevice => 75,
        })
    }
}

impl From<StreamError> for Errno {
    fn from(_: StreamError) -> Self {
        IO
    }
}
