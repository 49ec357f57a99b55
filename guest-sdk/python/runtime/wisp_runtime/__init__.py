"""The Python runtime of wisp: CPython's side of a language runtime of `wisp:function`.

component           what the host calls: the exports of the world
loading             a function's sources → a handler and hooks, and what they are
references          `file.function` → an object of the user's, or an error that says what is wrong with it
events, wsgi, asgi  the programming styles
request_texts       the texts of a request as the host hands them over
responses           an application's answer → the host's record
context             the `context` that handlers get, and the common facts of the instance
logs, failures      what the function writes, and how it fails
sources             the user's files, kept in memory
standard_library    the standard library, kept in memory
snapshot            what a snapshot cannot hold: let go of, renewed, refused
network_guard       no network while sources load
outbound            what is said of a connection that the host does not permit
event_loop          asyncio without sockets of its own
patches, threads    what other people's modules need changed to run here
https, http_errors  HTTP over `wasi:http` behind the interface of a TLS socket
ssl_module          what `import ssl` finds
local_time, zones   time zones
hashes              what hashlib has of OpenSSL elsewhere
warm_up             runs the runtime's own paths before the component is finished
native_packages     packages that need native code, and what to use instead
"""
