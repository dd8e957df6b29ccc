"""`manage.py drift`: what it says, and what scripts learn from its exit code."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries

from envvars.management.commands.drift import _as_json, _as_text
from envvars.models import Automation
from envvars.services.deployments import deploy
from envvars.services.drift import check_drift
from organizations.models import Organization
from sandbox import seed
from sandbox.aws import Sandbox
from tests.envvars.commands import manage

pytestmark = pytest.mark.django_db


@pytest.fixture
def stale_crew(baked_crew: Automation, sandbox: Sandbox) -> Automation:
    """Deployed, and then one of its secrets was rotated."""
    deploy(baked_crew, None)
    sandbox.put_secret("database-credentials", '{"username": "crewai_app", "password": "another"}')
    return baked_crew


def drift(*arguments: str) -> str:
    out = StringIO()
    call_command("drift", *arguments, stdout=out)
    return out.getvalue()


def exit_code(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        call_command("drift", *arguments, stdout=StringIO())
    return ended.value.code


def test_it_names_what_is_stale_and_since_when(stale_crew: Automation) -> None:
    written = drift()
    since = stale_crew.deployments.get().stale_since
    assert since is not None
    assert written.splitlines() == [
        "acme/invoice-crew: deployment #1, 2 of 2 values stale",
        f"  DB_PASSWORD: stale since {since.isoformat(timespec='seconds')}",
        f"  DB_URL: stale since {since.isoformat(timespec='seconds')}",
    ]


def test_it_says_why_something_cannot_be_told(stale_crew: Automation, sandbox: Sandbox) -> None:
    sandbox.delete_secret(seed.OPENAI_KEY.name)
    assert "  DB_URL: cannot be told: " in drift("acme/invoice-crew")


def test_json_has_the_same_a_line_for_each_automation(stale_crew: Automation, sandbox: Sandbox) -> None:
    sandbox.delete_secret(seed.OPENAI_KEY.name)
    (line,) = drift("acme", "--json").splitlines()
    found = json.loads(line)
    assert (found["automation"], found["uuid"]) == ("acme/invoice-crew", str(stale_crew.uuid))
    assert (found["deployment"], found["compared"]) == (1, 2)
    assert set(found["stale"]) == {"DB_PASSWORD", "DB_URL"}
    assert list(found["unknown"]) == ["DB_URL"]


def test_what_is_said_of_an_automation_takes_no_query(
    stale_crew: Automation, acme: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    (found,) = check_drift(acme)
    with django_assert_num_queries(0):
        assert _as_text(found).startswith("acme/invoice-crew")
        assert "acme/invoice-crew" in _as_json(found)


def test_the_exit_code_tells_what_is_stale_only_if_it_is_asked_to(stale_crew: Automation) -> None:
    assert exit_code("--exit-code") == 1
    drift()


def test_the_exit_code_tells_what_is_not_known(baked_crew: Automation, sandbox: Sandbox) -> None:
    deploy(baked_crew, None)
    drift("--exit-code")
    sandbox.detach_policy()
    assert exit_code("--exit-code") == 3


def test_nothing_deployed_is_nothing_to_say(baked_crew: Automation) -> None:
    assert drift("--exit-code") == ""


@pytest.mark.parametrize("name", ["nowhere", "acme/nothing", "nowhere/invoice-crew"])
def test_an_unknown_name_is_refused(name: str, stale_crew: Automation) -> None:
    with pytest.raises(CommandError, match="There is no"):
        drift(name)


def test_another_organization_is_not_compared(stale_crew: Automation, umbrella: Organization) -> None:
    assert drift("umbrella") == ""


@pytest.mark.django_db(transaction=True)
def test_no_value_is_written_anywhere(stale_crew: Automation, sandbox: Sandbox) -> None:
    ended = manage(sandbox, "drift", "--json", "--exit-code")
    assert ended.returncode == 1
    assert "DB_PASSWORD" in ended.stdout
    for value in ("another", "made-up-database-password", seed.OPENAI_KEY.value, "debug"):
        assert value not in ended.stdout + ended.stderr
