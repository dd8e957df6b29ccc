"""Connections and clients of AWS that know only what they are told, and calls that end in time.

botocore on its own would sign with the host's identity when keys are missing, follow the host's AWS_* variables and
files, wait for minutes, and read answers of any size. Nothing of that is possible through `Calls`.
"""

import io
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from socket import IPPROTO_TCP, SHUT_RDWR, TCP_NODELAY, socket
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, TypeVar, overload

from botocore.awsrequest import (
    AWSHTTPConnectionPool,
    AWSHTTPSConnectionPool,
    AWSPreparedRequest,
    AWSRequest,
    AWSResponse,
)
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, ConfigValueStore, ConstantProvider
from botocore.credentials import CredentialResolver
from botocore.exceptions import NoCredentialsError
from botocore.httpsession import URLLib3Session
from botocore.loaders import Loader
from botocore.session import Session
from botocore.tokens import TokenProviderChain
from urllib3 import HTTPConnectionPool, PoolManager

from crewadmin.redaction import Secret

from .errors import ResponseTooLargeError
from .limits import Limits

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sts import STSClient


T = TypeVar("T")
Answer: TypeAlias = Mapping[str, Any]

BATCH = "BatchGetSecretValue"


@dataclass(frozen=True, slots=True)
class Keys:
    """What signs a request: an IAM user's access key, or the temporary one of a role's session."""

    access_key_id: str
    secret_access_key: Secret[str]
    session_token: Secret[str] | None = None


class IsolatedSession(Session):
    """A botocore session blind to its host: no AWS_* variables, no files, no container or instance identity.

    Every setting is botocore's own default (regional STS, no FIPS or dual-stack endpoints, no telemetry), service
    descriptions come from inside the package, and there is no place to look for credentials or tokens: a client
    without explicit keys has none.
    """

    def __init__(self) -> None:
        super().__init__()
        defaults = {name: default for name, (_, _, default, _) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()}
        self.register_component(
            "config_store", ConfigValueStore({name: ConstantProvider(default) for name, default in defaults.items()})
        )
        self.register_component(
            "data_loader", Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
        )
        self.register_component("credential_provider", CredentialResolver(providers=[]))
        self.register_component("token_provider", TokenProviderChain(providers=[]))

    @property
    def full_config(self) -> dict[str, Any]:
        """The parsed config file: there is none."""
        return {"profiles": {}}

    def _register_client_plugins(self, client: object) -> None:
        """Load nothing: botocore would import any module that BOTOCORE_EXPERIMENTAL__PLUGINS names."""


class Transport(URLLib3Session):
    """botocore's HTTP connections, with a limit on what is read and a way to cut them all off."""

    _manager: PoolManager  # botocore's, not in its stubs

    def __init__(self, limits: Limits) -> None:
        super().__init__(
            verify=True,
            proxies={},
            timeout=(limits.connect, limits.read),  # type: ignore[arg-type]  # the stubs know only one number
            max_pool_connections=max(limits.threads, limits.readers),
            socket_options=[(IPPROTO_TCP, TCP_NODELAY, 1)],  # type: ignore[list-item]  # the stubs are wrong
        )
        self._limits = limits
        self._sockets: list[socket] = []
        self._lock = threading.Lock()
        self._cut = False
        self._manager.pool_classes_by_scheme = {
            "http": _reporting(AWSHTTPConnectionPool, self._connected),
            "https": _reporting(AWSHTTPSConnectionPool, self._connected),
        }

    def send(self, request: AWSRequest | AWSPreparedRequest) -> AWSResponse:
        """Send a request and read its answer.

        Raises ResponseTooLargeError for an answer longer than the limit, and what botocore and urllib3 raise for a
        network that fails, or was cut off.
        """
        request.stream_output = True  # leaves the reading to us
        operation = str(request.headers.get("X-Amz-Target", ""))  # of bytes, where a client of botocore asks
        most = self._limits.batch_body if BATCH in operation else self._limits.body
        response = super().send(request)
        body = response.raw.read(most + 1)
        if len(body) > most:
            response.raw.close()
            raise ResponseTooLargeError
        response.raw = _Body(body)
        return response

    def cut(self) -> None:
        """End every connection, now and when it is made; a thread that waits on one wakes up."""
        with self._lock:
            self._cut, connections = True, tuple(self._sockets)
        for connection in connections:
            try:
                # The plain socket's method also under TLS, whose own would first undo the encryption.
                socket.shutdown(connection, SHUT_RDWR)
            except OSError:  # closed already
                continue
        self.close()

    def _connected(self, connection: socket) -> None:
        with self._lock:  # threads connect at the same time
            self._sockets = [connection, *(one for one in self._sockets if one.fileno() != -1)]  # others were closed
            cut = self._cut
        if cut:  # while this one was being made
            raise ConnectionAbortedError


