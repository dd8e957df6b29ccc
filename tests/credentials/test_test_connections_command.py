"""`manage.py test_connections`: what was not tested for a while is tested again."""

import json
import threading
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from credentials import health
from credentials.models import ConnectionTest, Credential
from credentials.testing import run_connection_test
from crewadmin.limits import TooManyError
from organizations.models import AuditEvent, Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import store_credential

pytestmark = pytest.mark.django_db(transaction=True)  # tests run in threads of their own


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the command would have waited; it does not."""
    waited: list[float] = []
    monkeypatch.setattr(health.time, "sleep", waited.append)
    return waited


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, int]:
    """Return what the command printed and its exit code."""
    code = 0
    try:
        call_command("test_connections", *arguments)
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    return capsys.readouterr().out, code


def age(hours: int) -> None:
    ConnectionTest.objects.update(created_at=timezone.now() - timedelta(hours=hours))


def test_what_was_never_tested_is_tested(
    aws_prod: Credential, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys) == ("acme/aws-prod: connected\n", 0)
    assert AuditEvent.objects.filter(action="credential:tested", actor_label="command line").exists()


def test_a_fresh_test_is_not_repeated_and_an_old_one_is(
    aws_prod: Credential, alice: User, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    run_connection_test(aws_prod, alice)
    assert run(capsys) == ("", 0)
    age(hours=2)
    assert run(capsys, "--stale", "3h") == ("", 0)
    assert run(capsys, "--stale", "30m") == ("acme/aws-prod: connected\n", 0)


def test_a_changed_credential_is_due_at_once(
    aws_prod: Credential, alice: User, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    run_connection_test(aws_prod, alice)
    Credential.objects.update(version=2)
    assert run(capsys)[0] == "acme/aws-prod: connected\n"


def test_the_exit_code_is_the_number_that_fail(
    acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    store_credential(acme, alice, "aws-stage")
    sandbox.detach_policy()
    printed, code = run(capsys, "--json")
    assert code == 2
    rows = [json.loads(line) for line in printed.splitlines()]
    assert {row["name"] for row in rows} == {"aws-prod", "aws-stage"}
    assert {(row["ok"], row["failure"]) for row in rows} == {(False, "list_denied")}
    assert seed.READER.secret_access_key not in printed


def test_refused_keys_are_left_alone_until_they_are_changed(
    aws_prod: Credential, alice: User, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.deactivate_key()
    run_connection_test(aws_prod, alice)
    age(hours=48)
    sandbox.calls.clear()
    assert run(capsys) == ("", 1)
    assert sandbox.calls == []
    sandbox.activate_key()
    Credential.objects.update(version=2)
    assert run(capsys) == ("acme/aws-prod: connected\n", 0)


def test_it_waits_where_a_limit_is_reached(
    aws_prod: Credential,
    sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    naps: list[float],
) -> None:
    answers = iter([TooManyError(7)])

    def limited(credential: Credential, by: None) -> ConnectionTest:
        for refusal in answers:
            raise refusal
        return run_connection_test(credential, by)

    monkeypatch.setattr(health, "run_connection_test", limited)
    assert run(capsys) == ("acme/aws-prod: connected\n", 0)
    assert naps == [7]


@pytest.mark.parametrize("at_once", [1, 3])
def test_at_most_as_many_run_at_once_as_asked_for(
    at_once: int,
    acme: Organization,
    alice: User,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lock, running, most = threading.Lock(), 0, 0
    together = threading.Barrier(at_once)

    def watched(credential: Credential, by: None) -> ConnectionTest:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(20)  # proves that so many do run at once
        with lock:
            running -= 1
        return ConnectionTest(organization=acme, credential=credential, ok=True)

    monkeypatch.setattr(health, "run_connection_test", watched)
    for number in range(6):
        store_credential(acme, alice, f"aws-{number}")
    printed, code = run(capsys, "--at-once", str(at_once))
    assert (len(printed.splitlines()), code, most) == (6, 0, at_once)


def test_starts_are_spread_out_and_not_in_step(
    acme: Organization, alice: User, sandbox: Sandbox, capsys: pytest.CaptureFixture[str], naps: list[float]
) -> None:
    for number in range(5):
        store_credential(acme, alice, f"aws-{number}")
    run(capsys, "--at-once", "1", "--pause", "8")
    assert len(naps) == len(set(naps)) == 4
    assert all(4 <= nap <= 12 for nap in naps)


@pytest.mark.parametrize("number", ["0", "-1", "21", "x", "", "\u0662"])
def test_a_number_of_tests_at_once_that_is_none_is_refused(number: str) -> None:
    with pytest.raises(CommandError, match="write a number from 1 to 20"):
        call_command("test_connections", f"--at-once={number}")


@pytest.mark.parametrize("pause", ["-1", "3601", "nan", "inf", "1e9"])
def test_a_pause_that_is_none_is_refused(pause: str) -> None:
    with pytest.raises(CommandError, match="write a number of seconds from 0 to 3600"):
        call_command("test_connections", f"--pause={pause}")


@pytest.mark.parametrize("text", ["", "24", "1w", "-1h", "h"])
def test_a_period_that_is_none_is_refused(text: str, db: None) -> None:
    with pytest.raises(CommandError, match="write a period as 30m, 24h or 7d"):
        call_command("test_connections", f"--stale={text}")
