"""Errors of `wasi:http` → the exceptions that sockets raise, which clients know how to take."""

import errno
import socket
import ssl


def os_error(code, authority: str) -> OSError:
    """The exception that a socket would have raised, for an error of `wasi:http`."""
    name = type(code).__name__.removeprefix("ErrorCode_")
    detail = getattr(code, "value", None)
    told = f"{name}: {detail}" if detail else name
    if name in ("DnsError", "DnsTimeout", "DestinationNotFound"):
        return socket.gaierror(socket.EAI_NONAME, f"the name of {authority} is not known ({told})")
    if name in ("ConnectionRefused", "DestinationUnavailable", "DestinationIpUnroutable"):
        return ConnectionRefusedError(errno.ECONNREFUSED, f"{authority} cannot be reached ({told})")
    if name.endswith("Timeout"):
        return TimeoutError(errno.ETIMEDOUT, f"{authority} did not answer in time ({told})")
    if name in ("HttpRequestDenied", "DestinationIpProhibited"):
        return PermissionError(
            errno.EACCES, f"the function may not connect to {authority} ({told}): allow it in `allowed_outbound`"
        )
    if name == "TlsCertificateError":
        return ssl.SSLCertVerificationError(f"the certificate of {authority} is not accepted ({told})")
    if name.startswith("Tls"):
        return ssl.SSLError(f"no TLS connection to {authority} ({told})")
    if name in ("ConnectionTerminated", "HttpResponseIncomplete"):
        return ConnectionResetError(errno.ECONNRESET, f"{authority} closed the connection ({told})")
    return OSError(errno.EIO, f"the request to {authority} failed ({told})")
