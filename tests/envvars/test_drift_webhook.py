"""The webhook that tells of stale deployments: what is sent, to whom, and what happens if nobody takes it."""

import hashlib
import hmac
import json
import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from celery.exceptions import Retry
from pytest_django import DjangoAssertNumQueries

from envvars import tasks, webhook
from envvars.models import Automation, Deployment
from envvars.services.deployments import deploy
from envvars.services.drift import check_drift
from organizations.models import Organization
from sandbox import seed
from sandbox.aws import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "a-key-for-the-webhook"


class Receiver(ThreadingHTTPServer):
    """A program on this machine that takes documents, or does something else that programs do."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, Any, bytes]] = []
        self.status = 204
        self.wait = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks/drift"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, self.headers, body))
        time.sleep(self.server.wait)
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    server = Receiver()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.DRIFT_WEBHOOK_URL, settings.DRIFT_WEBHOOK_KEY = server.url, KEY
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def rotated_crew(baked_crew: Automation, sandbox: Sandbox) -> Automation:
    """Deployed, and then one of its secrets was rotated; nobody has noticed yet."""
    deploy(baked_crew, None)
    sandbox.put_secret("database-credentials", '{"username": "crewai_app", "password": "another"}')
    return baked_crew


def test_what_went_stale_is_told_once(
    rotated_crew: Automation, acme: Organization, receiver: Receiver, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://crewadmin.example"
    check_drift(acme)
    check_drift(acme)
    ((path, headers, body),) = receiver.received
    since = Deployment.objects.get().stale_since
    assert since is not None
    document = json.loads(body)
    assert [row.pop("stale_since")[:19] for row in document["variables"]] == [since.isoformat()[:19]] * 2
    assert document == {
        "event": "deployment.stale",
        "organization": "acme",
        "automation": {"uuid": str(rotated_crew.uuid), "name": "Invoice crew", "slug": "invoice-crew"},
        "deployment": 1,
        "variables": [{"key": "DB_PASSWORD"}, {"key": "DB_URL"}],
        "url": f"https://crewadmin.example/organizations/{acme.uuid}/automations/{rotated_crew.uuid}/",
    }
    assert (path, headers["Content-Type"]) == ("/hooks/drift", "application/json")


def test_the_document_takes_one_query_for_all_variables(
    rotated_crew: Automation, acme: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    check_drift(acme)
    deployment = Deployment.objects.select_related("automation", "organization").get()
    with django_assert_num_queries(1):
        assert len(json.loads(webhook.document_of(deployment))["variables"]) == 2


def test_it_is_signed(rotated_crew: Automation, acme: Organization, receiver: Receiver) -> None:
    check_drift(acme)
    ((_path, headers, body),) = receiver.received
    expected = hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-Crewadmin-Signature"] == f"sha256={expected}"


def test_no_value_is_sent(rotated_crew: Automation, acme: Organization, receiver: Receiver) -> None:
    check_drift(acme)
    ((_path, headers, body),) = receiver.received
    for value in ("another", "made-up-database-password", seed.OPENAI_KEY.value, "debug", KEY):
        assert value not in body.decode() + str(headers)


def test_another_variable_that_goes_stale_is_told_again(
    rotated_crew: Automation, acme: Organization, sandbox: Sandbox, receiver: Receiver
) -> None:
    deploy(rotated_crew, None)
    sandbox.put_secret(seed.OPENAI_KEY.name, "another")
    check_drift(acme)
    sandbox.put_secret("database-credentials", '{"username": "crewai_app", "password": "a third"}')
    check_drift(acme)
    told = [[row["key"] for row in json.loads(body)["variables"]] for _path, _headers, body in receiver.received]
    assert told == [["DB_URL"], ["DB_PASSWORD", "DB_URL"]]


def test_what_is_known_already_is_not_told_again_because_something_cannot_be_told(
    rotated_crew: Automation, acme: Organization, sandbox: Sandbox, receiver: Receiver
) -> None:
    check_drift(acme)
    sandbox.detach_policy()
    (drift,) = check_drift(acme)
    assert set(drift.stale) == set(drift.unknown) == {"DB_PASSWORD", "DB_URL"}
    assert len(receiver.received) == 1


def test_without_an_address_nothing_is_sent(
    rotated_crew: Automation, acme: Organization, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DRIFT_WEBHOOK_URL = ""
    monkeypatch.setattr(webhook, "send", lambda body: pytest.fail("it was sent"))
    check_drift(acme)


def test_a_redirect_is_not_followed_and_does_not_count(receiver: Receiver) -> None:
    receiver.status = 307
    with pytest.raises(webhook.NotDeliveredError, match="answered 307"):
        webhook.send(b"{}")
    assert len(receiver.received) == 1


def test_who_never_answers_is_not_waited_for(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_IN_ALL", 0.2)
    receiver.wait = 1
    started = time.monotonic()
    with pytest.raises(webhook.NotDeliveredError, match="no answer in time"):
        webhook.send(b"{}")
    assert time.monotonic() - started < 1
    (waiting,) = (thread for thread in threading.enumerate() if thread.name.startswith("webhook"))
    assert waiting.daemon, "nor when the process ends"


def test_a_host_that_is_not_there_is_named_by_kind_only(settings: Any) -> None:
    settings.DRIFT_WEBHOOK_URL, settings.DRIFT_WEBHOOK_KEY = "http://127.0.0.1:9/secret-path", KEY
    with pytest.raises(webhook.NotDeliveredError) as error:
        webhook.send(b"{}")
    assert "secret-path" not in str(error.value)


def test_what_is_not_taken_does_not_stop_the_comparison(
    rotated_crew: Automation, acme: Organization, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status = 500
    with caplog.at_level(logging.WARNING):
        (drift,) = check_drift(acme)
    assert set(drift.stale) == {"DB_PASSWORD", "DB_URL"}
    assert "The drift webhook was not delivered: answered 500" in caplog.text
    assert receiver.url not in caplog.text


def test_a_worker_tries_again_later_and_gives_up_in_the_end(
    rotated_crew: Automation, acme: Organization, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_drift(acme)
    deployment = Deployment.objects.get()
    receiver.status = 500
    later: list[int] = []
    monkeypatch.setattr(tasks.send_drift, "retry", lambda countdown: (later.append(countdown), Retry())[1])
    with pytest.raises(Retry):
        tasks.send_drift(deployment.pk)
    assert later == [30]
    tasks.send_drift.push_request(retries=4)
    tasks.send_drift.run(deployment.pk)
    tasks.send_drift.pop_request()


def test_what_was_replaced_or_deleted_meanwhile_is_not_told(
    rotated_crew: Automation, acme: Organization, receiver: Receiver
) -> None:
    check_drift(acme)
    receiver.received.clear()
    stale = Deployment.objects.get()
    deploy(rotated_crew, None)
    tasks.send_drift(stale.pk)
    tasks.send_drift(4711)
    assert receiver.received == []


def test_the_clock_compares_every_organization_that_has_something_deployed(
    rotated_crew: Automation, acme: Organization, umbrella: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[list[int], float]] = []
    monkeypatch.setattr(tasks.compare, "apply_async", lambda arguments, countdown: asked.append((arguments, countdown)))
    tasks.compare_all()
    ((arguments, countdown),) = asked
    assert arguments == [acme.pk]
    assert 0 <= countdown <= 30 * 60


def test_without_a_broker_the_comparison_is_done_at_once(rotated_crew: Automation) -> None:
    tasks.compare_all.delay()
    assert Deployment.objects.get().stale_since is not None


def test_an_organization_that_is_gone_is_no_error(db: None) -> None:
    tasks.compare(4711)
