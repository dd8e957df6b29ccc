"""Networks and servers that misbehave: always an answer in words, never a success, never late, never a flood."""

import socket
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from credentials.providers.aws.client import Transport
from credentials.providers.aws.limits import Limits
from credentials.providers.base import ProviderError, Step, StepState
from credentials.providers.failures import FailureCode

from .conftest import MakeProvider, ServeAws, fetch
from .faults import ENDLESS, FAULTS, always, drip, flood, hang, only_at
from .wire import GOOD, Answer, Request, http, json_error, scripted

F = FailureCode
#: For faults that answer at once, one way or another.
PATIENT = Limits(connect=5, read=5, total=10, attempts=2)
#: For faults that never end.
HASTY = Limits(connect=0.5, read=0.5, total=1.5, attempts=2)
#: Seconds beyond the deadline that a busy machine may need to come back.
GRACE = 2.0


STEPS = {Step.IDENTITY: "GetCallerIdentity", Step.LIST: "ListSecrets", Step.READ: "GetSecretValue"}


def wait_for_threads() -> list[threading.Thread]:
    """Give the threads of earlier calls some seconds to end; return those that have not."""
    give_up = time.monotonic() + 5
    while left := [thread for thread in threading.enumerate() if thread.name.startswith("aws")]:
        if time.monotonic() > give_up:
            break
        time.sleep(0.02)
    return left


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_a_failed_step(name: str, step: Step, serve: ServeAws, provider: MakeProvider) -> None:
    fault, codes = FAULTS[name]
    serve(only_at(STEPS[step], fault))
    result = provider(limits=PATIENT).probe("db")
    assert not result.ok
    assert result.failure is not None
    assert result.failure.step is step
    assert result.failure.code in codes
    assert all(later.state is StepState.SKIPPED for later in result.steps[result.steps.index(result.failure) + 1 :])


@pytest.mark.parametrize("step", [Step.IDENTITY, Step.READ])
@pytest.mark.parametrize("endless", ENDLESS.values(), ids=list(ENDLESS))
def test_a_server_that_never_ends_is_left_in_time(
    endless: Answer, step: Step, serve: ServeAws, provider: MakeProvider
) -> None:
    serve(only_at(STEPS[step], endless))
    start = time.monotonic()
    failure = provider(limits=HASTY).probe("db").failure
    assert time.monotonic() - start < HASTY.total + GRACE
    assert failure is not None
    assert (failure.step, failure.code) == (step, F.TIMED_OUT)


def test_a_flood_is_not_read_into_memory(serve: ServeAws, provider: MakeProvider) -> None:
    aws = provider(limits=Limits(total=10))
    serve(scripted())
    aws.probe("db")  # loads what is loaded once
    serve(only_at("GetSecretValue", flood))
    tracemalloc.start()
    failure = aws.probe("db").failure
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert failure is not None
    assert failure.code is F.UNEXPECTED_RESPONSE
    assert peak < 16_000_000  # the server's own megabyte included


def test_an_answer_that_is_too_long_is_refused_although_its_beginning_would_do(
    serve: ServeAws, provider: MakeProvider
) -> None:
    serve(scripted(ListSecrets=http(200, '{"SecretList": []}' + " " * Limits().body)))
    failure = provider(limits=Limits(total=10)).probe().failure
    assert failure is not None
    assert (failure.step, failure.code) == (Step.LIST, F.UNEXPECTED_RESPONSE)


def test_an_answer_is_not_followed_to_where_it_points(serve: ServeAws, provider: MakeProvider) -> None:
    elsewhere = serve(scripted())
    serve(always(http(302, "", {"Location": elsewhere.url})))
    provider(limits=PATIENT).probe("db")
    assert elsewhere.requests == []


@pytest.mark.parametrize("attempts", [1, 2])
def test_a_call_is_tried_as_often_as_the_limits_say(attempts: int, serve: ServeAws, provider: MakeProvider) -> None:
    wire = serve(always(http(503, "")))
    provider(limits=Limits(attempts=attempts)).probe()
    assert wire.actions == ["GetCallerIdentity"] * attempts


