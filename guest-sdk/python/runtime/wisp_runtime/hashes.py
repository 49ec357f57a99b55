"""What `hashlib` has of OpenSSL elsewhere, as far as it can be had."""

import hashlib
import hmac

SCRYPT = "hashlib.scrypt needs OpenSSL, which CPython has not in WebAssembly; hashlib.pbkdf2_hmac is there"


def install() -> None:
    hashlib.pbkdf2_hmac = pbkdf2_hmac
    hashlib.__getattr__ = missing


def missing(name):
    # Absent for `hasattr`, as packages ask that choose between algorithms.
    raise AttributeError(SCRYPT if name == "scrypt" else f"module 'hashlib' has no attribute '{name}'")


def pbkdf2_hmac(hash_name, password, salt, iterations, dklen=None):
    """RFC 8018, 5.2. A few microseconds an iteration."""
    length = hashlib.new(hash_name).digest_size if dklen is None else dklen
    if iterations < 1 or length < 1:
        raise ValueError("iterations and the key length must be 1 at least")
    key = bytes(password)
    derived = bytearray()
    while len(derived) < length:
        number = len(derived) // hashlib.new(hash_name).digest_size + 1
        block = hmac.digest(key, bytes(salt) + number.to_bytes(4, "big"), hash_name)
        mixed = int.from_bytes(block, "big")
        for _ in range(iterations - 1):
            block = hmac.digest(key, block, hash_name)
            mixed ^= int.from_bytes(block, "big")
        derived += mixed.to_bytes(len(block), "big")
    return bytes(derived[:length])
