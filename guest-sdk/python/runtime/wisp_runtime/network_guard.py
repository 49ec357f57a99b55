"""No network while sources load.

The top level of a module runs when the function is built, on the builder's machine, and its effects become part of
every instance: a connection made there would be in none of them.
"""

import errno
import socket

SOCKET_CALLS = ("bind", "connect", "connect_ex", "listen", "sendto")
LOOKUPS = ("getaddrinfo", "gethostbyaddr", "gethostbyname", "gethostbyname_ex", "getnameinfo")

advice = "connect in the initializer or in the handler instead of at the top level of a module"
closed = False

# What was refused. A package that only asks what there is, by binding a socket, does well without.
refused_calls: list[str] = []
PROBES = {"socket.bind"}


class NetworkGuard:
    """While it is entered, network calls fail with an error that names them."""

    def __enter__(self):
        global closed
        # Methods of the class in C that `socket.socket` extends are not its own.
        self.calls = {name: vars(socket.socket).get(name) for name in SOCKET_CALLS}
        self.lookups = {name: getattr(socket, name) for name in LOOKUPS}
        for name in SOCKET_CALLS:
            setattr(socket.socket, name, refuse(f"socket.{name}"))
        for name in LOOKUPS:
            setattr(socket, name, refuse(f"socket.{name}"))
        closed = True
        return self

    def __exit__(self, *_):
        global closed
        for name, function in self.calls.items():
            if function is None:
                delattr(socket.socket, name)
            else:
                setattr(socket.socket, name, function)
        for name, function in self.lookups.items():
            setattr(socket, name, function)
        closed = False


def refuse(call: str):
    def refused(*arguments, **_):
        raise refusal(call, [it for it in arguments if isinstance(it, (str, tuple))])

    return refused


def refusal(call: str, arguments: list) -> OSError:
    shown = ", ".join(repr(it) for it in arguments)
    message = f"{call}({shown}): there is no network while a function is built; {advice}"
    if call not in PROBES:
        refused_calls.append(message)
    return OSError(errno.EACCES, message)
