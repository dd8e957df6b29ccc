"""The same faults, met by a person: Test Connection on the page answers in words, whatever the network does."""

import socket
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from credentials.models import ConnectionTest, Credential, Health
from credentials.providers.aws.limits import Limits
from credentials.providers.aws.provider import AwsSecretsManager
from organizations.models import User
from sandbox import seed
from tests.pages import ShownToast, html_of, text_of, toasts_of

from .conftest import ServeAws
from .faults import ENDLESS, FAULTS, F, flood, flood_in_chunks, flood_of_headers, only_at
from .wire import Answer, scripted

pytestmark = pytest.mark.django_db
Press = Callable[..., ShownToast]


@pytest.fixture
def contacted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every address that was connected to."""
    found: list[Any] = []
    connect = socket.socket.connect

    def watched(self: socket.socket, address: Any) -> None:
        found.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", watched)
    return found


@pytest.fixture
def press(
    aws_prod: Credential, alice: User, sign_in: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> Press:
    """Return a function that presses Test Connection, looks at the page after it, and gives the toast."""
    client = sign_in(alice)
    address = reverse("credential_test", args=[aws_prod.organization.uuid, aws_prod.uuid])

    def pressed(limits: Limits) -> ShownToast:
        monkeypatch.setattr(AwsSecretsManager, "limits", limits)
        page = client.post(address, {"secret_name": seed.DATABASE.name}, follow=True)
        assert page.status_code == 200
        (toast,) = toasts_of(page)
        assert "Connected" not in text_of(page)
        for text in (seed.READER.secret_access_key, "value-canary", "<html><body>Welcome", "hotel"):
            assert text not in html_of(page)
        return toast

    return pressed


PATIENT = Limits(connect=5, read=5, total=10, attempts=2)
HASTY = Limits(connect=0.3, read=0.3, total=0.6, attempts=2)
#: At the first call, where nothing is proven yet, and at the last, where all the others passed.
CALLS = ["GetCallerIdentity", "GetSecretValue"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_in_words(name: str, call: str, serve: ServeAws, press: Press, contacted: list[Any]) -> None:
    fault, codes = FAULTS[name]
    wire = serve(only_at(call, fault))
    toast = press(PATIENT)
    failed = ConnectionTest.objects.get().failed_step
    assert failed
    assert failed["code"] in codes
    assert toast.level == "error"
    assert Credential.objects.select_related("last_test").get().health == Health.UNREACHABLE
    assert set(contacted) == {("127.0.0.1", wire.port)}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", ENDLESS)
def test_a_fault_that_never_ends_is_left_at_the_deadline(name: str, call: str, serve: ServeAws, press: Press) -> None:
    serve(only_at(call, ENDLESS[name]))
    assert press(HASTY).title == "AWS did not answer in time"
    assert ConnectionTest.objects.get().milliseconds >= HASTY.read * 1000


@contextmanager
def nothing_there(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


@contextmanager
def no_such_name(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    yield "http://localhost:9"


@contextmanager
def nobody_answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for filler in waiting:  # fills the queue of connections, so that the next gets no answer at all
            filler.setblocking(False)
            filler.connect_ex(address)
        yield f"http://127.0.0.1:{address[1]}"
        for filler in waiting:
            filler.close()


@pytest.mark.parametrize(
    ("network", "code"),
    [
        (nothing_there, F.CONNECTION_REFUSED),
        (no_such_name, F.DNS_FAILED),
        (nobody_answers, F.CONNECT_TIMEOUT),
    ],
)
def test_a_network_without_a_way_is_told_in_words(
    network: Any, code: str, press: Press, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with network(monkeypatch) as settings.AWS_SANDBOX_URL:
        assert press(Limits(connect=0.3, read=1, total=10, attempts=1)).level == "error"
    assert [test.failed_step and test.failed_step["code"] for test in ConnectionTest.objects.all()] == [code]


def test_a_certificate_nobody_vouches_for_is_told_in_words(serve: ServeAws, certificate: Path, press: Press) -> None:
    wire = serve(scripted(), certificate)
    assert press(PATIENT).title == "The certificate shown for AWS is not valid"
    assert wire.requests == []


@pytest.mark.parametrize("endless_answer", [flood, flood_in_chunks, flood_of_headers])
def test_200_mb_are_not_read_into_memory(endless_answer: Answer, serve: ServeAws, press: Press) -> None:
    serve(only_at("ListSecrets", flood))
    press(PATIENT)  # loads what is loaded once
    ConnectionTest.objects.all().delete()
    serve(only_at("GetSecretValue", endless_answer))
    tracemalloc.start()
    press(PATIENT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32_000_000  # the page and the server's own megabytes included; allowed are 64 MB
