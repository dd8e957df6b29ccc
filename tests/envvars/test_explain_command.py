"""`manage.py explain`: the hops on a terminal or as JSON, with an exit code, and never the value."""

import json
import re
from typing import Any

import jsonschema_rs
import pytest
from django.core.management import CommandError, call_command

from credentials.models import Credential
from credentials.testing import PER_MINUTE
from crewadmin.settings import BASE_DIR
from envvars.explaining import HopName
from envvars.models import Automation, EnvironmentVariable
from organizations.models import AuditEvent, Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import store_automation, store_direct, store_reference, store_role_credential
from tests.envvars.commands import manage

pytestmark = pytest.mark.django_db
SCHEMA = json.loads(re.findall(r"```json\n(.*?)```", (BASE_DIR / "docs/explain.md").read_text(), re.DOTALL)[0])


@pytest.fixture
def wanted(acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox) -> EnvironmentVariable:
    return store_reference(acme, "DB_PASSWORD", "database-credentials#password", automations=[crew])


def explained(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, int]:
    """Return what the command wrote and its exit code."""
    code = 0
    try:
        call_command("explain", *arguments, "--org", "acme")
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    return capsys.readouterr().out, code


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict[str, Any], int]:
    written, code = explained(capsys, *arguments, "--json")
    found = json.loads(written)
    jsonschema_rs.validator_for(SCHEMA).validate(found)
    return found, code


def test_every_hop_is_a_line(wanted: EnvironmentVariable, capsys: pytest.CaptureFixture[str]) -> None:
    written, code = explained(capsys, "DB_PASSWORD", "--automation", "invoice-crew")
    assert code == 0
    assert "passed  Automation: Invoice crew receives the variable.\n" in written
    assert "passed  Credential: aws-prod, the default since 20" in written
    assert re.search(r"passed  Settings and region: us-east-1 \(\d+ ms\)\n", written)
    assert re.search(r"passed  Account: 123456789012 \(\d+ ms\)\n", written)
    assert "skipped Role: Not needed: no Role ARN is set.\n" in written
    assert re.search(r"passed  Secret: database-credentials \(\d+ ms\)\n", written)
    assert f"passed  Version: {seed.DATABASE.version_id} · AWSCURRENT\n" in written
    assert written.endswith("DB_PASSWORD: The variable has a value.\n")
    assert "made-up-database-password" not in written


def test_the_hop_that_failed_says_what_to_do(
    acme: Organization, wanted: EnvironmentVariable, capsys: pytest.CaptureFixture[str]
) -> None:
    store_reference(acme, "MISTYPED", "database-credentials#pasword")
    written, code = explained(capsys, "MISTYPED")
    assert code == 1
    assert "failed  JSON key: JSON key not found in database-credentials (0 ms)\n" in written
    assert "        1. Perhaps “password” is meant.\n" in written
    assert "        2. Keys: options, password, port, username.\n" in written
    assert "skipped Value: Not tried, because an earlier step failed.\n" in written
    assert written.endswith("MISTYPED: JSON key not found in database-credentials.\n")


def test_a_variable_that_the_automation_does_not_receive_is_no_mystery(
    acme: Organization, wanted: EnvironmentVariable, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    store_automation(acme, "Other crew", "other-crew")
    found, code = as_json(capsys, "DB_PASSWORD", "--automation", "other-crew")
    assert (found["failure"], code) == ("not_assigned", 1)
    assert [hop["state"] for hop in found["hops"]] == ["failed"] + ["skipped"] * (len(HopName) - 1)
    assert sandbox.calls == []


def test_json_is_as_the_documents_say(
    acme: Organization, alice: User, wanted: EnvironmentVariable, capsys: pytest.CaptureFixture[str]
) -> None:
    found, code = as_json(capsys, "DB_PASSWORD", "--automation", "invoice-crew")
    assert (found["automation"], found["ok"], found["failure"], code) == ("invoice-crew", True, None, 0)
    assert [hop["hop"] for hop in found["hops"]] == list(HopName)
    role = store_role_credential(acme, alice)
    store_reference(acme, "URL", "${database-credentials#port}:${database-credentials#pasword}", role)
    found, code = as_json(capsys, "URL")
    assert (found["automation"], found["ok"], found["failure"], code) == (None, False, "key_missing", 1)
    (failed,) = [hop for hop in found["hops"] if hop["state"] == "failed"]
    assert (failed["hop"], failed["part"], failed["nearest"]) == ("key", 2, "password")
    store_direct(acme, "LOG_LEVEL", "made-up-direct-value")
    found, code = as_json(capsys, "LOG_LEVEL")
    assert ([hop["hop"] for hop in found["hops"]], code) == (["variable", "result"], 0)
    assert "made-up-direct-value" not in str(found)


def test_the_schema_would_notice() -> None:
    assert not jsonschema_rs.is_valid(SCHEMA, {"organization": "acme", "hops": [{"value": "x"}]})


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["DB_PASSWORD", "--org", "nobody"], "There is no organization of this short name."),
        (["NO_SUCH", "--org", "acme"], "The organization has no variable of this key."),
        (["THEIRS", "--org", "acme"], "The organization has no variable of this key."),
        (["DB_PASSWORD", "--org", "acme", "--automation", "no-such"], "no automation of this short name."),
        (["DB_PASSWORD", "--org", "acme", "--automation", "their-crew"], "no automation of this short name."),
    ],
)
def test_what_is_not_there_is_not_asked_for(
    arguments: list[str], error: str, wanted: EnvironmentVariable, umbrella: Organization, sandbox: Sandbox
) -> None:
    store_direct(umbrella, "THEIRS", "x", [store_automation(umbrella, "Their crew", "their-crew")])
    with pytest.raises(CommandError, match=re.escape(error)) as raised:
        call_command("explain", *arguments)
    assert raised.value.returncode == 2
    assert sandbox.calls == []


def test_it_keeps_to_the_limit_of_connection_tests(
    wanted: EnvironmentVariable, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    for _time in range(PER_MINUTE):
        assert explained(capsys, "DB_PASSWORD")[1] == 0
    calls = len(sandbox.calls)
    with pytest.raises(CommandError, match="Try again in") as raised:
        call_command("explain", "DB_PASSWORD", "--org", "acme")
    assert raised.value.returncode == 3
    assert len(sandbox.calls) == calls


def test_names_from_a_vault_cannot_command_the_terminal(
    acme: Organization, wanted: EnvironmentVariable, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.put_secret("odd", '{"\\u001b[2Jgone": "x"}')
    store_reference(acme, "ODD", "odd#key")
    assert "\x1b" not in explained(capsys, "ODD")[0]


@pytest.mark.django_db(transaction=True)
def test_it_is_a_command_of_its_own(wanted: EnvironmentVariable, acme: Organization, sandbox: Sandbox) -> None:
    store_reference(acme, "NO_SECRET", "no/such-secret")
    good, bad = manage(sandbox, "explain", "DB_PASSWORD", "--org", "acme"), None
    assert (good.returncode, good.stderr) == (0, "")
    bad = manage(sandbox, "explain", "NO_SECRET", "--org", "acme")
    assert (bad.returncode, bad.stderr) == (1, "")
    assert "Secret not found: no/such-secret" in bad.stdout
    assert manage(sandbox, "explain", "DB_PASSWORD").returncode == 2
    assert "made-up-database-password" not in good.stdout + bad.stdout
    events = AuditEvent.objects.filter(action="variable:traced", actor_label="command line")
    assert events.count() == 2
