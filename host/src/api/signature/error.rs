//! Why a signature is not accepted.

use http::StatusCode;
use jiff::Timestamp;

/// Why a request is refused for its signature. The display form is the message that the client reads; codes, statuses
/// and messages are those of FC's "error codes" where it has them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// `Authorization`, or a header without which there is nothing to verify.
    #[error("required HTTP header {0} was not specified")]
    MissingHeader(&'static str),
    /// The `Authorization` header, or what a presigned URL has in its place, cannot be read.
    #[error(
        "the signature cannot be read; give 'Authorization: FC <access key id>:<signature>' or 'Authorization: \
         ACS3-HMAC-SHA256 Credential=<access key id>,SignedHeaders=<names>,Signature=<signature>'"
    )]
    Malformed,
    /// The time of the request cannot be read.
    #[error("{name} is set to an invalid value (expected: {expected}, actual: '{actual}')")]
    InvalidTime {
        /// The header or parameter.
        name: &'static str,
        /// Its form, by an example.
        expected: &'static str,
        /// What was sent.
        actual: String,
    },
    /// No key has this id.
    #[error("invalid access key ID '{0}'")]
    UnknownAccessKey(String),
    /// The signature is another one than the key gives for this request.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your access key and \
         signing method"
    )]
    Mismatch,
    /// A header that must be signed is not.
    #[error("the header {0} must be signed; list it in SignedHeaders")]
    Unsigned(String),
    /// The clocks are more than 15 minutes apart.
    #[error("the request was signed at {time}, more than 15 minutes away from the server's time {now}; set the clock")]
    ClockSkew {
        /// The client's time.
        time: Timestamp,
        /// The server's time.
        now: Timestamp,
    },
    /// A presigned URL is past its end.
    #[error("the signed URL expired at {0}; have a new one signed")]
    Expired(Timestamp),
    /// The key demands a security token that did not come, or the other way round, or it is another one.
    #[error("the security token does not belong to the access key")]
    InvalidSecurityToken,
}

impl SignatureError {
    /// The status of the answer: 400 for what cannot be read, 403 for what is refused.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MissingHeader(_) | Self::Malformed | Self::InvalidTime { .. } => StatusCode::BAD_REQUEST,
            _ => StatusCode::FORBIDDEN,
        }
    }

    /// FC's error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingHeader(_) => "MissingRequiredHeader",
            Self::Malformed | Self::InvalidTime { .. } => "InvalidArgument",
            Self::UnknownAccessKey(_) => "InvalidAccessKeyID",
            Self::Mismatch | Self::Unsigned(_) => "SignatureNotMatch",
            Self::ClockSkew { .. } | Self::Expired(_) => "AccessDenied",
            Self::InvalidSecurityToken => "InvalidSecurityToken",
        }
    }
}
