"""Connections that the host does not permit: errors that name where to, and what to do about it."""

import errno
import socket

init_of_socket = socket.socket.__init__
connect_of_socket = socket.socket.connect
getaddrinfo_of_socket = socket.getaddrinfo


def install() -> None:
    socket.socket.__init__ = init
    socket.socket.connect = connect
    socket.getaddrinfo = getaddrinfo


def init(self, *arguments, **named):
    """Fails for a function that may not connect to anything."""
    try:
        init_of_socket(self, *arguments, **named)
    except PermissionError:
        raise denied("open a socket", "where it connects to") from None


def connect(self, address):
    try:
        return connect_of_socket(self, address)
    except PermissionError:
        where = ":".join(str(it) for it in address[:2]) if isinstance(address, tuple) else address
        raise denied(f"connect to {where}") from None


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    try:
        return getaddrinfo_of_socket(host, port, family, type, proto, flags)
    except PermissionError:
        raise denied(f"look up {host}") from None


def denied(what: str, to_allow: str = "it") -> PermissionError:
    return PermissionError(errno.EACCES, f"the function may not {what}: allow {to_allow} in `allowed_outbound`")
