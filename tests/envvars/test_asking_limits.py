"""Buttons that have vaults asked for a whole automation: not too often for one person, not too many at once."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from credentials import asking
from envvars.models import Automation
from envvars.services.deployments import deploy
from organizations.models import AuditEvent, User
from sandbox.aws import Sandbox
from tests.envvars.test_tokens import at
from tests.pages import toasts_of

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], Client]


@pytest.fixture(params=["automation_check", "automation_deploy", "automation_drift"])
def button(request: Any, baked_crew: Automation, sandbox: Sandbox) -> str:
    deploy(baked_crew, None)
    sandbox.calls.clear()
    return at(request.param, baked_crew)


@pytest.fixture
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is asked within one minute of the clock."""
    monkeypatch.setattr("crewadmin.limits.time", lambda: 1_800_000_018.0)


@pytest.fixture
def _taken(settings: Any) -> Iterator[None]:
    """Every place of the process is taken by somebody who waits for a vault."""
    places = range(settings.CONNECTION_TESTS_AT_ONCE)
    assert all(asking._slots.acquire(blocking=False) for _place in places)
    yield
    for _place in places:
        asking._slots.release()


@pytest.mark.usefixtures("_often")
def test_who_asks_too_often_waits_and_nobody_else_does(
    button: str, alice: User, bob: User, sign_in: SignIn, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PER_MINUTE", 2)
    client = sign_in(alice)
    for _time in range(2):
        client.post(button, follow=True)
    asked, events = len(sandbox.calls), AuditEvent.objects.count()
    assert asked > 0
    answer = client.post(button, follow=True)
    (toast,) = toasts_of(answer)
    assert (toast.level, toast.title) == ("warning", "Too many questions to vaults at once")
    assert toast.detail == "Try again in 42 seconds."
    assert (len(sandbox.calls), AuditEvent.objects.count()) == (asked, events)
    sign_in(bob).post(button)
    assert len(sandbox.calls) > asked


@pytest.mark.usefixtures("_taken")
def test_pages_keep_their_threads_while_vaults_are_slow(
    button: str, alice: User, sign_in: SignIn, sandbox: Sandbox
) -> None:
    answer = sign_in(alice).post(button, follow=True)
    (toast,) = toasts_of(answer)
    assert (toast.title, toast.detail) == ("Too many questions to vaults at once", "Try again in 5 seconds.")
    assert sandbox.calls == []
