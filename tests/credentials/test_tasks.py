"""The same tests in the background: what is asked of the broker, and what a worker does with it."""

from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import Retry
from django.utils import timezone

from credentials import tasks
from credentials.models import ConnectionTest, Credential
from credentials.testing import run_connection_test
from crewadmin.celery import app
from crewadmin.limits import TooManyError
from organizations.models import Organization, User
from sandbox.aws import Sandbox
from tests.builders import store_credential

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[int], float]]:
    """What would go to the broker: arguments, and seconds until the start."""
    found: list[tuple[list[int], float]] = []
    monkeypatch.setattr(tasks.retest, "apply_async", lambda arguments, countdown: found.append((arguments, countdown)))
    return found


def test_without_a_broker_the_work_is_done_at_once(aws_prod: Credential, sandbox: Sandbox) -> None:
    tasks.retest_due.delay()
    assert ConnectionTest.objects.get().ok
    assert ConnectionTest.objects.get().person_label == "command line"


def test_what_is_due_is_asked_for_by_id_and_spread_out(
    acme: Organization, alice: User, sandbox: Sandbox, asked: list[tuple[list[int], float]]
) -> None:
    credentials = [store_credential(acme, alice, f"aws-{number}") for number in range(20)]
    run_connection_test(credentials[0], alice)
    tasks.retest_due()
    assert sorted(arguments for arguments, _start in asked) == [[credential.pk] for credential in credentials[1:]]
    starts = {start for _arguments, start in asked}
    assert len(starts) == 19
    assert 0 <= min(starts) <= max(starts) <= 19 * 5


def test_nothing_waits_until_the_broker_hands_it_to_a_second_worker(
    acme: Organization,
    alice: User,
    settings: Any,
    asked: list[tuple[list[int], float]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = [store_credential(acme, alice, f"aws-{number}") for number in range(2)] * 1000
    monkeypatch.setattr(tasks, "due_credentials", lambda _stale: iter(many))
    tasks.retest_due()
    assert max(start for _arguments, start in asked) < settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]


def test_what_was_tested_meanwhile_is_not_tested_twice(aws_prod: Credential, alice: User, sandbox: Sandbox) -> None:
    run_connection_test(aws_prod, alice)
    sandbox.calls.clear()
    tasks.retest.delay(aws_prod.pk)
    assert sandbox.calls == []
    ConnectionTest.objects.update(created_at=timezone.now() - timedelta(hours=25))
    tasks.retest.delay(aws_prod.pk)
    assert sandbox.calls


def test_refused_keys_are_left_alone(aws_prod: Credential, alice: User, sandbox: Sandbox) -> None:
    sandbox.deactivate_key()
    run_connection_test(aws_prod, alice)
    ConnectionTest.objects.update(created_at=timezone.now() - timedelta(days=9))
    sandbox.calls.clear()
    tasks.retest_due.delay()
    tasks.retest.delay(aws_prod.pk)
    assert sandbox.calls == []


def test_a_credential_that_is_gone_is_no_error(aws_prod: Credential, sandbox: Sandbox) -> None:
    number = aws_prod.pk
    aws_prod.delete()
    tasks.retest(number)
    tasks.mail_change(4711)
    assert sandbox.calls == []


def test_where_a_limit_is_reached_it_is_tried_again_later(
    aws_prod: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    later: list[float] = []

    def full(*_arguments: Any) -> None:
        raise TooManyError(7)

    def retry(countdown: float) -> Retry:
        later.append(countdown)
        return Retry()

    monkeypatch.setattr(tasks, "run_connection_test", full)
    monkeypatch.setattr(tasks.retest, "retry", retry)
    with pytest.raises(Retry):
        tasks.retest(aws_prod.pk)
    assert 7 <= later[0] <= 12


def test_tasks_are_acknowledged_late_and_leave_no_result() -> None:
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    assert app.conf.task_ignore_result
    assert set(app.conf.accept_content) == {"json"}


def test_the_clock_asks_for_tasks_that_exist_every_hour() -> None:
    app.loader.import_default_modules()  # as a worker does
    for entry in app.conf.beat_schedule.values():
        assert entry["schedule"] == 3600
        assert entry["task"] in app.tasks
