//! Checksums of code packages: CRC-64 of ECMA-182 in its reflected form, which the `crc` catalog lists as CRC-64/XZ, as a
//! decimal number ("CreateFunction" of FC's API reference: `codeChecksum`, `x-fc-code-checksum`).

use crc::{CRC_64_XZ, Crc, Table};

/// Sixteen tables of 2 KB: packages have up to a hundred megabytes.
static CRC_64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_XZ);

/// The checksum of `package` as FC writes it: decimal, without sign or leading zeros.
pub fn checksum(package: &[u8]) -> String {
    CRC_64.checksum(package).to_string()
}

/// Whether `package` is what the client had, if the client says what that was.
///
/// # Errors
/// See [`ChecksumMismatch`].
pub fn check(package: &[u8], expected: Option<&str>) -> Result<(), ChecksumMismatch> {
    let Some(expected) = expected.map(str::trim).filter(|expected| !expected.is_empty()) else { return Ok(()) };
    let actual = checksum(package);
    if expected == actual { Ok(()) } else { Err(ChecksumMismatch { expected: expected.to_owned(), actual }) }
}

/// A package came as another one than was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the code package has the CRC-64 (ECMA-182) {actual}, but {expected} was given; send it again, or leave the checksum \
     out"
)]
pub struct ChecksumMismatch {
    /// What the client said.
    pub expected: String,
    /// What the package has.
    pub actual: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of CRC-64/XZ in the catalog of parametrised CRC algorithms, and another one computed bit
    /// by bit from the polynomial.
    #[test]
    fn known_texts_have_known_checksums() {
        assert_eq!(checksum(b"123456789"), "11051210869376104954");
        assert_eq!(checksum(b""), "0");
        assert_eq!(checksum(b"This is a test of the emergency broadcast system."), "2871916124362751090");
    }

    #[test]
    fn another_package_is_refused_with_both_checksums() {
        assert_eq!(check(b"123456789", Some("11051210869376104954")), Ok(()));
        assert_eq!(check(b"123456789", None), Ok(()));
        let error = check(b"12345678", Some("11051210869376104954")).unwrap_err().to_string();
        assert!(error.contains(&checksum(b"12345678")) && error.contains("11051210869376104954"), "{error}");
    }
}
