"""`manage.py test_connections`: what was not tested for a while is tested again."""

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from credentials.management.commands import test_connections as command
from credentials.models import ConnectionTest, Credential
from credentials.testing import TooManyTestsError, run_connection_test
from organizations.models import AuditEvent, Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import store_credential

pytestmark = pytest.mark.django_db


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
    assert run(capsys) == ("", 0)
    assert sandbox.calls == []
    sandbox.activate_key()
    Credential.objects.update(version=2)
    assert run(capsys) == ("acme/aws-prod: connected\n", 0)


def test_it_waits_where_a_limit_is_reached(
    aws_prod: Credential, sandbox: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int] = []
    answers = iter([TooManyTestsError(7)])

    def limited(credential: Credential, by: None) -> ConnectionTest:
        for refusal in answers:
            raise refusal
        return run_connection_test(credential, by)

    monkeypatch.setattr(command, "run_connection_test", limited)
    monkeypatch.setattr(command.time, "sleep", waited.append)
    assert run(capsys) == ("acme/aws-prod: connected\n", 0)
    assert waited == [7]


@pytest.mark.parametrize("text", ["", "24", "1w", "-1h", "h"])
def test_a_period_that_is_none_is_refused(text: str, db: None) -> None:
    with pytest.raises(CommandError, match="write a period as 30m, 24h or 7d"):
        call_command("test_connections", f"--stale={text}")