class _Body(io.BytesIO):
    """An answer that was read already, in the form in which botocore reads answers."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


def _reporting(pool: type[HTTPConnectionPool], report: Callable[[socket], None]) -> type[HTTPConnectionPool]:
    """Return a pool whose connections hand their socket to `report` once they are connected."""

    class Connection(pool.ConnectionCls):  # type: ignore[misc, name-defined]  # either of botocore's two
        def connect(self) -> None:
            super().connect()
            report(self.sock)

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})


class Calls:
    """The calls of one run: they share connections, a few threads and one deadline.

    A call runs in a thread and is waited for until the deadline. That ends what no timeout of a library ends: name
    resolution, and a server that sends a byte now and then. Leaving the `with` block cuts all connections off, so that
    no thread stays behind. Only a `lasting` run whose calls have all ended leaves its connections to the next one: no
    two runs ever share them at a time, so that cutting off one never disturbs another.
    """

    def __init__(
        self, limits: Limits, endpoint_url: str | None = None, *, threads: int | None = None, lasting: bool = False
    ) -> None:
        self.limits = limits
        self.endpoint_url = endpoint_url
        self.deadline = time.monotonic() + limits.total
        self.ended = threading.Event()
        self._idle = _idle_of(limits, endpoint_url) if lasting else deque[Transport]()
        self.transport = _pop(self._idle) or Transport(limits)
        self._threads = ThreadPoolExecutor(threads or limits.threads, thread_name_prefix="aws")
        self._started: list[Future[Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        finished = all(call.done() for call in self._started)
        self.ended.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        if finished and self._idle.maxlen:
            self._idle.append(self.transport)
        else:
            self.transport.cut()

    @overload
    def client(self, service: Literal["sts"], region: str, keys: Keys) -> "STSClient": ...
    @overload
    def client(self, service: Literal["secretsmanager"], region: str, keys: Keys) -> "SecretsManagerClient": ...
    def client(self, service: Literal["sts", "secretsmanager"], region: str, keys: Keys) -> Any:
        """Return a client of the region's own endpoint that signs with `keys`.

        Raises NoCredentialsError for empty keys, which botocore would take as leave to look for others.
        """
        secret = keys.secret_access_key.reveal()
        if not (keys.access_key_id and secret):
            raise NoCredentialsError
        with _session_lock:
            client = _session().create_client(
                service,
                region_name=region,
                endpoint_url=self.endpoint_url,
                verify=True,  # given, so that REQUESTS_CA_BUNDLE is not read
                aws_access_key_id=keys.access_key_id,
                aws_secret_access_key=secret,
                aws_session_token=keys.session_token.reveal() if keys.session_token else None,
                config=_config(self.limits.attempts),
            )
        client.meta.events.register("before-send", self._send)
        return client

    def _send(self, request: AWSPreparedRequest, **kwargs: object) -> Any:
        """Answer botocore's event "before-send": a handler that returns a response takes the place of sending."""
        return self.transport.send(request)

    def start(self, call: Callable[..., T], *arguments: Any, **named: Any) -> "Future[T]":
        """Start a call in a thread."""
        started = self._threads.submit(call, *arguments, **named)
        self._started.append(started)
        return started

    def wait(self, call: "Future[T]") -> T:
        """Return what a call answers, or raise what it raises; TimeoutError after the deadline."""
        return call.result(timeout=max(0.0, self.deadline - time.monotonic()))


#: Connections that no run uses at the moment. They carry no identity (every request is signed by itself), so that any
#: credential may use them next; with other limits or another endpoint there are others.
@lru_cache(maxsize=4)
def _idle_of(limits: Limits, endpoint_url: str | None) -> "deque[Transport]":
    return deque(maxlen=4)


def _pop(idle: "deque[Transport]") -> Transport | None:
    try:
        return idle.pop()
    except IndexError:
        return None


_session_lock = threading.Lock()


@lru_cache(maxsize=1)
def _session() -> IsolatedSession:
    # One for the process: a session of its own costs each client 150 ms and 7 MB, a shared one 2 ms. Sessions are not
    # thread-safe, clients are: https://docs.aws.amazon.com/boto3/latest/guide/clients.html#multithreading
    return IsolatedSession()


def _config(attempts: int) -> Config:
    return Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # missing in the stubs
    )
