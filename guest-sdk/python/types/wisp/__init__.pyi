"""Types of what functions are given, for editors and type checkers.

    from typing import TYPE_CHECKING

    if TYPE_CHECKING:
        from wisp import Context


    def handler(event: bytes, context: "Context") -> dict: ...
"""

from collections.abc import Awaitable, Callable, Iterable
from logging import Logger
from typing import Any

class Credentials:
    """Keys that the operator has configured for the function; empty texts if none."""

    access_key_id: str
    access_key_secret: str
    security_token: str
    accessKeyId: str
    accessKeySecret: str
    securityToken: str

class Function:
    """The function as it is configured."""

    name: str
    handler: str
    memory: int
    """MB"""
    timeout: int
    """Seconds of one invocation."""
    initializer: str | None
    initialization_timeout: int
    """Seconds of the initializer."""
    initializationTimeout: int
    qualifier: str
    version_id: str
    """Empty for LATEST."""
    versionId: str

class Service:
    """The service that the function belongs to; empty texts if it has none."""

    name: str
    log_project: str
    logProject: str
    log_store: str
    logStore: str
    qualifier: str
    version_id: str
    versionId: str

class Tracing:
    """What traces a call."""

    span_context: str
    """The caller's W3C `traceparent`; empty if it sent none."""
    jaeger_endpoint: str
    span_baggages: dict[str, str]

class Context:
    """What a handler or hook is told about its call."""

    request_id: str
    deadline_ms: int
    """The instant at which the call is given up, in milliseconds since 1970-01-01T00:00:00Z."""
    retry_count: int
    trace_parent: str | None
    @property
    def credentials(self) -> Credentials: ...
    @property
    def function(self) -> Function: ...
    @property
    def service(self) -> Service: ...
    @property
    def region(self) -> str: ...
    @property
    def account_id(self) -> str: ...
    @property
    def log_project(self) -> str: ...
    @property
    def log_store(self) -> str: ...
    @property
    def tracing(self) -> Tracing: ...
    @property
    def logger(self) -> Logger: ...
    @property
    def requestId(self) -> str: ...
    @property
    def accountId(self) -> str: ...
    @property
    def retryCount(self) -> int: ...
    def get_logger(self) -> Logger: ...
    def to_json(self) -> dict[str, Any]: ...

StartResponse = Callable[..., Callable[[bytes], None]]
EventHandler = Callable[[bytes, Context], Any]
WsgiHandler = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
AsgiHandler = Callable[[dict[str, Any], Callable[[], Awaitable[dict[str, Any]]], Callable[[dict[str, Any]], Awaitable[None]]], Awaitable[None]]
Hook = Callable[[Context], Any]