def test_nothing_listening_is_a_refused_connection(provider: MakeProvider, settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings.AWS_SANDBOX_URL = f"http://127.0.0.1:{taken.getsockname()[1]}"
    failure = provider(limits=PATIENT).probe().failure
    assert failure is not None
    assert failure.code is F.CONNECTION_REFUSED


def test_a_name_that_does_not_resolve_is_a_dns_failure(
    provider: MakeProvider, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    settings.AWS_SANDBOX_URL = None
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    failure = provider(limits=PATIENT).probe().failure
    assert failure is not None
    assert failure.code is F.DNS_FAILED


def test_a_name_server_that_hangs_does_not_hold_the_caller(
    serve: ServeAws, provider: MakeProvider, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    wire = serve(scripted())

    def slow(*args: object, **kwargs: object) -> list[Any]:
        released.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", wire.port))]

    settings.AWS_SANDBOX_URL = wire.url.replace("127.0.0.1", "localhost")
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    start = time.monotonic()
    failure = provider(limits=HASTY).probe().failure
    seconds = time.monotonic() - start
    released.set()
    wait_for_threads()
    assert failure is not None
    assert failure.code is F.TIMED_OUT
    assert seconds < HASTY.total + GRACE
    assert wire.requests == []  # what comes too late is not sent


def test_an_address_that_never_answers_is_a_connect_timeout(provider: MakeProvider, settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for filler in waiting:  # fills the queue of connections, so that the next gets no answer at all
            filler.setblocking(False)
            filler.connect_ex(address)
        settings.AWS_SANDBOX_URL = f"http://127.0.0.1:{address[1]}"
        failure = provider(limits=Limits(connect=0.3, total=10, attempts=1)).probe().failure
        for filler in waiting:
            filler.close()
    assert failure is not None
    assert failure.code is F.CONNECT_TIMEOUT


@pytest.mark.parametrize("variable", [None, "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_certificate_nobody_vouches_for_is_refused_whatever_the_host_trusts(
    variable: str | None,
    certificate: Path,
    serve: ServeAws,
    provider: MakeProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if variable:
        monkeypatch.setenv(variable, str(certificate))
    wire = serve(scripted(), certificate)
    failure = provider(limits=PATIENT).probe().failure
    assert failure is not None
    assert failure.code is F.TLS_FAILED
    assert wire.requests == []


def test_a_server_without_tls_is_a_tls_failure(provider: MakeProvider, settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            for _ in range(PATIENT.attempts):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"220 mail.example ESMTP\r\n")
                    connection.recv(65536)

        thread = threading.Thread(target=greet)
        thread.start()
        settings.AWS_SANDBOX_URL = f"https://127.0.0.1:{listener.getsockname()[1]}"
        failure = provider(limits=PATIENT).probe().failure
        thread.join(5)
    assert failure is not None
    assert failure.code is F.TLS_FAILED


def test_threads_and_connections_do_not_stay_behind(serve: ServeAws, provider: MakeProvider) -> None:
    serve(drip)
    for _ in range(3):
        provider(limits=Limits(connect=0.3, read=0.3, total=0.3, attempts=2)).probe("db")
    assert wait_for_threads() == []


def test_reading_many_secrets_ends_in_time_with_an_answer_for_each(serve: ServeAws, provider: MakeProvider) -> None:
    def first_only(request: Request, connection: socket.socket) -> bytes | None:
        if request.action == "BatchGetSecretValue":
            return json_error("AccessDeniedException", "no")
        if request.json["SecretId"] == "n0":
            return GOOD["GetSecretValue"]
        hang(request, connection)
        return None

    wire = serve(first_only)
    names = [f"n{number}" for number in range(50)]
    start = time.monotonic()
    answers = fetch(provider(limits=Limits(connect=1, read=5, total=1, attempts=2)), names)
    assert time.monotonic() - start < 1 + GRACE
    assert list(answers) == names
    late = [answers[name] for name in names[1:]]
    assert all(isinstance(answer, ProviderError) and answer.code is F.TIMED_OUT for answer in late)
    assert wait_for_threads() == []
    assert wire.connections <= 1 + Limits().readers  # those that had not begun never did


def test_connections_that_are_made_at_the_same_moment_are_all_cut_off() -> None:
    """A connection that is forgotten would keep its thread, however late it is."""
    transport = Transport(HASTY)
    pairs = [socket.socketpair() for _number in range(3)]
    first, second, third = (ours for ours, _theirs in pairs)
    at_once = threading.Thread(target=transport._connected, args=[third])

    class Watched(socket.socket):
        """While it is looked at, one more connection is made."""

        def fileno(self) -> int:
            if at_once.ident is None:
                at_once.start()
                at_once.join(0.3)
            return super().fileno()

    watched = Watched(fileno=first.detach())
    transport._connected(watched)
    transport._connected(second)
    at_once.join()
    transport.cut()
    for _ours, theirs in pairs:
        theirs.settimeout(1)
        assert theirs.recv(1) == b""
    for connection in (watched, second, third, *(theirs for _ours, theirs in pairs)):
        connection.close()
