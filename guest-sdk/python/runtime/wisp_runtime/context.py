"""The `context` of handlers and hooks, and what never changes in an instance."""

import json
import logging
from functools import cached_property

from wit_world.imports import wisp_function_environment as environment

from .request_texts import DEADLINE, REQUEST_ID, TRACE_PARENT

__all__ = ["Context", "Credentials", "Function", "Service", "Tracing"]


class Credentials:
    """Keys for other services; empty texts if the operator configured none."""

    def __init__(self, access_key_id: str, access_key_secret: str, security_token: str):
        self.access_key_id = self.accessKeyId = access_key_id
        self.access_key_secret = self.accessKeySecret = access_key_secret
        self.security_token = self.securityToken = security_token

    def __repr__(self):
        return f"Credentials(access_key_id={self.access_key_id!r})"


class Function:
    """The function as it is configured. `memory` is in MB, timeouts are in seconds."""

    def __init__(self, info, service):
        self.name = info.name
        self.handler = info.handler
        self.memory = info.memory_mb
        self.timeout = info.timeout_seconds
        self.initializer = info.initializer
        self.initialization_timeout = self.initializationTimeout = info.initialization_timeout_seconds
        self.qualifier = service.qualifier
        self.version_id = self.versionId = service.version_id


class Service:
    """The service that the function belongs to."""

    def __init__(self, info):
        self.name = info.name
        self.log_project = self.logProject = info.log_project
        self.log_store = self.logStore = info.log_store
        self.qualifier = info.qualifier
        self.version_id = self.versionId = info.version_id


class Tracing:
    """What traces a call. `span_context` is the caller's W3C `traceparent`."""

    def __init__(self, span_context: str):
        self.span_context = span_context
        self.jaeger_endpoint = ""
        self.span_baggages = {}


class Instance:
    """The facts of this instance, each asked for when it is first needed."""

    @cached_property
    def function(self) -> Function:
        return Function(environment.get_function(), environment.get_service())

    @cached_property
    def service(self) -> Service:
        return Service(environment.get_service())

    @cached_property
    def credentials(self) -> Credentials:
        keys = environment.get_credentials()
        return Credentials(keys.access_key_id, keys.access_key_secret, keys.security_token)

    @cached_property
    def region(self) -> str:
        return environment.get_region()

    @cached_property
    def account_id(self) -> str:
        return environment.get_account_id()

    def forget(self) -> None:
        """An instance that is started from a snapshot is another one."""
        self.__dict__.clear()


instance = Instance()


class Context:
    """What a handler is told about its call. The marshaller makes it from the record of that name."""

    def __init__(self, request_id: str, deadline_ms: int, retry_count: int, trace_parent: str | None):
        self.request_id = request_id
        self.deadline_ms = deadline_ms
        self.retry_count = retry_count
        self.trace_parent = trace_parent

    function = property(lambda self: instance.function)
    service = property(lambda self: instance.service)
    credentials = property(lambda self: instance.credentials)
    region = property(lambda self: instance.region)
    account_id = property(lambda self: instance.account_id)
    log_project = property(lambda self: instance.service.log_project)
    log_store = property(lambda self: instance.service.log_store)
    logger = property(lambda self: logging.getLogger())
    tracing = property(lambda self: Tracing(self.trace_parent or ""))
    # Names of older FC runtimes.
    requestId = property(lambda self: self.request_id)
    accountId = property(lambda self: instance.account_id)
    retryCount = property(lambda self: self.retry_count)

    def get_logger(self) -> logging.Logger:
        return logging.getLogger()

    def to_json(self) -> dict:
        """All but the secrets."""
        function, service = vars(self.function), vars(self.service)
        return {
            "request_id": self.request_id, "function": function, "service": service, "region": self.region,
            "account_id": self.account_id, "retry_count": self.retry_count,
        }

    def __repr__(self):
        return json.dumps(self.to_json())


class RequestContext(Context):
    """The context of a request, read from the texts that come with it when it is asked for."""

    retry_count = 0

    def __init__(self, texts: list[str]):
        self._texts = texts

    request_id = cached_property(lambda self: self._texts[REQUEST_ID])
    deadline_ms = cached_property(lambda self: int(self._texts[DEADLINE]))
    trace_parent = cached_property(lambda self: self._texts[TRACE_PARENT] or None)
