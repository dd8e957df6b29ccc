"""Of what a provider answers, and of what was sent to it, nothing leaves a connection test: codes and identifiers do.

The provider here is the worst there is: every refusal repeats the whole request, signature, session token and External
ID included, and adds a canonical request and a secret's value.
"""

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from xml.sax.saxutils import escape

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from credentials import testing
from credentials.models import ConnectionTest, Credential
from organizations.models import AuditEvent, Organization, User
from sandbox import seed
from tests.builders import store_role_credential
from tests.canary.places import every_row
from tests.credentials.providers.aws.wire import GOOD, Request, Wire, http, json_error, sts_error
from tests.pages import html_of

pytestmark = pytest.mark.django_db(transaction=True)
RAW = "the provider's own sentence"
NEVER = {
    "raw text": RAW,
    "secret access key": seed.ROLE_ONLY.secret_access_key,
    "External ID": seed.EXTERNAL_ID,
    "session token": "session-token-canary",
    "session key": "session-secret-canary",
    "value": "value-canary",
    "signature": "Signature=",
    "signed request": "AWS4-HMAC-SHA256",
    "canonical request": "x-amz-content-sha256",
}
ACTIONS = ["GetCallerIdentity", "AssumeRole", "ListSecrets", "DescribeSecret", "GetSecretValue", "BatchGetSecretValue"]


def refusal(request: Request) -> bytes:
    """Every refusal that there is, with everything in it."""
    echo = f"{RAW}: {request.head} {request.body.decode()} x-amz-content-sha256:0 value-canary"
    if request.action in ("GetCallerIdentity", "AssumeRole"):
        return sts_error("AccessDenied", escape(echo), headers={"X-Echo": RAW})
    return json_error("AccessDeniedException", echo, headers={"X-Echo": RAW})


def page_of_a_proxy(request: Request) -> bytes:
    return http(200, f"<html>{RAW} {escape(request.head)} value-canary</html>")


class Places:
    """Where something could show up."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.pages: list[str] = []
        self._log = caplog

    def keep(self, response: Any) -> None:
        self.pages.append(html_of(response) + str(response.headers) + str(response.cookies))

    def all(self) -> dict[str, str]:
        logged = [f"{record.getMessage()} {record.args} {record.exc_text}" for record in self._log.records]
        return {
            "pages": "\n".join(self.pages),
            "logs": self._log.text + "\n".join(logged),
            "audit log": str(list(AuditEvent.objects.values())),
            "database": every_row(),
            "sessions": str([session.get_decoded() for session in Session.objects.all()]),
            "mails": "\n".join(f"{message.message()} {message.body}" for message in mail.outbox),
        }

    def found(self) -> list[tuple[str, str]]:
        places = self.all().items()
        return [(place, name) for place, text in places for name, secret in NEVER.items() if secret in text]


@pytest.fixture
def places(caplog: pytest.LogCaptureFixture) -> Iterator[Places]:
    with caplog.at_level(logging.DEBUG):
        yield Places(caplog)


@pytest.fixture
def credential(acme: Organization, alice: User) -> Credential:
    return store_role_credential(acme, alice)


@pytest.fixture
def client(alice: User, sign_in: Callable[[User], Client]) -> Client:
    client = sign_in(alice)
    client.raise_request_exception = False
    return client


def run_every_test(client: Client, credential: Credential, places: Places) -> None:
    """Test, try what is typed, check the External ID, and test by the command, with every page looked at."""

    def address(name: str) -> str:
        return reverse(name, args=[credential.organization.uuid, credential.uuid])

    typed = {
        "provider": "aws",
        "region": seed.REGION,
        "access_key_id": seed.ROLE_ONLY.access_key_id,
        "secret_access_key": seed.ROLE_ONLY.secret_access_key,
        "role_arn": seed.ROLE_ARN,
        "external_id": seed.EXTERNAL_ID,
    }
    ConnectionTest.objects.filter(credential=None).delete()
    places.keep(client.post(address("credential_test"), {"secret_name": "db"}, follow=True))
    places.keep(client.post(address("credential_test"), {"secret_name": "db"}, headers={"HX-Request": "true"}))
    places.keep(client.post(address("credential_edit_test"), typed))
    places.keep(client.post(address("credential_check_trust"), follow=True))
    ConnectionTest.objects.filter(credential=credential).delete()
    with suppress(SystemExit):
        call_command("test_connections", "--json")


@pytest.mark.parametrize("worst", [refusal, page_of_a_proxy])
@pytest.mark.parametrize("action", ACTIONS)
def test_nothing_raw_shows_up_anywhere(
    action: str,
    worst: Callable[[Request], bytes],
    credential: Credential,
    client: Client,
    places: Places,
    settings: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def answer(request: Request, _connection: socket.socket) -> bytes:
        return worst(request) if request.action == action else GOOD[request.action]

    with Wire(answer) as wire:
        settings.AWS_SANDBOX_URL = wire.url
        Credential.objects.update(told="healthy")
        run_every_test(client, credential, places)
    assert action in wire.actions
    logging.getLogger("any.other").debug("The root logger listens.")
    everything = places.all()
    assert all(everything[place] for place in ("pages", "logs", "audit log", "database"))
    assert places.found() == []
    printed = capsys.readouterr()
    assert '"name": "aws-role"' in printed.out
    assert [name for name, secret in NEVER.items() if secret in printed.out + printed.err] == []


def test_an_error_of_ours_in_the_middle_of_a_test_tells_nothing_to_anybody(
    credential: Credential, client: Client, places: Places, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error mail carries the traceback with every local variable: masked."""

    def broken(*_arguments: Any, **_more: Any) -> None:
        raise RuntimeError("The outcome could not be stored.")

    settings.ADMINS = [("root", "root@example.com")]
    monkeypatch.setattr(testing, "_finish", broken)
    with Wire(lambda request, _connection: refusal(request)) as wire:
        settings.AWS_SANDBOX_URL = wire.url
        address = reverse("credential_test", args=[credential.organization.uuid, credential.uuid])
        response = client.post(address, {"secret_name": "db"})
    places.keep(response)
    assert response.status_code == 500
    assert [message.to for message in mail.outbox] == [["root@example.com"]]
    assert "The outcome could not be stored." in places.all()["mails"]
    assert places.found() == []


def test_what_is_searched_for_would_be_found(credential: Credential, client: Client, places: Places) -> None:
    """So the tests above can fail."""
    logging.getLogger("any").debug("%s", RAW)
    mail.send_mail("x", seed.EXTERNAL_ID, None, ["a@example.com"])
    Credential.objects.update(name="value-canary")
    assert {("logs", "raw text"), ("mails", "External ID"), ("database", "value")} <= set(places.found())
