"""What `hashlib` has of OpenSSL elsewhere, as far as it can be had."""

import hashlib
import hmac

import _wisp

# What OpenSSL allows scrypt if the caller says nothing.
DEFAULT_MEMORY = 32 << 20

# The largest memory and key that callers may ask for: OpenSSL takes an int.
LARGEST = 2**31 - 1


def install() -> None:
    hashlib.pbkdf2_hmac = pbkdf2_hmac
    hashlib.scrypt = scrypt


def pbkdf2_hmac(hash_name, password, salt, iterations, dklen=None):
    """RFC 8018, 5.2. Less than a microsecond an iteration for SHA-1 and SHA-256, a few for hashes that `_wisp` has not."""
    given = hashlib.new(hash_name)
    size, name = given.digest_size, given.name
    length = size if dklen is None else dklen
    if iterations < 1:
        raise ValueError("iteration value must be greater than 0.")
    if length < 1:
        raise ValueError("key length must be greater than 0.")
    key, salt = bytes_of(password), bytes_of(salt)
    if len(key) > given.block_size:
        key = hashlib.new(name, key).digest()
    derived = bytearray()
    while len(derived) < length:
        number = len(derived) // size + 1
        first = hmac.digest(key, salt + number.to_bytes(4, "big"), name)
        mixed = _wisp.pbkdf2_iterate(name, key, first, iterations - 1)
        derived += iterated(name, key, first, iterations - 1) if mixed is None else mixed
    return bytes(derived[:length])


def iterated(name, key, first, iterations):
    """What `_wisp.pbkdf2_iterate` does, for any hash function."""
    mixed, block = int.from_bytes(first, "big"), first
    for _ in range(iterations):
        block = hmac.digest(key, block, name)
        mixed ^= int.from_bytes(block, "big")
    return mixed.to_bytes(len(first), "big")


def scrypt(password, *, salt, n, r, p, maxmem=0, dklen=64):
    """RFC 7914, with the limits and errors of `hashlib` over OpenSSL."""
    password, salt = bytes_of(password), bytes_of(salt)
    if n < 2 or n & (n - 1):
        raise ValueError("n must be a power of 2.")
    if not 0 <= maxmem <= LARGEST:
        raise ValueError(f"maxmem must be positive and smaller than {LARGEST}")
    if not 1 <= dklen <= LARGEST:
        raise ValueError(f"dklen must be greater than 0 and smaller than {LARGEST}")
    if r < 1 or p < 1 or r * p >= 2**30 or n.bit_length() > 16 * r:
        raise ValueError("Invalid parameter combination for n, r, p, maxmem.")
    if 128 * r * (p + n + 2) > (maxmem or DEFAULT_MEMORY):
        raise ValueError(f"scrypt needs {128 * r * (p + n + 2)} bytes, memory limit exceeded: maxmem raises it")
    blocks = pbkdf2_hmac("sha256", password, salt, 1, 128 * r * p)
    return pbkdf2_hmac("sha256", password, _wisp.scrypt_mix(blocks, n, r), 1, dklen)


def bytes_of(given) -> bytes:
    """Of any object with bytes. A text has none: that is a TypeError, as in `hashlib`."""
    return bytes(memoryview(given))
